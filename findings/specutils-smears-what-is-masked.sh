#!/usr/bin/env bash
# A spectrum with a masked value, resampled and smoothed, and the same in a cube.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('specutils==2.4.0' 'ndcube==2.4.2' 'astropy==8.0.2' 'scipy==1.17.1' 'numpy==2.4.6')
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
a spectrum of 1 Jy, whose third value, 999, is masked: Specutils
  line_flux 6 Jy um, snr 10, centroid 3.6 um
  LinearInterpolatedResampler: 1 500 500 1, masked none, StdDevUncertainty 0.1 0.1 0.1 0.1
  SplineInterpolatedResampler: -427.3 678.8 587.3 -152.9, masked none, StdDevUncertainty 0.1 0.1 0.1 0.1
  FluxConservingResampler: 1 500 500 1, masked none, InverseVariance 200 200 200 200
  box_smooth: 0.6667 333.7 333.7 333.7 1 0.6667, masked 0 0 1 0 0 0
  gaussian_smooth: 106.8 126.2 133.4 126.2 106.9 81.03, masked 0 0 1 0 0 0
  median_smooth: 1 1 1 1 1 1, masked 0 0 1 0 0 0
the same in a cube: NDCube
  times 2: 2 2 1998 2 2 2, masked 0 0 1 0 0 0, uncertainty 0.2 0.2 0.2 0.2 0.2 0.2
  squared: 1 1 9.98e+05 1 1 1, masked 0 0 1 0 0 0, uncertainty none
  1 / cube: 1 1 0.001001 1 1 1, masked 0 0 1 0 0 0, uncertainty none
  rebin by 3: 1 1, masked 0 0, uncertainty none
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import astropy.units as u
import astropy.wcs
import numpy as np
from astropy.nddata import StdDevUncertainty
from ndcube import NDCube
from specutils import Spectrum
from specutils.analysis import centroid, line_flux, snr
from specutils.manipulation import FluxConservingResampler, LinearInterpolatedResampler, SplineInterpolatedResampler, box_smooth, gaussian_smooth, median_smooth

warnings.simplefilter("ignore")


def shown(values):
    return "none" if values is None else " ".join(f"{value:.4g}" for value in np.ravel(values).tolist())


FLUX, MASK, ERRORS = [1.0, 1, 999, 1, 1, 1], [False, False, True, False, False, False], [0.1] * 6
spectrum = Spectrum(flux=FLUX * u.Jy, spectral_axis=np.arange(1.0, 7) * u.um, mask=np.array(MASK), uncertainty=StdDevUncertainty(ERRORS))
print("a spectrum of 1 Jy, whose third value, 999, is masked: Specutils")
print(f"  line_flux {line_flux(spectrum):.5g}, snr {snr(spectrum).value:.5g}, centroid {centroid(spectrum):.5g}")
places = np.array([1.5, 2.5, 3.5, 4.5]) * u.um
for way in (LinearInterpolatedResampler, SplineInterpolatedResampler, FluxConservingResampler):
    found = way()(spectrum, places)
    kind = type(found.uncertainty).__name__
    print(f"  {way.__name__}: {shown(found.flux.value)}, masked {shown(found.mask)}, {kind} {shown(found.uncertainty.array)}")
for way in (box_smooth, gaussian_smooth, median_smooth):
    found = way(spectrum, 3)
    print(f"  {way.__name__}: {shown(found.flux.value)}, masked {shown(found.mask)}")
world = astropy.wcs.WCS(naxis=1)
world.wcs.ctype, world.wcs.cunit, world.wcs.cdelt, world.wcs.crpix, world.wcs.crval = ["WAVE"], ["um"], [1], [1], [1]
cube = NDCube(np.array(FLUX), wcs=world, uncertainty=StdDevUncertainty(ERRORS), mask=np.array(MASK), unit=u.Jy)
print("the same in a cube: NDCube")
for title, found in (("times 2", cube * 2), ("squared", cube**2), ("1 / cube", 1 / cube), ("rebin by 3", cube.rebin((3,)))):
    told = None if found.uncertainty is None else found.uncertainty.array
    print(f"  {title}: {shown(found.data)}, masked {shown(found.mask)}, uncertainty {shown(told)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
