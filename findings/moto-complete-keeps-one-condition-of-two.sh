#!/usr/bin/env bash
# Conditions at the end of an upload in parts: which are kept?
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'moto[server]==5.2.5' 'boto3==1.44.8'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'moto[server]==5.2.5' 'boto3==1.44.8'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
cd "$tmp"
venv/bin/moto_server -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
If-None-Match on what is there: 412 PreconditionFailed
If-Match on another ETag: 200
If-Match on PutObject, for comparison: 412 PreconditionFailed
END
"$tmp/venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
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
    config=Config(
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def said(request, **arguments):
    try:
        return f"{request(Bucket='finding', **arguments)['ResponseMetadata']['HTTPStatusCode']}"
    except ClientError as error:
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"


WRONG = '"00000000000000000000000000000000"'
s3.put_object(Bucket="finding", Key="b", Body=b"old")
for what, condition in (
    ("If-None-Match on what is there", {"IfNoneMatch": "*"}),
    ("If-Match on another ETag", {"IfMatch": WRONG}),
):
    upload = s3.create_multipart_upload(Bucket="finding", Key="b")["UploadId"]
    etag = s3.upload_part(Bucket="finding", Key="b", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    print(f"{what}:", said(s3.complete_multipart_upload, Key="b", UploadId=upload, MultipartUpload=parts, **condition))
print("If-Match on PutObject, for comparison:", said(s3.put_object, Key="b", Body=b"y", IfMatch=WRONG))
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
