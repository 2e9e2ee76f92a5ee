#!/usr/bin/env bash
# A grid with a gap, copied into ten formats of GDAL, and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rasterio==1.4.4' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
float32, a cell of 0.5 by 0.5: 0.25 missing 2.999999971e-10 1.00000002e+20 16777216 nan
  ENVI, float32: the same
  GS7BG, float64: the same
  GSBG, float32: the same
  HFA, float32: the same
  PCIDSK, float32: the same
  PCRaster, float32: the same
  SAGA, float32: the same
  SIGDEM, float64: 2.999999971e-10 is 0, 1.00000002e+20 is missing, 16777216 is missing, nan is missing
  VICAR, float32: missing is -9999, a cell is 55659.7 by 55659.7 at 1.11319e+06, 5.56597e+06
  ZMap, float64: 2.999999971e-10 is 0, 1.00000002e+20 is 10000000, nan is 0
int32, a cell of 0.5 by 0.25: 7 missing 300 16777217 -2 70000
  ENVI, int32: the same
  GS7BG, float64: the same
  GSBG, float32: 16777217 is 16777216
  HFA, int32: the same
  PCIDSK, uint8: missing is 0, 300 is 255, 16777217 is 255, -2 is 0, 70000 is 255
  PCRaster, int32: a cell is 0.5 by 0.5 at 10, 50
  SAGA, int32: a cell is 1 by 1 at -0.5, 1.5
  SIGDEM, float64: 16777217 is missing
  VICAR, int32: missing is -9999, a cell is 1 by -1 at 0.5, 0.5
  ZMap, float64: the same
uint8, a mask: 0 1 2 200 missing 7
  ENVI, uint8: the same
  GS7BG, float64: the same
  GSBG, float32: the same
  HFA, uint8: the same
  PCIDSK, uint8: the same
  PCRaster, uint8: 2 is 1, 200 is 1, 7 is 1
  SAGA, uint8: the same
  SIGDEM, float64: missing is 255
  VICAR, uint8: missing is 255, a cell is 55659.7 by 55659.7 at 1.11319e+06, 5.56597e+06
  ZMap, float64: the same
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import logging
import warnings

import numpy as np
import rasterio
from rasterio.shutil import copy

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
FORMATS = ["ENVI", "GS7BG", "GSBG", "HFA", "PCIDSK", "PCRaster", "SAGA", "SIGDEM", "VICAR", "ZMap"]
SUFFIXES = {"GS7BG": "grd", "GSBG": "grd", "HFA": "img", "PCIDSK": "pix", "SAGA": "sdat", "ZMap": "dat"}
GRIDS = {
    "float32": ("a cell of 0.5 by 0.5", np.float32, [[0.25, -9999, 3e-10], [1e20, 16777216, np.nan]], -9999, 0.5),
    "int32": ("a cell of 0.5 by 0.25", np.int32, [[7, -9999, 300], [16777217, -2, 70000]], -9999, 0.25),
    "uint8": ("a mask", np.uint8, [[0, 1, 2], [200, 255, 7]], 255, 0.5),
}


def shown(value, gap):
    return "missing" if gap else f"{value:.10g}"


for name, (title, kind, values, nodata, height) in GRIDS.items():
    values = np.array(values, kind)
    place = rasterio.Affine(0.5, 0, 10, 0, -height, 50)
    form = {"driver": "GTiff", "height": 2, "width": 3, "count": 1, "dtype": name, "nodata": nodata, "transform": place, "crs": "EPSG:4326"}
    with rasterio.open(f"{name}.tif", "w", **form) as file:
        file.write(values, 1)
    given = [shown(value, value == nodata) for value in values.ravel()]
    print(f"{name}, {title}: {' '.join(given)}")
    for driver in FORMATS:
        path = f"{name}_{driver}.{SUFFIXES.get(driver, 'bin')}"
        try:
            copy(f"{name}.tif", path, driver=driver)
        except Exception:
            print(f"  {driver}: refused")
            continue
        with rasterio.open(path) as file:
            found = file.read(1, masked=True)
            read = [shown(value, gap) for value, gap in zip(found.data.ravel(), np.ma.getmaskarray(found).ravel())]
            changed = [f"{before} is {after}" for before, after in zip(given, read) if before != after]
            moved = file.transform
            if not moved.almost_equals(place):
                changed.append(f"a cell is {moved.a:g} by {-moved.e:g} at {moved.c:g}, {moved.f:g}")
            print(f"  {driver}, {file.dtypes[0]}: {', '.join(changed) or 'the same'}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
