#!/usr/bin/env bash
# What becomes of values, rows and times that are written as CDF.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('cdflib==1.3.16' 'pycdfpp==0.19.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' cdflib pycdfpp numpy
cat >expected <<'END'
300 as a byte: [44, -1]
70000 as 16 bits: [4464, -1]
-1 and 65536 as 16 bits without a sign: [65535, 0]
2^40 as 32 bits: [0, 1]
1.7 and NaN as 32 bits: [1, -2147483648]
1e300 as a single: [inf, 1.0]
1, masked -999, 3: [1, -999, 3]
abcdef with room for three: ['abc', 'def'] and to pycdfpp [b'abc', b'def']
[[0, 1, 2], [3, 4, 5]] by rows: [[[0, 1, 2], [3, 4, 5]]]
[[0, 1, 2], [3, 4, 5]] by columns: [[[0, 2, 4], [1, 3, 5]]]
the records 0 and 2, FILLVAL -1: [10, -2147483647, 20] and to pycdfpp [10, -1, 20]
30 February: 2021-03-02T00:00:00.000000000
the 13th month: 2022-01-01T00:00:00.000000000
the text of 30 February: 2021-03-02T00:00:00.000000000
the leap second: 2016-12-31T23:59:60.000000000 and as a time of NumPy 2017-01-01T00:00:00.000000000
a missing time: 9999-12-31T23:59:59.999999999 and as a time of NumPy NaT
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os

import cdflib
import numpy as np
import pycdfpp
from cdflib.cdfwrite import CDF

epoch = cdflib.cdfepoch
TYPES = {"INT1": 1, "INT2": 2, "INT4": 4, "INT8": 8, "UINT2": 12, "REAL4": 21, "TT2000": 33, "CHAR": 51}


def told(words, name, values, sizes=(), width=1, attributes=None, majority="row_major", **more):
    if os.path.exists("made.cdf"):
        os.remove("made.cdf")
    file = CDF("made.cdf", cdf_spec={"Majority": majority})
    described = {"Variable": "v", "Data_Type": TYPES[name], "Num_Elements": width, "Rec_Vary": True, "Dim_Sizes": list(sizes), **more}
    file.write_var(described, var_attrs=attributes or {}, var_data=values)
    file.close()
    one = np.asarray(cdflib.CDF("made.cdf").varget("v")).tolist()
    other = pycdfpp.load("made.cdf")["v"].values.tolist()
    print(f"{words}: {one}", *[f"and to pycdfpp {other}"] * (one != other))


told("300 as a byte", "INT1", np.array([300, -1]))
told("70000 as 16 bits", "INT2", np.array([70000, -1]))
told("-1 and 65536 as 16 bits without a sign", "UINT2", np.array([-1, 65536]))
told("2^40 as 32 bits", "INT4", np.array([2**40, 1]))
told("1.7 and NaN as 32 bits", "INT4", np.array([1.7, np.nan]))
told("1e300 as a single", "REAL4", np.array([1e300, 1.0]))
told("1, masked -999, 3", "INT4", np.ma.masked_array([1, -999, 3], [0, 1, 0]))
told("abcdef with room for three", "CHAR", np.array(["abcdef", "abc"]), width=3)
rows = np.arange(6, dtype="i4").reshape(1, 2, 3)
told(f"{rows[0].tolist()} by rows", "INT4", rows, (2, 3))
told(f"{rows[0].tolist()} by columns", "INT4", rows, (2, 3), majority="column_major")
told("the records 0 and 2, FILLVAL -1", "INT4", [[0, 2], np.array([10, 20], "i4")], attributes={"FILLVAL": [-1, "CDF_INT4"]}, Sparse="pad_sparse")

for words, parts in {"30 February": [2021, 2, 30], "the 13th month": [2021, 13, 1]}.items():
    print(f"{words}: {epoch.encode_tt2000(epoch.compute_tt2000([*parts, 0, 0, 0, 0, 0, 0]))}")
print("the text of 30 February:", epoch.encode(epoch.parse("2021-02-30T00:00:00.000000000")))
leap = epoch.compute_tt2000([2016, 12, 31, 23, 59, 60, 0, 0, 0])
print("the leap second:", epoch.encode(leap), "and as a time of NumPy", *epoch.to_datetime(leap))
missing = -(2**63)
print("a missing time:", epoch.encode_tt2000(missing), "and as a time of NumPy", *epoch.to_datetime(missing))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
