#!/usr/bin/env bash
# A mass spectrometry image (imzML), written and read by pyimzML.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyimzML==1.5.5' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
given
  (1, 1): {100.0: 7.0, 200.0: 8.0, 300.0: 9.0}
  (2, 1): {100.0: 70.0, 250.0: 80.0, 300.0: 90.0}
  (3, 1): {150.0: 1.5, 200.0: 16777217.0, 600.0: 1e+39}
processed, read
  (1, 1): {100.0: 7.0, 200.0: 8.0, 300.0: 9.0}
  (2, 1): {100.0: 70.0, 250.0: 80.0, 300.0: 90.0}
  (3, 1): {150.0: 1.5, 200.0: 16777216.0, 600.0: inf}
continuous, read
  (1, 1): {100.0: 7.0, 200.0: 8.0, 300.0: 9.0}
  (2, 1): {100.0: 70.0, 200.0: 80.0, 300.0: 90.0}
  (3, 1): {100.0: 1.5, 200.0: 16777216.0, 300.0: inf}
image of 200.0 within 0.1: [8.0, 70.0, 16777216.0], by the peaks [8.0, 0, 16777217.0]
image of 250.0 within 0.1: [0.0, 80.0, 0.0], by the peaks [0, 80.0, 0]
image of 120.0 within 0.1: [7.0, 70.0, 1.5], by the peaks [0, 0, 0]
image of 50.0 within 0.1: [7.0, 70.0, 1.5], by the peaks [0, 0, 0]
image of 700.0 within 0.1: [0.0, 0.0, 0.0], by the peaks [0, 0, 0]
1.5, 2.7 and 2147483653 as int32: [1, 2, -2147483648]
1.5, 2.7 and 2147483653 as int64: [1, 2, 2147483653]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
from pyimzml.ImzMLParser import ImzMLParser, getionimage
from pyimzml.ImzMLWriter import ImzMLWriter

SPECTRA = [
    ((1, 1), [100.0, 200.0, 300.0], [7.0, 8.0, 9.0]),
    ((2, 1), [100.0, 250.0, 300.0], [70.0, 80.0, 90.0]),
    ((3, 1), [150.0, 200.0, 600.0], [1.5, 16777217.0, 1e39]),
]


def write(path, **options):
    with ImzMLWriter(path, **options) as writer:
        for place, masses, counts in SPECTRA:
            writer.addSpectrum(np.array(masses), np.array(counts), place)
    return ImzMLParser(path)


print("given")
for place, masses, counts in SPECTRA:
    print(f"  {place}: {dict(zip(masses, counts, strict=True))}")
for mode in ("processed", "continuous"):
    parser = write("made.imzML", mode=mode)
    print(f"{mode}, read")
    for number, place in enumerate(parser.coordinates):
        masses, counts = parser.getspectrum(number)
        print(f"  {place[:2]}: {dict(zip(masses.tolist(), counts.tolist(), strict=True))}")
parser = write("made.imzML", mode="processed")
for mass in (200.0, 250.0, 120.0, 50.0, 700.0):
    present = [max((count for peak, count in zip(masses, counts, strict=True) if abs(peak - mass) <= 0.1), default=0) for _, masses, counts in SPECTRA]
    print(f"image of {mass} within 0.1: {getionimage(parser, mass, tol=0.1).ravel().tolist()}, by the peaks {present}")
SPECTRA[2] = ((3, 1), [150.0, 200.0, 600.0], [1.5, 2.7, 2**31 + 5.0])
for kind in (np.int32, np.int64):
    print(f"1.5, 2.7 and 2147483653 as {kind.__name__}:", write("made.imzML", intensity_dtype=kind).getspectrum(2)[1].tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
