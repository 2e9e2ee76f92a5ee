#!/usr/bin/env bash
# Samples of a recording, written and read by SoundFile.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('soundfile==0.14.0' 'scipy==1.17.1' 'numpy==2.4.6')
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
samples 0.5 nan 1.5 -2 1e-06 by SoundFile
  as PCM_16: 0.5 -1 1 -1 0
  as PCM_24: 0.5 -1 1 -1 9.537e-07
  as FLOAT: 0.5 nan 1.5 -2 1e-06
  as ULAW: 0.5116 -0.9803 0.1718 -0.9803 0
counts of a recorder, 1 300 40000 -100000 as 32-bit integers
  as it is by default: 0 0 0 -131072
  as PCM_24: 0 256 39936 -100096
  as PCM_32: 1 300 40000 -100000
a file of floats 0.25 -0.5 1.5
  read as float64: 0.25 -0.5 1.5
  read as int16: 0 0 2
  read as int32: 0 0 2
  read by SciPy: 0.25 -0.5 1.5
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import warnings

import numpy as np
import scipy.io.wavfile
import soundfile

warnings.simplefilter("ignore")


def shown(values):
    return " ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in np.asarray(values).tolist())


def kept(values, subtype, read="float64", suffix="wav"):
    path = "made." + suffix
    if os.path.exists(path):
        os.remove(path)
    soundfile.write(path, values, 22050, subtype=subtype)
    return shown(soundfile.read(path, dtype=read)[0])


SAMPLES = np.array([0.5, np.nan, 1.5, -2, 1e-6])
print("samples", shown(SAMPLES), "by SoundFile")
for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW"):
    print(f"  as {subtype}: {kept(SAMPLES, subtype)}")
COUNTS = np.array([1, 300, 40000, -100000], "int32")
print("counts of a recorder,", shown(COUNTS), "as 32-bit integers")
for subtype in (None, "PCM_24", "PCM_32"):
    print(f"  as {subtype or 'it is by default'}: {kept(COUNTS, subtype, 'int32')}")
soundfile.write("made.wav", np.array([0.25, -0.5, 1.5]), 22050, subtype="FLOAT")
print("a file of floats 0.25 -0.5 1.5")
for kind in ("float64", "int16", "int32"):
    print(f"  read as {kind}: {shown(soundfile.read('made.wav', dtype=kind)[0])}")
print("  read by SciPy:", shown(scipy.io.wavfile.read("made.wav")[1]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
