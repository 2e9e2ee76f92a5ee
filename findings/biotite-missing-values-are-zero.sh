#!/usr/bin/env bash
# A structure in mmCIF with values that nobody knows, for two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('biotite==1.6.0' 'gemmi==0.7.5' 'numpy==2.4.6')
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
dose: 0.0 ? . 1.5 1.23(4)
  biotite: refused, ValueError
    what is missing: [2, 3]
  gemmi: [0.0, nan, nan, 1.5, 1.23]
    what is missing: [2, 3]
  biotite: the mean of 0.0, 1.5 and 3.0 is 1.5 and that of ?, 1.5 and 3.0 1.5
count: 0 ? . 3 5
  biotite: [0, 0, 0, 3, 5]
    what is missing: [2, 3]
  gemmi: [0.0, nan, nan, 3.0, 5.0]
    what is missing: [2, 3]
name: a ? . '.' '?'
  biotite: ['a', '?', '.', '.', '?']
    what is missing: [2, 3, 4, 5]
  gemmi: ['a', '', '', '.', '?']
    what is missing: [2, 3]
atoms
  biotite: N at 11.5 12.5 13.5, occupancy 1, B 25
  biotite: CA at 12.5 12.5 13.5, occupancy 0, B 0
  biotite: C at 0 0 0, occupancy 0, B 0
  gemmi: N at 11.5 12.5 13.5, occupancy 1, B 25
  gemmi: CA at 12.5 12.5 13.5, occupancy 1, B 20
  gemmi: C at nan nan nan, occupancy 1, B 20
END
cat >made.cif <<'END'
data_made
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.pdbx_formal_charge
_atom_site.auth_seq_id
_atom_site.auth_asym_id
_atom_site.pdbx_PDB_model_num
ATOM 1 N N . GLY A 1 1 ? 11.5 12.5 13.5 1.00 25.00 ? 1 A 1
ATOM 2 C CA . GLY A 1 1 ? 12.5 12.5 13.5 ? ? ? 1 A 1
ATOM 3 C C . GLY A 1 1 ? ? ? ? . . ? 1 A 1
loop_
_made.id
_made.dose
_made.count
_made.name
1 0.0 0 a
2 ? ? ?
3 . . .
4 1.5 3 '.'
5 1.23(4) 5 '?'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import gemmi
from biotite.structure.io import pdbx

file = pdbx.CIFFile.read("made.cif")
columns = file.block["made"]


def tried(read):
    try:
        return read()
    except Exception as error:
        return f"refused, {type(error).__name__}"


block = gemmi.cif.read("made.cif").sole_block()
for name, kind in (("dose", float), ("count", int), ("name", str)):
    print(f"{name}: {' '.join(block.find_values('_made.' + name))}")
    print("  biotite:", tried(lambda: columns[name].as_array(kind).tolist()))
    mask = columns[name].mask
    print("    what is missing:", None if mask is None else [place + 1 for place in range(5) if mask.array[place]])
    number = gemmi.cif.as_number if kind is not str else gemmi.cif.as_string
    print("  gemmi:", [number(value) for value in block.find_values("_made." + name)])
    print("    what is missing:", [place + 1 for place in range(5) if gemmi.cif.is_null(block.find_values("_made." + name)[place])])
    if name == "dose":
        short = pdbx.CIFColumn(["0.0", "1.5", "3.0"]), pdbx.CIFColumn(["?", "1.5", "3.0"], [2, 0, 0])
        print("  biotite: the mean of 0.0, 1.5 and 3.0 is", short[0].as_array(float).mean(), "and that of ?, 1.5 and 3.0", short[1].as_array(float).mean())
print("atoms")
atoms = pdbx.get_structure(file, model=1, extra_fields=["occupancy", "b_factor", "charge"])
for atom in atoms:
    print(f"  biotite: {atom.atom_name} at {' '.join(f'{value:g}' for value in atom.coord)}, occupancy {atom.occupancy:g}, B {atom.b_factor:g}")
for site in gemmi.read_structure("made.cif")[0].all():
    atom = site.atom
    print(f"  gemmi: {atom.name} at {' '.join(f'{value:g}' for value in atom.pos.tolist())}, occupancy {atom.occ:g}, B {atom.b_iso:g}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
