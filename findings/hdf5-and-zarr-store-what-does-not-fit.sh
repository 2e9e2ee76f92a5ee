#!/usr/bin/env bash
# Numbers beyond what a type can hold, written into three containers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'h5py==3.16.0' 'netcdf4==1.7.5.1' 'zarr==3.1.6' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'h5py==3.16.0' 'netcdf4==1.7.5.1' 'zarr==3.1.6' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' h5py netcdf4 zarr numpy
cd "$tmp"
cat >expected <<'END'
[300, -1, 7] as u1, by_h5py   : [255, 0, 7]
[300, -1, 7] as u1, by_netcdf4: [44, 255, 7]
[300, -1, 7] as u1, by_zarr   : [44, 255, 7]
[2.9, nan, -1.0] as u1, by_h5py   : [2, 0, 0]
[2.9, nan, -1.0] as u1, by_netcdf4: [2, 0, 255]
[2.9, nan, -1.0] as u1, by_zarr   : [2, 0, 255]
[2.9, nan, -1.0] as i4, by_h5py   : [2, -2147483648, -1]
[2.9, nan, -1.0] as i4, by_netcdf4: [2, -2147483648, -1]
[2.9, nan, -1.0] as i4, by_zarr   : [2, -2147483648, -1]
END
venv/bin/python -W ignore - >seen <<'END'
import warnings

import h5py
import netCDF4
import numpy as np
import zarr

warnings.simplefilter("ignore")
values = np.array([300, -1, 7])
floats = np.array([2.9, np.nan, -1.0])


def by_h5py(data, dtype):
    with h5py.File("x.h5", "w") as file:
        return file.create_dataset("x", data=data, dtype=dtype)[:].tolist()


def by_netcdf4(data, dtype):
    with netCDF4.Dataset("x.nc", "w") as file:
        file.createDimension("n", len(data))
        variable = file.createVariable("x", dtype, ("n",))
        variable[:] = data
        variable.set_auto_mask(False)
        return variable[:].tolist()


def by_zarr(data, dtype):
    array = zarr.create_array("x.zarr", shape=data.shape, dtype=dtype, overwrite=True)
    array[:] = data
    return array[:].tolist()


for data, dtype in ((values, "u1"), (floats, "u1"), (floats, "i4")):
    for write in (by_h5py, by_netcdf4, by_zarr):
        try:
            said = write(data, dtype)
        except Exception as error:
            said = type(error).__name__
        print(f"{data.tolist()} as {dtype}, {write.__name__:10}: {said}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
