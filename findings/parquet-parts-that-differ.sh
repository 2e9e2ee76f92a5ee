#!/usr/bin/env bash
# Two files of one data set, the second of which has another type, a column more, or a column less.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'duckdb==2.0.1' 'pyarrow==26.0.1' 'polars==2.1.0'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==26.0.1' 'polars==2.1.0'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' duckdb pyarrow polars
cd "$tmp"
cat >expected <<'END'
a whole number, then 2.7  duckdb  [(1,), (3,)]
a whole number, then 2.7  polars  SchemaError
a whole number, then 2.7  pyarrow ArrowInvalid
a column more, later      duckdb  [(1,), (4,)]
a column more, later      polars  SchemaError
a column more, later      pyarrow [(1,), (4,)]
a column less, later      duckdb  InvalidInputException
a column less, later      polars  ColumnNotFoundError
a column less, later      pyarrow [(4, 'bad'), (1, None)]
END
venv/bin/python -W ignore - >seen <<'END'
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

readers = {
    "duckdb ": lambda: duckdb.sql("from 'day/*.parquet'").fetchall(),
    "polars ": lambda: pl.read_parquet("day/*.parquet").rows(),
    "pyarrow": lambda: [tuple(row.values()) for row in pq.read_table("day").to_pylist()],
}

Path("day").mkdir()
for title, later in (
    ("a whole number, then 2.7 ", pa.table({"depth": pa.array([2.7])})),
    ("a column more, later     ", pa.table({"depth": pa.array([4], pa.int32()), "flag": pa.array(["bad"])})),
    ("a column less, later     ", None),
):
    first = pa.table({"depth": pa.array([1], pa.int32())})
    if later is None:
        first, later = pa.table({"depth": pa.array([4], pa.int32()), "flag": pa.array(["bad"])}), first
    pq.write_table(first, "day/1.parquet")
    pq.write_table(later, "day/2.parquet")
    for name, read in readers.items():
        try:
            said = read()
        except Exception as error:
            said = type(error).__name__
        print(title, name, said)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
