#!/usr/bin/env bash
# Pages of an upload's parts and of a bucket's uploads, and one part of an object.
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
parts 1, 3, 5 by two a page: [[1, 3]]
uploads a, b, c by one a page: [['a', 'b', 'c']]
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


where = {"Bucket": "finding", "Key": "parts"}
where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
for number in (1, 3, 5):
    s3.upload_part(PartNumber=number, Body=b"x", **where)
pages = s3.get_paginator("list_parts").paginate(PaginationConfig={"PageSize": 2}, **where)
print("parts 1, 3, 5 by two a page:", [[part["PartNumber"] for part in page["Parts"]] for page in pages])
s3.abort_multipart_upload(**where)
for key in "abc":
    s3.create_multipart_upload(Bucket="finding", Key=key)
pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket="finding", PaginationConfig={"PageSize": 1})
print("uploads a, b, c by one a page:", [[upload["Key"] for upload in page.get("Uploads", ())] for page in pages])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
