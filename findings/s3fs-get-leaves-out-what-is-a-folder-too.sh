#!/usr/bin/env bash
# A key, and further keys below it, fetched with recursive=True.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 's3fs==2026.9.0' 'moto[s3,server]==5.2.5' 'boto3==1.43.117'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 's3fs==2026.9.0' 'moto[s3,server]==5.2.5' 'boto3==1.43.117'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' s3fs moto boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
"$tmp/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)
cd "$tmp"
cat >expected <<'END'
find: ['finding/in/log', 'finding/in/scan', 'finding/in/scan/1.csv']
got:  ['out/log', 'out/scan/1.csv']
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
import s3fs

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
s3 = boto3.client("s3", endpoint_url=sys.argv[1], config=Config(s3={"addressing_style": "path"}), **KEYS)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def put(*keys):
    for key in keys:
        s3.put_object(Bucket="finding", Key=key, Body=f"content of {key}".encode())


def keys():
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="finding").get("Contents", ())]


put("in/scan", "in/scan/1.csv", "in/log")
fs = s3fs.S3FileSystem(endpoint_url=sys.argv[1], key="any", secret="any", client_kwargs={"region_name": "us-east-1"})
print("find:", fs.find("finding/in"))
fs.get("finding/in", "out", recursive=True)
print("got: ", sorted(path.as_posix() for path in Path("out").rglob("*") if path.is_file()))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
