#!/usr/bin/env bash
# A mesh of two triangles with a value at each point and a number for each cell: what is kept, and what is said.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('meshio==5.3.5' 'numpy==2.4.6' 'h5py==3.16.0' 'netCDF4==1.7.5.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3.11 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3.11 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' meshio numpy h5py netCDF4
cat >expected <<'END'
a.vtk  by its name  at points [1.5, 2.0, 3.0, 4.0], of cells [7, 8], said: nothing
a.msh  by its name  at points gone, of cells gone, said: nothing
a.msh  as gmsh      at points [1.5, 2.0, 3.0, 4.0], of cells [7.0, 8.0], said: nothing
a.e    by its name  at points [1.5, 2.0, 3.0, 4.0], of cells gone, said: nothing
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import contextlib
import io

import meshio
import numpy as np

corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
mesh = meshio.Mesh(
    corners,
    [("triangle", np.array([[0, 1, 2], [0, 2, 3]]))],
    point_data={"heat": np.array([1.5, 2, 3, 4])},
    cell_data={"region": [np.array([7, 8])]},
)
for name, form in (("a.vtk", None), ("a.msh", None), ("a.msh", "gmsh"), ("a.e", None)):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        meshio.write(name, mesh, file_format=form)
        found = meshio.read(name, file_format=form)
    assert len(found.cells[0].data) == 2 and len(found.points) == 4
    heat = found.point_data["heat"].tolist() if "heat" in found.point_data else "gone"
    region = found.cell_data["region"][0].tolist() if "region" in found.cell_data else "gone"
    how = f"as {form}" if form else "by its name"
    print(f"{name:6} {how:12} at points {heat}, of cells {region}, said: {said.getvalue().strip() or 'nothing'}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
