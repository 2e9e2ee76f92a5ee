#!/usr/bin/env bash
# Missing values of an image of 64-bit integers: the smallest number, and an odd one beyond 2^53.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rasterio==1.4.4' 'numpy==2.4.6')
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
nodata -9223372036854775808 is read as -9; of [-9223372036854775808, -9, 1] these are values: [-9223372036854775808, 1]
nodata 9007199254740993 is read as 9007199254740992; of [9007199254740993, 9007199254740992, 1] these are values: [9007199254740993, 1]
nodata -9999 is read as -9999; of [-9999, -9, 1] these are values: [-9, 1]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import rasterio
from rasterio.transform import from_origin

for missing, other in ((-(2**63), -9), (2**53 + 1, 2**53), (-9999, -9)):
    cells = np.array([[missing, other, 1]], np.int64)
    shape = {"height": 1, "width": 3, "count": 1, "dtype": "int64", "transform": from_origin(0, 0, 1, 1)}
    with rasterio.open("image.tif", "w", driver="GTiff", nodata=missing, **shape) as file:
        file.write(cells, 1)
    with rasterio.open("image.tif") as file:
        read = file.read(1, masked=True)
        told = f"nodata {missing} is read as {int(file.nodata)}"
    print(f"{told}; of {cells[0].tolist()} these are values: {read.compressed().tolist()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
