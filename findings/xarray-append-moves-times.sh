#!/usr/bin/env bash
# What is appended to a Zarr store, by xarray.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('xarray==2026.9.0' 'zarr==3.1.6' 'numpy==2.4.6' 'pandas==2.3.3')
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
first:                  ['2026-01-01T00:00'], x [10, 20], [[1.0, 2.0]] m
half past six:          ['2026-01-01T00:00', '2031-01-05T00:00'], x [10, 20], [[1.0, 2.0], [3.0, 4.0]] m
the other order of x:   ['2026-01-01T00:00', '2026-01-02T00:00'], x [20, 10], [[1.0, 2.0], [3.0, 4.0]] m
in kilometres:          ['2026-01-01T00:00', '2026-01-02T00:00'], x [10, 20], [[1.0, 2.0], [3.0, 4.0]] m
2.7 behind integers:    ['2026-01-01T00:00', '2026-01-02T00:00'], x [10, 20], [[1, 2], [3, 4]] m
1 and 2 a second time:  ['2026-01-01T00:00', '2026-01-01T00:00'], x [10, 20], [[1.0, 2.0], [1.0, 2.0]] m
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import pandas as pd
import xarray


def field(values, *moments, x=(10, 20), unit="m"):
    made = xarray.Dataset({"v": (("time", "x"), np.array(values), {"units": unit})})
    return made.assign_coords(time=pd.to_datetime(list(moments)), x=list(x))


def appended(first, second):
    first.to_zarr("store.zarr", mode="w")
    try:
        second.to_zarr("store.zarr", append_dim="time")
    except Exception as error:
        return f"refused, {type(error).__name__}"
    with xarray.open_zarr("store.zarr") as read:
        moments = [str(each)[:16] for each in read.time.values]
        return f"{moments}, x {read.x.values.tolist()}, {read.v.values.tolist()} {read.v.attrs['units']}"


whole = field([[1.0, 2.0]], "2026-01-01")
print("first:                 ", appended(whole, whole.isel(time=[])))
print("half past six:         ", appended(whole, field([[3.0, 4.0]], "2026-01-02T06:30")))
print("the other order of x:  ", appended(whole, field([[3.0, 4.0]], "2026-01-02", x=(20, 10))))
print("in kilometres:         ", appended(whole, field([[3.0, 4.0]], "2026-01-02", unit="km")))
print("2.7 behind integers:   ", appended(field([[1, 2]], "2026-01-01"), field([[2.7, 4.0]], "2026-01-02")))
print("1 and 2 a second time: ", appended(whole, whole))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
