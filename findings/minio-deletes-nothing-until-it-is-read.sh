#!/usr/bin/env bash
# Objects deleted, and ranges read, by the client of MinIO.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('minio==7.2.20' 'moto[server]==5.2.5' 'boto3==1.43.117')
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
after remove_objects: ['first', 'second']
errors, read: []
after they were read: ['second']
3 bytes from 2 on: b'234'
0 bytes from 2 on: b'23456789'
0 bytes from 0 on: b'0123456789'
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import io
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




from minio import Minio
from minio.deleteobjects import DeleteObject

client = Minio(
    endpoint=sys.argv[1].removeprefix("http://"),
    access_key="any",
    secret_key="any",
    secure=False,
    region="us-east-1",
)


def keys():
    return [each["Key"] for each in s3.list_objects_v2(Bucket="finding").get("Contents", [])]


for name in ("first", "second"):
    client.put_object(bucket_name="finding", object_name=name, data=io.BytesIO(b"0123456789"), length=10)
errors = client.remove_objects(bucket_name="finding", delete_object_list=[DeleteObject("first")])
print("after remove_objects:", keys())
print("errors, read:", list(errors))
print("after they were read:", keys())
for offset, length in ((2, 3), (2, 0), (0, 0)):
    with client.get_object(bucket_name="finding", object_name="second", offset=offset, length=length) as answer:
        print(f"{length} bytes from {offset} on:", answer.read())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
