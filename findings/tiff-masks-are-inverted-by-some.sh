#!/usr/bin/env bash
# Masks and images whose smallest value is white, as three libraries read them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('tifffile==2026.3.3' 'pillow==13.0.0' 'SimpleITK==2.5.7' 'numpy==2.4.0')
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
a mask, written as MINISWHITE: [True, True, False]
  tifffile: [True, True, False]
  Pillow: [False, False, True]
  SimpleITK: [0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 255]
a mask, minisblack, written as MINISBLACK: [True, True, False]
  tifffile: [True, True, False]
  Pillow: [True, True, False]
  SimpleITK: [255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 255]
8 bits, written as MINISBLACK: [0, 1, 255]
  tifffile: [0, 1, 255]
  Pillow: [0, 1, 255]
  SimpleITK: [0, 1, 255]
8 bits, miniswhite, written as MINISWHITE: [0, 1, 255]
  tifffile: [0, 1, 255]
  Pillow: [255, 254, 0]
  SimpleITK: [0, 1, 255]
16 bits, miniswhite, written as MINISWHITE: [0, 1, 65535]
  tifffile: [0, 1, 65535]
  Pillow: [0, 1, 65535]
  SimpleITK: [0, 1, 65535]
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import SimpleITK as sitk
import tifffile
from PIL import Image

for told, array, options in (
    ("a mask", np.array([[True, True, False]]), {}),
    ("a mask, minisblack", np.array([[True, True, False]]), {"photometric": "minisblack"}),
    ("8 bits", np.array([[0, 1, 255]], np.uint8), {}),
    ("8 bits, miniswhite", np.array([[0, 1, 255]], np.uint8), {"photometric": "miniswhite"}),
    ("16 bits, miniswhite", np.array([[0, 1, 65535]], np.uint16), {"photometric": "miniswhite"}),
):
    tifffile.imwrite("image.tif", array, **options)
    with tifffile.TiffFile("image.tif") as file:
        page = file.pages[0]
        print(f"{told}, written as {page.photometric.name}: {array.ravel().tolist()}")
        print("  tifffile:", page.asarray().ravel().tolist())
    print("  Pillow:", np.array(Image.open("image.tif")).ravel().tolist())
    try:
        print("  SimpleITK:", sitk.GetArrayFromImage(sitk.ReadImage("image.tif")).ravel().tolist())
    except RuntimeError:
        print("  SimpleITK: refused")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
