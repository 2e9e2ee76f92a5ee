#!/usr/bin/env bash
# Which objects git-annex takes for copies when it drops what is here.
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
as-it-was-sent (its key says s100000): fsck --fast done, drop done, get done, here True
cut-to-5-bytes (its key says s100000): fsck --fast done, drop done, get refused, here False
of-no-bytes (its key says s100000): fsck --fast done, drop done, get refused, here False
of-other-bytes (its key says s100000): fsck --fast done, drop done, get refused, here False
deleted (its key says s100000): fsck --fast refused, drop refused, get done, here True
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import random
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


def ended(*words):
    return "done" if git("annex", *words).returncode == 0 else "refused"


os.mkdir("set")
os.chdir("set")
git("init", "-q", "-b", "main")
for name, value in {"user.name": "N. N.", "user.email": "n@example.org", "annex.security.allowed-ip-addresses": "all"}.items():
    git("config", name, value)
git("annex", "init", "-q", "here")
remote = {"type": "S3", "encryption": "none", "host": "127.0.0.1", "port": port, "protocol": "http", "requeststyle": "path", "signature": "v4", "region": "us-east-1", "bucket": "annex"}
made = git("annex", "initremote", "archive", *(f"{name}={value}" for name, value in remote.items()))
assert made.returncode == 0, made.stderr
changed = {"as-it-was-sent": None, "cut-to-5-bytes": b"x" * 5, "of-no-bytes": b"", "of-other-bytes": b"x" * 100_000, "deleted": None}
for name in changed:
    with open(name, "wb") as out:
        out.write(random.Random(name).randbytes(100_000))
git("annex", "add", ".")
git("commit", "-q", "-m", "made")
git("annex", "copy", "--to", "archive", ".")
for name, content in changed.items():
    key = os.path.basename(os.readlink(name))
    if content is not None:
        s3.put_object(Bucket="annex", Key=key, Body=content)
    if name == "deleted":
        s3.delete_object(Bucket="annex", Key=key)
    told = key.split("-")[1]
    fast, drop, get = ended("fsck", "--fast", "--from", "archive", name), ended("drop", name), ended("get", name)
    print(f"{name} (its key says {told}): fsck --fast {fast}, drop {drop}, get {get}, here {os.path.exists(name)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
