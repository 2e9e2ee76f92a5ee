#!/usr/bin/env bash
# Measurements in MDF: parts that are joined, pairs, and what is exported.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('asammdf==8.8.28' 'numpy==2.4.6' 'pandas==3.1.1' 'pyarrow==26.0.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
two parts of one measurement, joined by MDF.concatenate
  whole numbers, then fractions, 1 2 V and 1.5 2.5 V: 1 2 0 0 V
  bytes in V, then 32 bits in mV, 1 2 V and 300 -2 mV: 1 2 44 1 V
  32 bits, then 64, 1 2 V and 3 4 V: 1 2 0 2.125 V
three pairs of values, and a value that is masked
  read: 1 2 3 and 1 999 3
a fast channel at 0, 0.1 and 0.2 s, a slow one at 0.05 and 0.15 s, and texts
  CSV: | timestamps; fast | 0.0; 1.0 | 0.1; 2.0 | 0.2; 3.0
  CSV: | timestamps; slow | 0.0; 10.0 | 0.09999999999999999; 20.0
  CSV: | timestamps; state | 0.0; b'on' | 0.09999999999999999; b'off'
  Parquet: | fast 1 1.5 2 2.5 3 | slow 10 10 15 20 20 | timestamps 0 0.05 0.1 0.15 0.2
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import csv
import glob
import warnings

import numpy as np
import pyarrow.parquet
from asammdf import MDF, Signal

warnings.simplefilter("ignore")
FAST, SLOW = np.array([0, 0.1, 0.2]), np.array([0.05, 0.15])


def of(**signals):
    file = MDF()
    for name, (values, times, unit) in signals.items():
        text = {"encoding": "utf-8"} if np.asarray(values).dtype.kind == "S" else {}
        file.append([Signal(values, times, name=name, unit=unit, **text)])
    return file


def shown(values):
    return " ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in np.asarray(values).tolist())


print("two parts of one measurement, joined by MDF.concatenate")
PARTS = {
    "whole numbers, then fractions": ((np.array([1, 2], "int16"), "V"), (np.array([1.5, 2.5]), "V")),
    "bytes in V, then 32 bits in mV": ((np.array([1, 2], "uint8"), "V"), (np.array([300, -2], "int32"), "mV")),
    "32 bits, then 64": ((np.array([1, 2], "float32"), "V"), (np.array([3.0, 4.0]), "V")),
}
for title, parts in PARTS.items():
    files = [of(level=(values, FAST[:2], unit)) for values, unit in parts]
    given = " and ".join(f"{shown(values)} {unit}" for values, unit in parts)
    try:
        found = MDF.concatenate(files).get("level")
        print(f"  {title}, {given}: {shown(found.samples)} {found.unit}")
    except Exception as error:
        print(f"  {title}, {given}: refused ({type(error).__name__})")

print("three pairs of values, and a value that is masked")
file = of(pair=(np.array([[1, 2], [3, 4], [5, 6]], "float64"), FAST, "V"), masked=(np.ma.masked_array([1.0, 999, 3], [0, 1, 0]), FAST, "V"))
file.save("set.mf4", overwrite=True)
with MDF("set.mf4") as found:
    print("  read:", shown(found.get("pair").samples), "and", shown(found.get("masked").samples))

print("a fast channel at 0, 0.1 and 0.2 s, a slow one at 0.05 and 0.15 s, and texts")
file = of(fast=(np.array([1.0, 2, 3]), FAST, "V"), slow=(np.array([10.0, 20]), SLOW, "V"), state=(np.array([b"on", b"off"]), SLOW, ""))
file.export("csv", "out.csv")
for path in sorted(glob.glob("out*.csv")):
    print("  CSV:", *("; ".join(row) for row in csv.reader(open(path)) if row), sep=" | ")
file.export("parquet", "out.parquet")
table = pyarrow.parquet.read_table("out.parquet")
print("  Parquet:", *(f"{name} {shown(table[name])}" for name in table.column_names), sep=" | ")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
