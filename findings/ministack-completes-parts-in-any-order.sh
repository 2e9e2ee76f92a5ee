#!/usr/bin/env bash
# Complete with parts in another order, too small, or none.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port venv/bin/ministack >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
parts 2, 1: done, b'ab'
two parts of one byte: done, b'ab'
no parts: done, b''
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


def completed(key, order):
    where = {"Bucket": "finding", "Key": key}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    parts = {n: s3.upload_part(PartNumber=n, Body=b" ab"[n : n + 1], **where)["ETag"] for n in (1, 2)}
    listed = {"Parts": [{"PartNumber": n, "ETag": parts[n]} for n in order]}
    try:
        s3.complete_multipart_upload(MultipartUpload=listed, **where)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return f"done, {s3.get_object(Bucket='finding', Key=key)['Body'].read()}"


print("parts 2, 1:", completed("order", [2, 1]))
print("two parts of one byte:", completed("small", [1, 2]))
print("no parts:", completed("none", []))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
