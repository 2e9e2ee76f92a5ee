#!/usr/bin/env bash
# The sum of whole numbers, exported to Parquet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(duckdb|pyarrow) '
cd "$tmp"
cat >expected <<'END'
the sum, in DuckDB:      9007199254740997 HUGEINT
in the Parquet file:     9007199254740996.0 double
read by DuckDB:          9007199254740996 DOUBLE
in a CSV file:           9007199254740997
END
venv/bin/python -W ignore - >seen <<'END'
import duckdb
import pyarrow.parquet as pq

duckdb.sql("create table bytes as select unnest([9007199254740993, 4])::bigint as n")
print("the sum, in DuckDB:     ", *duckdb.sql("select sum(n), typeof(sum(n)) from bytes").fetchall()[0])
duckdb.sql("copy (select sum(n) as total from bytes) to 'sum.parquet'")
print("in the Parquet file:    ", *pq.read_table("sum.parquet")["total"].to_pylist(), pq.read_table("sum.parquet").schema.field("total").type)
print("read by DuckDB:         ", *duckdb.sql("select total::bigint, typeof(total) from 'sum.parquet'").fetchall()[0])
duckdb.sql("copy (select sum(n) as total from bytes) to 'sum.csv'")
print("in a CSV file:          ", open("sum.csv").read().split()[1])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
