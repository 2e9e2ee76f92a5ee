#!/usr/bin/env bash
# Two files whose times have other units, read as one.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'netcdf4==1.7.5.1' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'netcdf4==1.7.5.1' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' netcdf4 numpy
cd "$tmp"
cat >expected <<'END'
part0: depth [10.0, 20.0], time [0.0, 1.0] days since 2026-01-01
part1: depth [10.0, 20.0], time [0.0, 1.0] hours since 2026-01-02
whole: depth [10.0, 20.0, 10.0, 20.0], time [0.0, 1.0, 0.0, 1.0] days since 2026-01-01
END
venv/bin/python -W ignore - >seen <<'END'
import netCDF4
import numpy as np

for number, (scale, units, hours) in enumerate([(0.1, "days since 2026-01-01", 0), (0.5, "hours since 2026-01-02", 0)]):
    with netCDF4.Dataset(f"part{number}.nc", "w", format="NETCDF4_CLASSIC") as part:
        part.createDimension("time", None)
        time = part.createVariable("time", "f8", ("time",))
        time.units = units
        time[:] = [0, 1]
        depth = part.createVariable("depth", "i2", ("time",))
        depth.scale_factor = scale
        depth[:] = np.array([10.0, 20.0])
    with netCDF4.Dataset(f"part{number}.nc") as part:
        print(f"part{number}: depth {part['depth'][:].tolist()}, time {part['time'][:].tolist()} {units}")
whole = netCDF4.MFDataset("part*.nc")
print(f"whole: depth {whole['depth'][:].tolist()}, time {whole['time'][:].tolist()} {whole['time'].units}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
