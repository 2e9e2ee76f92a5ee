#!/usr/bin/env bash
# Residues, chains and places beyond the columns of a PDB file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biotite==1.6.0' 'numpy==2.4.6')
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
residue 9999: read as [9999] of chain ['A']
residue 10000: read as [1] of chain ['A']
residue 12345: read as [2346] of chain ['A']
chain AB: refused, BadStructureError
x of 12345: refused, BadStructureError
END
venv/bin/python -W ignore - >seen <<'END'
import io

import biotite.structure
import biotite.structure.io.pdb

for told, number, chain, place in (
    ("residue 9999", 9999, "A", 0),
    ("residue 10000", 10000, "A", 0),
    ("residue 12345", 12345, "A", 0),
    ("chain AB", 1, "AB", 0),
    ("x of 12345", 1, "A", 12345),
):
    atom = biotite.structure.Atom(
        [place, 0, 0], chain_id=chain, res_id=number, res_name="GLY", atom_name="CA", element="C"
    )
    file, text = biotite.structure.io.pdb.PDBFile(), io.StringIO()
    try:
        file.set_structure(biotite.structure.array([atom]))
    except Exception as error:
        print(f"{told}: refused, {type(error).__name__}")
        continue
    file.write(text)
    text.seek(0)
    read = biotite.structure.io.pdb.PDBFile.read(text).get_structure(model=1)
    print(f"{told}: read as {read.res_id.tolist()} of chain {read.chain_id.tolist()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
