#!/usr/bin/env bash
# Two xz streams in one file, with the padding between them that the format allows.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pandas==3.1.1' 'smart_open==9.0.2' 'fsspec==2026.9.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
one stream behind the other:
  lzma:       150
  pandas:     150
  smart_open: 150
  fsspec:     150
four zeros between them:
  lzma:       100
  pandas:     100
  smart_open: 100
  fsspec:     100
END
venv/bin/python -W ignore - >seen <<'END'
import lzma

import fsspec
import pandas as pd
import smart_open

FIRST = b"n\n" + b"".join(b"%d\n" % n for n in range(100))
SECOND = b"".join(b"%d\n" % n for n in range(100, 150))
for told, padding in (("one stream behind the other", 0), ("four zeros between them", 4)):
    with open("table.csv.xz", "wb") as file:
        file.write(lzma.compress(FIRST) + bytes(padding) + lzma.compress(SECOND))
    print(f"{told}:")
    print("  lzma:      ", len(lzma.open("table.csv.xz").readlines()) - 1)
    print("  pandas:    ", len(pd.read_csv("table.csv.xz")))
    print("  smart_open:", len(smart_open.open("table.csv.xz").readlines()) - 1)
    with fsspec.open("table.csv.xz", "rb", compression="infer") as unpacked:
        print("  fsspec:    ", len(unpacked.readlines()) - 1)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
