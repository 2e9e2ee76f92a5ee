#!/usr/bin/env bash
# The pixel that FITS calls blank, read by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'astropy==8.0.2' 'fitsio==1.4.2' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'astropy==8.0.2' 'fitsio==1.4.2' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' astropy fitsio numpy
cd "$tmp"
cat >expected <<'END'
BLANK = -999, BSCALE = None: astropy [1.0, nan, 3.0], fitsio [1, -999, 3]
BLANK = -999, BSCALE = 2.0: astropy [2.0, nan, 6.0], fitsio [2, -1998, 6]
END
venv/bin/python -W ignore - >seen <<'END'
import fitsio
import numpy as np
from astropy.io import fits

for scale in (None, 2.0):
    image = fits.PrimaryHDU(np.array([1, -999, 3], "i2"))
    image.header["BLANK"] = -999
    if scale is not None:
        image.header["BSCALE"] = scale
    image.writeto("image.fits", overwrite=True)
    print(f"BLANK = -999, BSCALE = {scale}: astropy {fits.getdata('image.fits').tolist()},", end=" ")
    print(f"fitsio {fitsio.read('image.fits').tolist()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
