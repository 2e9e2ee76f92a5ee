#!/usr/bin/env bash
# What stands beside an object's content, where it is written again, sent in parts or copied.
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
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" venv/bin/ministack >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
PutObject with all: text/csv, {'made-by': 'lab'}, tags ['status']
PutObject of other content over it, with nothing: application/octet-stream, {}, tags ['status']
in parts, with all: text/csv, {'made-by': 'lab'}, tags []
a copy with MetadataDirective=REPLACE and no type: text/csv, {'copied-by': 'us'}, tags ['status']
PutObject with nothing, after the one with all was deleted: application/octet-stream, {}, tags []
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


def seen(key):
    told = s3.head_object(Bucket="finding", Key=key)
    tags = s3.get_object_tagging(Bucket="finding", Key=key)["TagSet"]
    return f"{told['ContentType']}, {told['Metadata']}, tags {sorted(tag['Key'] for tag in tags)}"


as_csv = {"ContentType": "text/csv", "Metadata": {"made-by": "lab"}, "Tagging": "status=checked"}
s3.put_object(Bucket="finding", Key="a.csv", Body=b"a", **as_csv)
print("PutObject with all:", seen("a.csv"))
s3.put_object(Bucket="finding", Key="a.csv", Body=b"b")
print("PutObject of other content over it, with nothing:", seen("a.csv"))
upload_id = s3.create_multipart_upload(Bucket="finding", Key="b.csv", **as_csv)["UploadId"]
part = s3.upload_part(Bucket="finding", Key="b.csv", UploadId=upload_id, PartNumber=1, Body=b"a")
named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
s3.complete_multipart_upload(Bucket="finding", Key="b.csv", UploadId=upload_id, MultipartUpload=named)
print("in parts, with all:", seen("b.csv"))
s3.put_object(Bucket="finding", Key="c.csv", Body=b"a", **as_csv)
s3.copy_object(
    Bucket="finding", Key="d", CopySource="finding/c.csv", MetadataDirective="REPLACE", Metadata={"copied-by": "us"}
)
print("a copy with MetadataDirective=REPLACE and no type:", seen("d"))
s3.delete_object(Bucket="finding", Key="c.csv")
s3.put_object(Bucket="finding", Key="c.csv", Body=b"new")
print("PutObject with nothing, after the one with all was deleted:", seen("c.csv"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
