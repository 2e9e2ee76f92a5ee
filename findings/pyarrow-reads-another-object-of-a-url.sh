#!/usr/bin/env bash
# One URL of S3, read by five libraries.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('pyarrow==26.0.1' 'pandas==3.1.1' 'polars==2.1.0' 'smart_open[s3]==9.0.2' 'cloudpathlib[s3]==0.26.0' 's3fs==2026.9.0' 'moto[server]==5.2.5' 'boto3==1.43.106')
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
s3://finding/a%20b.csv
  pandas: a%20b.csv
  Polars: a%20b.csv
  smart_open: a%20b.csv
  cloudpathlib: a%20b.csv
  PyArrow: a b.csv
s3://finding/run#2.csv
  pandas: run#2.csv
  Polars: run#2.csv
  smart_open: run#2.csv
  cloudpathlib: run#2.csv
  PyArrow: run
s3://finding/c%2Fd.csv
  pandas: c%2Fd.csv
  Polars: c%2Fd.csv
  smart_open: c%2Fd.csv
  cloudpathlib: c%2Fd.csv
  PyArrow: c/d.csv
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import os
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
for _ in range(240):  # until it answers
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


import cloudpathlib
import pandas
import polars
import pyarrow.fs
import smart_open

os.environ.update(AWS_ACCESS_KEY_ID="any", AWS_SECRET_ACCESS_KEY="any", AWS_REGION="us-east-1")
for name in ("a%20b.csv", "a b.csv", "run#2.csv", "run", "c%2Fd.csv", "c/d.csv"):
    s3.put_object(Bucket="finding", Key=name, Body=f"name\n{name}\n".encode())
fsspec = {"endpoint_url": sys.argv[1], "key": "any", "secret": "any"}
rust = {"aws_endpoint_url": sys.argv[1], "aws_allow_http": "true"}
client = cloudpathlib.S3Client(endpoint_url=sys.argv[1])


def of_pyarrow(url):
    told = f"endpoint_override={sys.argv[1].removeprefix('http://')}&scheme=http&region=us-east-1"
    start, sharp, rest = url.partition("#")  # the options stand before the fragment, as in every URL
    files, path = pyarrow.fs.FileSystem.from_uri(f"{start}?{told}{sharp}{rest}")
    return files.open_input_file(path).read().decode().split("\n")[1]


READERS = {
    "pandas": lambda url: pandas.read_csv(url, storage_options=fsspec).iloc[0, 0],
    "Polars": lambda url: polars.scan_csv(url, storage_options=rust).collect().item(),
    "smart_open": lambda url: smart_open.open(url, transport_params={"client": s3}).read().split("\n")[1],
    "cloudpathlib": lambda url: client.CloudPath(url).read_text().split("\n")[1],
    "PyArrow": of_pyarrow,
}
for name in ("a%20b.csv", "run#2.csv", "c%2Fd.csv"):
    print(f"s3://finding/{name}")
    for reader, read in READERS.items():
        print(f"  {reader}: {read(f's3://finding/{name}')}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
