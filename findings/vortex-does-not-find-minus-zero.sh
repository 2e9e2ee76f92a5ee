#!/usr/bin/env bash
# Zeros and NaN, asked for in a Vortex file and in the same rows of Parquet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'vortex-data==0.93.0' 'pyarrow==26.0.1' 'duckdb==2.0.1' 'polars==2.1.0' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(duckdb|polars|pyarrow|vortex-data) '
cd "$tmp"
cat >expected <<'END'
x = 0   Vortex  [0.0]
x = 0   PyArrow [0.0, -0.0]
x = 0   DuckDB  [0.0, -0.0]
x = 0   Polars  [0.0, -0.0]
x < 0   Vortex  [-0.0, -2.5]
x < 0   PyArrow [-2.5]
x < 0   DuckDB  [-2.5]
x < 0   Polars  [-2.5]
x >= 0  Vortex  [1.0, 0.0, nan]
x >= 0  PyArrow [1.0, 0.0, -0.0]
x >= 0  DuckDB  [1.0, 0.0, -0.0, nan]
x >= 0  Polars  [1.0, 0.0, -0.0, nan]
x <> 0  Vortex  [1.0, -0.0, nan, -2.5]
x <> 0  PyArrow [1.0, nan, -2.5]
x <> 0  DuckDB  [1.0, nan, -2.5]
x <> 0  Polars  [1.0, nan, -2.5]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import vortex
import vortex.expr as ve

nan = float("nan")
rows = pa.table({"x": [1.0, 0.0, -0.0, nan, -2.5]})
vortex.io.write(rows, "rows.vortex")
pq.write_table(rows, "rows.parquet")
x = ve.column("x")
asked = {
    "x = 0": (x == 0.0, pc.field("x") == 0.0),
    "x < 0": (x < 0.0, pc.field("x") < 0.0),
    "x >= 0": (x >= 0.0, pc.field("x") >= 0.0),
    "x <> 0": (x != 0.0, pc.field("x") != 0.0),
}
for words, (in_vortex, in_arrow) in asked.items():
    print(f"{words:7} Vortex ", vortex.open("rows.vortex").scan(expr=in_vortex).read_all().to_arrow_table()["x"].to_pylist())
    print(f"{words:7} PyArrow", ds.dataset("rows.parquet").to_table(filter=in_arrow)["x"].to_pylist())
    print(f"{words:7} DuckDB ", [row[0] for row in duckdb.sql(f"select x from 'rows.parquet' where {words}").fetchall()])
    print(f"{words:7} Polars ", pl.scan_parquet("rows.parquet").filter(pl.sql_expr(words)).collect()["x"].to_list())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
