#!/usr/bin/env bash
# A key that stands in a late line of JSON Lines for the first time.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'duckdb==2.0.1' 'polars==2.1.0' 'pandas==3.1.1' 'pyarrow==26.0.1'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'polars==2.1.0' 'pandas==3.1.1' 'pyarrow==26.0.1'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' duckdb polars pandas pyarrow
cd "$tmp"
cat >expected <<'END'
'flag' stands first in line 51:
  polars  ['depth', 'flag']
  duckdb  ['depth', 'flag']
  pyarrow ['depth', 'flag']
  pandas  ['depth', 'flag']
'flag' stands first in line 501:
  polars  ['depth']
  duckdb  ['depth', 'flag']
  pyarrow ['depth', 'flag']
  pandas  ['depth', 'flag']
'flag' stands first in line 50001:
  polars  ['depth']
  duckdb  ['depth']
  pyarrow ['depth', 'flag']
  pandas  ['depth', 'flag']
END
venv/bin/python -W ignore - >seen <<'END'
import json
import warnings
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.json

warnings.simplefilter("ignore")
for n in (50, 500, 50_000):
    lines = [json.dumps({"depth": 1.5})] * n + [json.dumps({"depth": 2.5, "flag": "bad"})]
    Path("log.jsonl").write_text("\n".join(lines) + "\n")
    print(f"'flag' stands first in line {n + 1}:")
    print("  polars ", pl.read_ndjson("log.jsonl").columns)
    print("  duckdb ", duckdb.sql("from 'log.jsonl'").columns)
    print("  pyarrow", pyarrow.json.read_json("log.jsonl").column_names)
    print("  pandas ", list(pd.read_json("log.jsonl", lines=True).columns))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
