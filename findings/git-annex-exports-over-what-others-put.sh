#!/usr/bin/env bash
# A tree that git-annex exports into a bucket in which another has replaced some of its objects.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
packages=('git-annex==10.20261026' 'moto[s3,server]==5.2.5' 'boto3==1.44.8')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' git-annex moto boto3
git --version
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
five files: exit 0
  1.csv: 11111111, 1000 bytes
  2.csv: 22222222, 1000 bytes
  3.csv: 33333333, 1000 bytes
  4-again.csv: 44444444, 1000 bytes
  4.csv: 44444444, 1000 bytes
fsck --fast finds wrong: none
fsck finds wrong: 1.csv 2.csv 3.csv
nothing has changed here: exit 0
  1.csv: another, 7 bytes
  2.csv: another, 7 bytes
  3.csv: another, 7 bytes
  4-again.csv: 44444444, 1000 bytes
  4.csv: another, 7 bytes
1 is changed, 2 renamed and 3 deleted here: exit 0
  1.csv: !!!!!!!!, 1000 bytes
  2-renamed.csv: another, 7 bytes
  4-again.csv: 44444444, 1000 bytes
  4.csv: another, 7 bytes
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import os
import subprocess
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

port = sys.argv[1]
os.environ |= {"PATH": os.path.abspath("venv/bin") + ":" + os.environ["PATH"], "HOME": os.path.abspath("."), "GIT_CONFIG_NOSYSTEM": "1"}
os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest"}
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
for _ in range(120):
    try:
        s3.list_buckets()
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def git(*words):
    return subprocess.run(["git", *words], capture_output=True, text=True)


os.mkdir("set")
os.chdir("set")
git("init", "-q", "-b", "main")
for name, value in {"user.name": "N. N.", "user.email": "n@example.org", "annex.security.allowed-ip-addresses": "all"}.items():
    git("config", name, value)
git("annex", "init", "-q", "here")
remote = {"type": "S3", "encryption": "none", "host": "127.0.0.1", "port": port, "protocol": "http", "requeststyle": "path", "signature": "v4", "region": "us-east-1", "bucket": "published", "exporttree": "yes"}
made = git("annex", "initremote", "public", *(f"{name}={value}" for name, value in remote.items()))
assert made.returncode == 0, made.stderr


def export(words):
    git("annex", "add", ".")
    git("commit", "-q", "-a", "-m", words)
    ended = git("annex", "export", "main", "--to", "public")
    print(f"{words}: exit {ended.returncode}")
    for one in s3.list_objects_v2(Bucket="published").get("Contents", []):
        print(f"  {one['Key']}: {s3.get_object(Bucket='published', Key=one['Key'])['Body'].read(8).decode()}, {one['Size']} bytes")


def write(name, content):
    if os.path.lexists(name):
        os.remove(name)
    with open(name, "wb") as out:
        out.write(content * 1000)


for name in ("1.csv", "2.csv", "3.csv", "4.csv"):
    write(name, name[:1].encode())
write("4-again.csv", b"4")
export("five files")
for name in ("1.csv", "2.csv", "3.csv", "4.csv"):
    s3.put_object(Bucket="published", Key=name, Body=b"another")
for words, more in {"fsck --fast": ["--fast"], "fsck": []}.items():
    ended = git("annex", "fsck", "--from", "public", "--json", *more)
    bad = [line["file"] for line in map(json.loads, ended.stdout.splitlines()) if not line["success"]]
    print(f"{words} finds wrong:", *sorted(bad) or ["none"])
export("nothing has changed here")
write("1.csv", b"!")
git("mv", "2.csv", "2-renamed.csv")
git("rm", "-q", "3.csv")
export("1 is changed, 2 renamed and 3 deleted here")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
