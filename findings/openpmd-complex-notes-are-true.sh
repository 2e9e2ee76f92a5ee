#!/usr/bin/env bash
# Notes and values of a simulation in four forms of openPMD.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('openpmd-api==0.17.1.post4' 'numpy==2.4.6')
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
json
  a note phase (1+2j): True
  a note limit inf: cannot be read
  a note gap nan: cannot be read
  a note one [7]: [7]
  a note id 9007199254740993: 9007199254740993
  a note good True: True
  values plain, 0.25 1e-10: 0.25 1e-10
  values with a gap, 0.25 nan: cannot be read
  values with infinity, 0.25 inf: cannot be read
toml
  a note phase (1+2j): True
  a note limit inf: inf
  a note gap nan: nan
  a note one [7]: [7]
  a note id 9007199254740993: 9007199254740993
  a note good True: True
  values plain, 0.25 1e-10: 0.25 1e-10
  values with a gap, 0.25 nan: 0.25 nan
  values with infinity, 0.25 inf: 0.25 inf
h5
  a note phase (1+2j): True
  a note limit inf: inf
  a note gap nan: nan
  a note one [7]: 7
  a note id 9007199254740993: 9007199254740993
  a note good True: True
  values plain, 0.25 1e-10: 0.25 1e-10
  values with a gap, 0.25 nan: 0.25 nan
  values with infinity, 0.25 inf: 0.25 inf
bp
  a note phase (1+2j): True
  a note limit inf: inf
  a note gap nan: nan
  a note one [7]: 7
  a note id 9007199254740993: 9007199254740993
  a note good True: True
  values plain, 0.25 1e-10: 0.25 1e-10
  values with a gap, 0.25 nan: 0.25 nan
  values with infinity, 0.25 inf: 0.25 inf
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys

import numpy as np
import openpmd_api as io

sys.stdout = os.fdopen(os.dup(1), "w")
os.dup2(os.open("said", os.O_CREAT | os.O_WRONLY), 1)
NOTES = {"phase": 1 + 2j, "limit": float("inf"), "gap": float("nan"), "one": [7], "id": 9007199254740993, "good": True}
VALUES = {"plain": [0.25, 1e-10], "with a gap": [0.25, float("nan")], "with infinity": [0.25, float("inf")]}


def kept(suffix, note=None, values=None):
    path = f"made.{suffix}"
    series = io.Series(path, io.Access.create)
    if note is not None:
        series.set_attribute("note", note)
    field = series.iterations[0].meshes["field"][io.Mesh_Record_Component.SCALAR]
    given = np.array(values or [1.0])
    field.reset_dataset(io.Dataset(given.dtype, given.shape))
    field.store_chunk(given)
    series.flush()
    series.close()
    try:
        series = io.Series(path, io.Access.read_only)
        if note is not None:
            return repr(series.get_attribute("note"))
        found = series.iterations[0].meshes["field"][io.Mesh_Record_Component.SCALAR].load_chunk()
        series.flush()
        return " ".join(f"{value:g}" for value in found)
    except io.Error:
        return "cannot be read"


for suffix in ("json", "toml", "h5", "bp"):
    print(suffix)
    for name, note in NOTES.items():
        print(f"  a note {name} {note!r}: {kept(suffix, note=note)}")
    for name, values in VALUES.items():
        print(f"  values {name}, {' '.join(f'{value:g}' for value in values)}: {kept(suffix, values=values)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
