#!/usr/bin/env bash
# Values that PyArrow has written, read by fastparquet.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'fastparquet==2026.9.0' 'pyarrow==26.0.1' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(fastparquet|pyarrow) '
cd "$tmp"
cat >expected <<'END'
a decimal: written 1234567890123456789.01, read np.float64(1.2345678901234568e+18) (float64)
a time in Berlin: written 1970-01-01 01:00:00+01:00, read Timestamp('1970-01-01 00:00:00') (datetime64[us])
a half: written 1.5, read b'\x00>' (object)
a duration in ms: written 0:01:30, read np.int64(90000) (int64)
END
venv/bin/python -W ignore - >seen <<'END'
from decimal import Decimal

import fastparquet
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

columns = {
    "a decimal": pa.array([Decimal("1234567890123456789.01")], pa.decimal128(21, 2)),
    "a time in Berlin": pa.array([0], pa.timestamp("us", tz="Europe/Berlin")),
    "a half": pa.array(np.array([1.5], np.float16)),
    "a duration in ms": pa.array([90_000], pa.duration("ms")),
}
for name, column in columns.items():
    pq.write_table(pa.table({"x": column}), "x.parquet")
    read = fastparquet.ParquetFile("x.parquet").to_pandas()["x"]
    print(f"{name}: written {column[0]}, read {read.iloc[0]!r} ({read.dtype})")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
