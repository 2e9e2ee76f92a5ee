#!/usr/bin/env bash
# An upload in parts whose checksum is asked to be that of the whole object.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'ministack==1.5.33' 'boto3==1.43.106'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'ministack==1.5.33' 'boto3==1.43.106'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ministack boto3
cd "$tmp"
cat >expected <<'END'
asked for:    FULL_OBJECT, which is rBxv8Q==
Complete with this checksum: BadDigest
Complete without one, parts in the wrong order: COMPOSITE dYPmEQ==-2
HeadObject:   COMPOSITE dYPmEQ==-2
HeadObject of part 1: 5,242,881 bytes, of 5,242,880; parts: None
END
venv/bin/python -W ignore - >seen <<'END'
import base64
import os
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = subprocess.Popen(
    [Path(sys.executable).with_name("ministack")],
    env=os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    keys = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    for _ in range(120):
        try:
            s3.create_bucket(Bucket="finding")
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    where = {"Bucket": "finding", "Key": "k"}
    content = [b"a" * 5 * 1024**2, b"b"]
    upload = s3.create_multipart_upload(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT", **where)
    parts = []
    for n, body in enumerate(content, 1):
        sent = {"PartNumber": n, "Body": body, "UploadId": upload["UploadId"], "ChecksumAlgorithm": "CRC32"}
        parts.append({"PartNumber": n, "ETag": s3.upload_part(**sent, **where)["ETag"]})
    whole = base64.b64encode(zlib.crc32(b"".join(content)).to_bytes(4, "big")).decode()
    print("asked for:    FULL_OBJECT, which is", whole)
    end = {"UploadId": upload["UploadId"], **where}
    try:
        s3.complete_multipart_upload(
            MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT", ChecksumCRC32=whole, **end
        )
        print("Complete with this checksum: done")
    except ClientError as error:
        print("Complete with this checksum:", error.response["Error"]["Code"])
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts[::-1]}, **end)
    print("Complete without one, parts in the wrong order:", done["ChecksumType"], done["ChecksumCRC32"])
    head = s3.head_object(ChecksumMode="ENABLED", **where)
    print("HeadObject:  ", head["ChecksumType"], head["ChecksumCRC32"])
    first = s3.head_object(PartNumber=1, **where)
    print(f"HeadObject of part 1: {first['ContentLength']:,} bytes, of {len(content[0]):,}; parts: {first.get('PartsCount')}")
finally:
    server.terminate()
    server.wait(20)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
