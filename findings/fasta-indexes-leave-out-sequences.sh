#!/usr/bin/env bash
# What two indexes of FASTA find in a file, and what its lines say.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pysam==0.24.1' 'pyfaidx==0.9.2.2')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pysam pyfaidx
cat >expected <<'END'
one name twice
  pysam    [('chr1', 'ACG')]
  pyfaidx  ValueError
a sequence of no bases
  pysam    [('chr2', 'AC')]
  pyfaidx  [('chr1', ''), ('chr2', 'AC')]
a blank behind a line
  pysam    [('chr1', 'ACGTACGT')]
  pyfaidx  [('chr1', 'ACGT ACGT')]
a last line that is longer
  pysam    OSError
  pyfaidx  [('chr1', 'ACGACGTA')]
  pyfaidx  bases 4 to 8: ACGTA  base 8:   length: 8
a blank before the name
  pysam    [('chr1', 'ACG')]
  pyfaidx  [('chr1', 'ACG')]
no name
  pysam    [('', 'ACG')]
  pyfaidx  FastaIndexingError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os

import pyfaidx
import pysam

for words, text in {
    "one name twice": ">chr1 first\nACG\n>chr1 second\nTTT\n",
    "a sequence of no bases": ">chr1\n>chr2\nAC\n",
    "a blank behind a line": ">chr1\nACGT \nACGT\n",
    "a last line that is longer": ">chr1\nACG\nACGTA\n",
    "a blank before the name": "> chr1\nACG\n",
    "no name": ">\nACG\n",
}.items():
    print(words)
    for library in ("pysam", "pyfaidx"):
        name = f"{words.replace(' ', '-')}-{library}.fa"
        with open(name, "w") as out:
            out.write(text)
        try:
            if library == "pysam":
                found = pysam.FastaFile(name)
                print(f"  {library:8}", [(sequence, found.fetch(sequence)) for sequence in found.references])
            else:
                found = pyfaidx.Fasta(name)
                print(f"  {library:8}", [(sequence, str(found[sequence])) for sequence in found.keys()])
                if "longer" in words:
                    print(f"  {library:8} bases 4 to 8:", str(found["chr1"][3:8]), " base 8:", str(found["chr1"][7:8]), " length:", len(found["chr1"]))
        except Exception as error:
            print(f"  {library:8}", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
