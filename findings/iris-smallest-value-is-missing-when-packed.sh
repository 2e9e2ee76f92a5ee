#!/usr/bin/env bash
# Fields that Iris packs into integers by its own scale, and what becomes of a unit.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('scitools-iris==3.14.1' 'netCDF4==1.7.5.1' 'numpy==2.4.6' 'cf-units==3.3.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' scitools-iris netCDF4 numpy cf-units
cat >expected <<'END'
1, missing and 3
  int16: Iris [None, None, 3.0] netCDF4 [None, None, 3.0]
  int8: Iris [None, None, 3.0] netCDF4 [None, None, 3.0]
  uint8: Iris [1.0, None, 3.0] netCDF4 [1.0, None, 3.0]
  as floats: Iris [1.0, None, 3.0] netCDF4 [1.0, None, 3.0]
-40, -5, missing and 20
  int16: Iris [None, -5.0, None, 20.0] netCDF4 [None, -5.0, None, 20.0]
  int8: Iris [None, -5.0, None, 20.0] netCDF4 [None, -5.0, None, 20.0]
  uint8: Iris [-40.0, -5.0, None, 20.0] netCDF4 [-40.0, -5.0, None, 20.0]
  as floats: Iris [-40.0, -5.0, None, 20.0] netCDF4 [-40.0, -5.0, None, 20.0]
1, 2 and 3
  int16: Iris [1.0, 2.0, 3.0] netCDF4 [1.0, 2.0, 3.0]
  int8: Iris [1.0, 2.0, 3.0] netCDF4 [1.0, 2.0, 3.0]
  uint8: Iris [1.0, 2.0, None] netCDF4 [1.0, 2.0, None]
  as floats: Iris [1.0, 2.0, 3.0] netCDF4 [1.0, 2.0, 3.0]
1, NaN and 3
  int16: Iris [nan, nan, nan] netCDF4 [nan, nan, nan]
  int8: Iris [nan, nan, nan] netCDF4 [nan, nan, nan]
  uint8: Iris [nan, nan, nan] netCDF4 [nan, nan, nan]
  as floats: Iris [1.0, nan, 3.0] netCDF4 [1.0, nan, 3.0]
10 degC * 2: [20.0] K
10 degC + 2: [12.0] degC
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import iris
import iris.cube
import netCDF4
import numpy as np

fields = {
    "1, missing and 3": np.ma.masked_invalid([1.0, np.nan, 3.0]),
    "-40, -5, missing and 20": np.ma.masked_invalid([-40.0, -5.0, np.nan, 20.0]),
    "1, 2 and 3": np.ma.array([1.0, 2.0, 3.0]),
    "1, NaN and 3": np.array([1.0, np.nan, 3.0]),
}
for words, values in fields.items():
    print(words)
    for packing in ("int16", "int8", "uint8", None):
        cube = iris.cube.Cube(values.astype("f4"), var_name="a", units="degC")
        iris.save(cube, "field.nc", **({"packing": packing} if packing else {}))
        read = np.ma.asarray(iris.load_cube("field.nc").data)
        with netCDF4.Dataset("field.nc") as file:
            other = np.ma.asarray(file["a"][:])
        print(f"  {packing or 'as floats'}: Iris", [None if v is None else round(v, 1) for v in read.tolist()], "netCDF4", [None if v is None else round(v, 1) for v in other.tolist()])
doubled = iris.cube.Cube(np.array([10.0]), units="degC") * 2
print("10 degC * 2:", doubled.data.tolist(), doubled.units)
added = iris.cube.Cube(np.array([10.0]), units="degC") + 2
print("10 degC + 2:", added.data.tolist(), added.units)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
