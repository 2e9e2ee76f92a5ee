#!/usr/bin/env bash
# Deleting on the condition that an object is the one that was seen.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,sqs,sns,events,server]==5.2.5' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
DeleteObject with If-Match that the object has not: PreconditionFailed; it is there
DeleteObjects with an ETag that the object has not: done; it is gone
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
for _ in range(240):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
    except (BotoCoreError, ClientError):
        pass
    try:
        s3.put_object(Bucket="finding", Key="up", Body=b"")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


OTHER = '"00000000000000000000000000000000"'
for told, delete in (
    ("DeleteObject with If-Match", lambda: s3.delete_object(Bucket="finding", Key="scan", IfMatch=OTHER)),
    (
        "DeleteObjects with an ETag",
        lambda: s3.delete_objects(Bucket="finding", Delete={"Objects": [{"Key": "scan", "ETag": OTHER}]}),
    ),
):
    s3.put_object(Bucket="finding", Key="scan", Body=b"the one of somebody else")
    try:
        said = [error["Code"] for error in delete().get("Errors", [])] or "done"
    except ClientError as error:
        said = error.response["Error"]["Code"]
    n = s3.list_objects_v2(Bucket="finding", Prefix="scan")["KeyCount"]
    print(f"{told} that the object has not: {said}; {'it is there' if n else 'it is gone'}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
