#!/usr/bin/env bash
# Numbers that a byte has no room for, written and read.
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
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
300.7, -5, 2.5 and 3.5
  written to a file of bytes:          [44, 251, 2, 3]
  read as bytes from a file of floats: [255, 0, 3, 4]
  or with out_dtype:                   [255, 0, 3, 4]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import rasterio

OF_ONE = {"driver": "GTiff", "width": 4, "height": 1, "count": 1}
values = np.array([[300.7, -5.0, 2.5, 3.5]])
with rasterio.open("float.tif", "w", dtype="float32", **OF_ONE) as file:
    file.write(values.astype("float32"), 1)
with rasterio.open("byte.tif", "w", dtype="uint8", **OF_ONE) as file:
    file.write(values, 1)
print("300.7, -5, 2.5 and 3.5")
with rasterio.open("byte.tif") as file:
    print("  written to a file of bytes:         ", file.read(1).ravel().tolist())
with rasterio.open("float.tif") as file:
    print("  read as bytes from a file of floats:", file.read(1, out=np.empty((1, 4), "uint8")).ravel().tolist())
    print("  or with out_dtype:                  ", file.read(1, out_dtype="uint8").ravel().tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
