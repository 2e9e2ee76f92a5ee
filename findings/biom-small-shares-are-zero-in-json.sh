#!/usr/bin/env bash
# A table of shares, written in the three forms of BIOM.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biom-format==2.1.18' 'numpy==2.4.6' 'pandas==2.3.3' 'scipy==1.17.1' 'h5py==3.16.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' biom-format numpy pandas scipy h5py
cat >expected <<'END'
given: [[1e-10, 2.5e-07], [0.3333333333333333, 1.0]]
  h5   [[1e-10, 2.5e-07], [0.3333333333333333, 1.0]]
  tsv  [[1e-10, 2.5e-07], [0.3333333333333333, 1.0]]
  json [[0.0, 0.0], [0.333333, 1.0]]
given: [[1234567.891, 9007199254740991], [0.0, 1.0]]
  h5   [[1234567.891, 9007199254740991.0], [0.0, 1.0]]
  tsv  [[1234567.891, 9007199254740991.0], [0.0, 1.0]]
  json [[1234567.891, 9007199254740991.0], [0.0, 1.0]]
given: [[nan, 1.0], [2.0, 3.0]]
  h5   [[nan, 1.0], [2.0, 3.0]]
  tsv  [[nan, 1.0], [2.0, 3.0]]
  json JSONDecodeError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json

import biom
import numpy as np
from biom.util import biom_open

for values in ([[1e-10, 2.5e-07], [1 / 3, 1.0]], [[1234567.891, 9007199254740991], [0.0, 1.0]], [[float("nan"), 1.0], [2.0, 3.0]]):
    table = biom.Table(np.array(values), ["taxon 1", "taxon 2"], ["sample 1", "sample 2"])
    print("given:", values)
    with biom_open("table.h5", "w") as out:
        table.to_hdf5(out, "test")
    with open("table.json", "w") as out:
        out.write(table.to_json("test"))
    with open("table.tsv", "w") as out:
        out.write(table.to_tsv())
    for suffix in ("h5", "tsv", "json"):
        try:
            print(f"  {suffix:4}", biom.load_table(f"table.{suffix}").matrix_data.toarray().tolist())
        except json.JSONDecodeError as error:
            print(f"  {suffix:4}", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
