#!/usr/bin/env bash
# Rows that a condition finds, and those that a delete by it removes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyiceberg==0.12.0' 'pyarrow==26.0.1' 'sqlalchemy==2.1.9')
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
x > 2: scan finds [3.0]; delete leaves [1.0, nan, None], of which scan finds []
x != 1: scan finds [3.0, nan]; delete leaves [1.0, nan, None], of which scan finds []
not x <= 2: scan finds [3.0, nan]; delete leaves [1.0, nan, None], of which scan finds []
x is nan: scan finds [nan]; delete leaves [1.0, 3.0, None], of which scan finds []
END
venv/bin/python -W ignore - >seen <<'END'
import pathlib

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

pathlib.Path("warehouse").mkdir()
here = pathlib.Path("warehouse").resolve()
catalog = SqlCatalog("trial", uri="sqlite:///warehouse/catalog.db", warehouse=here.as_uri())
catalog.create_namespace("trial")
for n, condition in enumerate(("x > 2", "x != 1", "not x <= 2", "x is nan")):
    table = catalog.create_table(f"trial.table{n}", schema=pa.schema([("x", pa.float64())]))
    table.append(pa.table({"x": [1.0, 3.0, float("nan"), None]}))
    found = table.scan(row_filter=condition).to_arrow()["x"].to_pylist()
    table.delete(condition)
    left = table.scan().to_arrow()["x"].to_pylist()
    again = table.scan(row_filter=condition).to_arrow()["x"].to_pylist()
    print(f"{condition}: scan finds {found}; delete leaves {left}, of which scan finds {again}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
