#!/usr/bin/env bash
# An object that is replaced while it is read: the first and the last byte, as five libraries read them.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('smart-open[s3]==9.0.2' 's3fs==2026.9.0' 'pyarrow==26.0.1' 'obstore==0.12.1' 'moto[s3,server]==5.2.5')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' smart_open s3fs pyarrow obstore boto3 moto
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
smart_open: begins with b'a', ends with b'b'
pyarrow: begins with b'a', ends with b'b'
obstore: begins with b'a', ends with b'b'
s3fs: begins with b'a', FileExpired
boto3 download_file: S3DownloadFailedError
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
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


import os

os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
import obstore
import s3fs
import smart_open
from boto3.s3.transfer import TransferConfig
from obstore.store import S3Store
from pyarrow import fs

SIZE = 40 * 2**20
keys = {"access_key": "any", "secret_key": "any"}
arrow = fs.S3FileSystem(**keys, region="us-east-1", scheme="http", endpoint_override=sys.argv[1].removeprefix("http://"))
store = S3Store("finding", endpoint=sys.argv[1], region="us-east-1", client_options={"allow_http": True})
spec = s3fs.S3FileSystem(endpoint_url=sys.argv[1])
OPENERS = {
    "smart_open": lambda: smart_open.open("s3://finding/object", "rb", transport_params={"client": s3}),
    "pyarrow": lambda: arrow.open_input_file("finding/object"),
    "obstore": lambda: obstore.open_reader(store, "object"),
    "s3fs": lambda: spec.open("finding/object", "rb", block_size=5 * 2**20),
}


def put(byte):
    s3.put_object(Bucket="finding", Key="object", Body=byte * SIZE)


def replace(_):
    if s3.head_object(Bucket="finding", Key="object")["ETag"] == first:
        put(b"b")


for name, opener in OPENERS.items():
    put(b"a")
    file = opener()
    begin = bytes(file.read(1))
    put(b"b")
    try:
        file.seek(SIZE - 1)
        print(f"{name}: begins with {begin}, ends with {bytes(file.read(1))}")
    except Exception as error:
        print(f"{name}: begins with {begin}, {type(error).__name__}")
put(b"a")
first = s3.head_object(Bucket="finding", Key="object")["ETag"]
try:
    s3.download_file("finding", "object", "copy", Callback=replace, Config=TransferConfig(use_threads=False))
    print("boto3 download_file: done")
except Exception as error:
    print(f"boto3 download_file: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
