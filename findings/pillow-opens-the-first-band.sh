#!/usr/bin/env bash
# A GeoTIFF of four bands that lie apart (INTERLEAVE=BAND), of 16 bits each. What do readers of TIFF say it is?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pillow==13.0.0' 'tifffile==2026.3.3' 'rasterio==1.4.4' 'imagecodecs==2026.3.6' 'numpy<3' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pillow|tifffile|rasterio) '
cd "$tmp"
cat >expected <<'END'
pixel: Pillow: refused; tifffile: (60, 50, 4); rasterio: (4, 60, 50)
band: Pillow: I;16, 1 band, 1 frame, the first one's pixels; tifffile: (4, 60, 50); rasterio: (4, 60, 50)
END
venv/bin/python -W ignore - >seen 2>/dev/null <<'END'
import numpy as np
import rasterio
import tifffile
from PIL import Image

values = np.arange(4 * 60 * 50, dtype="u2").reshape(4, 60, 50)
for how in ("pixel", "band"):
    about = {"driver": "GTiff", "height": 60, "width": 50, "count": 4, "dtype": "uint16"}
    with rasterio.open("a.tif", "w", **about, compress="LZW", interleave=how, photometric="MINISBLACK") as file:
        file.write(values)
    try:
        with Image.open("a.tif") as image:
            first = (np.asarray(image) == values[0]).all()
            said = f"{image.mode}, {len(image.getbands())} band, {image.n_frames} frame"
            said += f", {'the first one' if first else 'other'}'s pixels"
    except Exception:
        said = "refused"
    with rasterio.open("a.tif") as file:
        shapes = f"tifffile: {tifffile.imread('a.tif').shape}; rasterio: {file.read().shape}"
    print(f"{how}: Pillow: {said}; {shapes}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
