#!/usr/bin/env bash
# Images of floats, packed in tiles.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('astropy==8.0.2' 'fitsio==1.4.2' 'numpy==2.4.6')
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
RICE_1
  astropy: NaN is nan, infinity inf, others change by up to 0.400
  fitsio: NaN is nan, infinity nan, others change by up to 0.400
RICE_1, quantize_level=0
  astropy: NaN is -2.14748e+09, infinity -2.14748e+09, others change by up to 1.000
  fitsio: NaN is -0, infinity -0, others change by up to 1032.572
GZIP_1
  astropy: NaN is nan, infinity inf, others change by up to 0.400
  fitsio: NaN is nan, infinity nan, others change by up to 0.400
GZIP_1, quantize_level=0
  astropy: NaN is nan, infinity inf, others change by up to 0.000
  fitsio: NaN is nan, infinity inf, others change by up to 0.000
END
venv/bin/python -W ignore - >seen <<'END'
import fitsio
import numpy as np
from astropy.io import fits

image = np.random.default_rng(0).normal(1000, 10, (64, 64)).astype("float32")
image[3, 3], image[4, 4] = np.nan, np.inf
plain = np.isfinite(image)
for told, options in (
    ("RICE_1", {"compression_type": "RICE_1"}),
    ("RICE_1, quantize_level=0", {"compression_type": "RICE_1", "quantize_level": 0}),
    ("GZIP_1", {"compression_type": "GZIP_1"}),
    ("GZIP_1, quantize_level=0", {"compression_type": "GZIP_1", "quantize_level": 0}),
):
    fits.CompImageHDU(image, **options).writeto("image.fits", overwrite=True)
    print(told)
    for name, read in (("astropy", fits.getdata("image.fits", 1)), ("fitsio", fitsio.read("image.fits", ext=1))):
        change = np.abs(read - image)[plain].max()
        print(f"  {name}: NaN is {read[3, 3]:.6g}, infinity {read[4, 4]:.6g}, others change by up to {change:.3f}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
