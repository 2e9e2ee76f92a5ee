#!/usr/bin/env bash
# Files whose names have brackets or a question mark, asked for by their names.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('polars==2.1.0' 'duckdb==2.0.1' 'pandas==3.1.1')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
scan[1].csv
  pandas: ['scan[1].csv']
  Polars, read_csv: ['scan1.csv']
  Polars, glob=False: ['scan[1].csv']
  DuckDB: ['scan1.csv']
wh?.csv
  pandas: ['wh?.csv']
  Polars, read_csv: ['wh?.csv', 'why.csv']
  Polars, glob=False: ['wh?.csv']
  DuckDB: ['wh?.csv', 'why.csv']
written: ['new[1].parquet', 'other[1].parquet']
Polars reads new[1].parquet: ComputeError
DuckDB reads other[1].parquet: [('written',)]
END
venv/bin/python -W ignore - >seen <<'END'
import os

import duckdb
import pandas
import polars

for name in ("scan1.csv", "scan[1].csv", "why.csv", "wh?.csv"):
    with open(name, "w") as file:
        file.write(f"name\n{name}\n")
READERS = {
    "pandas": lambda path: pandas.read_csv(path)["name"].tolist(),
    "Polars, read_csv": lambda path: polars.read_csv(path)["name"].to_list(),
    "Polars, glob=False": lambda path: polars.read_csv(path, glob=False)["name"].to_list(),
    "DuckDB": lambda path: [name for (name,) in duckdb.execute("SELECT * FROM read_csv(?) ORDER BY name", [path]).fetchall()],
}
for path in ("scan[1].csv", "wh?.csv"):
    print(path)
    for reader, read in READERS.items():
        print(f"  {reader}: {read(path)}")
polars.DataFrame({"name": ["written"]}).write_parquet("new[1].parquet")
duckdb.execute("COPY (SELECT 'written' AS name) TO 'other[1].parquet'")
print("written:", sorted(each for each in os.listdir() if each.endswith("].parquet")))
for told, read in (
    ("Polars reads new[1].parquet:", lambda: polars.read_parquet("new[1].parquet")),
    ("DuckDB reads other[1].parquet:", lambda: duckdb.sql("FROM 'other[1].parquet'").fetchall()),
):
    try:
        print(told, read())
    except Exception as error:
        print(told, type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
