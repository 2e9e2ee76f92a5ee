#!/usr/bin/env bash
# The key data/ beside the key data, and a key with //.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'obstore==0.12.1' 'moto[s3,server]==5.2.5' 'boto3==1.44.8'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'obstore==0.12.1' 'moto[s3,server]==5.2.5' 'boto3==1.44.8'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' obstore moto boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
"$tmp/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)
cd "$tmp"
cat >expected <<'END'
in the bucket:     ['data', 'data/', 'data/1.csv']
list:              ['data', 'data', 'data/1.csv']
get("data/"):      b'content of data'
delete("data/"):   ['data/', 'data/1.csv'] are left
list, a // in one: InvalidPathError
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
import obstore
from obstore.store import S3Store

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


put("data", "data/", "data/1.csv")
store = S3Store(
    "finding",
    endpoint=sys.argv[1],
    region="us-east-1",
    access_key_id="any",
    secret_access_key="any",
    client_options={"allow_http": True},
    virtual_hosted_style_request=False,
)
print("in the bucket:    ", keys())
print("list:             ", [entry["path"] for entry in obstore.list(store).collect()])
print('get("data/"):     ', bytes(obstore.get(store, "data/").bytes()))
obstore.delete(store, "data/")
print('delete("data/"):  ', keys(), "are left")
put("data//2.csv")
try:
    print("list:             ", [entry["path"] for entry in obstore.list(store).collect()])
except Exception as error:
    print("list, a // in one:", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
