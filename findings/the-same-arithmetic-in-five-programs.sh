#!/usr/bin/env bash
# Sums, halves, remainders and a mean with NaN, of the same Parquet file in five programs.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=(
  'pyarrow==26.0.1' 'duckdb==2.0.1' 'polars==2.1.0' 'datafusion==55.0.0' 'pandas==3.1.1'
  'numpy==2.4.6'
)
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pyarrow duckdb polars datafusion pandas numpy
cat >expected <<'END'
the sum of 2^63 - 1 and 1
  pandas     -9223372036854775808
  Polars     -9223372036854775808
  PyArrow    -9223372036854775808
  DuckDB     9223372036854775808
  DataFusion -9223372036854775808
100 + 100 and 27 + 27, as bytes
  pandas     -56 54
  Polars     -56 54
  PyArrow    -56 54
  DuckDB     OutOfRangeException
  DataFusion -56 54
2.5 and -0.5, rounded
  pandas     2.0 -0.0
  Polars     2.0 -0.0
  PyArrow    2.0 -0.0
  DuckDB     3.0 -1.0
  DataFusion 3.0 -1.0
the remainders of -7 and 7 by 3
  pandas     2 1
  Polars     2 1
  DuckDB     -1 1
  DataFusion -1 1
-7 / 2 and 7 / 2
  pandas     -3.5 3.5
  Polars     -3.5 3.5
  PyArrow    -3 3
  DuckDB     -3.5 3.5
  DataFusion -3 3
the mean of 1 and NaN
  pandas     1.0
  Polars     nan
  PyArrow    nan
  DuckDB     nan
  DataFusion 1.0
how many values 1 and NaN are
  pandas     1
  Polars     2
  PyArrow    2
  DuckDB     2
  DataFusion 2
the standard deviation of 1 and 3
  pandas     1.4142135623730951
  Polars     1.4142135623730951
  PyArrow    1.0
  DuckDB     1.4142135623730951
  DataFusion 1.4142135623730951
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

pq.write_table(
    pa.table(
        {
            "large": pa.array([2**63 - 1, 1], pa.int64()),
            "byte": pa.array([100, 27], pa.int8()),
            "half": [2.5, -0.5],
            "n": pa.array([-7, 7], pa.int64()),
            "x": [1.0, float("nan")],
            "s": [1.0, 3.0],
        }
    ),
    "t.parquet",
)
context = datafusion.SessionContext()
context.register_parquet("t", "t.parquet")
arrow, pandas, polars = pq.read_table("t.parquet"), pd.read_parquet("t.parquet"), pl.read_parquet("t.parquet")


def duck(sql):
    return [row[0] for row in duckdb.sql(f"select {sql} from 't.parquet'").fetchall()]


def fusion(sql):
    return context.sql(f"select {sql} as r from t").to_arrow_table()["r"].to_pylist()


asked = {
    "the sum of 2^63 - 1 and 1": ("sum(large)", lambda: pandas.large.sum().item(), lambda: polars["large"].sum(), lambda: pc.sum(arrow["large"])),
    "100 + 100 and 27 + 27, as bytes": ("byte + byte", lambda: (pandas.byte + pandas.byte).tolist(), lambda: (polars["byte"] + polars["byte"]).to_list(), lambda: pc.add(arrow["byte"], arrow["byte"])),
    "2.5 and -0.5, rounded": ("round(half)", lambda: pandas.half.round().tolist(), lambda: polars["half"].round().to_list(), lambda: pc.round(arrow["half"])),
    "the remainders of -7 and 7 by 3": ("n % 3", lambda: (pandas.n % 3).tolist(), lambda: (polars["n"] % 3).to_list(), None),
    "-7 / 2 and 7 / 2": ("n / 2", lambda: (pandas.n / 2).tolist(), lambda: (polars["n"] / 2).to_list(), lambda: pc.divide(arrow["n"], 2)),
    "the mean of 1 and NaN": ("avg(x)", lambda: pandas.x.mean().item(), lambda: polars["x"].mean(), lambda: pc.mean(arrow["x"])),
    "how many values 1 and NaN are": ("count(x)", lambda: pandas.x.count().item(), lambda: polars["x"].count(), lambda: pc.count(arrow["x"])),
    "the standard deviation of 1 and 3": ("stddev(s)", lambda: pandas.s.std(), lambda: polars["s"].std(), lambda: pc.stddev(arrow["s"])),
}
for words, (sql, in_pandas, in_polars, in_arrow) in asked.items():
    print(words)
    for program, ask in {
        "pandas": in_pandas,
        "Polars": in_polars,
        "PyArrow": in_arrow,
        "DuckDB": lambda sql=sql: duck(sql),
        "DataFusion": lambda sql=sql: fusion(sql),
    }.items():
        if ask is None:
            continue
        try:
            answer = ask()
            answer = (answer.to_pylist() if hasattr(answer, "to_pylist") else answer.as_py()) if program == "PyArrow" else answer
        except duckdb.OutOfRangeException as error:
            answer = type(error).__name__
        print(f"  {program:10}", *answer if isinstance(answer, list) else [answer])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
