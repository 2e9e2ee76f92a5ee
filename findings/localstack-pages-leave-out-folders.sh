#!/usr/bin/env bash
# Pages of a listing by folders, one of which has a name beyond ASCII, and a page of no keys.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # LocalStack 4.14 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
"$python" -m venv "$tmp/venv"
packages=('localstack-core[runtime]==4.14.0' 'boto3==1.42.54' 'cbor2==5.7.1' 'service-identity==24.2.0' pyopenssl)
if command -v uv >/dev/null; then
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' localstack-core boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 22000))')
cat >"$tmp/serve.py" <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localstack.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=s3 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALSTACK_VOLUME_DIR="$tmp/volume" "$tmp/venv/bin/python" "$tmp/serve.py" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
at once: b ö/ a/ z/
in pages of 1: a/ | b | z/
in pages of 2: b a/ | z/
in pages of 3: InternalError
MaxKeys=0: a/1 b z/1 ö/1 False
END
"$tmp/venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


for key in ("a/1", "b", "ö/1", "z/1"):
    s3.put_object(Bucket="finding", Key=key, Body=b"")


def names(page):
    folders = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
    return " ".join([each["Key"] for each in page.get("Contents", [])] + folders)


print("at once:", names(s3.list_objects_v2(Bucket="finding", Delimiter="/")))
for size in (1, 2, 3):
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="finding", Delimiter="/", PaginationConfig={"PageSize": size}
    )
    try:
        print(f"in pages of {size}:", " | ".join(names(page) for page in pages))
    except ClientError as error:
        print(f"in pages of {size}:", error.response["Error"]["Code"])
page = s3.list_objects_v2(Bucket="finding", MaxKeys=0)
print("MaxKeys=0:", names(page) or "nothing", page["IsTruncated"])
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
