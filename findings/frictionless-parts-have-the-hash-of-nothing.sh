#!/usr/bin/env bash
# Bytes and hash of a table in several files, as frictionless describes it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'frictionless==5.21.0'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'frictionless==5.21.0'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' frictionless
cd "$tmp"
cat >expected <<'OUT'
a.csv has 7 bytes, b.csv has 7; they are described with 12
the hash is that of a.csv: False; of b.csv: False; of both in a row: False
of both in a row, without the header of b.csv: True
described with bytes and hash of both in a row it is valid: False
OUT
venv/bin/python -W ignore - >seen <<'OUT'
import hashlib
from pathlib import Path

import frictionless

first, second = b"x\n1\n22\n", b"x\n44\n5\n"
Path("a.csv").write_bytes(first)
Path("b.csv").write_bytes(second)
resource = frictionless.Resource(path="a.csv", extrapaths=["b.csv"])
resource.infer(stats=True)
said = resource.to_descriptor()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


print(f"a.csv has {len(first)} bytes, b.csv has {len(second)}; they are described with {said['bytes']}")
found = [digest(data) == said["hash"] for data in (first, second, first + second)]
print("the hash is that of a.csv: {}; of b.csv: {}; of both in a row: {}".format(*found))
print("of both in a row, without the header of b.csv:", digest(first + second[2:]) == said["hash"])
both = said | {"bytes": len(first + second), "hash": digest(first + second)}
print("described with bytes and hash of both in a row it is valid:", frictionless.validate(both).valid)
OUT
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
