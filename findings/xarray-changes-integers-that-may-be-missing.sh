#!/usr/bin/env bash
# A whole number in a variable that has a fill value, read and written by xarray.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'xarray==2026.9.0' 'netcdf4==1.7.5.1' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'xarray==2026.9.0' 'netcdf4==1.7.5.1' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' xarray netcdf4 numpy
cd "$tmp"
cat >expected <<'END'
xarray reads:    float64 [9007199254740992, 7]
netCDF4, made.nc: int64 [9007199254740993, 7]
netCDF4, copy.nc: int64 [9007199254740992, 7]
END
venv/bin/python -W ignore - >seen <<'END'
import netCDF4
import numpy as np
import xarray as xr

with netCDF4.Dataset("made.nc", "w") as made:
    made.createDimension("row", 2)
    made.createVariable("id", "i8", ("row",), fill_value=-1)[:] = np.array([9007199254740993, 7])
with xr.open_dataset("made.nc") as read:
    print("xarray reads:   ", read.id.dtype, [int(n) for n in read.id.values])
    read.to_netcdf("copy.nc")
for name in ("made.nc", "copy.nc"):
    with netCDF4.Dataset(name) as file:
        print(f"netCDF4, {name}:", file["id"].dtype, file["id"][:].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
