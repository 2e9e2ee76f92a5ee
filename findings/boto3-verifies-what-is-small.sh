#!/usr/bin/env bash
# Objects that were damaged in the store, fetched by boto3.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('moto[server]==5.2.5' 'boto3==1.43.106')
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
cat >expected <<'END'
1 MiB, a bit of which has changed in the store, and not its CRC32
  get_object: FlexibleChecksumError
  download_file: FlexibleChecksumError
  download_file, in one request: FlexibleChecksumError
9 MiB, a bit of which has changed in the store, and not its CRC32
  get_object: FlexibleChecksumError
  download_file: no error
  download_file, in one request: FlexibleChecksumError
END
venv/bin/python -W ignore - >seen <<'END'
import logging
import os

import boto3
from botocore.exceptions import FlexibleChecksumError
from boto3.s3.transfer import TransferConfig
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

logging.disable(logging.CRITICAL)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
s3.create_bucket(Bucket="finding")
READERS = {
    "get_object": lambda: s3.get_object(Bucket="finding", Key="scan")["Body"].read(),
    "download_file": lambda: s3.download_file("finding", "scan", "fetched"),
    "download_file, in one request": lambda: s3.download_file(
        "finding", "scan", "fetched", Config=TransferConfig(multipart_threshold=2**30)
    ),
}
for mib in (1, 9):
    content = os.urandom(mib * 2**20)
    s3.put_object(Bucket="finding", Key="scan", Body=content, ChecksumAlgorithm="CRC32")
    stored = s3_backends["123456789012"]["aws"].get_object("finding", "scan")
    stored.value = content[:500_000] + bytes([content[500_000] ^ 1]) + content[500_001:]  # a bit is lost in the store
    assert "ChecksumCRC32" in s3.head_object(Bucket="finding", Key="scan", ChecksumMode="ENABLED")
    print(f"{mib} MiB, a bit of which has changed in the store, and not its CRC32")
    for name, read in READERS.items():
        try:
            read()
            print(f"  {name}: no error")
        except FlexibleChecksumError:
            print(f"  {name}: FlexibleChecksumError")
server.stop()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
