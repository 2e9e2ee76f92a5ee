#!/usr/bin/env bash
# Uploads and downloads by boto3, and the same by aioboto3, which awaits them.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'aioboto3==15.5.0' 'aiobotocore==2.25.1' 'boto3==1.40.61')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto aioboto3 aiobotocore boto3
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
boto3, 1 byte sent with SHA256: its checksums ['SHA256']
boto3, 1 byte sent: its checksums ['CRC32']
boto3, 12 MiB sent with SHA256: its checksums ['SHA256']
boto3, 12 MiB sent: its checksums ['CRC32']
boto3, download of what is not there: 404, the file has 'what was there'
boto3, download: done, the file has 'new'
aioboto3, 1 byte sent with SHA256: its checksums ['SHA256']
aioboto3, 1 byte sent: its checksums ['CRC32']
aioboto3, 12 MiB sent with SHA256: its checksums ['SHA256']
aioboto3, 12 MiB sent: its checksums []
aioboto3, download of what is not there: 404, the file has ''
aioboto3, download: done, the file has 'new'
END
venv/bin/python - "http://127.0.0.1:$port" >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import asyncio
import inspect
import io
import sys
import time

import aioboto3
import boto3
from botocore.exceptions import BotoCoreError, ClientError

options = {
    "endpoint_url": sys.argv[1],
    "region_name": "us-east-1",
    "aws_access_key_id": "any",
    "aws_secret_access_key": "any",
}
store = boto3.client("s3", **options)
for _ in range(240):
    try:
        store.create_bucket(Bucket="finding")
        break
    except BotoCoreError:
        time.sleep(0.5)
large = bytes(range(256)) * 4096 * 12
here = {"Bucket": "finding"}


async def done(answer):
    return await answer if inspect.isawaitable(answer) else answer


def noted(key):
    head = store.head_object(**here, Key=key, ChecksumMode="ENABLED")
    return [name.removeprefix("Checksum") for name in head if name in ("ChecksumCRC32", "ChecksumSHA256")]


async def trials(who, s3):
    for size, content in (("1 byte", b"1"), ("12 MiB", large)):
        key = f"{who}-{len(content)}"
        extra = {"ChecksumAlgorithm": "SHA256"}
        await done(s3.upload_fileobj(io.BytesIO(content), "finding", key, ExtraArgs=extra))
        print(f"{who}, {size} sent with SHA256: its checksums {noted(key)}")
        await done(s3.upload_fileobj(io.BytesIO(content), "finding", key + "-plain"))
        print(f"{who}, {size} sent: its checksums {noted(key + '-plain')}")
    for key in ("nothing", "later"):
        with open("kept", "w") as opened:
            opened.write("what was there")
        if key == "later":
            store.put_object(**here, Key=key, Body=b"new")
        try:
            await done(s3.download_file("finding", key, "kept"))
        except ClientError as error:
            print(f"{who}, download of what is not there: {error.response['Error']['Code']}", end=", ")
        else:
            print(f"{who}, download: done", end=", ")
        with open("kept") as opened:
            print(f"the file has {opened.read()!r}")


async def main():
    await trials("boto3", store)
    async with aioboto3.Session().client("s3", **options) as s3:
        await trials("aioboto3", s3)


asyncio.run(main())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
