#!/usr/bin/env bash
# Types of DuckDB that Parquet has no exact place for: what do its readers get?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('duckdb==2.0.1' 'pyarrow==26.0.1' 'polars==2.1.0' 'datafusion==55.0.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' duckdb pyarrow polars datafusion
cat >expected <<'END'
timetz '12:00:00+05:45': TIME WITH TIME ZONE, written and read by DuckDB TIME WITH TIME ZONE
  DuckDB     06:15:00+00:00
  PyArrow    06:15:00
  Polars     06:15:00
  DataFusion 06:15:00
time '24:00:00': TIME, written and read by DuckDB TIME
  DuckDB     24:00:00
  PyArrow    00:00:00
  Polars     None
  DataFusion 00:00:00
interval '3.123456 seconds': INTERVAL, written and read by DuckDB INTERVAL
  DuckDB     0:00:03.123000
  PyArrow    b'\x00\x00\x00\x00\x00\x00\x00\x003\x0c\x00\x00'
uuid '12345678-1234-1234-1234-123456789abc': UUID, written and read by DuckDB UUID
  DuckDB     12345678-1234-1234-1234-123456789abc
  PyArrow    12345678-1234-1234-1234-123456789abc
  Polars     b'\x124Vx\x124\x124\x124\x124Vx\x9a\xbc'
  DataFusion b'\x124Vx\x124\x124\x124\x124Vx\x9a\xbc'
'101'::bit: BIT, written and read by DuckDB VARCHAR
  DuckDB     101
  PyArrow    101
  Polars     101
union_value(n := 1): UNION(n INTEGER), written and read by DuckDB STRUCT(element1 UTINYINT, n INTEGER)
  DuckDB     {'element1': 0, 'n': 1}
  PyArrow    {'element1': 0, 'n': 1}
  Polars     {'element1': 0, 'n': 1}
array_value(1, 2): INTEGER[2], written and read by DuckDB INTEGER[]
  DuckDB     [1, 2]
  PyArrow    [1, 2]
90 s as a duration of Polars, read by DuckDB: 90000000 and by PyArrow: 0:01:30
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datafusion
import duckdb
import polars as pl
import pyarrow.parquet as pq

context = datafusion.SessionContext()
readers = {
    "DuckDB": lambda name: [row[0] for row in duckdb.sql(f"select a from '{name}'").fetchall()],
    "PyArrow": lambda name: pq.read_table(name)["a"].to_pylist(),
    "Polars": lambda name: pl.read_parquet(name)["a"].to_list(),
    "DataFusion": lambda name: context.read_parquet(name).to_arrow_table()["a"].to_pylist(),
}
for number, (given, others) in enumerate(
    {
        "timetz '12:00:00+05:45'": ("PyArrow", "Polars", "DataFusion"),
        "time '24:00:00'": ("PyArrow", "Polars", "DataFusion"),
        "interval '3.123456 seconds'": ("PyArrow",),
        "uuid '12345678-1234-1234-1234-123456789abc'": ("PyArrow", "Polars", "DataFusion"),
        "'101'::bit": ("PyArrow", "Polars"),
        "union_value(n := 1)": ("PyArrow", "Polars"),
        "array_value(1, 2)": ("PyArrow",),
    }.items()
):
    name = f"{number}.parquet"
    duckdb.sql(f"copy (select {given} as a) to '{name}'")
    kind = duckdb.sql(f"select typeof({given}), typeof(a) from '{name}'").fetchall()[0]
    print(f"{given}: {kind[0]}, written and read by DuckDB {kind[1]}")
    for reader in ("DuckDB", *others):
        print(f"  {reader:10}", *map(str, readers[reader](name)))
pl.DataFrame({"a": [90_000_000]}, schema={"a": pl.Duration("us")}).write_parquet("duration.parquet")
print("90 s as a duration of Polars, read by DuckDB:", *readers["DuckDB"]("duration.parquet"), "and by PyArrow:", *map(str, readers["PyArrow"]("duration.parquet")))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
