#!/usr/bin/env bash
# Tables and grids that the Generic Mapping Tools read and write.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(gmt=6.4.0+dfsg-2) # of Debian 12
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
gmt() {
  LD_LIBRARY_PATH=$libraries:$root/usr/lib:$libraries/blas:$libraries/lapack GMT_SHAREDIR=$root/usr/share/gmt GMT_USERDIR=$tmp \
    GDAL_DATA=$root/usr/share/gdal PROJ_LIB=$root/usr/share/proj timeout 60 "$root/usr/bin/gmt" "$@"
}
echo "GMT $(gmt --version)"
cat >expected <<'END'
tables
  2460310.123456789 1 | 2460310.123459 2 is 2460310.12346 1 | 2460310.12346 2
  12345678901234 1 is 1.23456789012e+13 1
  2026-01-31T23:59:59.9999 1 | 2026-06-30T10:00:00.1234 2 is 2026-02-01T00:00:00.0000 1 | 2026-06-30T10:00:00.1233 2
  1 2 | station 7 | 3 4 is 1 2 | NaN 7 | 3 4
  station 7 | 1 2 | 3 4 is 1 2 | 3 4
grids of ids
  as it is: int32, 16777217 123456789 5 2147483647
  grdcut of all of it: float32, 16777216.0 123456792.0 5.0 2147483648.0
  grdmath 0 ADD: float32, 16777216.0 123456792.0 5.0 2147483648.0
  grdconvert to doubles (=nd): float64, 16777216.0 123456792.0 5.0 2147483648.0
  shorts: refused
END
cat >write.py <<'END'
import netCDF4
import numpy as np

with netCDF4.Dataset("ids.nc", "w") as file:
    for name in ("x", "y"):
        file.createDimension(name, 2)
        file.createVariable(name, "f8", (name,))[:] = [0, 1]
    file.createVariable("z", "i4", ("y", "x"))[:] = np.array([[16777217, 123456789], [5, 2147483647]])
    file["z"].setncattr("long_name", "ids")
END
cat >show.py <<'END'
import sys

import netCDF4

with netCDF4.Dataset(sys.argv[1]) as file:
    print(f"  {sys.argv[2]}: {file['z'].dtype},", " ".join(str(value) for value in file["z"][:].ravel().tolist()))
END
lines() { paste -s -d '|' | tr '\t' ' ' | sed 's/|/ | /g'; }
seen() {
  echo "tables"
  printf '2460310.123456789 1\n2460310.123459 2\n' >made.txt
  echo "  $(lines <made.txt) is $(gmt convert made.txt | lines)"
  printf '12345678901234 1\n' >made.txt
  echo "  $(lines <made.txt) is $(gmt convert made.txt | lines)"
  printf '2026-01-31T23:59:59.9999 1\n2026-06-30T10:00:00.1234 2\n' >made.txt
  echo "  $(lines <made.txt) is $(gmt convert -f0T made.txt | lines)"
  printf '1 2\nstation 7\n3 4\n' >made.txt
  echo "  $(lines <made.txt) is $(gmt convert made.txt 2>/dev/null | lines)"
  printf 'station 7\n1 2\n3 4\n' >made.txt
  echo "  $(lines <made.txt) is $(gmt convert made.txt 2>/dev/null | lines)"
  echo "grids of ids"
  venv/bin/python write.py
  venv/bin/python show.py ids.nc "as it is"
  gmt grdcut ids.nc -R0/1/0/1 -Gmade.nc
  venv/bin/python show.py made.nc "grdcut of all of it"
  gmt grdmath ids.nc 0 ADD = made.nc
  venv/bin/python show.py made.nc "grdmath 0 ADD"
  gmt grdconvert ids.nc made.nc=nd
  venv/bin/python show.py made.nc "grdconvert to doubles (=nd)"
  gmt grdconvert ids.nc made.nc=ns 2>/dev/null && venv/bin/python show.py made.nc "grdconvert to shorts (=ns)" || echo "  shorts: refused"
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
