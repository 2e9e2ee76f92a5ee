#!/usr/bin/env bash
# Recordings of neurons, written and converted by three libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('spikeinterface==0.105.3' 'pyabf==2.3.8' 'neo==0.14.6' 'quantities==0.16.4' 'scipy==1.17.1' 'numpy==2.4.6')
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
a recording of 1.5 -0.75 40000 nan in SpikeInterface
  as int16: 2 -1 -25536 0
  the recording itself, after that was asked for: 2 -1 40000 nan
  as int16 of a part of it, and the recording itself: 2 and 2 -0.75 40000 nan
sweeps of -80 to -60 mV in ABF, by pyabf
  alone: -80 -69.99667 is -79.99878 -69.99512
  behind one that rises to 100 V: -80 -69.99667 is -61.03516 -61.03516
  with one value of 1 kV: -80 -69.99667 is 0 0
a signal in mV at 1 kHz from 2 s on, spikes and labels, by Neo
  text: 0.25 0.5 V, at 1.0 Hz, from 0.0 s
  MATLAB: 0.25 0.5 mV ['rest', 'go  ']
  spikes as text: it cannot read ['1.5 s', '2.25 s', '\n']
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import pyabf
import pyabf.abfWriter
import quantities as pq
import spikeinterface.core as si
from neo import AnalogSignal, Block, Epoch, Segment, SpikeTrain
from neo.io import AsciiSignalIO, AsciiSpikeTrainIO, NeoMatlabIO


def shown(values):
    return " ".join(f"{value:.7g}" for value in values)


def recorded(values):
    found = si.NumpyRecording([np.array(values, "float32").reshape(-1, 1)], sampling_frequency=30000)
    found.set_channel_gains([0.195])
    found.set_channel_offsets([0])
    return found


VALUES = [1.5, -0.75, 40000, np.nan]
recording = recorded(VALUES)
print("a recording of", shown(VALUES), "in SpikeInterface")
smaller = recording.astype("int16")
print("  as int16:", shown(smaller.get_traces()[:, 0]))
print("  the recording itself, after that was asked for:", shown(recording.get_traces()[:, 0]))
print("  as int16 of a part of it, and the recording itself:", end=" ")
recording = recorded(VALUES)
print(shown(recording.astype("int16").get_traces(start_frame=0, end_frame=1)[:, 0]), "and", shown(recording.get_traces()[:, 0]))

print("sweeps of -80 to -60 mV in ABF, by pyabf")
sweep = np.linspace(-80, -60, 3000)
spike = np.append(sweep[:-1], 1e6)
CASES = {"alone": [sweep], "behind one that rises to 100 V": [np.linspace(0, 100000, 3000), sweep], "with one value of 1 kV": [spike]}
for title, sweeps in CASES.items():
    pyabf.abfWriter.writeABF1(np.array(sweeps), "made.abf", 20000)
    found = pyabf.ABF("made.abf")
    found.setSweep(len(sweeps) - 1)
    print(f"  {title}: {shown(sweeps[-1][[0, 1500]])} is {shown(found.sweepY[[0, 1500]])}")

print("a signal in mV at 1 kHz from 2 s on, spikes and labels, by Neo")
segment = Segment()
segment.analogsignals.append(AnalogSignal([[0.25], [0.5]], units="mV", sampling_rate=1000 * pq.Hz, t_start=2 * pq.s))
segment.spiketrains.append(SpikeTrain([1.5, 2.25], units="s", t_stop=10))
segment.epochs.append(Epoch([1, 2] * pq.s, durations=[0.5, 0.25] * pq.s, labels=np.array(["rest", "go"])))
block = Block()
block.segments.append(segment)
AsciiSignalIO("made.txt").write_segment(segment)
found = AsciiSignalIO("made.txt").read_segment().analogsignals[0]
print(f"  text: {shown(found.magnitude[:, 0])} {found.dimensionality}, at {found.sampling_rate}, from {found.t_start}")
NeoMatlabIO("made.mat").write_block(block)
found = NeoMatlabIO("made.mat").read_block().segments[0]
print("  MATLAB:", shown(found.analogsignals[0].magnitude[:, 0]), found.analogsignals[0].dimensionality, [str(label) for label in found.epochs[0].labels])
AsciiSpikeTrainIO("spikes.txt").write_segment(segment)
try:
    print("  spikes as text:", shown(AsciiSpikeTrainIO("spikes.txt").read_segment().spiketrains[0].magnitude))
except ValueError:
    print("  spikes as text: it cannot read", open("spikes.txt").read().split("\t"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
