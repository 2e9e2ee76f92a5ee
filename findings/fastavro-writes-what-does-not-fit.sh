#!/usr/bin/env bash
# Numbers that an Avro schema has no room for, written by fastavro, and read by others.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('fastavro==1.13.1' 'avro==1.12.2' 'polars==2.1.0')
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
written as int: [2147483648, 5]
fastavro reads [2147483648, 5]
avro reads [2147483648, 5]
Polars reads [-2147483648, 5]
written as long: [1.9, -1.9]
fastavro reads [1, -1]
END
venv/bin/python - >seen <<'END'
import fastavro
import polars
from avro.datafile import DataFileReader
from avro.io import DatumReader


def written(kind, values):
    schema = {"type": "record", "name": "row", "fields": [{"name": "n", "type": kind}]}
    with open("file.avro", "wb") as file:
        fastavro.writer(file, schema, [{"n": value} for value in values])
    print(f"written as {kind}: {values}")
    with open("file.avro", "rb") as file:
        print("fastavro reads", [row["n"] for row in fastavro.reader(file)])


written("int", [2**31, 5])
with open("file.avro", "rb") as file:
    print("avro reads", [row["n"] for row in DataFileReader(file, DatumReader())])
print("Polars reads", polars.read_avro("file.avro")["n"].to_list())
written("long", [1.9, -1.9])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
