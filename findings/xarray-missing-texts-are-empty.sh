#!/usr/bin/env bash
# Texts and attributes that xarray writes and reads.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('xarray==2026.9.0' 'netCDF4==1.7.5.1' 'h5netcdf==1.8.2' 'h5py==3.16.0' 'zarr==3.1.6' 'numpy==2.4.6' 'pandas==2.3.3')
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
netCDF4: stations ['Davos', '', '', ''], missing: 0
netCDF4: flags [1.0, nan, 0.0]
netCDF4: ['Meier'] is 'Meier'
netCDF4: [850] is 850
h5netcdf: stations ['Davos', '', '', ''], missing: 0
h5netcdf: flags [1.0, nan, 0.0]
h5netcdf: ['Meier'] is 'Meier'
h5netcdf: [850] is 850
Zarr 2: stations ['Davos', '', '', ''], missing: 3
Zarr 2: flags [1.0, nan, 0.0]
Zarr 3: stations ['Davos', '', '', ''], missing: 3
Zarr 3: flags [1.0, nan, 0.0]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import xarray

WRITERS = {
    "netCDF4": {"engine": "netcdf4"},
    "h5netcdf": {"engine": "h5netcdf"},
    "Zarr 2": {"zarr_format": 2},
    "Zarr 3": {"zarr_format": 3},
}


def trip(data, name, options):
    if "engine" in options:
        data.to_netcdf("t.nc", mode="w", **options)
        return xarray.load_dataset("t.nc", engine=options["engine"])
    data.to_zarr("t.zarr", mode="w", **options)
    return xarray.open_zarr("t.zarr").load()


for name, options in WRITERS.items():
    station = np.array(["Davos", None, "", np.nan], object)
    flag = np.array([True, None, False], object)
    read = trip(xarray.Dataset({"station": ("x", station), "flag": ("y", flag)}), name, options)
    print(f"{name}: stations {read.station.values.tolist()}, missing: {int(read.station.isnull().sum())}")
    print(f"{name}: flags {read.flag.values.tolist()}")
    about = {"authors": ["Meier"], "two": ["Meier", "Egli"], "levels": [850], "both": [1, 2.5]}
    seen = trip(xarray.Dataset(attrs=about), name, options).attrs
    for key in about:
        value = seen[key].tolist() if hasattr(seen[key], "tolist") else seen[key]
        if value != about[key]:
            print(f"{name}: {about[key]} is {value!r}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
