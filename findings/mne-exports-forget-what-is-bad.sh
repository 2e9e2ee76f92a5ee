#!/usr/bin/env bash
# A recording of a second and a half with a bad channel, a channel that is no EEG, and a mark, exported by MNE.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=(
  'mne==1.13.2' 'edfio==0.4.18' 'pybv==0.8.1' 'eeglabio==0.1.4' 'numpy==2.4.6' 'scipy==1.17.1'
)
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' mne edfio pybv eeglabio numpy scipy
cat >expected <<'END'
fif
  samples: 150 the last of C3: 9.97e-05 V
  bad channels: ['C3'] kinds: ['eeg', 'misc', 'stim'] names: ['C3', 'breath', 'trigger']
  marks: [(0.123456, 'spike')]
  measured: 2026-01-01 12:00:00+00:00
edf
  samples: 200 the last of C3: 9.97e-05 V
  bad channels: [] kinds: ['eeg', 'eeg', 'stim'] names: ['C3', 'breath', 'trigger']
  marks: [(0.123456, 'spike'), (1.5, 'BAD_ACQ_SKIP')]
  measured: 2026-01-01 12:00:00+00:00
bdf
  samples: 200 the last of C3: 9.97e-05 V
  bad channels: [] kinds: ['eeg', 'eeg', 'stim'] names: ['C3', 'breath', 'trigger']
  marks: [(0.123456, 'spike'), (1.5, 'BAD_ACQ_SKIP')]
  measured: 2026-01-01 12:00:00+00:00
vhdr
  samples: 150 the last of C3: 9.97e-05 V
  bad channels: [] kinds: ['eeg', 'misc', 'eeg'] names: ['C3', 'breath', 'trigger']
  marks: [(0.12, 'Comment/spike')]
  measured: 2026-01-01 12:00:00+00:00
set
  samples: 150 the last of C3: 9.97e-05 V
  bad channels: [] kinds: ['eeg', 'eeg', 'eeg'] names: ['C3', 'breath', 'trigger']
  marks: [(0.123456, 'spike')]
  measured: None
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime

import mne
import numpy as np

mne.set_log_level("ERROR")
seconds = np.arange(150) / 100
info = mne.create_info(["C3", "breath", "trigger"], 100.0, ["eeg", "misc", "stim"])
recording = mne.io.RawArray(np.array([np.sin(seconds) * 1e-4, seconds, np.where(seconds > 1, 3.0, 0.0)]), info)
recording.info["bads"] = ["C3"]
recording.set_meas_date(datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc))
recording.set_annotations(mne.Annotations([0.123456], [0.5], ["spike"]))
for suffix in ("fif", "edf", "bdf", "vhdr", "set"):
    name = "recording_raw.fif" if suffix == "fif" else f"recording.{suffix}"
    if suffix == "fif":
        recording.save(name)
    else:
        mne.export.export_raw(name, recording)
    read = mne.io.read_raw(name, preload=True)
    print(suffix)
    print("  samples:", read.n_times, "the last of C3:", f"{read.get_data()[0, -1]:.3g} V")
    print("  bad channels:", read.info["bads"], "kinds:", read.get_channel_types(), "names:", read.ch_names)
    print("  marks:", [(round(float(onset), 6), str(text)) for onset, text in zip(read.annotations.onset, read.annotations.description, strict=True)])
    print("  measured:", read.info["meas_date"])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
