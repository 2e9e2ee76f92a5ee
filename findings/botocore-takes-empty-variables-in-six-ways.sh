#!/usr/bin/env bash
# One set-up of the AWS tools in files, and one variable after the other set to nothing, as CI does for a secret that is not there.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('boto3==1.43.117' 'botocore==1.43.127')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' boto3 botocore
cat >config <<'END'
[default]
region = eu-west-2
END
cat >credentials <<'END'
[default]
aws_access_key_id = AKIDOFFILE
aws_secret_access_key = of-file
END
cat >expected <<'END'
nothing is set: eu-west-2, https://s3.eu-west-2.amazonaws.com, keys of AKIDOFFILE
AWS_ENDPOINT_URL: eu-west-2, https://s3.eu-west-2.amazonaws.com, keys of AKIDOFFILE
AWS_ACCESS_KEY_ID: eu-west-2, https://s3.eu-west-2.amazonaws.com, keys of AKIDOFFILE
AWS_SHARED_CREDENTIALS_FILE: eu-west-2, https://s3.eu-west-2.amazonaws.com, keys of nobody
AWS_DEFAULT_REGION: ValueError
AWS_PROFILE: ProfileNotFound
AWS_MAX_ATTEMPTS: ValueError
AWS_RETRY_MODE: InvalidRetryModeError
AWS_DEFAULT_REGION, with an endpoint: '', http://127.0.0.1:9, keys of AKIDOFFILE, signed for ''
END
venv/bin/python - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os

import boto3
from botocore.awsrequest import AWSResponse

for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ |= {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_EC2_METADATA_DISABLED": "true"}
before = dict(os.environ)


def tried(what, **given):
    os.environ.update(given)
    try:
        session = boto3.Session()
        s3 = session.client("s3")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")
    else:
        keys = session.get_credentials()
        said = f"{what}: {session.region_name or repr(session.region_name)}, {s3.meta.endpoint_url}"
        print(f"{said}, keys of {keys.access_key if keys else 'nobody'}", end="")
        if "AWS_ENDPOINT_URL" in given and given["AWS_ENDPOINT_URL"]:
            sent = []
            s3.meta.events.register("before-send", lambda request, **_: sent.append(request) or AWSResponse("", 200, {}, None))
            try:
                s3.head_bucket(Bucket="bucket")
            except Exception:
                pass  # of the answer that was made up
            scope = sent[0].headers["Authorization"]
            scope = scope.decode() if isinstance(scope, bytes) else scope
            print(f", signed for {scope.split('Credential=')[1].split('/')[2]!r}", end="")
        print()
    os.environ.clear()
    os.environ.update(before)


tried("nothing is set")
for name in (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
):
    tried(name, **{name: ""})
tried("AWS_DEFAULT_REGION, with an endpoint", AWS_DEFAULT_REGION="", AWS_ENDPOINT_URL="http://127.0.0.1:9")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
