#!/usr/bin/env bash
# A column of whole numbers in CSV, and a fraction in its last row.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('duckdb==2.0.1' 'polars==2.1.0' 'pandas==3.1.1')
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
30,000 times 1, then 2.7: DuckDB 3, Polars refuses it, pandas 2.7
30,000 times 1, then 0.4: DuckDB 0, Polars refuses it, pandas 0.4
30,000 times 1, then 1e3: DuckDB 1000, Polars refuses it, pandas 1000.0
30,000 times 1, then 12.5: DuckDB 13, Polars refuses it, pandas 12.5
END
venv/bin/python -W ignore - >seen <<'END'
import duckdb
import pandas as pd
import polars as pl

for late in ("2.7", "0.4", "1e3", "12.5"):
    with open("table.csv", "w") as file:
        file.write("dose\n" + "1\n" * 30000 + f"{late}\n")
    read = {
        "DuckDB": lambda: duckdb.sql("select dose from 'table.csv'").fetchall()[-1][0],
        "Polars": lambda: pl.read_csv("table.csv")["dose"][-1],
        "pandas": lambda: pd.read_csv("table.csv", low_memory=False)["dose"].iloc[-1].item(),
    }
    seen = []
    for name, last in read.items():
        try:
            seen.append(f"{name} {last()}")
        except Exception:
            seen.append(f"{name} refuses it")
    print(f"30,000 times 1, then {late}:", ", ".join(seen))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
