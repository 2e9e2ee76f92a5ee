#!/usr/bin/env bash
# A row whose value is NaN, asked for with "x > 2": in a table, and in the Parquet file of the same table.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==26.0.1' 'polars==2.1.0' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(duckdb|polars|pyarrow) '
cd "$tmp"
cat >expected <<'END'
duckdb, the table: 1
duckdb, the file:  0
polars, the table: 1
polars, the file:  1
END
venv/bin/python -W ignore - >seen <<'END'
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

rows = pa.table({"x": [float("nan"), 1.0]})
pq.write_table(rows, "x.parquet")
count = "select count(*) from {} where x > 2"
print("duckdb, the table:", duckdb.sql(count.format("rows")).fetchall()[0][0])
print("duckdb, the file: ", duckdb.sql(count.format("'x.parquet'")).fetchall()[0][0])
print("polars, the table:", pl.from_arrow(rows).filter(pl.col("x") > 2).height)
print("polars, the file: ", pl.scan_parquet("x.parquet").filter(pl.col("x") > 2).collect().height)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
