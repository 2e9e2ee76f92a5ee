#!/usr/bin/env bash
# Ranges, pages, parts, checksums and conditions at s3rver, a store for tests.
set -euo pipefail
command -v npm >/dev/null || { echo "npm is not here" >&2; exit 1; }
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('boto3==1.43.117')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund --ignore-scripts s3rver@3.7.1 >log 2>&1
node -p '"s3rver " + require("s3rver/package.json").version'
venv/bin/python -c 'from importlib.metadata import version; print("boto3", version("boto3"))'
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
mkdir data
node node_modules/s3rver/bin/s3rver.js -d data -a 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
bytes=2-4: b'234'
bytes=7-: b'789'
bytes=-3: b'0123'
bytes=-1: b'01'
pages of ListObjects: [['a', 'b'], ['c', 'd'], ['e']]
pages of ListObjectsV2: InternalError
Complete with wrong ETags, bytes behind the first part: 2
Complete in the wrong order, of 2 bytes: 2
Complete without part 2 of 3, of 3 bytes: 3
part 2 of an object: 5242882 bytes
a wrong CRC32: taken
a wrong MD5: taken
If-None-Match on what is there: taken
what is there now: b'other'
GetObject with If-Match of another: b'0123456789'
tags: []
END
venv/bin/python - "http://127.0.0.1:$port" >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

config = Config(
    s3={"addressing_style": "path"},
    retries={"total_max_attempts": 1},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="S3RVER",
    aws_secret_access_key="S3RVER",
    config=config,
)
for _ in range(240):
    try:
        s3.create_bucket(Bucket="finding")
        break
    except BotoCoreError:
        time.sleep(0.5)
here = {"Bucket": "finding"}


def show(what, request):
    try:
        print(f"{what}: {request()}")
    except ClientError as error:
        print(f"{what}: {error.response['Error']['Code']}")


def read(key, **more):
    return s3.get_object(**here, Key=key, **more)["Body"].read()


def put(key, body=b"0123456789", **more):
    s3.put_object(**here, Key=key, Body=body, **more)
    return "taken"


for key in "abcde":
    put(key)
show("bytes=2-4", lambda: read("a", Range="bytes=2-4"))
show("bytes=7-", lambda: read("a", Range="bytes=7-"))
show("bytes=-3", lambda: read("a", Range="bytes=-3"))
show("bytes=-1", lambda: read("a", Range="bytes=-1"))


def pages(of):
    found = s3.get_paginator(of).paginate(**here, PaginationConfig={"PageSize": 2})
    return [[entry["Key"] for entry in page["Contents"]] for page in found]


show("pages of ListObjects", lambda: pages("list_objects"))
show("pages of ListObjectsV2", lambda: pages("list_objects_v2"))


def upload(key, parts, named):
    number = {"Key": key, "UploadId": s3.create_multipart_upload(**here, Key=key)["UploadId"]}
    for part, body in parts:
        s3.upload_part(**here, **number, PartNumber=part, Body=body)
    s3.complete_multipart_upload(
        **here,
        **number,
        MultipartUpload={"Parts": [{"PartNumber": part, "ETag": f'"{"0" * 32}"'} for part in named]},
    )
    return s3.head_object(**here, Key=key)["ContentLength"] - 5 * 2**20


first = (1, b"1" * 5 * 2**20)
show("Complete with wrong ETags, bytes behind the first part", lambda: upload("m", [first, (2, b"22")], [1, 2]))
show("Complete in the wrong order, of 2 bytes", lambda: upload("n", [first, (2, b"22")], [2, 1]))
show("Complete without part 2 of 3, of 3 bytes", lambda: upload("o", [first, (2, b"22"), (3, b"333")], [1, 3]))
show("part 2 of an object", lambda: f"{s3.get_object(**here, Key='m', PartNumber=2)['ContentLength']} bytes")
show("a wrong CRC32", lambda: put("crc", ChecksumCRC32="AAAAAA=="))
show("a wrong MD5", lambda: put("md5", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="))
show("If-None-Match on what is there", lambda: put("a", b"other", IfNoneMatch="*"))
show("what is there now", lambda: read("a"))
show("GetObject with If-Match of another", lambda: read("b", IfMatch='"0"'))
show("tags", lambda: put("tagged", Tagging="judged=good") and s3.get_object_tagging(**here, Key="tagged")["TagSet"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
