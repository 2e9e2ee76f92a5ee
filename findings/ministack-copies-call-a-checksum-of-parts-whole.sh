#!/usr/bin/env bash
# What was sent in parts, and rules, as an emulator tells them.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('ministack==1.5.33' 'boto3==1.43.106')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
cd "$tmp"
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 22000))')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port venv/bin/ministack >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
CRC32 of the content: rBxv8Q==
scan: COMPOSITE dYPmEQ==-2
copy: FULL_OBJECT dYPmEQ==-2
part 1 of 2: 206, 5,242,880 bytes
part 2 of 2: 206, 1 bytes
part 3 of 2: 200, 5,242,881 bytes
two ranges at once: 206, 2 bytes
encoding of a copy that replaces: gzip
a rule for raw/ and a tag: {'ObjectSizeGreaterThan': 0} is new
END
venv/bin/python -W ignore - "http://127.0.0.1:$port" >seen <<'END'
import base64
import sys
import time
import zlib

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


content = [b"a" * 5 * 1024**2, b"b"]
where = {"Bucket": "finding", "Key": "scan"}
upload = s3.create_multipart_upload(ChecksumAlgorithm="CRC32", **where)["UploadId"]
parts = []
for number, body in enumerate(content, 1):
    sent = s3.upload_part(PartNumber=number, Body=body, UploadId=upload, ChecksumAlgorithm="CRC32", **where)
    parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]})
s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **where)
s3.copy_object(Bucket="finding", Key="copy", CopySource="finding/scan")
print(f"CRC32 of the content: {base64.b64encode(zlib.crc32(b''.join(content)).to_bytes(4, 'big')).decode()}")
for key in ("scan", "copy"):
    told = s3.head_object(Bucket="finding", Key=key, ChecksumMode="ENABLED")
    print(f"{key}: {told['ChecksumType']} {told['ChecksumCRC32']}")
for number in (1, 2, 3):
    try:
        got = s3.get_object(PartNumber=number, **where)
        print(f"part {number} of 2: {got['ResponseMetadata']['HTTPStatusCode']}, {got['ContentLength']:,} bytes")
    except ClientError as error:
        print(f"part {number} of 2: {error.response['Error']['Code']}")
got = s3.get_object(Range="bytes=0-1,5242880-5242880", **where)
print(f"two ranges at once: {got['ResponseMetadata']['HTTPStatusCode']}, {got['ContentLength']:,} bytes")
s3.put_object(Bucket="finding", Key="packed", Body=b"", ContentEncoding="gzip")
s3.copy_object(Bucket="finding", Key="other", CopySource="finding/packed", MetadataDirective="REPLACE")
print(f"encoding of a copy that replaces: {s3.head_object(Bucket='finding', Key='other').get('ContentEncoding')}")
rule = {
    "ID": "r",
    "Status": "Enabled",
    "Filter": {"And": {"Prefix": "raw/", "Tags": [{"Key": "k", "Value": "v"}]}},
    "Expiration": {"Days": 3},
}
s3.put_bucket_lifecycle_configuration(Bucket="finding", LifecycleConfiguration={"Rules": [rule]})
(kept,) = s3.get_bucket_lifecycle_configuration(Bucket="finding")["Rules"]
print(f"a rule for raw/ and a tag: {({k: v for k, v in kept['Filter']['And'].items() if k not in rule['Filter']['And']})} is new")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
