#!/usr/bin/env bash
# Numbers, times and units that astropy writes beside missing values, or with more places than its text has room for.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-compile --disable-pip-version-check 'astropy==8.0.2' 'numpy==2.4.6' 'h5py==3.16.0' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(astropy|h5py|numpy) '
cd "$tmp"
cat >expected <<'END'
fits, 999999, a missing one and 3: [None, None, 3]
ecsv, 999999, a missing one and 3: [999999, None, 3]
vot, 999999, a missing one and 3: [999999, None, 3]
h5, 999999, a missing one and 3: [999999, None, 3]
fits, 999999, 5 and 3: [999999, 5, 3]
times.fits, nanoseconds lost: 0
times.ecsv, nanoseconds lost: -456789
a header of 1.2345678901234568e-300: 1.2345678901234e-300
a header of -1.234567890123456e-05: -1.2345678901234e-05
a header of 1.234567890123456e-05: 1.23456789012345e-05
a column in adu / s: adu / s
a column in electron / s: None
a column in dB: None
a column in mag(AB): None
a column in percent: 0.01
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

given = Table({"counts": MaskedColumn([999999, 5, 3], mask=[False, True, False])})
for suffix, reading, writing in (
    ("fits", {}, {}),
    ("ecsv", {}, {}),
    ("vot", {"format": "votable"}, {"format": "votable"}),
    ("h5", {"path": "t"}, {"path": "t", "serialize_meta": True}),
):
    given.write(f"counts.{suffix}", overwrite=True, **writing)
    print(f"{suffix}, 999999, a missing one and 3:", Table.read(f"counts.{suffix}", **reading)["counts"].tolist())
alone = Table({"counts": [999999, 5, 3]})
alone.write("alone.fits")
print("fits, 999999, 5 and 3:", Table.read("alone.fits")["counts"].tolist())

moments = QTable({"seen": Time(["2026-01-01T00:00:00.123456789"])})
moments.write("times.fits")
moments.write("times.ecsv")
print("times.fits, nanoseconds lost:", round(((QTable.read("times.fits", astropy_native=True)["seen"] - moments["seen"]).to_value("ns"))[0]))
print("times.ecsv, nanoseconds lost:", round(((QTable.read("times.ecsv")["seen"] - moments["seen"]).to_value("ns"))[0]))

for value in (1.2345678901234567e-300, -1.234567890123456e-05, 1.234567890123456e-05):
    fits.PrimaryHDU(header=fits.Header({"EPS": value})).writeto("header.fits", overwrite=True)
    print(f"a header of {value!r}:", fits.getheader("header.fits")["EPS"])
for unit in ("adu / s", "electron / s", "dB", "mag(AB)", "percent"):
    table = QTable()
    table["a"] = [1.0]
    table["a"].unit = unit
    Table(table).write("units.fits", overwrite=True)
    print(f"a column in {unit}:", Table.read("units.fits")["a"].unit)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
