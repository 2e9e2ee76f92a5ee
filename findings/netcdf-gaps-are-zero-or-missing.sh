#!/usr/bin/env bash
# Values that nobody wrote, and small integers, from two writers of netCDF.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('netCDF4==1.7.5.1' 'h5netcdf==1.8.2' 'h5py==3.16.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
one of three float64 is written:
  by netCDF4, read by netCDF4: [20.5, None, None]
  by h5netcdf, read by netCDF4: [20.5, 0.0, 0.0]
one of three int32 is written:
  by netCDF4, read by netCDF4: [7, None, None]
  by h5netcdf, read by netCDF4: [7, 0, 0]
uint8 255, 0, 1 are written:
  by netCDF4, read by netCDF4: [None, 0, 1]
  by h5netcdf, read by netCDF4: [255, 0, 1]
int8 -127, 0, 1 are written:
  by netCDF4, read by netCDF4: [None, 0, 1]
  by h5netcdf, read by netCDF4: [-127, 0, 1]
END
venv/bin/python -W ignore - >seen <<'END'
import os

import h5netcdf
import netCDF4
import numpy as np


def by_netcdf4(kind, values):
    with netCDF4.Dataset("x.nc", "w") as file:
        file.createDimension("t", 3)
        variable = file.createVariable("x", kind, ("t",))
        variable[: len(values)] = np.array(values, kind)


def by_h5netcdf(kind, values):
    with h5netcdf.File("x.nc", "w") as file:
        file.dimensions = {"t": 3}
        variable = file.create_variable("x", ("t",), np.dtype(kind))
        variable[: len(values)] = np.array(values, kind)


for told, kind, values in (
    ("one of three float64 is written", "f8", [20.5]),
    ("one of three int32 is written", "i4", [7]),
    ("uint8 255, 0, 1 are written", "u1", [255, 0, 1]),
    ("int8 -127, 0, 1 are written", "i1", [-127, 0, 1]),
):
    print(f"{told}:")
    for name, write in (("netCDF4", by_netcdf4), ("h5netcdf", by_h5netcdf)):
        write(kind, values)
        with netCDF4.Dataset("x.nc") as file:
            print(f"  by {name}, read by netCDF4:", file["x"][:].tolist())
        os.remove("x.nc")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
