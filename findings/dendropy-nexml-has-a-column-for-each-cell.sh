#!/usr/bin/env bash
# Small matrices of characters, written and read by DendroPy.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('dendropy==5.1.3')
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
three rows: ann ACGT; ben AC-?; cat ACGN
  read from NEXUS: ann A C G T; ben A C - ?; cat A C G N
  nexus, written and read: the same
  nexml, written and read: ann A C G T; ben None None None None A C - ?; cat None None None None None None None None A C G N
  phylip, written and read: the same
  fasta, written and read: the same
C and G, both or either: ann A(CG)GT; ben A{CG}GT; cat ACGT
  read from NEXUS: ann A (C,G) G T; ben A S G T; cat A C G T
  nexus, written: not read, NexusReaderError
  nexml, written: not read, Exception
  phylip, written: not read, PhylipStrictSequentialError
  fasta, written: not read, DataParseError
measures: ann 1.5 0.1 1e-10 -3; ben 1 2 3 4; cat 5 6 7 8
  read from NEXUS: ann 1.5 0.1 1e-10 -3.0; ben 1.0 2.0 3.0 4.0; cat 5.0 6.0 7.0 8.0
  nexus, written and read: the same
  nexml, written and read: the same
  phylip, written and read: the same
  fasta, written: not read, AttributeError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import dendropy

warnings.simplefilter("ignore")
HEAD = "#NEXUS\nBEGIN DATA;\nDIMENSIONS NTAX=3 NCHAR=4;\nFORMAT DATATYPE={} MISSING=? GAP=-;\nMATRIX\n{}\n;\nEND;\n"
CASES = {
    "three rows": ("DNA", dendropy.DnaCharacterMatrix, {"ann": "ACGT", "ben": "AC-?", "cat": "ACGN"}),
    "C and G, both or either": ("DNA", dendropy.DnaCharacterMatrix, {"ann": "A(CG)GT", "ben": "A{CG}GT", "cat": "ACGT"}),
    "measures": ("CONTINUOUS", dendropy.ContinuousCharacterMatrix, {"ann": "1.5 0.1 1e-10 -3", "ben": "1 2 3 4", "cat": "5 6 7 8"}),
}


def shown(matrix):
    return "; ".join(f"{taxon.label} {' '.join(str(state) for state in matrix[taxon])}" for taxon in matrix.taxon_namespace if taxon in matrix)


for title, (kind, of, rows) in CASES.items():
    found = of.get(data=HEAD.format(kind, "\n".join(f"{name} {row}" for name, row in rows.items())), schema="nexus")
    print(f"{title}: {'; '.join(f'{name} {row}' for name, row in rows.items())}")
    print("  read from NEXUS:", shown(found))
    for schema in ("nexus", "nexml", "phylip", "fasta"):
        try:
            text = found.as_string(schema=schema)
        except Exception as error:
            print(f"  {schema}: not written, {type(error).__name__}")
            continue
        try:
            again = shown(of.get(data=text, schema=schema))
            print(f"  {schema}, written and read: {'the same' if again == shown(found) else again}")
        except Exception as error:
            print(f"  {schema}, written: not read, {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
