#!/usr/bin/env bash
# Numbers beyond the columns of a PDB file, by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biopython==1.88' 'gemmi==0.7.5' 'numpy==2.4.6')
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
x of 12345.678, written by Biopython: 12345.678   0.000   0.000  1.00  1.00           C
  gemmi reads x 12345.670, y 8.000, B 0.00
  Biopython: PDBConstructionException
x of 12345.678, written by gemmi: 12345.67   0.000   0.000  1.00  1.00           C
  gemmi reads x 12345.670, y 0.000, B 1.00
  Biopython reads x 12345.670, y 0.000, B 1.00
x of -12345.678, written by Biopython: -12345.678   0.000   0.000  1.00  1.00           C
  gemmi reads x -12345.600, y 78.000, B 0.00
  Biopython: PDBConstructionException
x of -12345.678, written by gemmi: -12345.6   0.000   0.000  1.00  1.00           C
  gemmi reads x -12345.600, y 0.000, B 1.00
  Biopython reads x -12345.600, y 0.000, B 1.00
B of 1234.56, written by Biopython:    0.000   0.000   0.000  1.001234.6           C
  gemmi reads x 0.000, y 0.000, B 1234.60
  Biopython reads x 0.000, y 0.000, B 1234.60
B of 1234.56, written by gemmi:    0.000   0.000   0.000  1.00999.99           C
  gemmi reads x 0.000, y 0.000, B 999.99
  Biopython reads x 0.000, y 0.000, B 999.99
END
venv/bin/python -W ignore - >seen <<'END'
import io

import gemmi
import numpy as np
from Bio.PDB import PDBIO, PDBParser
from Bio.PDB.StructureBuilder import StructureBuilder

CASES = (
    ("x of 12345.678", (12345.678, 0, 0), 1.0),
    ("x of -12345.678", (-12345.678, 0, 0), 1.0),
    ("B of 1234.56", (0, 0, 0), 1234.56),
)


def of_biopython(place, b):
    builder = StructureBuilder()
    builder.init_structure("x")
    builder.init_model(0)
    builder.init_chain("A")
    builder.init_seg(" ")
    builder.init_residue("GLY", " ", 1, " ")
    builder.init_atom("CA", np.array(place, "f"), b, 1.0, " ", " CA ", 1, "C")
    writer, text = PDBIO(), io.StringIO()
    writer.set_structure(builder.get_structure())
    writer.save(text)
    return text.getvalue()


def of_gemmi(place, b):
    structure, model, chain = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A")
    residue, atom = gemmi.Residue(), gemmi.Atom()
    atom.name, atom.element, atom.pos, atom.b_iso = "CA", gemmi.Element("C"), gemmi.Position(*place), b
    residue.name, residue.seqid = "GLY", gemmi.SeqId(1, " ")
    residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    return structure.make_pdb_string()


for told, place, b in CASES:
    for writer, write in (("Biopython", of_biopython), ("gemmi", of_gemmi)):
        text = write(place, b)
        (line,) = [each for each in text.splitlines() if each.startswith(("ATOM", "HETATM"))]
        print(f"{told}, written by {writer}: {line[30:].rstrip()}")
        try:
            atom = gemmi.read_pdb_string(text)[0][0][0][0]
            print(f"  gemmi reads x {atom.pos.x:.3f}, y {atom.pos.y:.3f}, B {atom.b_iso:.2f}")
        except Exception as error:
            print(f"  gemmi: {type(error).__name__}")
        try:
            (atom,) = PDBParser(QUIET=True).get_structure("x", io.StringIO(text)).get_atoms()
            print(f"  Biopython reads x {atom.coord[0]:.3f}, y {atom.coord[1]:.3f}, B {atom.bfactor:.2f}")
        except Exception as error:
            print(f"  Biopython: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
