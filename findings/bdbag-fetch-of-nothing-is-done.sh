#!/usr/bin/env bash
# A BagIt bag whose files are to be fetched: what bdbag brings, what it ends with, and what its validation finds.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('bdbag==1.8.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
export HOME=$tmp
venv/bin/python -c 'from importlib.metadata import version
for name in ("bdbag", "bagit"): print(name, version(name))'
mkdir served
printf abcde >served/good.bin
printf XXXXX >served/other.bin
printf abc >served/short.bin
cat >server.py <<'END'
import functools
import http.server

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="served")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()
END
venv/bin/python server.py >port 2>/dev/null </dev/null &
servers+=($!)
for _ in $(seq 100); do [[ -s port ]] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)
sum=$(printf abcde | sha256sum | cut -d' ' -f1)
bag() { # a bag of a local file and of one that is to be fetched by this name
  mkdir "$1"
  printf 1 >"$1/local.bin"
  printf '[{"url": "%s/%s.bin", "length": 5, "filename": "%s.bin", "sha256": "%s"}]' "$url" "$1" "$1" "$sum" >"$1.json"
  venv/bin/bdbag "$1" --checksum sha256 --remote-file-manifest "$1.json" >log 2>&1
}
run() {
  local code=0
  timeout 120 venv/bin/bdbag "$@" >log 2>&1 || code=$?
  echo "exit $code"
}
for name in good other short gone; do
  bag $name
  fetched=$(run $name --resolve-fetch all)
  content=$(cat $name/data/$name.bin 2>/dev/null || echo nothing)
  echo "$name: fetched with $fetched, there is $content; valid by fast with $(run $name --validate fast), by full with $(run $name --validate full)"
  echo "$name, what is missing fetched again: $(run $name --resolve-fetch missing)"
done >seen
cat >expected <<'END'
good: fetched with exit 0, there is abcde; valid by fast with exit 0, by full with exit 0
good, what is missing fetched again: exit 0
other: fetched with exit 0, there is XXXXX; valid by fast with exit 0, by full with exit 1
other, what is missing fetched again: exit 0
short: fetched with exit 0, there is abc; valid by fast with exit 1, by full with exit 1
short, what is missing fetched again: exit 0
gone: fetched with exit 0, there is nothing; valid by fast with exit 1, by full with exit 1
gone, what is missing fetched again: exit 0
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
