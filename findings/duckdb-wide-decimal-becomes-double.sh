#!/usr/bin/env bash
# A decimal of 50 digits in Parquet, as two readers see it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(duckdb|pyarrow) '
cd "$tmp"
cat >expected <<'END'
written: 123456789012345678901234567890.12
pyarrow: 123456789012345678901234567890.12
duckdb:  DOUBLE 123456789012345660285533552640.00
END
venv/bin/python -W ignore - >seen <<'END'
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

written = Decimal("123456789012345678901234567890.12")
pq.write_table(pa.table({"x": pa.array([written], pa.decimal256(50, 2))}), "x.parquet")
print("written:", written)
print("pyarrow:", pq.read_table("x.parquet")["x"][0])
value, kind = duckdb.sql("select x, typeof(x) from 'x.parquet'").fetchall()[0]
print("duckdb: ", kind, f"{value:.2f}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
