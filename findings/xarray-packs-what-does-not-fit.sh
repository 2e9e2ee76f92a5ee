#!/usr/bin/env bash
# Values beyond what the packing of a variable can hold.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'xarray==2026.9.0' 'netcdf4==1.7.5.1' 'numpy==2.4.6' 'zarr==3.1.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'xarray==2026.9.0' 'netcdf4==1.7.5.1' 'numpy==2.4.6' 'zarr==3.1.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' xarray netcdf4 numpy zarr
cd "$tmp"
cat >expected <<'END'
written: [12.5, 4000.0, -0.1]
read:    [12.5, -2553.6, nan]
zarr:    [12.5, -2553.6, nan]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import xarray as xr

depths = xr.Dataset({"depth": ("row", np.array([12.5, 4000.0, -0.1], "f8"))})
depths.depth.encoding = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1}
depths.to_netcdf("packed.nc")
print("written:", depths.depth.values.tolist())
print("read:   ", xr.open_dataset("packed.nc").depth.values.round(1).tolist())
depths.to_zarr("packed.zarr", zarr_format=2)
print("zarr:   ", xr.open_zarr("packed.zarr").depth.values.round(1).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
