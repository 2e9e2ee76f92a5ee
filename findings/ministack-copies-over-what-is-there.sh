#!/usr/bin/env bash
# Conditions of CopyObject, of PutObject and of Complete: which are kept?
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'ministack==1.5.33' 'boto3==1.43.106'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'ministack==1.5.33' 'boto3==1.43.106'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
cd "$tmp"
env BIND_HOST=127.0.0.1 GATEWAY_PORT=$port venv/bin/ministack >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
PutObject, If-None-Match on what is there: 412 PreconditionFailed
Complete, If-None-Match on what is there: 412 PreconditionFailed
CopyObject, x-amz-copy-source-if-match: 412 PreconditionFailed
CopyObject, If-None-Match on what is there: 200
CopyObject, If-Match on another ETag: 200
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
s3.put_object(Bucket="finding", Key="a", Body=b"new")
s3.put_object(Bucket="finding", Key="b", Body=b"old")
print("PutObject, If-None-Match on what is there:", said(s3.put_object, Key="b", Body=b"x", IfNoneMatch="*"))
upload = s3.create_multipart_upload(Bucket="finding", Key="b")["UploadId"]
etag = s3.upload_part(Bucket="finding", Key="b", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
answer = said(s3.complete_multipart_upload, Key="b", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")
print("Complete, If-None-Match on what is there:", answer)
copy = {"Key": "b", "CopySource": "finding/a"}
print("CopyObject, x-amz-copy-source-if-match:", said(s3.copy_object, **copy, CopySourceIfMatch=WRONG))
print("CopyObject, If-None-Match on what is there:", said(s3.copy_object, **copy, IfNoneMatch="*"))
print("CopyObject, If-Match on another ETag:", said(s3.copy_object, **copy, IfMatch=WRONG))
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
