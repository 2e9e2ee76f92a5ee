#!/usr/bin/env bash
# What DuckDB writes for infinity, and for a time of day with an offset, into Parquet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'duckdb==2.0.1' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(duckdb|pyarrow) '
cd "$tmp"
cat >expected <<'END'
pyarrow, until: timestamp[us] 9223372036854775807
pyarrow, day:   date32[day] 2147483647
pyarrow, opens: time64[us] 10:00:00
duckdb:         ('infinity', 'infinity', '10:00:00+00')
END
venv/bin/python -W ignore - >seen <<'END'
import duckdb
import pyarrow.parquet as pq

duckdb.sql(
    "copy (select 'infinity'::timestamp as until, 'infinity'::date as day, '12:00:00+02'::timetz as opens) to 'x.parquet'"
)
table = pq.read_table("x.parquet")
print("pyarrow, until:", table["until"].type, table["until"].cast("int64")[0])
print("pyarrow, day:  ", table["day"].type, table["day"].cast("int32")[0])
print("pyarrow, opens:", table["opens"].type, table["opens"][0])
print("duckdb:        ", duckdb.sql("select until::varchar, day::varchar, opens::varchar from 'x.parquet'").fetchall()[0])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
