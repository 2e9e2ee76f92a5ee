#!/usr/bin/env bash
# Bringing an older version back by a copy, and retention that S3 refuses.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # LocalEmu 1.3 wants this one
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
packages=('localemu[runtime]==1.3.2' 'boto3==1.42.59')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' localemu boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
cat >serve.py <<'END'
import runpy

from twisted.internet import endpoints

made = endpoints.TCP4ServerEndpoint  # by itself it listens on every interface
endpoints.TCP4ServerEndpoint = lambda *given, **named: made(*given, **{**named, "interface": "127.0.0.1"})
runpy.run_module("localemu.runtime.main", run_name="__main__")
END
env GATEWAY_LISTEN=127.0.0.1:$port SERVICES=s3 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
  LOCALEMU_VOLUME_DIR="$tmp/volume" LOCALSTACK_VOLUME_DIR="$tmp/volume" venv/bin/python serve.py >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
an older version copied over the newer one: 400 InvalidRequest
a version copied over its delete marker: 400 InvalidRequest
the same with REPLACE: taken
PutObject kept until 2020: taken
PutObjectRetention until 2020: 400 InvalidArgument
PutObject kept until 2099, in a bucket without Object Lock: taken
and its DeleteObject: taken
a bucket's default of 0 days: taken
PutObject in that bucket: 500 InternalError
PutObject with 3,000 characters of metadata: taken
PutObject for another owner's bucket: taken
DeleteObjects with a wrong ETag: taken
objects left: 0
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="plain")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def said(words, request, **arguments):
    try:
        request(**arguments)
        print(words + ": taken")
    except ClientError as error:
        print(f"{words}: {error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}")


s3.create_bucket(Bucket="versions")
s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
good = s3.put_object(Bucket="versions", Key="table.csv", Body=b"good")["VersionId"]
s3.put_object(Bucket="versions", Key="table.csv", Body=b"damaged")
source = {"Bucket": "versions", "Key": "table.csv", "VersionId": good}
said("an older version copied over the newer one", s3.copy_object, Bucket="versions", Key="table.csv", CopySource=source)
s3.delete_object(Bucket="versions", Key="table.csv")
said("a version copied over its delete marker", s3.copy_object, Bucket="versions", Key="table.csv", CopySource=source)
said("the same with REPLACE", s3.copy_object, Bucket="versions", Key="table.csv", CopySource=source, MetadataDirective="REPLACE")

past = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.datetime(2020, 1, 1)}
later = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.datetime(2099, 1, 1)}
s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
said("PutObject kept until 2020", s3.put_object, Bucket="locked", Key="receipt", Body=b"x", **past)
said("PutObjectRetention until 2020", s3.put_object_retention, Bucket="locked", Key="receipt", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": datetime.datetime(2020, 1, 1)})
said("PutObject kept until 2099, in a bucket without Object Lock", s3.put_object, Bucket="plain", Key="receipt", Body=b"x", **later)
said("and its DeleteObject", s3.delete_object, Bucket="plain", Key="receipt")
rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 0}}}
said("a bucket's default of 0 days", s3.put_object_lock_configuration, Bucket="locked", ObjectLockConfiguration=rule)
said("PutObject in that bucket", s3.put_object, Bucket="locked", Key="next", Body=b"x")
said("PutObject with 3,000 characters of metadata", s3.put_object, Bucket="plain", Key="k", Body=b"x", Metadata={"a": "x" * 3000})
said("PutObject for another owner's bucket", s3.put_object, Bucket="plain", Key="k", Body=b"x", ExpectedBucketOwner="999999999999")
said("DeleteObjects with a wrong ETag", s3.delete_objects, Bucket="plain", Delete={"Objects": [{"Key": "k", "ETag": '"0123456789abcdef0123456789abcdef"'}]})
print("objects left:", s3.list_objects_v2(Bucket="plain").get("KeyCount"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
