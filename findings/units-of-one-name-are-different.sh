#!/usr/bin/env bash
# What one of each unit is, in four libraries that read units from text.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('cf-units==3.3.1' 'pint==0.25.3' 'astropy==8.0.2' 'unyt==3.2.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' cf-units pint astropy unyt numpy
cat >expected <<'END'
nmi
  UDUNITS  1.609344e-06 m
  pint     1852 m
  astropy  refused
  unyt     1852 m
mb
  UDUNITS  1e-31 m2
  pint     1e-31 m**2
  astropy  0.001 bit
  unyt     refused
a
  UDUNITS  100 m2
  pint     3.15576e+07 s
  astropy  3.15576e+07 s
  unyt     refused
year
  UDUNITS  31556925.9747 s
  pint     3.15576e+07 s
  astropy  3.15576e+07 s
  unyt     3.15576e+07 s
oz
  UDUNITS  2.957353125e-05 m3
  pint     0.02834952 kg
  astropy  refused
  unyt     0.02834952 kg
gal
  UDUNITS  0.01 m.s-2
  pint     0.003785412 m**3
  astropy  0.01 m / s2
  unyt     refused
ct
  UDUNITS  10 kg
  pint     0.0002 kg
  astropy  1 ct
  unyt     refused
R
  UDUNITS  0.000258 kg-1.s.A
  pint     8.314463 kg*m**2/K/mol/s**2
  astropy  7.957747e+08 ph / (s m2 rad2)
  unyt     0.5555556 K
cps
  UDUNITS  6.28318530717959 s-1.rad
  pint     1 count/s
  astropy  refused
  unyt     refused
cal
  UDUNITS  4.1868 m2.kg.s-2
  pint     4.184 kg*m**2/s**2
  astropy  refused
  unyt     4.184 J
b
  UDUNITS  1e-28 m2
  pint     1e-28 m**2
  astropy  1 bit
  unyt     refused
ua
  UDUNITS  149597900000 m
  pint     31.5576 s
  astropy  31.5576 s
  unyt     refused
m 2
  UDUNITS  2 m
  pint     refused
  astropy  1 m2
  unyt     refused
decade
  UDUNITS  refused
  pint     10
  astropy  refused
  unyt     refused
mole
  UDUNITS  mol
  pint     1 mol
  astropy  1 mol
  unyt     6.022141e+23 dimensionless
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import astropy.units
import cf_units
import pint
import unyt

registry = pint.UnitRegistry()


def in_pint(text):
    quantity = registry.Quantity(1, text).to_base_units()
    return f"{quantity.magnitude:.7g} {quantity.units:~C}"


def in_astropy(text):
    quantity = (1 * astropy.units.Unit(text)).decompose()
    return f"{quantity.value:.7g} {quantity.unit}"


def in_unyt(text):
    quantity = unyt.unyt_quantity(1, text).in_mks()
    return f"{quantity.value:.7g} {quantity.units}"


for text in ("nmi", "mb", "a", "year", "oz", "gal", "ct", "R", "cps", "cal", "b", "ua", "m 2", "decade", "mole"):
    print(text)
    for library, read in {
        "UDUNITS": lambda text: cf_units.Unit(text).definition,
        "pint": in_pint,
        "astropy": in_astropy,
        "unyt": in_unyt,
    }.items():
        try:
            print(f"  {library:8}", read(text).strip())
        except Exception:
            print(f"  {library:8}", "refused")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
