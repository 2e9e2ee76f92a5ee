#!/usr/bin/env bash
# Unsigned 64-bit integers from 2^63 on in FITS, written by astropy: as an image and as a column, read by cfitsio.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'astropy==8.0.2' 'fitsio==1.4.2' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(astropy|fitsio) '
cd "$tmp"
cat >expected <<'END'
astropy, image:  [0, 5, 9223372036854775808, 18446744073709551615]
cfitsio, column: [0, 5, 9223372036854775808, 18446744073709551615]
cfitsio, image of the first two: [0, 5]
cfitsio, image:  FITSIO status = 412: datatype conversion overflow
END
venv/bin/python -W ignore - >seen <<'END'
import fitsio
import numpy as np
from astropy.io import fits

values = np.array([0, 5, 2**63, 2**64 - 1], dtype="u8")
fits.PrimaryHDU(values).writeto("image.fits")
fits.PrimaryHDU(values[:2]).writeto("small.fits")
fits.BinTableHDU.from_columns([fits.Column("a", "K", bzero=2**63, array=values)]).writeto("table.fits")
print("astropy, image: ", fits.getdata("image.fits").tolist())
print("cfitsio, column:", fitsio.read("table.fits", ext=1)["a"].tolist())
print("cfitsio, image of the first two:", fitsio.read("small.fits").tolist())
try:
    print("cfitsio, image: ", fitsio.read("image.fits").tolist())
except OSError as error:
    status = next(line for line in str(error).splitlines() if "412" in line)
    print("cfitsio, image: ", status)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
