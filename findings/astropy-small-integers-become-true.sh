#!/usr/bin/env bash
# A column of signed bytes, written as a FITS table by astropy.
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
header: TFORM1 = L (L: logical)
astropy reads: [True, True, False, True]
fitsio reads:  [True, True, False, True]
the same written by fitsio: TFORM1 = B; astropy reads: [-128.0, -1.0, 0.0, 127.0]
END
venv/bin/python -W ignore - >seen <<'END'
import fitsio
import numpy as np
from astropy.io import fits
from astropy.table import Table

Table({"offset": np.array([-128, -1, 0, 127], "i1")}).write("table.fits")
print("header: TFORM1 =", fits.getheader("table.fits", 1)["TFORM1"], "(L: logical)")
print("astropy reads:", Table.read("table.fits")["offset"].tolist())
print("fitsio reads: ", fitsio.read("table.fits", 1)["offset"].tolist())
with fitsio.FITS("other.fits", "rw") as other:
    other.write(np.array([(-128,), (-1,), (0,), (127,)], [("offset", "i1")]))
print("the same written by fitsio: TFORM1 =", fits.getheader("other.fits", 1)["TFORM1"], end="; ")
print("astropy reads:", Table.read("other.fits")["offset"].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
