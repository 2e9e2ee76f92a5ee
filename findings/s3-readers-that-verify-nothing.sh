#!/usr/bin/env bash
# A small object that has changed in its store, and what reads it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('boto3==1.43.117' 's3fs==2026.9.0' 'obstore==0.12.1' 'pyarrow==26.0.1' 'smart_open[s3]==9.0.2' 'minio==7.2.20')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' boto3 s3fs obstore pyarrow smart_open minio
cd "$tmp"
cat >expected <<'END'
boto3, get_object: FlexibleChecksumError
s3fs, cat: FlexibleChecksumError
s3fs, open: what is there now, no error
smart_open: what is there now, no error
obstore, get: what is there now, no error
PyArrow: what is there now, no error
minio: what is there now, no error
END
AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any venv/bin/python -W ignore - >seen <<'END'
import base64
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import minio
import obstore
import pyarrow.fs
import s3fs
import smart_open
from botocore.config import Config

STORED = b"2026-01-01,1.0\n" * 8
NOW = b"2026-01-01,9.0\n" + STORED[15:]  # a bit of the disk, and the checksum is that of before


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        first, last = 0, len(NOW) - 1
        if ranged := self.headers.get("Range"):
            start, _, end = ranged.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end or last), last)
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(NOW)}")
        else:
            self.send_header("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(STORED).to_bytes(4, "big")).decode())
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", '"9e107d9d372bb6826bd81d3542a419d6"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(NOW[first : last + 1])

    def log_message(self, *_):
        pass


store = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
host = f"127.0.0.1:{store.server_port}"
url = f"http://{host}"
keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
s3 = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **keys)
files = s3fs.S3FileSystem(key="any", secret="any", endpoint_url=url, client_kwargs={"region_name": "us-east-1"})
rust = obstore.store.S3Store(
    "bucket",
    endpoint=url,
    region="us-east-1",
    access_key_id="any",
    secret_access_key="any",
    client_options={"allow_http": True},
    virtual_hosted_style_request=False,
)
arrow = pyarrow.fs.S3FileSystem(
    access_key="any", secret_key="any", endpoint_override=host, scheme="http", region="us-east-1"
)
plain = minio.Minio(host, access_key="any", secret_key="any", secure=False, region="us-east-1")
WAYS = {
    "boto3, get_object": lambda: s3.get_object(Bucket="bucket", Key="k")["Body"].read(),
    "s3fs, cat": lambda: files.cat("bucket/k"),
    "s3fs, open": lambda: files.open("bucket/k").read(),
    "smart_open": lambda: smart_open.open("s3://bucket/k", "rb", transport_params={"client": s3}).read(),
    "obstore, get": lambda: bytes(obstore.get(rust, "k").bytes()),
    "PyArrow": lambda: arrow.open_input_stream("bucket/k").read(),
    "minio": lambda: plain.get_object(bucket_name="bucket", object_name="k").read(),
}
for told, way in WAYS.items():
    try:
        got = way()
        print(f"{told}: {'what is there now' if got == NOW else got}, no error")
    except Exception as error:
        print(f"{told}: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
