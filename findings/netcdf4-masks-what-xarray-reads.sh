#!/usr/bin/env bash
# A NetCDF4 variable without any attribute that holds -32767; and one with valid_min: by three readers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'netCDF4==1.7.5.1.post1' 'xarray==2026.9.0' 'h5py==3.16.0' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(netcdf4|xarray|h5py) '
cd "$tmp"
cat >expected <<'END'
attributes of plain: []
plain    netCDF4: [1, None, 3]
plain    xarray:  [1, -32767, 3]
plain    h5py:    [1, -32767, 3]
limited  netCDF4: [None, 2.0, 3.0]
limited  xarray:  [-1.0, 2.0, 3.0]
limited  h5py:    [-1.0, 2.0, 3.0]
END
venv/bin/python -W ignore - >seen <<'END'
import h5py
import netCDF4
import numpy as np
import xarray as xr

with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("t", 3)
    file.createVariable("plain", "i2", ("t",))[:] = [1, -32767, 3]
    limited = file.createVariable("limited", "f4", ("t",))
    limited.valid_min = np.float32(0)
    limited[:] = [-1, 2, 3]
    print("attributes of plain:", file["plain"].ncattrs())
for name in ("plain", "limited"):
    with netCDF4.Dataset("x.nc") as file:
        print(f"{name:8} netCDF4:", file[name][:].tolist())
    with xr.open_dataset("x.nc") as file:
        print(f"{name:8} xarray: ", file[name].values.tolist())
    with h5py.File("x.nc") as file:
        print(f"{name:8} h5py:   ", file[name][:].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
