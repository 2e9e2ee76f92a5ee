#!/usr/bin/env bash
# Object Lock of objects that are sent in one request, and in parts.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto ministack boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
env BIND_HOST=127.0.0.1 GATEWAY_PORT=$((port + 1)) venv/bin/ministack >log2 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
moto, asked for retention: one request: AccessDenied; in parts: deleted
moto, asked for legal hold: one request: AccessDenied; in parts: deleted
moto, asked for nothing, in a bucket that keeps everything: one request: AccessDenied; in parts: deleted
MiniStack, asked for retention: one request: AccessDenied; in parts: deleted
MiniStack, asked for legal hold: one request: AccessDenied; in parts: deleted
MiniStack, asked for nothing, in a bucket that keeps everything: one request: AccessDenied; in parts: deleted
END
venv/bin/python -W ignore - "moto=http://127.0.0.1:$port" "MiniStack=http://127.0.0.1:$((port + 1))" >seen <<'END'
import sys
import time
from datetime import UTC, datetime, timedelta

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def store(url):
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    for _ in range(120):  # it answers before it can write
        try:
            s3.create_bucket(Bucket="finding", ObjectLockEnabledForBucket=True)
        except (BotoCoreError, ClientError):
            pass
        try:
            s3.put_object(Bucket="finding", Key="up", Body=b"")
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    return s3


KEPT = {
    "retention": {
        "ObjectLockMode": "COMPLIANCE",
        "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=1),
    },
    "legal hold": {"ObjectLockLegalHoldStatus": "ON"},
    "nothing, in a bucket that keeps everything": {},
}


def in_parts(s3, place, options):
    upload_id = s3.create_multipart_upload(**place, **options)["UploadId"]
    part = s3.upload_part(**place, UploadId=upload_id, PartNumber=1, Body=b"one night")
    named = [{"PartNumber": 1, "ETag": part["ETag"]}]
    s3.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload={"Parts": named})


def deleted(s3, place):
    version = s3.head_object(**place)["VersionId"]
    try:
        s3.delete_object(**place, VersionId=version)
        return "deleted"
    except ClientError as error:
        return error.response["Error"]["Code"]


for given in sys.argv[1:]:
    name, _, url = given.partition("=")
    s3 = store(url)
    s3.create_bucket(Bucket="keeps-all", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket="keeps-all", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    for told, options in KEPT.items():
        bucket = "finding" if options else "keeps-all"
        whole, parts = ({"Bucket": bucket, "Key": f"{how} {told}"} for how in ("whole", "parts"))
        s3.put_object(**whole, Body=b"one night", **options)
        in_parts(s3, parts, options)
        print(f"{name}, asked for {told}: one request: {deleted(s3, whole)}; in parts: {deleted(s3, parts)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
