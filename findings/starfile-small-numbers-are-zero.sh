#!/usr/bin/env bash
# Tables of STAR files, written by starfile and read again: small numbers, ids, names with a hash.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('starfile==0.5.13' 'pandas==3.1.1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' starfile pandas numpy
cd "$tmp"
cat >expected <<'END'
1e-10, 2.5e-7, 1/3 and 123456789.123: [0.0, 0.0, 0.333333, 123456789.123]
1e-10 and 1/3 in a block of single values: {'small': 1e-10, 'shift': 0.3333333333333333}
ids 007 and A12: ['007', 'A12']
ids 007 and 008: [7, 8]
id 007 alone: {'id': 7}
ids 1 and none, as integers: [9007199254740992.0, nan]
micrographs ['g#1.mrc', 'g#2.mrc', 'g3.mrc']: {'defocus': [1, 2, 3], 'micrograph': ['g', 'g', 'g3.mrc']}
micrographs ['a.mrc', 'NA', 'nan']: {'defocus': [1, 2, 3], 'micrograph': ['a.mrc', 'NA', nan]}
micrographs ['#1.mrc', '#2.mrc', 'g3.mrc']: it cannot be read
micrographs ['a.mrc', 'b.mrc', 'c.mrc']: it cannot be read
the last file under another name: {'defocus': [1, 2, 3], 'micrograph': ['a.mrc', 'b.mrc', 'c.mrc']}
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os

import pandas as pd
import starfile


def again(table):
    starfile.write(table, "made.star", overwrite=True)
    try:
        found = starfile.read("made.star")
    except pd.errors.ParserError:
        return "it cannot be read"
    return found.to_dict("list") if isinstance(found, pd.DataFrame) else found


print("1e-10, 2.5e-7, 1/3 and 123456789.123:", again(pd.DataFrame({"shift": [1e-10, 2.5e-7, 1 / 3, 123456789.123]}))["shift"])
print("1e-10 and 1/3 in a block of single values:", again({"optics": {"small": 1e-10, "shift": 1 / 3}}))
print("ids 007 and A12:", again(pd.DataFrame({"id": ["007", "A12"]}))["id"])
print("ids 007 and 008:", again(pd.DataFrame({"id": ["007", "008"]}))["id"])
print("id 007 alone:", again({"sample": {"id": "007"}}))
print("ids 1 and none, as integers:", again(pd.DataFrame({"id": pd.array([2**53 + 1, None], "Int64")}))["id"])
for names in (["g#1.mrc", "g#2.mrc", "g3.mrc"], ["a.mrc", "NA", "nan"], ["#1.mrc", "#2.mrc", "g3.mrc"], ["a.mrc", "b.mrc", "c.mrc"]):
    print(f"micrographs {names}:", again(pd.DataFrame({"defocus": [1, 2, 3], "micrograph": names})))
print("the last file under another name:", os.rename("made.star", "renamed.star") or starfile.read("renamed.star").to_dict("list"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
