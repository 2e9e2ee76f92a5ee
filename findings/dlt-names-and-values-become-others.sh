#!/usr/bin/env bash
# Rows that dlt loads into a data base: which columns there are, and what is in them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
packages=('dlt[duckdb]==1.31.0' 'duckdb==2.0.1')
if command -v uv >/dev/null; then
  uv venv -q --python python3 venv
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv venv
  venv/bin/pip install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' dlt duckdb
cat >expected <<'END'
keys a-b, a_b, A B and aB, of 1 to 4: a_b [4]
keys x+, x-, x* and x, of 1 to 4: x [4], xx [3]
keys ID, id and Id, of 1 to 3: id [3]
a.b as an object, and a__b, of 1 and 2: a__b [1]
1, then 007 and x: n [1, 7, None], n__v_text [None, None, 'x']
1, then 1_000 and 2.0: n [1, 1000, None], n__v_text [None, None, '2.0']
True, then 5: n [True, True]
True, then no and x: n [True, False, None], n__v_text [None, None, 'x']
1.5, then infinity and NaN: n [1.5, None, None]
1.5, then 9007199254740993: n [1.5, 9007199254740992.0]
the 30th as a date, then 23:30 on it at -05:00: n ['2026-11-30', '2026-12-01']
a moment, then 1 and 2.5: n ['2026-11-30 00:00:00+00:00', '1970-01-01 00:00:01+00:00', '1970-01-01 00:00:02.500000+00:00']
END
env DLT_DATA_DIR="$tmp/dlt" RUNTIME__DLTHUB_TELEMETRY=false RUNTIME__LOG_LEVEL=CRITICAL venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime

import dlt
import duckdb

times = (datetime.date, datetime.datetime)


def column(first, *others):
    return [{"n": value} for value in (first, *others)]


rows = {
    "keys a-b, a_b, A B and aB, of 1 to 4": [{"a-b": 1, "a_b": 2, "A B": 3, "aB": 4}],
    "keys x+, x-, x* and x, of 1 to 4": [{"x+": 1, "x-": 2, "x*": 3, "x": 4}],
    "keys ID, id and Id, of 1 to 3": [{"ID": 1, "id": 2, "Id": 3}],
    "a.b as an object, and a__b, of 1 and 2": [{"a": {"b": 1}, "a__b": 2}],
    "1, then 007 and x": column(1, "007", "x"),
    "1, then 1_000 and 2.0": column(1, "1_000", "2.0"),
    "True, then 5": column(True, 5),
    "True, then no and x": column(True, "no", "x"),
    "1.5, then infinity and NaN": column(1.5, float("inf"), float("nan")),
    "1.5, then 9007199254740993": column(1.5, 2**53 + 1),
    "the 30th as a date, then 23:30 on it at -05:00": column(datetime.date(2026, 11, 30), "2026-11-30T23:30:00-05:00"),
    "a moment, then 1 and 2.5": column(datetime.datetime(2026, 11, 30), 1, 2.5),
}
for number, (title, given) in enumerate(rows.items()):
    pipeline = dlt.pipeline(pipeline_name=f"p{number}", destination=dlt.destinations.duckdb(f"p{number}.duckdb"), dataset_name="d")
    pipeline.run(given, table_name="t")
    with duckdb.connect(f"p{number}.duckdb") as base:
        base.execute("SET TimeZone = 'UTC'")
        told = base.sql("SELECT * FROM d.t")
        names, values = told.columns, told.fetchall()
    seen = {name: [str(row[at]) if isinstance(row[at], times) else row[at] for row in values] for at, name in enumerate(names) if not name.startswith("_dlt")}
    print(f"{title}: {', '.join(f'{name} {seen[name]}' for name in sorted(seen))}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
