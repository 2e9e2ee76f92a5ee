#!/usr/bin/env bash
# The rows of a CSV file packed with Zstandard, counted by five readers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyarrow==26.0.1' 'pandas==3.1.1' 'polars==2.1.0' 'duckdb==2.0.1' 'zstandard==0.25.0')
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
table.csv.gz:
  pandas:          1000
  Polars:          1000
  DuckDB:          1000
  pyarrow.csv:     1000
  pyarrow.dataset: 1000
table.csv.zst:
  pandas:          1000
  Polars:          1000
  DuckDB:          1000
  pyarrow.csv:     1000
  pyarrow.dataset: 1
END
venv/bin/python -W ignore - >seen <<'END'
import gzip
import pathlib

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import zstandard

TABLE = b"n\n" + b"7\n" * 1000
pathlib.Path("table.csv.gz").write_bytes(gzip.compress(TABLE))
pathlib.Path("table.csv.zst").write_bytes(zstandard.compress(TABLE))
for name in ("table.csv.gz", "table.csv.zst"):
    print(f"{name}:")
    print("  pandas:         ", len(pd.read_csv(name)))
    print("  Polars:         ", len(pl.read_csv(name)))
    print("  DuckDB:         ", duckdb.sql(f"select count(*) from '{name}'").fetchall()[0][0])
    print("  pyarrow.csv:    ", pa.csv.read_csv(name).num_rows)
    print("  pyarrow.dataset:", pa.dataset.dataset(name, format="csv").count_rows())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
