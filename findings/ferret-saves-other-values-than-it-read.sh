#!/usr/bin/env bash
# A packed variable with a gap, and a NaN, that Ferret reads, averages and saves.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(ferret-vis=7.6.0-5) # of Debian 12
mkdir "$tmp/packages" "$tmp/unpacked"
(
  cd "$tmp/packages"
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
packages=('netCDF4==1.7.5.1' 'numpy==2.4.6')
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
ferret() {
  LD_LIBRARY_PATH=$libraries:$root/usr/lib:$libraries/blas:$libraries/lapack FER_DIR=$root/usr/share/ferret-vis FER_DATA=. FER_GO=. \
    FER_PALETTE=. FER_GRIDS=. FER_DSETS=. FER_DESCR=. FER_FONTS=. SPECTRA=. timeout 60 "$root/usr/bin/ferret_c" -nojnl -gif <<<"$1"
}
ferret quit | grep -oE 'FERRET v[0-9.]+'
cat >expected <<'END'
as it is
  packed (int16; _FillValue -32768): 273.15 missing 273.35 273.45 273.55 273.65 273.75 273.85
  plain (float32; _FillValue -999): 0 missing 2 3 4 5 6 7
  broken (float32; _FillValue -999): 0 nan 2 3 4 5 6 7
saved by Ferret
  PACKED (int16; no mark for what is missing): 273.15 273.15 273.25 273.45 273.45 273.65 273.75 273.75
  PLAIN (float32; _FillValue -999): 0 missing 2 3 4 5 6 7
listed by Ferret: packed; then the means of packed, plain and broken, the sum, the maximum and the number of values of broken; then broken
 31-JAN-2026 00 / 1: ....
 01-FEB-2026 00 / 2: ....
 02-FEB-2026 00 / 3: 273.35000
 03-FEB-2026 00 / 4: 273.45000
 04-FEB-2026 00 / 5: 273.55000
 05-FEB-2026 00 / 6: 273.65000
 06-FEB-2026 00 / 7: 273.75000
 07-FEB-2026 00 / 8: 273.85000
I / *: 273.60000 3.8571429 .... .... 7.0000000 8.0000000
 31-JAN-2026 00 / 1: 0.0000000
 01-FEB-2026 00 / 2: ....
 02-FEB-2026 00 / 3: 2.0000000
 03-FEB-2026 00 / 4: 3.0000000
 04-FEB-2026 00 / 5: 4.0000000
 05-FEB-2026 00 / 6: 5.0000000
 06-FEB-2026 00 / 7: 6.0000000
 07-FEB-2026 00 / 8: 7.0000000
END
cat >write.py <<'END'
import netCDF4
import numpy as np

with netCDF4.Dataset("made.nc", "w", format="NETCDF3_CLASSIC") as file:
    file.createDimension("time", 8)
    time = file.createVariable("time", "f8", ("time",))
    time.units = "days since 2026-01-31"
    time[:] = np.arange(8)
    packed = file.createVariable("packed", "i2", ("time",), fill_value=-32768)
    packed.set_auto_maskandscale(False)
    packed.scale_factor, packed.add_offset = 0.1, 273.15
    packed[:] = [0, -32768, 2, 3, 4, 5, 6, 7]
    plain = file.createVariable("plain", "f4", ("time",), fill_value=-999.0)
    plain[:] = np.ma.masked_equal(np.array([0, -999, 2, 3, 4, 5, 6, 7], "f4"), -999)
    broken = file.createVariable("broken", "f4", ("time",), fill_value=-999.0)
    broken[:] = np.array([0, np.nan, 2, 3, 4, 5, 6, 7], "f4")
END
cat >show.py <<'END'
import sys

import netCDF4

with netCDF4.Dataset(sys.argv[1]) as file:
    for name in sys.argv[2:]:
        variable = file[name]
        values = " ".join("missing" if value is None else f"{value:.8g}" for value in variable[:].tolist())
        marks = [f"{mark} {variable.getncattr(mark):g}" for mark in variable.ncattrs() if mark in ("_FillValue", "missing_value")]
        print(f"  {name} ({variable.dtype}; {', '.join(marks) or 'no mark for what is missing'}): {values}")
END
seen() {
  venv/bin/python write.py
  echo "as it is"
  venv/bin/python -W ignore show.py made.nc packed plain broken
  ferret 'use "made.nc"
save/clobber/file=saved.nc packed, plain
list/nohead/precision=8 packed
list/nohead/precision=8 packed[l=@ave], plain[l=@ave], broken[l=@ave], broken[l=@sum], broken[l=@max], broken[l=@ngd]
list/nohead/precision=8 broken
quit' >listed
  echo "saved by Ferret"
  venv/bin/python -W ignore show.py saved.nc PACKED PLAIN
  echo "listed by Ferret: packed; then the means of packed, plain and broken, the sum, the maximum and the number of values of broken; then broken"
  grep -E '^ *[0-9]{2}-|/ *[0-9*]+:' listed | tr -s ' '
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
