#!/usr/bin/env bash
# Pages of both listings, with folders.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[server]==5.2.5' 'boto3==1.43.117')
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
ListObjectsV2:
  ['a-1', 'a-2']
  ['c', 'b/']
  ['x', 'd/']
ListObjects:
  ['a-1', 'a-2', 'b/', 'd/']
  ['c', 'x', 'b/', 'd/']
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
for _ in range(240):  # until it answers
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


for key in ("a-1", "a-2", "b/1", "b/2", "b/c/3", "c", "d/1", "x"):
    s3.put_object(Bucket="finding", Key=key, Body=b"")


def pages(ask, token, asked):
    more = {}
    while True:
        page = ask(Bucket="finding", Delimiter="/", MaxKeys=2, **more)
        yield [each["Key"] for each in page.get("Contents", [])] + [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            return
        more = {asked: page[token]}


print("ListObjectsV2:", *pages(s3.list_objects_v2, "NextContinuationToken", "ContinuationToken"), sep="\n  ")
print("ListObjects:", *pages(s3.list_objects, "NextMarker", "Marker"), sep="\n  ")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
