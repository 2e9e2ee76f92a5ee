#!/usr/bin/env bash
# Maps of the sky of which little was seen.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('healpy==1.20.1' 'numpy==2.4.6')
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
1 pixels up to 127: ValueError, healpy could not understand the equivalent FITS datatype of int8, please open an issue on the healpy Github repository
1 pixels up to 128: ValueError, healpy could not understand the equivalent FITS datatype of int8, please open an issue on the healpy Github repository
1 pixels up to 129: [1.5]
2 pixels up to 127: ValueError, healpy could not understand the equivalent FITS datatype of int8, please open an issue on the healpy Github repository
2 pixels up to 128: ValueError, healpy could not understand the equivalent FITS datatype of int8, please open an issue on the healpy Github repository
2 pixels up to 129: [1.5, 2.5]
END
venv/bin/python -W ignore - >seen <<'END'
import healpy
import numpy as np

for values in ([1.5], [1.5, 2.5]):
    for pixel in (127, 128, 129):
        field = np.full(healpy.nside2npix(64), healpy.UNSEEN)
        field[pixel - len(values) + 1 : pixel + 1] = values
        try:
            healpy.write_map("map.fits", field, partial=True, overwrite=True, dtype=np.float64)
            read = healpy.read_map("map.fits", partial=True)
            print(f"{len(values)} pixels up to {pixel}: {read[read != healpy.UNSEEN].tolist()}")
        except ValueError as error:
            print(f"{len(values)} pixels up to {pixel}: ValueError, {error}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
