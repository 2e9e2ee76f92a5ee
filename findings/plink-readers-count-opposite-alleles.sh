#!/usr/bin/env bash
# The same genotypes, by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('bed-reader==1.1.0' 'pandas-plink==2.3.2' 'numpy==1.26.4')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
given to bed-reader:               [0.0, 0.0, 1.0, 2.0, nan]
bed-reader:                        [0.0, 0.0, 1.0, 2.0, nan]
pandas-plink, read_plink:          [2.0, 2.0, 1.0, 0.0, nan]
pandas-plink, read_plink1_bin:     [2.0, 2.0, 1.0, 0.0, nan]
and with ref='a0':                 [0.0, 0.0, 1.0, 2.0, nan]
alleles: ['A'] ['G'] [['A', 'G']]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
from bed_reader import open_bed, to_bed
from pandas_plink import read_plink, read_plink1_bin

given = np.array([[0], [0], [1], [2], [np.nan]])
to_bed("study.bed", given, properties={"allele_1": ["A"], "allele_2": ["G"], "chromosome": ["1"]})
print("given to bed-reader:              ", given.ravel().tolist())
print("bed-reader:                       ", open_bed("study.bed").read().ravel().tolist())
table, _, counts = read_plink("study", verbose=False)
print("pandas-plink, read_plink:         ", counts.compute().ravel().tolist())
print("pandas-plink, read_plink1_bin:    ", read_plink1_bin("study.bed", verbose=False).values.ravel().tolist())
print("and with ref='a0':                ", read_plink1_bin("study.bed", verbose=False, ref="a0").values.ravel().tolist())
print("alleles:", open_bed("study.bed").allele_1.tolist(), open_bed("study.bed").allele_2.tolist(), table[["a0", "a1"]].values.tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
