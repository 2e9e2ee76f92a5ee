#!/usr/bin/env bash
# A channel of one value a second beside one of 256, in EDF.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('mne==1.13.2' 'edfio==0.4.18' 'numpy==2.4.6')
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
edfio: [97.0, 97.0, 97.0, 97.0, 97.0, 70.0, 70.0, 70.0, 70.0, 70.0]
MNE: 2560 values, 309 different ones
MNE: from 66.7 to 100.3
its copy, by edfio: 2560 values, unit ''
END
venv/bin/python -W ignore - >seen <<'END'
import edfio
import mne
import numpy as np

mne.set_log_level("ERROR")
saturation = np.array([97.0] * 5 + [70.0] * 5)  # one a second, in percent
edfio.Edf(
    [
        edfio.EdfSignal(np.zeros(2560), 256, label="EEG Fz", physical_dimension="uV", physical_range=(-100, 100)),
        edfio.EdfSignal(saturation, 1, label="SaO2", physical_dimension="%", physical_range=(0, 100)),
    ]
).write("night.edf")
print("edfio:", edfio.read_edf("night.edf").get_signal("SaO2").data.round(1).tolist())
recording = mne.io.read_raw_edf("night.edf", preload=True)
read = recording.get_data("SaO2")[0]
print(f"MNE: {read.size} values, {np.unique(read.round(1)).size} different ones")
print(f"MNE: from {read.min():.1f} to {read.max():.1f}")
mne.export.export_raw("copy.edf", recording, overwrite=True)
copy = edfio.read_edf("copy.edf").get_signal("SaO2")
print(f"its copy, by edfio: {copy.data.size} values, unit {copy.physical_dimension!r}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
