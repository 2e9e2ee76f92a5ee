#!/usr/bin/env bash
# Values of another type than a table's column, appended to it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('deltalake==1.6.6' 'pyarrow==26.0.1')
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
[2.7, -2.7] into int32 -> [2, -2]
[3000000000.0] into int32 -> refused
['12'] into int32 -> [12]
['twelve'] into int32 -> refused
[16777217] into float32 -> [16777216.0]
[1e+300] into float32 -> [inf]
[2] into bool -> [True]
[2.7] into decimal(10, 2) -> [Decimal('2.70')]
END
venv/bin/python -W ignore - >seen <<'END'
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

TYPES = {"int32": pa.int32(), "float32": pa.float32(), "bool": pa.bool_(), "decimal(10, 2)": pa.decimal128(10, 2)}
for n, (kind, value) in enumerate(
    (
        ("int32", [2.7, -2.7]),
        ("int32", [3.0e9]),
        ("int32", ["12"]),
        ("int32", ["twelve"]),
        ("float32", [16777217]),
        ("float32", [1e300]),
        ("bool", [2]),
        ("decimal(10, 2)", [2.7]),
    )
):
    write_deltalake(f"table{n}", pa.table({"x": pa.array([], TYPES[kind])}))
    try:
        write_deltalake(f"table{n}", pa.table({"x": value}), mode="append")
        print(value, "into", kind, "->", DeltaTable(f"table{n}").to_pyarrow_table()["x"].to_pylist())
    except Exception as error:
        print(value, "into", kind, "-> refused")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
