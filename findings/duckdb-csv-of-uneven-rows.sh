#!/usr/bin/env bash
# Tables in CSV some of whose rows are longer or shorter, read as they are.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'duckdb==2.0.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' duckdb
cd "$tmp"
cat >expected <<'END'
1,000 rows of two fields, then one of three: columns ['column0', 'column1', 'column2'], rows [('B', 2, 'x')]
three fields, and a last row of two: columns ['site,depth,flag'], rows [('A,1,x',), ('B,2',)]
one column of decimal commas: columns ['column0', 'column1'], rows [(1, 5), (2, 5)]
END
venv/bin/python -W ignore - >seen <<'END'
from pathlib import Path

import duckdb

for title, text in (
    ("1,000 rows of two fields, then one of three", "site,depth\n" + "A,1\n" * 1000 + "B,2,x\n"),
    ("three fields, and a last row of two", "site,depth,flag\nA,1,x\nB,2\n"),
    ("one column of decimal commas", "depth\n1,5\n2,5\n"),
):
    Path("table.csv").write_text(text)
    read = duckdb.read_csv("table.csv")
    print(f"{title}: columns {read.columns}, rows {read.fetchall()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
