#!/usr/bin/env bash
# Masked values, and numbers that a branch has no room for, written to ROOT files; and whole numbers in JSON.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('uproot==5.7.7' 'awkward==2.14.0' 'numpy==2.4.6' 'pandas==3.1.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' uproot awkward numpy pandas
cat >expected <<'END'
1.5, masked, 3.5, 4.5: [1.5, None, 999.0, 3.5]
masked, 2, masked, 4: [None, 1, None, 2]
the same as a list with None: [None, 2, None, 4]
2^40 and 2^31 as int32: [0, -2147483648]
1.7, -1.2 and NaN as int32: [1, -1, -2147483648]
-1 and 300 as uint8: [255, 44]
1e300 and 2^24 + 1 as float32: [inf, 16777216.0]
a table with the index 'run' has the columns ['index', 'a']
[18446744073709551615] read by Awkward: [-1]
[9223372036854775808, 1] read by Awkward: [-9223372036854775808, 1]
[9007199254740993, 1.5] read by Awkward: [9007199254740992.0, 1.5]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import awkward
import numpy as np
import pandas as pd
import uproot


def written(values, kind=None):
    with uproot.recreate("file.root") as out:
        if kind is None:
            out["events"] = {"a": values}
        else:
            out.mktree("events", {"a": kind}).extend({"a": values})
    with uproot.open("file.root") as found:
        return found["events"]["a"].array().to_list()


print("1.5, masked, 3.5, 4.5:", written(np.ma.array([1.5, 999.0, 3.5, 4.5], mask=[False, True, False, False])))
print("masked, 2, masked, 4:", written(np.ma.array([1, 2, 3, 4], mask=[True, False, True, False])))
print("the same as a list with None:", written(awkward.Array([None, 2, None, 4])))
for words, values, kind in (
    ("2^40 and 2^31 as int32", np.array([2**40, 2**31]), "int32"),
    ("1.7, -1.2 and NaN as int32", np.array([1.7, -1.2, np.nan]), "int32"),
    ("-1 and 300 as uint8", np.array([-1, 300]), "uint8"),
    ("1e300 and 2^24 + 1 as float32", np.array([1e300, 2**24 + 1]), "float32"),
):
    print(words + ":", written(values, kind))
with uproot.recreate("table.root") as out:
    out["events"] = pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="run"))
with uproot.open("table.root") as found:
    print("a table with the index 'run' has the columns", found["events"].keys())
for text in ("[18446744073709551615]", "[9223372036854775808, 1]", "[9007199254740993, 1.5]"):
    print(f"{text} read by Awkward:", awkward.from_json(text).to_list())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
