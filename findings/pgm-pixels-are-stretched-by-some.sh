#!/usr/bin/env bash
# Grey values of PGM, whose largest is in its header, for four readers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pillow==13.0.0' 'imageio==2.38.1' 'opencv-python-headless==5.0.0.93' 'rasterio==1.4.4' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
a mask of 0 and 1: 0 1 1 0
  Pillow: 0 255 255 0
  imageio: 0 255 255 0
  OpenCV: 0 1 1 0; as text 0 255 255 0
  rasterio: 0 1 1 0; as text refused
shares up to 100: 0 1 50 100
  Pillow: 0 3 128 255
  imageio: 0 3 128 255
  OpenCV: 0 1 50 100; as text 0 2 127 255
  rasterio: 0 1 50 100; as text refused
12 bits of a detector: 0 1 100 4095
  Pillow: 0 16 1600 65535
  imageio: 0 16 1600 65535
  OpenCV: 0 1 100 4095
  rasterio: 0 1 100 4095; as text refused
16 bits: 0 1 100 65535
  Pillow: 0 1 100 65535
  imageio: 0 1 100 65535
  OpenCV: 0 1 100 65535
  rasterio: 0 1 100 65535; as text refused
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import cv2
import imageio.v3
import numpy as np
import rasterio
from PIL import Image

warnings.simplefilter("ignore")
FILES = {
    "a mask of 0 and 1": (1, [0, 1, 1, 0]),
    "shares up to 100": (100, [0, 1, 50, 100]),
    "12 bits of a detector": (4095, [0, 1, 100, 4095]),
    "16 bits": (65535, [0, 1, 100, 65535]),
}
READERS = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "imageio": imageio.v3.imread,
    "OpenCV": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED),
    "rasterio": lambda path: rasterio.open(path).read(1),
}


def told(read, path):
    try:
        return " ".join(map(str, read(path).ravel()))
    except rasterio.errors.RasterioIOError:
        return "refused"


for title, (largest, values) in FILES.items():
    print(f"{title}: {' '.join(map(str, values))}")
    with open("binary.pgm", "wb") as file:
        file.write(b"P5\n4 1\n%d\n" % largest + np.array(values, ">u2" if largest > 255 else "u1").tobytes())
    with open("text.pgm", "w") as file:
        file.write(f"P2\n4 1\n{largest}\n{' '.join(map(str, values))}\n")
    for name, read in READERS.items():
        binary, text = told(read, "binary.pgm"), told(read, "text.pgm")
        print(f"  {name}: {binary}" + (f"; as text {text}" if text != binary else ""))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
