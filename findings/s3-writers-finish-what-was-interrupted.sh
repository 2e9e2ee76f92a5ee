#!/usr/bin/env bash
# Writing an object inside `with`, where the program fails in the middle: what is there afterwards, by five libraries.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('smart-open[s3]==9.0.2' 's3fs==2026.9.0' 'pyarrow==26.0.1' 'obstore==0.12.1' 'cloudpathlib[s3]==0.26.0' 'moto[s3,server]==5.2.5')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' smart_open s3fs pyarrow obstore cloudpathlib moto boto3
port=$("$tmp/venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
"$tmp/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)
cd "$tmp"
cat >expected <<'END'
smart_open, 1000 bytes: no object
smart_open, 12582912 bytes: no object
obstore, 1000 bytes: no object
obstore, 12582912 bytes: no object
s3fs, 1000 bytes: an object of 1000 bytes
s3fs, 12582912 bytes: an object of 12582912 bytes
pyarrow, 1000 bytes: an object of 1000 bytes
pyarrow, 12582912 bytes: an object of 12582912 bytes
cloudpathlib, 1000 bytes: an object of 1000 bytes
cloudpathlib, 12582912 bytes: an object of 12582912 bytes
END
AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
  venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time

import boto3
import obstore
import s3fs
import smart_open
from botocore.exceptions import BotoCoreError, ClientError
from cloudpathlib import S3Client
from obstore.store import S3Store
from pyarrow import fs

url = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=url)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
keys = {"access_key": "any", "secret_key": "any"}
arrow = fs.S3FileSystem(**keys, region="us-east-1", scheme="http", endpoint_override=url.removeprefix("http://"))
store = S3Store("finding", endpoint=url, region="us-east-1", client_options={"allow_http": True})
spec, paths = s3fs.S3FileSystem(endpoint_url=url), S3Client(endpoint_url=url)
OPENERS = {
    "smart_open": lambda key: smart_open.open(f"s3://finding/{key}", "wb", transport_params={"client": s3}),
    "obstore": lambda key: obstore.open_writer(store, key),
    "s3fs": lambda key: spec.open(f"finding/{key}", "wb"),
    "pyarrow": lambda key: arrow.open_output_stream(f"finding/{key}"),
    "cloudpathlib": lambda key: paths.CloudPath(f"s3://finding/{key}").open("wb"),
}


class Failed(Exception):
    """The program's own, in the middle of writing."""


for name, opener in OPENERS.items():
    for size in (1000, 12 * 2**20):
        key = f"{name}-{size}.bin"
        try:
            with opener(key) as file:
                file.write(bytes(size))
                raise Failed
        except Failed:
            pass
        try:
            said = f"an object of {s3.head_object(Bucket='finding', Key=key)['ContentLength']} bytes"
        except ClientError:
            said = "no object"
        print(f"{name}, {size} bytes: {said}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
