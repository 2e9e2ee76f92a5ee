#!/usr/bin/env bash
# Means and packed values that NCO makes of what is missing, out of range, whole or a flag.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('netCDF4==1.7.5.1' 'xarray==2026.9.0' 'numpy==2.4.6' 'pandas==2.3.3')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  # of Debian 12
  apt-get download -qq nco=5.1.4-1+deb12u1 libnetcdf19=1:4.9.0-3+b1 libhdf5-103-1 libhdf5-hl-100 libaec0 libsz2 libgsl27 libgslcblas0 \
    libudunits2-0 libudunits2-data libcurl4 libsnappy1v5 libblosc1 >/dev/null 2>&1 || { echo "Debian's packages of NCO are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' netCDF4 xarray numpy
mkdir commands
for command in ncra ncpdq; do # the libraries for these alone: netCDF4 of Python brings its own
  cat >commands/$command <<END
#!/bin/sh
UDUNITS2_XML_PATH=$tmp/unpacked/usr/share/xml/udunits/udunits2.xml LD_LIBRARY_PATH=$tmp/unpacked/usr/lib/nco:$tmp/unpacked/usr/lib/x86_64-linux-gnu exec $tmp/unpacked/usr/bin/$command "\$@"
END
  chmod +x commands/$command
done
PATH=$tmp/commands:$PATH
ncra --version 2>&1 | tail -n 1
cat >expected <<'END'
the mean of three
  marked_by_missing_value: NCO -327, xarray 9, netCDF4 9
  marked_by_fill_value: NCO 9, xarray 9, netCDF4 9
  of_a_valid_range: NCO 4.33333, xarray 4.33333, netCDF4 9
  not_a_number: NCO nan, xarray 9, netCDF4 9
  whole_numbers: NCO 2, xarray 1.66667, netCDF4 1.66667
  packed: NCO 7.5, xarray 7.5, netCDF4 7.5
  flags: NCO 1, xarray 1.33333, netCDF4 1.33333
packed by NCO
  marked_by_missing_value: -999 5.999 12
  marked_by_fill_value: nan 6 12
  of_a_valid_range: nan nan nan
  not_a_number: nan nan nan
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import subprocess
import warnings

import netCDF4
import numpy as np
import xarray

warnings.simplefilter("ignore")
with netCDF4.Dataset("made.nc", "w") as made:
    made.createDimension("time", None)
    for name, kind, values, fill, attributes in (
        ("marked_by_missing_value", "f4", [-999, 6, 12], None, {"missing_value": np.float32(-999)}),
        ("marked_by_fill_value", "f4", [-999, 6, 12], np.float32(-999), {}),
        ("of_a_valid_range", "f4", [-5, 6, 12], None, {"valid_range": np.array([0, 100], "f4")}),
        ("not_a_number", "f4", [np.nan, 6, 12], None, {}),
        ("whole_numbers", "i4", [1, 2, 2], None, {}),
        ("packed", "i2", [-999, 10, 20], np.int16(-999), {"scale_factor": 0.5}),
        ("flags", "i1", [0, 2, 2], None, {"flag_values": np.array([0, 1, 2], "i1"), "flag_meanings": "good doubtful bad"}),
    ):
        variable = made.createVariable(name, kind, ("time",), fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[:] = values


def seen(path, name):
    with netCDF4.Dataset(path) as file:
        return np.ma.filled(np.ma.masked_invalid(file[name][:].astype("f8")), np.nan).ravel()


def nco(*words):
    ended = subprocess.run([*words], capture_output=True, text=True)
    if ended.returncode:
        print("  it says:", ended.stderr.strip().splitlines()[-1][:100])


nco("ncra", "-O", "made.nc", "mean.nc")
names = list(netCDF4.Dataset("made.nc").variables)
print("the mean of three")
for name in names:
    print(f"  {name}: NCO {seen('mean.nc', name)[0]:.6g}, xarray {float(xarray.open_dataset('made.nc')[name].mean()):.6g}, netCDF4 {np.nanmean(seen('made.nc', name)):.6g}")
nco("ncpdq", "-O", "-P", "all_new", "made.nc", "packed.nc")
print("packed by NCO")
for name in names[:4]:
    print(f"  {name}: {' '.join(f'{value:.4g}' for value in seen('packed.nc', name))}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
