#!/usr/bin/env bash
# Ranges without a byte, in one object and in a file of the same content, by fsspec's file systems.
set -euo pipefail
tmp=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; rm -rf "$tmp"' EXIT
packages=('moto[s3,server]==5.2.5' 's3fs==2026.9.0' 'fsspec==2026.9.0' 'aiobotocore==3.10.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' moto s3fs fsspec
port=$(venv/bin/python -c 'import random; print(random.randrange(20000, 30000))')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >log 2>&1 </dev/null &
servers+=($!)
cat >expected <<'END'
disk, cat_file(2, 5): b'234'
disk, cat_file(5, 5): b''
disk, cat_file(0, 0): b''
disk, cat_file(5, 2): ValueError
disk, cat_file(10, 20): b''
disk, cat_file(0, 5) of nothing: b''
disk, read(0) at 5: b''
memory, cat_file(2, 5): b'234'
memory, cat_file(5, 5): b''
memory, cat_file(0, 0): b''
memory, cat_file(5, 2): b''
memory, cat_file(10, 20): b''
memory, cat_file(0, 5) of nothing: b''
memory, read(0) at 5: b''
s3fs, cat_file(2, 5): b'234'
s3fs, cat_file(5, 5): b'0123456789'
s3fs, cat_file(0, 0): b'0123456789'
s3fs, cat_file(5, 2): b'0123456789'
s3fs, cat_file(10, 20): OSError
s3fs, cat_file(0, 5) of nothing: OSError
s3fs, read(0) at 5: b''
s3fs, cat_ranges 5 to 5 and 2 to 4: [b'0123456789', b'23']
references, one by one: {'empty': b'0123456789', 'full': b'234'}
references, both at once: {'empty': b'', 'full': b'234'}
END
venv/bin/python - "http://127.0.0.1:$port" >seen 2>errors <<'END' || { cat errors >&2; exit 1; }
import os
import sys
import time

import fsspec
import s3fs

options = {"key": "any", "secret": "any", "endpoint_url": sys.argv[1]}
s3 = s3fs.S3FileSystem(**options)
for _ in range(240):
    try:
        s3.mkdir("finding")
        break
    except Exception:
        time.sleep(0.5)
content = b"0123456789"
s3.pipe("finding/numbers", content)
s3.pipe("finding/empty", b"")
disk, memory = fsspec.filesystem("file"), fsspec.filesystem("memory")
disk.pipe(os.path.abspath("numbers"), content)
disk.pipe(os.path.abspath("empty"), b"")
memory.pipe("/numbers", content)
memory.pipe("/empty", b"")
places = {"disk": (disk, os.getcwd() + "/"), "memory": (memory, "/"), "s3fs": (s3, "finding/")}


def show(what, read):
    try:
        print(f"{what}: {read()}")
    except Exception as error:
        print(f"{what}: {type(error).__name__}")


for where, (files, folder) in places.items():
    show(f"{where}, cat_file(2, 5)", lambda: files.cat_file(folder + "numbers", start=2, end=5))
    show(f"{where}, cat_file(5, 5)", lambda: files.cat_file(folder + "numbers", start=5, end=5))
    show(f"{where}, cat_file(0, 0)", lambda: files.cat_file(folder + "numbers", start=0, end=0))
    show(f"{where}, cat_file(5, 2)", lambda: files.cat_file(folder + "numbers", start=5, end=2))
    show(f"{where}, cat_file(10, 20)", lambda: files.cat_file(folder + "numbers", start=10, end=20))
    show(f"{where}, cat_file(0, 5) of nothing", lambda: files.cat_file(folder + "empty", start=0, end=5))
    show(f"{where}, read(0) at 5", lambda: files.read_block(folder + "numbers", 5, 0))
show("s3fs, cat_ranges 5 to 5 and 2 to 4", lambda: s3.cat_ranges(["finding/numbers"] * 2, [5, 2], [5, 4]))
references = {
    "version": 1,
    "refs": {"empty": ["s3://finding/numbers", 5, 0], "full": ["s3://finding/numbers", 2, 3]},
}
virtual = fsspec.filesystem("reference", fo=references, remote_protocol="s3", remote_options=options)
show("references, one by one", lambda: {name: virtual.cat(name) for name in ("empty", "full")})
show("references, both at once", lambda: virtual.cat(["empty", "full"]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
