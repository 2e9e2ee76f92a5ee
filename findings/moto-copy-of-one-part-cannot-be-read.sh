#!/usr/bin/env bash
# An object that boto3 has sent in one part, copied within the store, and fetched.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
sent: 8388608 bytes in 1 part
fetched: as it was sent
its copy: FlexibleChecksumError
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


CONTENT = bytes(range(256)) * 32768
with open("file", "wb") as file:
    file.write(CONTENT)
s3.upload_file("file", "finding", "sent")  # 8 MiB: boto3 begins to send in parts there
n_parts = s3.head_object(Bucket="finding", Key="sent")["ETag"].strip('"').partition("-")[2]
print(f"sent: {len(CONTENT)} bytes in {n_parts} part")
s3.copy_object(Bucket="finding", Key="copied", CopySource="finding/sent")
for told, key in (("fetched", "sent"), ("its copy", "copied")):
    try:
        body = s3.get_object(Bucket="finding", Key=key)["Body"].read()
        print(f"{told}: {'as it was sent' if body == CONTENT else 'otherwise than it was sent'}")
    except Exception as error:
        print(f"{told}: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
