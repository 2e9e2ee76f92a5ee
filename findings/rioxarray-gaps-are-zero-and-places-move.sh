#!/usr/bin/env bash
# Gaps, values and places of a field, written as GeoTIFF.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rioxarray==0.19.0' 'xarray==2026.9.0' 'rasterio==1.4.4' 'numpy==2.4.6')
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
1.5, NaN and 4, no value for what is missing: [1, 0, 4], no-data value None
1.5, NaN and 4, -9999 for it: [1, 0, 4], no-data value -9999.0
and with encoded=True: [1, -9999, 4]
300, -1 and 3 as uint8: [44, 255, 3]
places 0, 1, 5 and 30: [0.5, 1.5, 2.5, 3.5]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import rasterio
import rioxarray
import xarray


def field(values, x):
    made = xarray.DataArray(np.array([values]), dims=("y", "x"), coords={"y": [0.5], "x": x})
    return made.rio.write_crs("EPSG:25832")


gap = field([1.5, np.nan, 4.0], [0.5, 1.5, 2.5])
for told, given in (("no value for what is missing", gap), ("-9999 for it", gap.rio.write_nodata(-9999))):
    given.rio.to_raster("field.tif", dtype="int16")
    with rasterio.open("field.tif") as file:
        print(f"1.5, NaN and 4, {told}: {file.read(1).ravel().tolist()}, no-data value {file.nodata}")
given.rio.write_nodata(-9999, encoded=True).rio.to_raster("field.tif", dtype="int16")
print("and with encoded=True:", rioxarray.open_rasterio("field.tif").values.ravel().tolist())
field([300, -1, 3], [0.5, 1.5, 2.5]).rio.to_raster("field.tif", dtype="uint8")
print("300, -1 and 3 as uint8:", rioxarray.open_rasterio("field.tif").values.ravel().tolist())
field([1, 2, 3, 4], [0.0, 1.0, 5.0, 30.0]).rio.to_raster("field.tif")
print("places 0, 1, 5 and 30:", rioxarray.open_rasterio("field.tif").x.values.tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
