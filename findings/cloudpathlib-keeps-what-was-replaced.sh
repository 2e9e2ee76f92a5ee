#!/usr/bin/env bash
# Objects that are replaced within the second in which they were made, and names with two slashes, for cloudpathlib.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('cloudpathlib==0.26.0' 'moto[s3,server]==5.2.5' 'boto3==1.44.8')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' cloudpathlib moto boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
replaced within a second: old is read, and old a second later, of 8 bytes
replaced later: replaced is read, and replaced a second later, of 8 bytes
appended while another replaces it within a second: done, and the object is 'old ours'
appended while another replaces it later: done, and the object is 'old ours'
run//1.csv is listed as s3://landing/run/1.csv which is there: False
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cloudpathlib import S3Client, S3Path
from cloudpathlib.exceptions import OverwriteNewerCloudError

os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
place = f"http://127.0.0.1:{sys.argv[1]}"
s3 = boto3.client("s3", endpoint_url=place)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="landing")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
client = S3Client(endpoint_url=place)


def put(key, body):
    s3.put_object(Bucket="landing", Key=key, Body=body)
    return s3.head_object(Bucket="landing", Key=key)["LastModified"]


def content(key):
    return s3.get_object(Bucket="landing", Key=key)["Body"].read().decode()


def path(key):
    return S3Path(f"s3://landing/{key}", client=client)


def tried(words, run, seconds_between):
    """Again until both were made within one second, or not, as it is to be."""
    for number in range(100):
        key = f"{words.replace(' ', '-')}-{number}"
        time.sleep(1.02 - time.time() % 1)
        made, result = run(key, seconds_between)
        if (made[0] == made[1]) == (seconds_between == 0):
            print(f"{words}: {result}")
            return


def read(key, seconds):
    first = put(key, b"old")
    path(key).read_text()
    time.sleep(seconds)
    second = put(key, b"replaced")
    soon, size = path(key).read_text(), path(key).stat().st_size
    time.sleep(1.2)
    return (first, second), f"{soon} is read, and {path(key).read_text()} a second later, of {size} bytes"


def append(key, seconds):
    first = put(key, b"old ")
    try:
        with path(key).open("a") as file:
            time.sleep(seconds)
            second = put(key, b"another's ")
            file.write("ours")
        said = "done"
    except OverwriteNewerCloudError:
        said = "refused"
    return (first, second), f"{said}, and the object is {content(key)!r}"


tried("replaced within a second", read, 0)
tried("replaced later", read, 1.1)
tried("appended while another replaces it within a second", append, 0)
tried("appended while another replaces it later", append, 1.1)
put("run//1.csv", b"x")
found = [str(one) for one in path("run").rglob("*.csv")]
print("run//1.csv is listed as", *found, "which is there:", path("run/1.csv").exists())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
