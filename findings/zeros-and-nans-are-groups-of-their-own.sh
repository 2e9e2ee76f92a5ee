#!/usr/bin/env bash
# How many groups are there of 0.0, -0.0 and the NaN of two calculations, and which of them meet in a join?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pyarrow==26.0.1' 'duckdb==2.0.1' 'polars==2.1.0' 'datafusion==55.0.0' 'pandas==3.1.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(datafusion|duckdb|pandas|polars|pyarrow) '
cd "$tmp"
cat >expected <<'END'
groups of 0.0, -0.0, NaN, -NaN and 1.0
  pandas     3
  Polars     3
  DuckDB     3
  DataFusion 4
  PyArrow    5 unique: 5
rows of a join of 0.0 with -0.0
  pandas     1
  Polars     1
  DuckDB     1
  DataFusion 1
  PyArrow    0
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datafusion
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

given = np.array([0.0, -0.0, np.nan, 1.0])
pq.write_table(pa.table({"x": np.append(given, -np.array([np.nan])), "n": [1] * 5}), "rows.parquet")
rows = pq.read_table("rows.parquet")
context = datafusion.SessionContext()
context.register_parquet("rows", "rows.parquet")
print("groups of 0.0, -0.0, NaN, -NaN and 1.0")
print("  pandas    ", len(pd.read_parquet("rows.parquet").groupby("x", dropna=False).sum()))
print("  Polars    ", len(pl.read_parquet("rows.parquet").group_by("x").len()))
print("  DuckDB    ", len(duckdb.sql("select x, count(*) from 'rows.parquet' group by x").fetchall()))
print("  DataFusion", len(context.sql("select x, count(*) from rows group by x").to_arrow_table()))
print("  PyArrow   ", len(rows.group_by("x").aggregate([("n", "sum")])), "unique:", len(rows["x"].unique()))

left, right = pa.table({"x": [0.0], "left": [1]}), pa.table({"x": [-0.0], "right": [1]})
pq.write_table(left, "left.parquet")
pq.write_table(right, "right.parquet")
context.register_parquet("l", "left.parquet")
context.register_parquet("r", "right.parquet")
print("rows of a join of 0.0 with -0.0")
print("  pandas    ", len(pd.read_parquet("left.parquet").merge(pd.read_parquet("right.parquet"), on="x")))
print("  Polars    ", len(pl.read_parquet("left.parquet").join(pl.read_parquet("right.parquet"), on="x")))
print("  DuckDB    ", len(duckdb.sql("select * from 'left.parquet' join 'right.parquet' using (x)").fetchall()))
print("  DataFusion", len(context.sql("select * from l join r on l.x = r.x").to_arrow_table()))
print("  PyArrow   ", len(left.join(right, "x", join_type="inner")))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
