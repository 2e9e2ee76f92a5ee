#!/usr/bin/env bash
# A field with a NaN, encoded as GRIB by eccodes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('eccodes==2.50.0' 'eccodeslib==2.50.0.33' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
grid_simple: [281.5, nan, 283.5] is encoded without an error, and read as [281.5, 281.5, 283.5]
grid_ccsds: [281.5, nan, 283.5] is encoded without an error, and read as [281.5, 281.5, 283.5]
grid_ieee: [281.5, nan, 283.5] is encoded without an error, and read as [281.5, nan, 283.5]
END
venv/bin/python - >seen <<'END'
import eccodes
import numpy as np

FIELD = [281.5, float("nan"), 283.5]
for packing in ("grid_simple", "grid_ccsds", "grid_ieee"):
    message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    for key, value in {"Ni": 3, "Nj": 1, "packingType": packing}.items():
        eccodes.codes_set(message, key, value)
    try:
        eccodes.codes_set_values(message, np.array(FIELD))
        again = eccodes.codes_new_from_message(eccodes.codes_get_message(message))
        read = [round(float(value), 3) for value in eccodes.codes_get_values(again)]
        print(f"{packing}: {FIELD} is encoded without an error, and read as {read}")
    except eccodes.CodesInternalError as error:
        print(f"{packing}: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
