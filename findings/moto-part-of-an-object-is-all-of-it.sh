#!/usr/bin/env bash
# An object's parts, asked for by their numbers.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[server]==5.2.5' 'boto3==1.43.117')
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
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
HeadObject, part 1: 5242880 bytes, parts 2
GetObject, part 1: 200, 5242887 bytes, range None
HeadObject, part 2: 7 bytes, parts 2
GetObject, part 2: 200, 5242887 bytes, range None
parts of `one`, after a part was sent for `another` under its id: [1]
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
for _ in range(240):  # until it answers
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


MIB = 2**20
started = s3.create_multipart_upload(Bucket="finding", Key="large")["UploadId"]
parts = []
for number, content in ((1, bytes(5 * MIB)), (2, b"the end")):
    tag = s3.upload_part(Bucket="finding", Key="large", UploadId=started, PartNumber=number, Body=content)["ETag"]
    parts.append({"PartNumber": number, "ETag": tag})
s3.complete_multipart_upload(Bucket="finding", Key="large", UploadId=started, MultipartUpload={"Parts": parts})
for number in (1, 2):
    head = s3.head_object(Bucket="finding", Key="large", PartNumber=number)
    print(f"HeadObject, part {number}: {head['ContentLength']} bytes, parts {head.get('PartsCount')}")
    got = s3.get_object(Bucket="finding", Key="large", PartNumber=number)
    status = got["ResponseMetadata"]["HTTPStatusCode"]
    print(f"GetObject, part {number}: {status}, {len(got['Body'].read())} bytes, range {got.get('ContentRange')}")
started = s3.create_multipart_upload(Bucket="finding", Key="one")["UploadId"]
tag = s3.upload_part(Bucket="finding", Key="another", UploadId=started, PartNumber=1, Body=b"for another")["ETag"]
listed = s3.list_parts(Bucket="finding", Key="one", UploadId=started)["Parts"]
print("parts of `one`, after a part was sent for `another` under its id:", [each["PartNumber"] for each in listed])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
