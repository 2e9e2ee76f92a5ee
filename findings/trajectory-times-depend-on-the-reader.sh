#!/usr/bin/env bash
# One trajectory, written and read by MDAnalysis and MDTraj: its times, residue numbers and names.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('MDAnalysis==2.11.0' 'mdtraj==1.11.1.post2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' MDAnalysis mdtraj numpy
cd "$tmp"
cat >expected <<'END'
written with 0, 10, 20 and 100 ps and a box of 50 A
  xtc by MDAnalysis: MDTraj 0 10 20 100 (box 50 A); MDAnalysis 0 10 20 100 (box 50 A)
  xtc by MDTraj: MDTraj 0 10 20 100 (box 50 A); MDAnalysis 0 10 20 100 (box 50 A)
  nc by MDAnalysis: MDTraj 0 10 20 100 (box 50 A); MDAnalysis 0 10 20 100 (box 50 A)
  nc by MDTraj: MDTraj 0 10 20 100 (box 50 A); MDAnalysis 0 10 20 100 (box 50 A)
  dcd by MDAnalysis: MDTraj 0 1 2 3 (box 50 A); MDAnalysis 0 1 2 3 (box 50 A)
  dcd by MDTraj: MDTraj 0 1 2 3 (box 50 A); MDAnalysis 0 0.04889 0.09778 0.1467 (box 50 A)
  xyz by MDAnalysis: MDTraj refuses it; MDAnalysis 0 1 2 3 (no box)
  xyz by MDTraj: MDTraj 0 1 2 3 (no box); MDAnalysis 0 1 2 3 (no box)
the last frame alone, of 100 ps, and its atoms 1HB
  pdb by MDTraj: MDTraj 0, HB1; MDAnalysis 0, 1HB
  gro by MDTraj: MDTraj 100, HB1; MDAnalysis 0, 1HB
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys

import MDAnalysis
import mdtraj
import numpy as np

sys.stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # where MDTraj's reader of DCD prints
TIMES = [0, 10, 20, 100]
atoms = MDAnalysis.Universe.empty(3, n_residues=3, atom_resindex=[0, 1, 2], trajectory=True)
for name, values in (("name", ["1HB"] * 3), ("type", ["H"] * 3), ("resname", ["ALA"] * 3), ("resid", [1, 2, 3]), ("segid", ["A"])):
    atoms.add_TopologyAttr(name, values)
atoms.dimensions = [50, 50, 50, 90, 90, 90]
topology = mdtraj.Topology()
chain = topology.add_chain()
for number in (1, 2, 3):
    topology.add_atom("1HB", mdtraj.element.hydrogen, topology.add_residue("ALA", chain, resSeq=number))
places = np.arange(36).reshape(4, 3, 3) / 8


def by_mdanalysis(path):
    with MDAnalysis.Writer(path, 3) as writer:
        for step, time in enumerate(TIMES):
            atoms.atoms.positions = places[step] * 10
            atoms.trajectory.ts.time = time
            atoms.trajectory.ts.frame = step
            writer.write(atoms.atoms)


def by_mdtraj(path):
    mdtraj.Trajectory(places, topology, time=TIMES, unitcell_lengths=[[5, 5, 5]] * 4, unitcell_angles=[[90, 90, 90]] * 4).save(path)


def times(values):
    return " ".join(f"{float(value):.4g}" for value in values)


print("written with 0, 10, 20 and 100 ps and a box of 50 A")
for kind in ("xtc", "nc", "dcd", "xyz"):
    for writer, write in (("MDAnalysis", by_mdanalysis), ("MDTraj", by_mdtraj)):
        path = f"{writer}.{kind}"
        write(path)
        try:
            found = mdtraj.load(path, top=topology)
        except ValueError:
            print(f"  {kind} by {writer}: MDTraj refuses it;", end=" ")
        else:
            print(f"  {kind} by {writer}: MDTraj", times(found.time), end=" ")
            print("(no box);" if found.unitcell_lengths is None else f"(box {found.unitcell_lengths[0, 0] * 10:.0f} A);", end=" ")
        found = MDAnalysis.Universe.empty(3)
        found.load_new(path)
        print("MDAnalysis", times(step.time for step in found.trajectory), "(no box)" if found.dimensions is None else f"(box {found.dimensions[0]:.0f} A)")
print("the last frame alone, of 100 ps, and its atoms 1HB")
for kind in ("pdb", "gro"):
    by_mdtraj("frames." + kind)
    mdtraj.Trajectory(places[-1:], topology, time=TIMES[-1:]).save("last." + kind)
    found = mdtraj.load("last." + kind)
    print(f"  {kind} by MDTraj: MDTraj {times(found.time)}, {found.topology.atom(0).name};", end=" ")
    found = MDAnalysis.Universe("last." + kind)
    print("MDAnalysis", times(step.time for step in found.trajectory) + ",", found.atoms.names[0])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
