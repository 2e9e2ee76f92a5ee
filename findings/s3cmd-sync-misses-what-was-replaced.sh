#!/usr/bin/env bash
# What s3cmd sync takes for the same on both sides.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('s3cmd==2.4.0' 'moto[s3,server]==5.2.5' 'boto3==1.44.8')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' s3cmd moto boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
sync of two files and a link: exit 0, 2 moved
the same as here: {'large.bin': True, 'small.csv': True}
it tells of who sent it: uname gname uid atime True
sync, the small one replaced: exit 0, 1 moved
sync, the large one replaced in parts: exit 0, 0 moved
the same as here: {'large.bin': False, 'small.csv': True}
the other way: exit 0, 0 moved
the same as here: {'large.bin': False, 'small.csv': True}
sync from a folder that does not exist: exit 0, 0 moved
sync from a bucket that does not exist: exit 12, 0 moved
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import getpass
import os
import subprocess
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

port = sys.argv[1]
host = f"127.0.0.1:{port}"
s3 = boto3.client("s3", endpoint_url=f"http://{host}", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="testtest")
for _ in range(120):
    try:
        s3.create_bucket(Bucket="bucket")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
with open("config", "w") as out:
    out.write(f"[default]\naccess_key = test\nsecret_key = testtest\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\nmultipart_chunk_size_mb = 5\n")


def s3cmd(words, *arguments):
    ended = subprocess.run(["venv/bin/s3cmd", "-c", "config", "--no-progress", *arguments], capture_output=True, text=True)
    moved = sum(line.startswith(("upload:", "download:")) for line in ended.stdout.splitlines())
    print(f"{words}: exit {ended.returncode}, {moved} moved")


def in_parts(content):
    into = {"Bucket": "bucket", "Key": "set/large.bin"}
    into["UploadId"] = s3.create_multipart_upload(**into)["UploadId"]
    pieces = [content[: 5 << 20], content[5 << 20 :]]
    parts = [{"PartNumber": number, "ETag": s3.upload_part(**into, PartNumber=number, Body=piece)["ETag"]} for number, piece in enumerate(pieces, 1)]
    s3.complete_multipart_upload(**into, MultipartUpload={"Parts": parts})


def same():
    return {name: s3.get_object(Bucket="bucket", Key=f"set/{name}")["Body"].read() == open(f"set/{name}", "rb").read() for name in ("large.bin", "small.csv")}


os.mkdir("set")
for name, content in {"large.bin": b"a" * 6_000_000, "small.csv": b"a,b\n"}.items():
    with open(f"set/{name}", "wb") as out:
        out.write(content)
os.symlink("small.csv", "set/link.csv")
s3cmd("sync of two files and a link", "sync", "set/", "s3://bucket/set/")
print("the same as here:", same())
told = s3.head_object(Bucket="bucket", Key="set/small.csv")["Metadata"]["s3cmd-attrs"]
print("it tells of who sent it:", *(name for name in ("uname", "gname", "uid", "atime") if f"{name}:" in told), getpass.getuser() in told)
s3.put_object(Bucket="bucket", Key="set/small.csv", Body=b"c,d\n")
s3cmd("sync, the small one replaced", "sync", "set/", "s3://bucket/set/")
in_parts(b"b" * 6_000_000)
s3cmd("sync, the large one replaced in parts", "sync", "set/", "s3://bucket/set/")
print("the same as here:", same())
s3cmd("the other way", "sync", "s3://bucket/set/", "set/")
print("the same as here:", same())
s3cmd("sync from a folder that does not exist", "sync", "s3://bucket/nothing/", "other/")
s3cmd("sync from a bucket that does not exist", "sync", "s3://nothing-here/", "other/")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
