#!/usr/bin/env bash
# A missing value of a table, written as Parquet by astropy.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'astropy==8.0.2' 'pyarrow==26.0.1' 'pandas==3.1.1' 'duckdb==2.0.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'astropy==8.0.2' 'pyarrow==26.0.1' 'pandas==3.1.1' 'duckdb==2.0.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' astropy pyarrow pandas duckdb
cd "$tmp"
cat >expected <<'END'
astropy: [1, None, 3]
pandas:  {'n': [1, 999999, 3], 'n.mask': [False, True, False]}
duckdb:  (1000003, 3)
END
venv/bin/python -W ignore - >seen <<'END'
import duckdb
import pandas as pd
from astropy.table import MaskedColumn, Table

Table({"n": MaskedColumn([1, 999999, 3], mask=[False, True, False])}).write("table.parquet")
print("astropy:", Table.read("table.parquet")["n"].tolist())
print("pandas: ", pd.read_parquet("table.parquet").to_dict("list"))
print("duckdb: ", duckdb.sql("select sum(n), count(n) from 'table.parquet'").fetchall()[0])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
