#!/usr/bin/env bash
# Values that stand in the names of folders (site=007), for four readers of Parquet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyarrow==26.0.1' 'polars==2.1.0' 'duckdb==2.0.1' 'pandas==3.1.1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pyarrow polars duckdb pandas
cat >expected <<'END'
'007' '12', written by PyArrow
  PyArrow: 12 7
  pandas: 12 7
  Polars: 12 7
  DuckDB: '007' '12'
'007' '12' 'A1', written by PyArrow
  PyArrow: '007' '12' 'A1'
  pandas: '007' '12' 'A1'
  Polars: '007' '12' 'A1'
  DuckDB: '007' '12' 'A1'
'3000000000', written by PyArrow
  PyArrow: '3000000000'
  pandas: '3000000000'
  Polars: 3000000000
  DuckDB: 3000000000
'0x10', written by PyArrow
  PyArrow: 16
  pandas: 16
  Polars: '0x10'
  DuckDB: 16
'1e5', written by PyArrow
  PyArrow: '1e5'
  pandas: '1e5'
  Polars: 100000.0
  DuckDB: '1e5'
'true', written by PyArrow
  PyArrow: 'true'
  pandas: 'true'
  Polars: True
  DuckDB: 'true'
'NaN', written by PyArrow
  PyArrow: 'NaN'
  pandas: 'NaN'
  Polars: nan
  DuckDB: 'NaN'
'inf', written by PyArrow
  PyArrow: 'inf'
  pandas: 'inf'
  Polars: inf
  DuckDB: 9999-12-31
'2024-01-02', written by PyArrow
  PyArrow: '2024-01-02'
  pandas: '2024-01-02'
  Polars: 2024-01-02
  DuckDB: 2024-01-02
None, written by PyArrow
  PyArrow: refused (No non-null segments were available for field 'site'; couldn't infer t)
  pandas: refused (No non-null segments were available for field 'site'; couldn't infer t)
  Polars: None
  DuckDB: None
'' 'a%2Fb' 'a/b', written by PyArrow
  PyArrow: '' 'a%2Fb' 'a/b'
  pandas: '' 'a%2Fb' 'a/b'
  Polars: '' 'a%2Fb' 'a/b'
  DuckDB: '' 'a%2Fb' 'a/b'
'007' '12', written by Polars
  PyArrow: refused (Unable to merge: Field site has incompatible types: large_string vs in)
  pandas: refused (Unable to merge: Field site has incompatible types: large_string vs di)
  Polars: '007' '12'
  DuckDB: '007' '12'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import shutil

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

every = "'set/**/*.parquet'"
readers = {
    "PyArrow": lambda: ds.dataset("set", partitioning="hive").to_table()["site"].to_pylist(),
    "pandas": lambda: pd.read_parquet("set")["site"].tolist(),
    "Polars": lambda: pl.read_parquet("set/**/*.parquet", hive_partitioning=True)["site"].to_list(),
    "DuckDB": lambda: [row[0] for row in duckdb.connect().execute(f"select site from read_parquet({every}, hive_partitioning = true)").fetchall()],
}


def by_pyarrow(table):
    ds.write_dataset(table, "set", format="parquet", partitioning=ds.partitioning(pa.schema([("site", pa.string())]), flavor="hive"))


def by_polars(table):
    pl.from_arrow(table).write_parquet("set/", partition_by="site", mkdir=True)


def shown(values):
    return " ".join(sorted(repr(value) if isinstance(value, str) else str(value) for value in values))


def tried(sites, write=by_pyarrow):
    shutil.rmtree("set", ignore_errors=True)
    write(pa.table({"x": range(len(sites)), "site": pa.array(sites, pa.string())}))
    print(f"{shown(sites)}, written {write.__name__.replace('_', ' ')}".replace("pyarrow", "PyArrow").replace("polars", "Polars"))
    for name, read in readers.items():
        try:
            print(f"  {name}:", shown(read()))
        except Exception as error:
            print(f"  {name}: refused ({str(error).splitlines()[0][:70]})")


for sites in (["007", "12"], ["007", "12", "A1"], ["3000000000"], ["0x10"], ["1e5"], ["true"], ["NaN"], ["inf"], ["2024-01-02"], [None], ["", "a/b", "a%2Fb"]):
    tried(sites)
tried(["007", "12"], by_polars)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
