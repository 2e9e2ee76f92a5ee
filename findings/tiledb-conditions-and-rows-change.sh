#!/usr/bin/env bash
# Conditions with a fraction on whole numbers, a table with an index of its own, and cells that nobody wrote.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'tiledb==0.36.1' 'pandas==2.3.3' 'pyarrow==26.0.1' 'numpy==2.4.6' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(numpy|pandas|pyarrow|tiledb) '
cd "$tmp"
cat >expected <<'END'
of 0, 1, 2, 3 a == 1.5: [1]
of 0, 1, 2, 3 a > 0.5: [1, 2, 3]
of 0, 1, 2, 3 a >= 1.5: [1, 2, 3]
of 0, 1, 2, 3 a < 0.5: []
of 0, 1, 2, 3 a < -0.5: []
doses of patients 30, 10, 20 in a sparse array: {10: 2.0, 20: 3.0, 30: 1.0}
doses of patients 30, 10, 20 in a dense array: {0: 1.0, 1: 2.0, 2: 3.0}
1 and 255 as uint8, and two cells that nobody wrote: [1, 255, 255, 255]
1 and 255 as bool, and two cells that nobody wrote: [True, True, False, False]
1 and 255 as str96, and two cells that nobody wrote: ['1', '255', '', '']
1 and 255 as int32, and two cells that nobody wrote: [1, 255, -2147483648, -2147483648]
1.7, 300, -1 and 255 written to uint8: [1, 44, 255, 255]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import pandas as pd
import tiledb


def array(name, dtype, size=4, sparse=False):
    domain = tiledb.Domain(tiledb.Dim(name="i", domain=(0, size - 1), tile=size, dtype=np.int32))
    tiledb.Array.create(name, tiledb.ArraySchema(domain=domain, attrs=[tiledb.Attr(name="a", dtype=dtype)], sparse=sparse))
    return name


with tiledb.open(array("asked", np.int32, sparse=True), "w") as out:
    out[np.arange(4)] = np.array([0, 1, 2, 3], np.int32)
with tiledb.open("asked") as found:
    for condition in ("a == 1.5", "a > 0.5", "a >= 1.5", "a < 0.5", "a < -0.5"):
        print(f"of 0, 1, 2, 3 {condition}:", found.query(cond=condition, attrs=["a"])[:]["a"].tolist())

for order in ("sparse", "dense"):
    table = pd.DataFrame({"dose": [1.0, 2.0, 3.0]}, index=pd.Index([30, 10, 20], name="patient"))
    tiledb.from_pandas(order, table, sparse=order == "sparse")
    print(f"doses of patients 30, 10, 20 in a {order} array:", tiledb.open_dataframe(order)["dose"].to_dict())

for dtype in (np.uint8, np.bool_, "U3", np.int32):
    with tiledb.open(array(f"gaps-{np.dtype(dtype).name}", dtype), "w") as out:
        out[0:2] = np.array([1, 255], np.int64).astype(dtype)
    with tiledb.open(f"gaps-{np.dtype(dtype).name}") as found:
        print(f"1 and 255 as {np.dtype(dtype).name}, and two cells that nobody wrote:", found.query(attrs=["a"])[:]["a"].tolist())
with tiledb.open(array("cut", np.uint8), "w") as out:
    out[:] = np.array([1.7, 300.0, -1.0, 255.0])
with tiledb.open("cut") as found:
    print("1.7, 300, -1 and 255 written to uint8:", found.query(attrs=["a"])[:]["a"].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
