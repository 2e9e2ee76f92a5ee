#!/usr/bin/env bash
# The second half of a TIFF's packed pixels (Deflate, which has a checksum at its end) is zeros. Who says so?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pillow==13.0.0' 'tifffile==2026.3.3' 'numpy<3' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pillow|tifffile) '
cd "$tmp"
cat >expected <<'END'
Pillow: read, other pixels
tifffile: refused
END
venv/bin/python -W ignore - >seen 2>/dev/null <<'END'
import io

import numpy as np
import tifffile
from PIL import Image

pixels = np.arange(9000, dtype="u2").reshape(90, 100)
file = io.BytesIO()
tifffile.imwrite(file, pixels, compression="zlib")
data = file.getvalue()
data = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
for name, read in (
    ("Pillow", lambda: np.asarray(Image.open(io.BytesIO(data)))),
    ("tifffile", lambda: tifffile.imread(io.BytesIO(data))),
):
    try:
        same = (read() == pixels).all()
    except Exception:
        print(f"{name}: refused")
    else:
        print(f"{name}: read, {'the same' if same else 'other'} pixels")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
