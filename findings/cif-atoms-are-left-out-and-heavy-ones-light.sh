#!/usr/bin/env bash
# Atoms of a crystal in CIF, for three libraries, and a structure that one of them writes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pymatgen==2026.10.24' 'pymatgen-core==2026.10.16' 'ase==3.29.0' 'gemmi==0.7.5' 'numpy==2.4.6')
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
an occupancy that is not given: O1 O 0.5 0.5 0.5 .; Fe1 Fe 0 0 0 1
  pymatgen: Fe at 0 0 0
  ASE: O at 0.5 0.5 0.5 of .; Fe at 0 0 0
  gemmi: O at 0.5 0.5 0.5; Fe at 0 0 0
one of 0.4 and one of 0.5, 0.25 mA apart: Fe1 Fe 0 0 0 0.4; Fe2 Fe 0.00005 0 0 0.5
  pymatgen: Fe:0.9 at 0 0 0
  ASE: Fe at 0 0 0 of 0.5
  gemmi: Fe at 0 0 0 of 0.4; Fe at 5e-05 0 0 of 0.5
a third, and what is near to one: O1 O 0.33331 0.66669 0.1 1
  pymatgen: O at 0.333333 0.666667 0.1
  ASE: O at 0.33331 0.66669 0.1
  gemmi: O at 0.33331 0.66669 0.1
heavy hydrogen: D1 D 0 0 0 1; H1 H 0.5 0.5 0.5 1
  pymatgen: H at 0 0 0; H at 0.5 0.5 0.5
  ASE: H at 0 0 0; H at 0.5 0.5 0.5
  gemmi: D at 0 0 0; H at 0.5 0.5 0.5
two charges: Fe1 Fe3+ 0 0 0 1; Fe2 Fe2+ 0.5 0 0 1
  pymatgen: Fe at 0 0 0; Fe at 0.5 0 0
  ASE: Fe at 0 0 0; Fe at 0.5 0 0
  gemmi: Fe3+ at 0 0 0; Fe2+ at 0.5 0 0
written and read by pymatgen: Fe3+ Fe2+ H of 1.5105 g/cm3, with magnetic moments
  cif: Fe Fe H of 1.4971 g/cm3, without them
  poscar: Fe Fe H of 1.4971 g/cm3, without them
  xsf: Fe Fe H of 1.4971 g/cm3, without them
  json: Fe3+ Fe2+ H of 1.4971 g/cm3, with them
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import ase.io
import gemmi
from pymatgen.core import Lattice, Structure

warnings.simplefilter("ignore")
HEAD = """data_x
_cell_length_a 5
_cell_length_b 5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
CASES = {
    "an occupancy that is not given": ["O1 O 0.5 0.5 0.5 .", "Fe1 Fe 0 0 0 1"],
    "one of 0.4 and one of 0.5, 0.25 mA apart": ["Fe1 Fe 0 0 0 0.4", "Fe2 Fe 0.00005 0 0 0.5"],
    "a third, and what is near to one": ["O1 O 0.33331 0.66669 0.1 1"],
    "heavy hydrogen": ["D1 D 0 0 0 1", "H1 H 0.5 0.5 0.5 1"],
    "two charges": ["Fe1 Fe3+ 0 0 0 1", "Fe2 Fe2+ 0.5 0 0 1"],
}


def row(name, place, share=None):
    return f"{name} at {' '.join(f'{round(float(part), 6):g}' for part in place)}" + ("" if share in (None, 1) else f" of {share}")


def by_pymatgen(path):
    return [row(site.species_string, site.frac_coords) for site in Structure.from_file(path)]


def by_ase(path):
    atoms = ase.io.read(path)
    shares = atoms.info["occupancy"]
    return [row(atom.symbol, atom.scaled_position, shares[str(atom.index)][atom.symbol]) for atom in atoms]


def by_gemmi(path):
    sites = gemmi.make_small_structure_from_block(gemmi.cif.read(path).sole_block()).sites
    return [row(site.element.name + (f"{site.charge}+" if site.charge else ""), site.fract.tolist(), site.occ) for site in sites]


for title, rows in CASES.items():
    with open("case.cif", "w") as file:
        file.write(HEAD + "\n".join(rows) + "\n")
    print(f"{title}: {'; '.join(rows)}")
    for name, read in (("pymatgen", by_pymatgen), ("ASE", by_ase), ("gemmi", by_gemmi)):
        print(f"  {name}: {'; '.join(read('case.cif'))}")
made = Structure(Lattice.cubic(5), ["Fe3+", "Fe2+", "D"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1]], site_properties={"magmom": [5, 4, 0]})
print("written and read by pymatgen:", *(site.species_string for site in made), f"of {made.density:.4f} g/cm3, with magnetic moments")
for kind, name in (("cif", "made.cif"), ("poscar", "POSCAR"), ("xsf", "made.xsf"), ("json", "made.json")):
    made.to(filename=name, fmt=kind)
    found = Structure.from_file(name)
    print(f"  {kind}:", *(site.species_string for site in found), f"of {found.density:.4f} g/cm3,", "with them" if "magmom" in found.site_properties else "without them")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
