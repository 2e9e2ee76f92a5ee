#!/usr/bin/env bash
# Frames of detectors, written by fabio in its formats and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('fabio==2026.6.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' fabio numpy
cd "$tmp"
cat >expected <<'END'
EDF
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: the same
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: the same
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: the same
TIFF
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: the same
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: the same
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: the same
CBF
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: the same
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: [[0, 2, -2147483646, -2147483648]]
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: the same
Oxford
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: [[0, 65535, 65836], [131073, 131074, 131075]]
  counts of 32 bits, [[1, 4294967295, 7]]: [[1, -1, 7]]
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: [[5, 2147483647, 4294967294, 4294967303]]
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: [[0, 2, 2, -125]]
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: [[0, 1, -3]]
ADSC
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: the same
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: the same
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: [[0, 1, -3]]
d*TREK
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: the same
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: the same
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: [[0, 1, -3]]
Bruker
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: [[1, -1, 7]]
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: the same
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: [[0, 2, -2147483648, -2147483648]]
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: [[0, 1, -3]]
PNM
  counts of 16 bits, [[0, 65535, 300], [1, 2, 3]]: the same
  counts of 32 bits, [[1, 4294967295, 7]]: [[1, 65535, 7]]
  a hot pixel and a masked one, [[5, 2147483647, -2, 7]]: [[5, 65535, 0, 7]]
  means, [[0.5, 2.700000047683716, 10000000000.0, nan]]: [[0, 2, 65535, 0]]
  sums of 64 bits, [[1099511627776, 9007199254740993, -3]]: [[65535, 65535, 0]]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import importlib
import logging

import fabio
import numpy as np

logging.disable(logging.CRITICAL)
FRAMES = {
    "counts of 16 bits": np.array([[0, 65535, 300], [1, 2, 3]], "u2"),
    "counts of 32 bits": np.array([[1, 2**32 - 1, 7]], "u4"),
    "a hot pixel and a masked one": np.array([[5, 2**31 - 1, -2, 7]], "i4"),
    "means": np.array([[0.5, 2.7, 1e10, np.nan]], "f4"),
    "sums of 64 bits": np.array([[2**40, 2**53 + 1, -3]], "i8"),
}
for module, name in (("edfimage", "EDF"), ("tifimage", "TIFF"), ("cbfimage", "CBF"), ("OXDimage", "Oxford"), ("adscimage", "ADSC"), ("dtrekimage", "d*TREK"), ("bruker100image", "Bruker"), ("pnmimage", "PNM")):
    found = importlib.import_module("fabio." + module)
    kind = next(getattr(found, each) for each in dir(found) if each.lower() == module.lower())
    print(name)
    for label, frame in FRAMES.items():
        path = f"frame.{name.strip('*').lower().replace('*', '')}"
        try:
            kind(data=frame.copy()).write(path)
            seen = kind().read(path).data
        except Exception as error:
            print(f"  {label}: {type(error).__name__}")
            continue
        same = seen.shape == frame.shape and np.array_equal(seen.astype("f8"), frame.astype("f8"), equal_nan=True)
        print(f"  {label}, {frame.tolist()}:", "the same" if same else seen.tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
