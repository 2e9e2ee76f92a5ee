#!/usr/bin/env bash
# The conditions of GetObject and HeadObject.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'boto3==1.43.117')
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
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
the object's ETag: GetObject 200, HeadObject 200
another ETag: GetObject 412, HeadObject 412
If-Match: *: GetObject 412, HeadObject 412
If-None-Match: *: GetObject 200, HeadObject 200
one of two ETags: GetObject 412, HeadObject 412
none of two ETags: GetObject 200, HeadObject 200
the object's ETag, not modified since yesterday: GetObject 412, HeadObject 412
another than its ETag, or modified since yesterday: GetObject 304, HeadObject 304
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import sys
import time
from datetime import UTC, datetime, timedelta

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


etag = s3.put_object(Bucket="finding", Key="scan", Body=b"0123456789")["ETag"]
yesterday = datetime.now(UTC) - timedelta(days=1)
other = '"00000000000000000000000000000000"'
for told, conditions in {
    "the object's ETag": {"IfMatch": etag},
    "another ETag": {"IfMatch": other},
    "If-Match: *": {"IfMatch": "*"},
    "If-None-Match: *": {"IfNoneMatch": "*"},
    "one of two ETags": {"IfMatch": f"{other}, {etag}"},
    "none of two ETags": {"IfNoneMatch": f"{other}, {etag}"},
    "the object's ETag, not modified since yesterday": {"IfMatch": etag, "IfUnmodifiedSince": yesterday},
    "another than its ETag, or modified since yesterday": {"IfNoneMatch": etag, "IfModifiedSince": yesterday},
}.items():
    seen = []
    for ask in (s3.get_object, s3.head_object):
        try:
            seen.append(ask(Bucket="finding", Key="scan", **conditions)["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            seen.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    print(f"{told}: GetObject {seen[0]}, HeadObject {seen[1]}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
