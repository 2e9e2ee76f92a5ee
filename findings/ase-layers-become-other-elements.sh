#!/usr/bin/env bash
# A slab of copper, notes and numbers of a structure, written by ASE and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('ase==3.29.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ase numpy
cd "$tmp"
cat >expected <<'END'
three layers of copper, whose tags are 3 2 1
  cif: Cu Cu Cu
  vasp: Cu Cu Cu
  xsf: Cu Cu Cu
  extxyz: Cu Cu Cu
  crystal: Ge Ga Zn
  lammps-data: H H H
notes in extended XYZ
  sample '7a' beside charge -1: sample '7a', charge -1
  sample '007' beside charge -1: sample 7, charge -1
  sample '1E5' beside charge -1: sample 100000.0, charge -1
  sample '1_000' beside charge -1: sample 1000, charge -1
  sample '1,5' beside charge -1: sample [1, 5], charge -1
  sample 'T' beside charge -1: sample True, charge -1
  sample '' beside charge -1: sample 'charge=-1', charge missing
  samples 7a and 7 of two frames: ['7a', 7]
numbers of each atom: small, whether it has settled, and a name
  extxyz: {'small': [0.0, 0.33333333, 0.0], 'settled': [True, False, True], 'label': ['007', 'O1', 'T']}
  traj: all three are missing
  json: all three are missing
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
from ase import Atoms
from ase.build import fcc111
from ase.io import read, write

slab = fcc111("Cu", (1, 1, 3), vacuum=5)
print("three layers of copper, whose tags are", *slab.get_tags())
for kind in ("cif", "vasp", "xsf", "extxyz", "crystal", "lammps-data"):
    write("slab", slab, format=kind)
    print(f"  {kind}:", *read("slab", format=kind).get_chemical_symbols())

print("notes in extended XYZ")
water = Atoms("OH2", positions=[[0, 0, 0], [0, 0, 1], [0, 1, 0]], cell=[5, 5, 5], pbc=[True, True, False])
for note in ("7a", "007", "1E5", "1_000", "1,5", "T", ""):
    water.info = {"sample": note, "charge": -1}
    write("water.extxyz", water)
    found = read("water.extxyz").info
    print(f"  sample {note!r} beside charge -1: sample {np.asarray(found['sample']).tolist()!r}, charge {found.get('charge', 'missing')}")
frames = [Atoms("H", info={"sample": sample}) for sample in ("7a", "7")]
write("frames.extxyz", frames)
print("  samples 7a and 7 of two frames:", [np.asarray(frame.info["sample"]).tolist() for frame in read("frames.extxyz", ":")])

print("numbers of each atom: small, whether it has settled, and a name")
water.info = {}
water.set_array("small", np.array([1e-10, 1 / 3, 2.5e-9]))
water.set_array("settled", np.array([True, False, True]))
water.set_array("label", np.array(["007", "O1", "T"]))
for kind in ("extxyz", "traj", "json"):
    write("water." + kind, water)
    found = read("water." + kind).arrays
    print(f"  {kind}:", {name: found[name].tolist() for name in ("small", "settled", "label") if name in found} or "all three are missing")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
