#!/usr/bin/env bash
# Regions of DS9 and CASA, read and written by one library, and read by others.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('regions==0.12' 'astropy==8.0.2' 'fitsio==1.4.2' 'pyregion==2.3.0' 'numpy==2.4.6')
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
a circle without a star in it, one event in each pixel
  drawn.reg: cfitsio chooses 68, pyregion 68
  copy.reg: cfitsio chooses 81, pyregion 81
  drawn.reg: regions itself, without the edges, 60
  copy.reg: regions itself, without the edges, 60
a circle of 0.123456 arcsec
  ds9: 0.123456 arcsec, icrs, moved by 0.0000 arcsec
  crtf: 0.122400 arcsec, fk5, moved by 0.0017 arcsec
a circle in galactic places
  ds9: 60.000012 arcsec, galactic, moved by 0.0000 arcsec
  crtf: 60.001200 arcsec, fk5, moved by 0.0017 arcsec
a text
  ds9: 'a {b', icrs, moved by 0.0000 arcsec
  crtf: '', fk5, moved by 0.0017 arcsec
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import astropy.units as u
import fitsio
import numpy as np
import pyregion
from astropy.coordinates import SkyCoord
from astropy.table import Table
from regions import CircleSkyRegion, Regions, TextSkyRegion

with open("drawn.reg", "w") as file:
    file.write("image\ncircle(10,20,5)\n-circle(12,20,2)\n")
drawn = Regions.read("drawn.reg", format="ds9")
drawn.write("copy.reg", format="ds9")
x, y = np.meshgrid(np.arange(1.0, 31), np.arange(1.0, 31))
Table({"X": x.ravel(), "Y": y.ravel()}).write("events.fits")
print("a circle without a star in it, one event in each pixel")
for path in ("drawn.reg", "copy.reg"):
    chosen = fitsio.FITS(f'events.fits[1][regfilter("{path}",X,Y)]')[1].read()
    print(f"  {path}: cfitsio chooses {len(chosen)}, pyregion {pyregion.open(path).get_mask(shape=(40, 40)).sum()}")


def chosen_by(regions):
    chosen = np.zeros((40, 40), bool)
    for region in regions:
        inside = region.to_mask(mode="center").to_image((40, 40)) > 0
        chosen = chosen | inside if region.meta["include"] else chosen & ~inside
    return chosen.sum()


for path in ("drawn.reg", "copy.reg"):
    print(f"  {path}: regions itself, without the edges, {chosen_by(Regions.read(path))}")
center = SkyCoord(202.4695833, 47.1951667, unit="deg")
for title, region in {
    "a circle of 0.123456 arcsec": CircleSkyRegion(center, 0.123456 * u.arcsec),
    "a circle in galactic places": CircleSkyRegion(center.galactic, 60 * u.arcsec),
    "a text": TextSkyRegion(center, "a {b}; c"),
}.items():
    print(title)
    for kind in ("ds9", "crtf"):
        [found] = Regions.parse(Regions([region]).serialize(format=kind), format=kind)
        size = f"{found.radius.to_value('arcsec'):.6f} arcsec" if hasattr(found, "radius") else repr(found.text)
        moved = found.center.icrs.separation(center).to_value("arcsec")
        print(f"  {kind}: {size}, {found.center.frame.name}, moved by {moved:.4f} arcsec")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
