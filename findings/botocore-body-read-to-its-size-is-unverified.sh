#!/usr/bin/env bash
# A stored object that has changed, and the ways to read its body.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('boto3==1.43.117' 'aiobotocore==3.10.0')
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
boto3, read(): FlexibleChecksumError
boto3, read(50) to the end: FlexibleChecksumError
boto3, read(its size): what is there now, no error
boto3, readinto, of its size: what is there now, no error
boto3, readinto, in pieces to the end: FlexibleChecksumError
boto3, readlines(): what is there now, no error
boto3, iter_lines(): FlexibleChecksumError
boto3, shutil.copyfileobj: FlexibleChecksumError
aiobotocore, read(): FlexibleChecksumError
aiobotocore, read(its size): what is there now, no error
END
venv/bin/python -W ignore - >seen <<'END'
import asyncio
import base64
import io
import shutil
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiobotocore.session
import boto3
from aiobotocore.config import AioConfig
from botocore.config import Config
from botocore.exceptions import FlexibleChecksumError

STORED = b"2026-01-01,1.0\n" * 8
NOW = b"2026-01-01,9.0\n" + STORED[15:]  # a bit of the disk, and the checksum is that of before


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(NOW)))
        self.send_header("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(STORED).to_bytes(4, "big")).decode())
        self.send_header("x-amz-checksum-type", "FULL_OBJECT")
        self.end_headers()
        self.wfile.write(NOW)

    def log_message(self, *_):
        pass


def looped(body, size):
    return b"".join(iter(lambda: body.read(size), b""))


def filled(body):
    room = bytearray(len(NOW))
    body.readinto(room)
    return bytes(room)


def filled_in_pieces(body):
    got, room = b"", bytearray(50)
    while count := body.readinto(room):
        got += room[:count]
    return got


def copied(body):
    target = io.BytesIO()
    shutil.copyfileobj(body, target)
    return target.getvalue()


WAYS = {
    "read()": lambda body: body.read(),
    "read(50) to the end": lambda body: looped(body, 50),
    "read(its size)": lambda body: body.read(len(NOW)),
    "readinto, of its size": filled,
    "readinto, in pieces to the end": filled_in_pieces,
    "readlines()": lambda body: b"".join(body.readlines()),
    "iter_lines()": lambda body: b"\n".join(body.iter_lines()) + b"\n",
    "shutil.copyfileobj": copied,
}
store = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
where = {
    "endpoint_url": f"http://127.0.0.1:{store.server_port}",
    "region_name": "us-east-1",
    "aws_access_key_id": "any",
    "aws_secret_access_key": "any",
}
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}), **where)
for told, way in WAYS.items():
    try:
        got = way(s3.get_object(Bucket="b", Key="k")["Body"])
        print(f"boto3, {told}: {'what is there now' if got == NOW else got}, no error")
    except FlexibleChecksumError:
        print(f"boto3, {told}: FlexibleChecksumError")


async def other():
    config = AioConfig(s3={"addressing_style": "path"})
    async with aiobotocore.session.get_session().create_client("s3", config=config, **where) as client:
        for told, sizes in {"read()": (), "read(its size)": (len(NOW),)}.items():
            try:
                got = await (await client.get_object(Bucket="b", Key="k"))["Body"].read(*sizes)
                print(f"aiobotocore, {told}: {'what is there now' if got == NOW else got}, no error")
            except FlexibleChecksumError:
                print(f"aiobotocore, {told}: FlexibleChecksumError")


asyncio.run(other())
store.shutdown()
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
