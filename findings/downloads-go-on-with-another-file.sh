#!/usr/bin/env bash
# A download that was interrupted is gone on with after the file has changed, by programs that keep a state of their own.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(cd packages && apt-get download -qq axel=2.17.11-3 aria2=1.36.0-1 libaria2-0=1.36.0-1 libc-ares2 lftp=4.9.2-2+b1 >/dev/null 2>&1) || { echo "Debian's packages are not here" >&2; exit 1; }
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
for name in axel aria2 lftp; do dpkg-deb -W --showformat '${Package} ${Version}\n' packages/"$name"_*.deb; done
export PATH=$tmp/unpacked/usr/bin:$PATH LD_LIBRARY_PATH=$tmp/unpacked/usr/lib/x86_64-linux-gnu HOME=$tmp

cat >server.py <<'END'
# First a file of 100,000 times "a", of which 60,000 are sent; once there is a file "changed", "b" with another ETag and time.
# Ranges, If-Range, If-Match and If-Unmodified-Since are kept.
import http.server
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        changed = os.path.exists("changed")
        letter, etag, day = (b"b", '"2"', "3") if changed else (b"a", '"1"', "2")
        time = f"Mon, 0{day} Nov 2026 00:00:00 GMT"
        asks = {name.lower() for name in self.headers} & {"if-range", "if-match", "if-unmodified-since"}
        if asks:
            print(*asks, file=sys.stderr, flush=True)
        start, end = 0, 99999
        wanted = self.headers.get("Range")
        if self.headers.get("If-Match", etag) != etag or self.headers.get("If-Unmodified-Since", time) != time:
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if wanted and self.headers.get("If-Range", etag) in (etag, time):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last or 99999)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/100000")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end + 1 - start))
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", time)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        if changed:
            self.wfile.write(letter * (end + 1 - start))
        else:
            self.wfile.write(letter * (min(end + 1, 60000) - start))
            self.close_connection = True


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
END
python3 server.py >port 2>asked </dev/null &
servers+=($!)
for _ in $(seq 100); do [[ -s port ]] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)/file
count() { [[ -e file ]] && echo "$(tr -cd a <file | wc -c) of the old, $(tr -cd b <file | wc -c) of the new"; }
try() { # twice, and the file changes in between
  local code=0
  rm -f changed file file.*
  : >asked
  timeout -s INT -k 5 15 "${@:2}" >/dev/null 2>&1 </dev/null || true
  [[ -e file && $(stat -c %s file) -ge 60000 ]] || echo "$1 left nothing of the first one"
  touch changed
  timeout -s INT -k 5 15 "${@:2}" >/dev/null 2>&1 </dev/null || code=$?
  echo "$1: exit $code, $(count), asked with a condition $(wc -l <asked) times"
}
{
  try "axel" axel -q -n 1 -o file "$url"
  try "lftp get -c" lftp -c "set net:max-retries 1; set net:timeout 3; get -c $url -o file"
  try "lftp pget -c" lftp -c "set net:max-retries 1; set net:timeout 3; pget -c -n 2 $url -o file"
  try "aria2 -c" aria2c -q -m 1 -c -k 1M -o file "$url"
  try "aria2 -c --conditional-get" aria2c -q -m 1 -c -k 1M --conditional-get=true -o file "$url"
} >seen
cat >expected <<'END'
axel: exit 0, 60000 of the old, 40000 of the new, asked with a condition 0 times
lftp get -c: exit 0, 60000 of the old, 40000 of the new, asked with a condition 0 times
lftp pget -c: exit 0, 60000 of the old, 40000 of the new, asked with a condition 0 times
aria2 -c: exit 0, 49152 of the old, 50848 of the new, asked with a condition 0 times
aria2 -c --conditional-get: exit 0, 49152 of the old, 50848 of the new, asked with a condition 0 times
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
