#!/usr/bin/env bash
# A TIFF of which GDAL has left out a tile that holds nothing, as three libraries read it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rasterio==1.4.4' 'tifffile==2026.3.3' 'pillow==13.0.0' 'numpy==2.4.0')
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
rasterio: [7, 9]
tifffile: [7, 9]
Pillow opens it as TIFF of (64, 32)
Pillow: OSError: decoder error -2
END
venv/bin/python -W ignore - >seen 2>/dev/null <<'END'
import numpy as np
import rasterio
import tifffile
from PIL import Image

how = {"driver": "GTiff", "width": 64, "height": 32, "count": 1, "dtype": "uint8", "nodata": 9}
tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate", "sparse_ok": True}
with rasterio.open("image.tif", "w", **how, **tiles) as file:
    file.write(np.full((1, 32, 32), 7, "uint8"), window=((0, 32), (0, 32)))
with rasterio.open("image.tif") as file:
    print("rasterio:", np.unique(file.read(1)).tolist())
print("tifffile:", np.unique(tifffile.imread("image.tif")).tolist())
image = Image.open("image.tif")
print("Pillow opens it as", image.format, "of", image.size)
try:
    print("Pillow:", np.unique(np.asarray(image)).tolist())
except OSError as error:
    print(f"Pillow: {type(error).__name__}: {error}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
