#!/usr/bin/env bash
# Uploads by tus that are gone on with after the file has changed, in Python and in Node.js.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
command -v npm >/dev/null || { echo "npm is not here" >&2; exit 1; }
packages=('tuspy==1.1.0' 'tinydb==4.8.2')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund --ignore-scripts @tus/server@2.4.5 @tus/file-store@2.1.1 tus-js-client@4.3.1 >log 2>&1
venv/bin/python -c 'from importlib.metadata import version; print("tuspy", version("tuspy"))'
for package in @tus/server @tus/file-store tus-js-client; do echo "$package $(node -p "require('./node_modules/$package/package.json').version")"; done
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
cat >server.mjs <<'END'
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";
new Server({ path: "/files", datastore: new FileStore({ directory: "./received" }) }).listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
END
node server.mjs "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >client.mjs <<'END'
import fs from "node:fs";
import tus from "tus-js-client";
const [, , place, bytes] = process.argv;
const upload = new tus.Upload(fs.createReadStream("scan.bin"), {
  endpoint: place,
  chunkSize: 100000,
  urlStorage: new tus.FileUrlStorage("./urls"),
  onProgress: () => {},
  onChunkComplete: (_, sent) => {
    if (sent >= Number(bytes)) upload.abort().then(() => process.exit(0));
  },
  onError: (error) => {
    console.error(error.message);
    process.exit(1);
  },
  onSuccess: () => console.log(upload.url),
});
const known = await upload.findPreviousUploads();
if (known.length) upload.resumeFromPreviousUpload(known[0]);
upload.start();
END
cat >expected <<'END'
tuspy: of 300,000 bytes A are sent 200,000, then all behind byte 70,000 is B
  it goes on at 200,000 and is done; received: 200,000 A, 100,000 B, 0 C; as the file is: no
  with a checksum of each request: received: 200,000 A, 100,000 B, 0 C; as the file is: no
  all behind byte 70,000 is C: it goes on at 300,000 and is done; received: 200,000 A, 100,000 B, 0 C; as the file is: no
  the first bytes are C: it goes on at 0 and is done; received: 299,000 A, 0 B, 1,000 C; as the file is: yes
tus-js-client: of 300,000 bytes A are sent 200,000, then all behind byte 70,000 is B
  received: 70,000 A, 230,000 B, 0 C; as the file is: yes
  with the time of before: received: 200,000 A, 100,000 B, 0 C; as the file is: no
END
venv/bin/python -W ignore - "$port" >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tusclient import client
from tusclient.storage.filestorage import FileStorage

place = f"http://127.0.0.1:{sys.argv[1]}/files"
for _ in range(240):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        break
    except OSError:
        time.sleep(0.5)
scan = Path("scan.bin")


def received(url):
    there = Path("received", url.rsplit("/", 1)[1]).read_bytes()
    counts = ", ".join(f"{there.count(letter.encode()):,} {letter}" for letter in "ABC")
    return f"received: {counts}; as the file is: {'yes' if there == scan.read_bytes() else 'no'}"


def send(n_requests=None, checksum=False):
    urls = FileStorage("urls-of-tuspy")
    uploader = client.TusClient(place).uploader(
        str(scan), chunk_size=100_000, store_url=True, url_storage=urls, metadata={"filename": "scan.bin"}, upload_checksum=checksum
    )
    begins = uploader.offset
    if n_requests:
        for _ in range(n_requests):
            uploader.upload_chunk()
    else:
        uploader.upload()
    urls.close()
    return begins, uploader.url


def change(letter, begin=70_000):
    scan.write_bytes(scan.read_bytes()[:begin] + letter * (300_000 - begin))


print("tuspy: of 300,000 bytes A are sent 200,000, then all behind byte 70,000 is B")
scan.write_bytes(b"A" * 300_000)
send(2)
change(b"B")
begins, url = send()
print(f"  it goes on at {begins:,} and is done; {received(url)}")
kept = scan.read_bytes()
Path("urls-of-tuspy").unlink()
scan.write_bytes(b"A" * 300_000)
send(2, checksum=True)
change(b"B")
print("  with a checksum of each request:", received(send(checksum=True)[1]))
change(b"C")
begins, url = send()
print(f"  all behind byte 70,000 is C: it goes on at {begins:,} and is done; {received(url)}")
scan.write_bytes(b"C" * 1_000 + b"A" * 299_000)
begins, url = send()
print(f"  the first bytes are C: it goes on at {begins:,} and is done; {received(url)}")
print("tus-js-client: of 300,000 bytes A are sent 200,000, then all behind byte 70,000 is B")


def by_node(stop=10**9):
    return subprocess.run(["node", "client.mjs", place, str(stop)], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


for words, keep_time in (("", False), ("with the time of before: ", True)):
    Path("urls").unlink(missing_ok=True)
    scan.write_bytes(b"A" * 300_000)
    os.utime(scan, (1_700_000_000, 1_700_000_000))
    by_node(200_000)
    change(b"B")
    if keep_time:
        os.utime(scan, (1_700_000_000, 1_700_000_000))
    print(f"  {words}{received(by_node())}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
