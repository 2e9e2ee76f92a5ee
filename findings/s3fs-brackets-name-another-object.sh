#!/usr/bin/env bash
# Objects whose names have brackets, asked for by their names.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('s3fs==2026.9.0' 'moto[server]==5.2.5' 'boto3==1.43.106')
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
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
open: b'this is scan[1].csv'
cat: {'finding/scan1.csv': b'this is scan1.csv'}
get: [('scan1.csv', 'this is scan1.csv')]
mv leaves ['done/scan[1].csv/scan1.csv', 'scan[1].csv']
rm leaves ['scan[1].csv']
rm of wh?.csv leaves ['other.csv']
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time
from pathlib import Path

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
for _ in range(240):  # until it answers
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


import s3fs

store = s3fs.S3FileSystem(endpoint_url=sys.argv[1], key="any", secret="any", use_listings_cache=False)


def keys():
    return [each["Key"] for each in s3.list_objects_v2(Bucket="finding").get("Contents", [])]


def fill(*names):
    for key in keys():
        s3.delete_object(Bucket="finding", Key=key)
    for name in names:
        s3.put_object(Bucket="finding", Key=name, Body=f"this is {name}".encode())


fill("scan1.csv", "scan[1].csv")
print("open:", store.open("finding/scan[1].csv").read())
print("cat:", store.cat("finding/scan[1].csv"))
store.get("finding/scan[1].csv", "fetched/")
print("get:", [(each.name, each.read_text()) for each in Path("fetched").iterdir()])
store.mv("finding/scan[1].csv", "finding/done/scan[1].csv")
print("mv leaves", keys())
fill("scan1.csv", "scan[1].csv")
store.rm("finding/scan[1].csv")
print("rm leaves", keys())
fill("why.csv", "wh?.csv", "other.csv")
store.rm("finding/wh?.csv")
print("rm of wh?.csv leaves", keys())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
