#!/usr/bin/env bash
# A zero in an array whose chunks are filled with 0, in both formats of Zarr.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'xarray==2026.9.0' 'zarr==3.1.6' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'xarray==2026.9.0' 'zarr==3.1.6' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' xarray zarr numpy
cd "$tmp"
cat >expected <<'END'
format 2: zarr reads [1, 0, 2], xarray reads [1.0, nan, 2.0]
format 3: zarr reads [1, 0, 2], xarray reads [1, 0, 2]
END
venv/bin/python -W ignore - >seen <<'END'
import xarray as xr
import zarr

for version in (2, 3):
    names = {"dimension_names": ["row"]} if version == 3 else {}
    group = zarr.open_group(f"{version}.zarr", mode="w", zarr_format=version)
    array = group.create_array("counts", shape=(3,), dtype="i4", chunks=(3,), fill_value=0, **names)
    array[:] = [1, 0, 2]
    if version == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["row"]
    print(f"format {version}: zarr reads {array[:].tolist()},", end=" ")
    print("xarray reads", xr.open_zarr(f"{version}.zarr", consolidated=False).counts.values.tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
