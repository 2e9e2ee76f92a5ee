#!/usr/bin/env bash
# A Julian date in the header of a FITS file, written by two libraries and read by both.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('fitsio==1.4.2' 'astropy==8.0.2')
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
JD = 2460310.623456789
by astropy: astropy reads 2460310.623456789, fitsio reads 2460310.623456789
by fitsio: astropy reads 2460310.62345679, fitsio reads 2460310.62345679 (80 microseconds later)
END
venv/bin/python - >seen <<'END'
import fitsio
import numpy as np
from astropy.io import fits

JD = 2460310.623456789
print("JD =", JD)
hdu = fits.PrimaryHDU(np.zeros(2))
hdu.header["JD"] = JD
hdu.writeto("astropy.fits")
fitsio.write("fitsio.fits", np.zeros(2), header={"JD": JD})
for name in ("astropy", "fitsio"):
    one, other = fits.getheader(f"{name}.fits")["JD"], fitsio.read_header(f"{name}.fits")["JD"]
    off = round((other - JD) * 86400e6)
    print(f"by {name}: astropy reads {one}, fitsio reads {other}" + f" ({off} microseconds later)" * bool(off))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
