#!/usr/bin/env bash
# A timestamp far from today in an ORC file that PyArrow has written: who reads it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyarrow==26.0.1' 'pyorc==0.12.0')
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
PyArrow writes valid_until 9999-12-31 in microseconds
pyorc reads 9999-12-31 00:00
PyArrow reads: ArrowInvalid
PyArrow reads the other column alone: [1]
END
venv/bin/python - >seen <<'END'
import datetime

import pyarrow as pa
import pyorc
from pyarrow import orc

until = datetime.datetime(9999, 12, 31)
orc.write_table(pa.table({"id": [1], "valid_until": pa.array([until], pa.timestamp("us"))}), "file.orc")
print(f"PyArrow writes valid_until {until:%Y-%m-%d} in microseconds")
with open("file.orc", "rb") as file:
    print(f"pyorc reads {next(iter(pyorc.Reader(file)))[1]:%Y-%m-%d %H:%M}")
try:
    print("PyArrow reads:", orc.read_table("file.orc")["valid_until"].to_pylist())
except pa.ArrowInvalid as error:
    print("PyArrow reads:", type(error).__name__)
print("PyArrow reads the other column alone:", orc.read_table("file.orc", columns=["id"])["id"].to_pylist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
