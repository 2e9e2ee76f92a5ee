#!/usr/bin/env bash
# Recordings in XDF (Lab Streaming Layer), written by the format's own description and read by its library.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyxdf==1.17.5' 'numpy==2.4.6')
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
10 Hz, an even minute
  600 samples, from 100.000 to 159.900 s (given 100.000 to 159.900), longest step 0.100 s (given 0.100), 10.000 Hz; the one of 100.000 s is at 100.000
10 Hz, half a minute, 30 s without the device, half a minute
  600 samples, from 92.537 to 197.363 s (given 100.000 to 189.900), longest step 0.175 s (given 30.100), 5.714 Hz; the one of 129.900 s is at 144.862
the same, dejitter_timestamps=False
  600 samples, from 100.000 to 189.900 s (given 100.000 to 189.900), longest step 30.100 s (given 30.100), 6.663 Hz; the one of 100.000 s is at 100.000
10 Hz, a pause of 49 s
  600 samples, from 87.811 to 221.089 s (given 100.000 to 208.900), longest step 0.223 s (given 49.100), 4.494 Hz; the one of 129.900 s is at 154.339
10 Hz, a pause of 51 s
  600 samples, from 100.000 to 210.900 s (given 100.000 to 210.900), longest step 51.100 s (given 51.100), 10.000 Hz; the one of 181.000 s is at 181.000
1 Hz, an hour, a pause of 8 minutes, an hour
  7200 samples, from -19.950 to 7898.950 s (given 100.000 to 7779.000), longest step 1.100 s (given 481.000), 0.909 Hz; the one of 4180.000 s is at 3940.050
500 Hz, a pause of 0.9 s
  10000 samples, from 99.775 to 121.123 s (given 100.000 to 120.898), longest step 0.002 s (given 0.902), 468.384 Hz; the one of 109.998 s is at 110.448
500 Hz, a pause of 1.1 s
  10000 samples, from 100.000 to 121.098 s (given 100.000 to 121.098), longest step 1.102 s (given 1.102), 500.000 Hz; the one of 108.790 s is at 108.790
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import logging
import struct

import numpy as np
import pyxdf

logging.disable()


def chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def stream(number, rate, times, offsets=()):
    """A stream of one channel of doubles: its header, its samples with their times, clock offsets and its end."""
    header = (
        f"<info><name>made</name><type>EEG</type><channel_count>1</channel_count><nominal_srate>{rate}</nominal_srate>"
        "<channel_format>double64</channel_format></info>"
    )
    rows = b"".join(b"\x08" + struct.pack("<dd", time, place) for place, time in enumerate(times))
    footer = (
        f"<info><first_timestamp>{times[0]}</first_timestamp><last_timestamp>{times[-1]}</last_timestamp>"
        f"<sample_count>{len(times)}</sample_count></info>"
    )
    named = struct.pack("<I", number)
    return (
        chunk(2, named + header.encode())
        + chunk(3, named + b"\x04" + struct.pack("<I", len(times)) + rows)
        + b"".join(chunk(4, named + struct.pack("<dd", time, offset)) for time, offset in offsets)
        + chunk(6, named + footer.encode())
    )


def show(told, rate, times, **options):
    with open("made.xdf", "wb") as file:
        file.write(b"XDF:" + chunk(1, b"<info><version>1.0</version></info>") + stream(1, rate, times))
    (found,), _ = pyxdf.load_xdf("made.xdf", **options)
    read = np.asarray(found["time_stamps"])
    worst = int(np.argmax(np.abs(read - times)))
    print(f"{told}{', ' + ', '.join(f'{name}={value}' for name, value in options.items()) if options else ''}")
    print(
        f"  {len(read)} samples, from {read[0]:.3f} to {read[-1]:.3f} s (given {times[0]:.3f} to {times[-1]:.3f}), "
        f"longest step {np.diff(read).max():.3f} s (given {np.diff(times).max():.3f}), "
        f"{found['info']['effective_srate']:.3f} Hz; the one of {times[worst]:.3f} s is at {read[worst]:.3f}"
    )


def paused(rate, seconds, pause):
    """`seconds` of samples, a pause, and as many again."""
    first = 100 + np.arange(seconds * rate) / rate
    return np.concatenate([first, first + seconds + pause])


show("10 Hz, an even minute", 10, paused(10, 30, 0))
show("10 Hz, half a minute, 30 s without the device, half a minute", 10, paused(10, 30, 30))
show("the same", 10, paused(10, 30, 30), dejitter_timestamps=False)
show("10 Hz, a pause of 49 s", 10, paused(10, 30, 49))
show("10 Hz, a pause of 51 s", 10, paused(10, 30, 51))
show("1 Hz, an hour, a pause of 8 minutes, an hour", 1, paused(1, 3600, 480))
show("500 Hz, a pause of 0.9 s", 500, paused(500, 10, 0.9))
show("500 Hz, a pause of 1.1 s", 500, paused(500, 10, 1.1))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
