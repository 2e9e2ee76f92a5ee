#!/usr/bin/env bash
# A signal in volts in an EDF file: a few microvolts, written and read by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyedflib==0.1.42' 'edfio==0.4.18')
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
pyEDFlib, volts: range 0 to 4e-06; 0.0 and 3.0 uV are read as 2.0 and 3.5 uV; 0 warnings
edfio, volts: range -4e-06 to 4e-06; 0.0 and 3.0 uV are read as 0.0 and 3.0 uV; 0 warnings
pyEDFlib, microvolts: range -4 to 4; 0.0 and 3.0 uV are read as 0.0 and 3.0 uV; 0 warnings
END
venv/bin/python - >seen <<'END'
import warnings

import edfio
import numpy as np
import pyedflib

SIGNAL = np.tile([0.0, 3.0], 50)  # microvolts


def by_pyedflib(unit, factor):
    head = {"label": "EEG", "dimension": unit, "sample_frequency": 100, "transducer": "", "prefilter": ""}
    head |= {"physical_min": -4 * factor, "physical_max": 4 * factor, "digital_min": -32768, "digital_max": 32767}
    with pyedflib.EdfWriter("file.edf", 1) as file:
        file.setSignalHeaders([head])
        file.writeSamples([SIGNAL * factor])
    with pyedflib.EdfReader("file.edf") as file:
        return file.getPhysicalMinimum(0), file.getPhysicalMaximum(0), file.readSignal(0) / factor


def by_edfio(unit, factor):
    span = (-4 * factor, 4 * factor)
    signal = edfio.EdfSignal(SIGNAL * factor, 100, label="EEG", physical_dimension=unit, physical_range=span)
    edfio.Edf([signal]).write("file.edf")
    read = edfio.read_edf("file.edf").signals[0]
    return *read.physical_range, read.data / factor


for name, function, unit, factor in (
    ("pyEDFlib, volts", by_pyedflib, "V", 1e-6),
    ("edfio, volts", by_edfio, "V", 1e-6),
    ("pyEDFlib, microvolts", by_pyedflib, "uV", 1.0),
):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        least, most, read = function(unit, factor)
    first, second = (f"{abs(value):.1f}" for value in read[:2])
    print(f"{name}: range {least:g} to {most:g}; 0.0 and 3.0 uV are read as {first} and {second} uV; {len(told)} warnings")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
