#!/usr/bin/env bash
# A column of an ASCII table made with format I5 and a null value: what is written?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'astropy==8.0.2' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(astropy) '
cd "$tmp"
cat >expected <<'END'
binary table: TFORM1 = J   TNULL1 = -1
ascii table:  TFORM1 = I11   TNULL1 = None
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
from astropy.io import fits

values = np.array([1, -1, 3], dtype="i4")
binary = fits.BinTableHDU.from_columns([fits.Column("a", "J", null=-1, array=values)])
ascii_table = fits.TableHDU.from_columns(
    fits.ColDefs([fits.Column("a", "I5", null="-1", ascii=True, array=values)])
)
for name, unit in (("binary table:", binary), ("ascii table: ", ascii_table)):
    unit.writeto("x.fits", overwrite=True)
    header = fits.getheader("x.fits", 1)
    print(name, "TFORM1 =", header["TFORM1"], "  TNULL1 =", header.get("TNULL1"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
