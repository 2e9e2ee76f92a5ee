#!/usr/bin/env bash
# UploadPartCopy with a range that goes beyond the end of its source.
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
bytes 0-99 of 10: copied as a part of 10 bytes
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


s3.put_object(Bucket="finding", Key="ten", Body=b"0123456789")
where = {"Bucket": "finding", "Key": "parts"}
where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
try:
    s3.upload_part_copy(PartNumber=1, CopySource="finding/ten", CopySourceRange="bytes=0-99", **where)
    print(f"bytes 0-99 of 10: copied as a part of {s3.list_parts(**where)['Parts'][0]['Size']} bytes")
except ClientError as error:
    print("bytes 0-99 of 10:", error.response["Error"]["Code"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
