#!/usr/bin/env bash
# Fields of other places, other units and overlapping ranges, added and joined by xarray.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('xarray==2026.9.0' 'numpy==2.4.6' 'pandas==3.1.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' xarray numpy pandas
cat >expected <<'END'
five places by arange, and the same five typed, added: 4 places
the same with join='exact': AlignmentError
metres and kilometres in a row: [1.0, 2.0, 3.0, 4.0] {'units': 'm'}
kelvins and degrees added: [2.0] {}
two files that share a place: [0, 1, 1, 2] [1.0, 2.0, 3.0, 4.0]
the sum of nothing but missing values: 0.0
differences of 1, 2 and 0 as bytes: [1, 254]
sums by station, one value without a station: [4.0]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import xarray as xr


def field(values, places, **attributes):
    return xr.DataArray(values, dims="x", coords={"x": places}, name="depth", attrs=attributes)


steps = field([1.0] * 5, np.arange(0, 0.5, 0.1))
typed = field([1.0] * 5, [0.0, 0.1, 0.2, 0.3, 0.4])
print("five places by arange, and the same five typed, added:", (steps + typed).sizes["x"], "places")
print("the same with join='exact':", end=" ")
try:
    with xr.set_options(arithmetic_join="exact"):
        print((steps + typed).sizes["x"])
except ValueError as error:
    print(type(error).__name__)
joined = xr.concat([field([1.0, 2.0], [0, 1], units="m"), field([3.0, 4.0], [2, 3], units="km")], "x")
print("metres and kilometres in a row:", joined.values.tolist(), joined.attrs)
added = field([1.0], [0], units="K") + field([1.0], [0], units="degC")
print("kelvins and degrees added:", added.values.tolist(), added.attrs)
parts = [field([1.0, 2.0], [0, 1]).to_dataset(), field([3.0, 4.0], [1, 2]).to_dataset()]
both = xr.combine_by_coords(parts)
print("two files that share a place:", both["x"].values.tolist(), both["depth"].values.tolist())
print("the sum of nothing but missing values:", float(field([np.nan, np.nan], [0, 1]).sum()))
print("differences of 1, 2 and 0 as bytes:", field(np.array([1, 2, 0], np.uint8), [0, 1, 2]).diff("x").values.tolist())
station = xr.DataArray([1.0, 2.0, 3.0], dims="x", coords={"station": ("x", [1.0, np.nan, 1.0])})
print("sums by station, one value without a station:", station.groupby("station").sum().values.tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
