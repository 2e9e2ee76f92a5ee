#!/usr/bin/env bash
# Operators of CDO on small files of netCDF.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(cdo=2.1.1-1+deb12u1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
libraries=$tmp/unpacked/usr/lib/x86_64-linux-gnu
cdo() {
  LD_LIBRARY_PATH=$libraries:$libraries/blas:$libraries/lapack:$tmp/unpacked/usr/lib "$tmp/unpacked/usr/bin/cdo" "$@"
}
packages=('netCDF4==1.7.5.1.post1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cdo --version 2>&1 | head -n 1
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cat >make.py <<'END'
import netCDF4
import numpy as np



def made(path, variables, times=(0, 1, 2), since="days since 2026-01-01", places=(50, 51), unit="m"):
    with netCDF4.Dataset(path, "w") as file:
        for name, values, units in (("time", times, since), ("lat", places, "degrees_north"), ("lon", (10, 11), "degrees_east")):
            file.createDimension(name, None if name == "time" else len(values))
            variable = file.createVariable(name, "f8", (name,))
            variable.units = units
            variable[:] = values
        for name, (kind, fill, values) in variables.items():
            form = ("time", "lat", "lon") if np.ndim(values) else ()
            variable = file.createVariable(name, kind, form, fill_value=fill)
            variable.units = unit
            variable.set_auto_maskandscale(False)
            variable[...] = np.broadcast_to(np.reshape(values, (-1, 1, 1)), (len(times), 2, 2)) if form else values


made("kinds.nc", {
    "id": ("i8", None, [9007199254740993] * 3),
    "flag": ("i1", None, [0, 1, 1]),
    "small": ("i1", None, [0, -127, 5]),
    "byte": ("u1", None, [0, 255, 4]),
    "gap": ("f8", None, [np.nan, 2, 4]),
    "other_gap": ("f8", None, [2, 4, np.nan]),
    "gap_and_fill": ("f8", -999.0, [np.nan, 2, 4]),
    "zone": ("i4", None, 7),
})  # fmt: skip
level = {"level": ("f8", None, [1.5, 2.5, 3.5])}
made("level.nc", level)
made("later.nc", level, times=(40, 41, 42))
made("elsewhere.nc", level, places=(-30, -29))
made("one.nc", {"level": ("f8", None, [1.5])}, times=(0,))
made("kilometres.nc", level, unit="km")
made("seconds.nc", level, times=(0, 0.00001, 0.99999))
made("months.nc", level, since="months since 2026-01-31")
END
cat >show.py <<'END'
import sys

import netCDF4
import numpy as np

with netCDF4.Dataset(sys.argv[1]) as file:
    file.set_auto_maskandscale(False)
    told = []
    for name in [*[name for name in file.variables if name != "time" and not name.startswith(("lat", "lon")) and not name.endswith("bnds")], "time"]:
        values = file[name][:]
        marks = {getattr(file[name], mark, None) for mark in ("_FillValue", "missing_value")}
        values = values[:, 0, 0] if values.ndim == 3 else values
        told.append(f"{name} ({getattr(file[name], 'units', 'no unit')}, {file[name].dtype}) {' '.join('missing' if value in marks else repr(value.item()) for value in np.atleast_1d(values))}")
    print("   ", "; ".join(told))
END
cat >expected <<'END'
    id (m, int64) 9007199254740993 9007199254740993 9007199254740993; flag (m, int8) 0 1 1; small (m, int8) 0 -127 5; byte (m, uint8) 0 255 4; gap (m, float64) nan 2.0 4.0; other_gap (m, float64) 2.0 4.0 nan; gap_and_fill (m, float64) nan 2.0 4.0; zone (m, int32) 7; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo copy kinds.nc
  ends with 0
    id (m, float64) 9007199254740992.0 9007199254740992.0 9007199254740992.0; flag (m, int8) 0 1 1; small (m, int8) 0 -127 5; byte (m, uint8) 0 255 4; gap (m, float64) nan 2.0 4.0; other_gap (m, float64) 2.0 4.0 nan; gap_and_fill (m, float64) nan 2.0 4.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo timmean kinds.nc
  ends with 0
    id (m, float64) 9007199254740992.0; flag (m, int8) 1; small (m, int8) -41; byte (m, uint8) 86; gap (m, float64) nan; other_gap (m, float64) nan; gap_and_fill (m, float64) nan; time (days since 2026-01-01, float64) 1.0
cdo timmax kinds.nc
  ends with 0
    id (m, float64) 9007199254740992.0; flag (m, int8) 1; small (m, int8) 5; byte (m, uint8) 255; gap (m, float64) 4.0; other_gap (m, float64) nan; gap_and_fill (m, float64) 4.0; time (days since 2026-01-01, float64) 1.0
cdo setctomiss,0 kinds.nc
  ends with 0
    id (m, float64) 9007199254740992.0 9007199254740992.0 9007199254740992.0; flag (m, int8) missing 1 1; small (m, int8) missing missing 5; byte (m, uint8) missing missing 4; gap (m, float64) nan 2.0 4.0; other_gap (m, float64) 2.0 4.0 nan; gap_and_fill (m, float64) nan 2.0 4.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo copy seconds.nc
  ends with 0
    level (m, float64) 1.5 2.5 3.5; time (days since 2026-01-01, float64) 0.0 1.1574074074074073e-05 0.999988425925926
cdo copy months.nc
  ends with 0
    level (m, float64) 1.5 2.5 3.5; time (months since 2026-01-31, float64) 0.0 1.096774193548387 2.0
cdo sub level.nc later.nc
  ends with 0
    level (m, float64) 0.0 0.0 0.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo sub level.nc elsewhere.nc
  ends with 0, says: Grid latitudes differ!
    level (m, float64) 0.0 0.0 0.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo sub level.nc one.nc
  ends with 0
    level (m, float64) 0.0 1.0 2.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo add level.nc kilometres.nc
  ends with 0
    level (m, float64) 3.0 5.0 7.0; time (days since 2026-01-01, float64) 0.0 1.0 2.0
cdo mergetime level.nc kilometres.nc
  ends with 0
    level (m, float64) 1.5 1.5 2.5 2.5 3.5 3.5; time (days since 2026-01-01, float64) 0.0 0.0 1.0 1.0 2.0 2.0
cdo diff level.nc later.nc ends with 0
cdo diff level.nc one.nc ends with 0
cdo diff level.nc kilometres.nc ends with 0
END
tried() {
  rm -f out.nc
  echo "cdo $*"
  ended=0
  cdo -s "$@" out.nc >/dev/null 2>said || ended=$?
  echo "  ends with $ended$(sed -n 's/.*(\(Warning\|Abort\)): /, says: /p' said | head -n 1)"
  if [ -e out.nc ]; then venv/bin/python show.py out.nc; fi
}
venv/bin/python -W ignore make.py
{
  venv/bin/python show.py kinds.nc
  tried copy kinds.nc
  tried timmean kinds.nc
  tried timmax kinds.nc
  tried setctomiss,0 kinds.nc
  tried copy seconds.nc
  tried copy months.nc
  tried sub level.nc later.nc
  tried sub level.nc elsewhere.nc
  tried sub level.nc one.nc
  tried add level.nc kilometres.nc
  tried mergetime level.nc kilometres.nc
  for other in later one kilometres; do
    ended=0
    cdo -s diff level.nc "$other.nc" >/dev/null 2>said || ended=$?
    echo "cdo diff level.nc $other.nc ends with $ended"
  done
} >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
