#!/usr/bin/env bash
# What is missing, in the two storage versions that Lance writes; and what an update and a merge make of values.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pylance==14.0.2' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pyarrow|pylance) '
cd "$tmp"
cat >expected <<'END'
stable, flag: ['True', 'None', 'False']
stable, count: ['1', 'None', '0']
stable, note: ['a', 'None', '']
stable, hours: ['[1, None]', 'None', '[]']
stable, seen: ['2026-01-01 00:00:00', 'None', '1970-01-01 00:00:00']
stable, x: ['1.5', 'None', '0.0']
stable, rows where count is null: 1 where count = 0: 1
legacy, flag: ['True', 'False', 'False']
legacy, count: ['1', '0', '0']
legacy, note: ['a', 'None', 'None']
legacy, hours: ['[1, 0]', '[]', '[]']
legacy, seen: ['2026-01-01 00:00:00', '1970-01-01 00:00:00', '1970-01-01 00:00:00']
legacy, x: ['1.5', '0.0', '0.0']
legacy, rows where count is null: 0 where count = 0: 2
2.7 as a whole number, by update: [2, 2]
merged by key: ["{'key': 1, 'value': 'new'}", "{'key': None, 'value': 'new'}", "{'key': None, 'value': 'old'}"]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime

import lance
import pyarrow as pa

columns = {
    "flag": pa.array([True, None, False]),
    "count": pa.array([1, None, 0]),
    "note": pa.array(["a", None, ""]),
    "hours": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    "seen": pa.array([datetime.datetime(2026, 1, 1), None, datetime.datetime(1970, 1, 1)], pa.timestamp("us")),
    "x": pa.array([1.5, None, 0.0]),
}
for version in ("stable", "legacy"):
    found = lance.write_dataset(pa.table(columns), version, data_storage_version=version)
    for column in columns:
        print(f"{version}, {column}:", [str(value) for value in found.to_table()[column].to_pylist()])
    print(f"{version}, rows where count is null:", found.count_rows("count is null"), "where count = 0:", found.count_rows("count = 0"))

found = lance.write_dataset(pa.table({"dose": [1, 2]}), "update")
found.update({"dose": "2.7"}, where="dose = 1")
print("2.7 as a whole number, by update:", found.to_table()["dose"].to_pylist())
found = lance.write_dataset(pa.table({"key": [None, 1], "value": ["old", "old"]}), "merge")
new = pa.table({"key": pa.array([None, 1], pa.int64()), "value": ["new", "new"]})
found.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(new)
print("merged by key:", sorted(map(str, found.to_table().to_pylist())))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
