#!/usr/bin/env bash
# Fields at several heights, and a field that is there twice, in one GRIB file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('cfgrib==0.9.15.1' 'eccodes==2.50.0' 'xarray==2026.9.0' 'numpy==2.4.6')
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
temperature at 2 m, wind at 10 m: {'t2m': 280.0}
temperature at two levels, humidity at one: {'t': 250.0}
the same field twice, 250 and 260: {'t': 250.0}
END
venv/bin/python -W ignore - >seen <<'END'
import logging

import eccodes
import numpy as np
import xarray

logging.disable(logging.CRITICAL)  # all that is said of it is a line of a log


def write(name, *messages):
    with open(name, "wb") as file:
        for short, kind, level, value in messages:
            message = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            for key, given in (("typeOfLevel", kind), ("level", level), ("shortName", short)):
                eccodes.codes_set(message, key, given)
            eccodes.codes_set_values(message, np.full(eccodes.codes_get_size(message, "values"), value))
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)


def read(name):
    with xarray.open_dataset(name, engine="cfgrib", backend_kwargs={"indexpath": ""}) as data:
        return {key: float(each.mean()) for key, each in data.data_vars.items()}


write("heights.grib", ("2t", "heightAboveGround", 2, 280.0), ("10u", "heightAboveGround", 10, 5.0))
print("temperature at 2 m, wind at 10 m:", read("heights.grib"))
write("levels.grib", *(("t", "isobaricInhPa", each, 250.0) for each in (500, 850)), ("r", "isobaricInhPa", 500, 60.0))
print("temperature at two levels, humidity at one:", read("levels.grib"))
write("twice.grib", ("t", "isobaricInhPa", 500, 250.0), ("t", "isobaricInhPa", 500, 260.0))
print("the same field twice, 250 and 260:", read("twice.grib"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
