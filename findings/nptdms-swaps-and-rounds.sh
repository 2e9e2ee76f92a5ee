#!/usr/bin/env bash
# Lists, arrays and times that are written as TDMS, and a file that is cut.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('npTDMS==1.13.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' npTDMS numpy
cat >expected <<'END'
an array of doubles: [1.0, 2.5] (float64)
the list 1, 2.5: [1, 2] (int8)
the list 2.5, 1: [2.5, 1.0] (float64)
the list 1, 300: [1, 300] (int16)
the list 300, 1, 70000: [300, 1, 70000] (int32)
the list 1, missing: ValueError
32-bit integers 1, 2, the high byte first: [16777216, 33554432] (int32)
doubles 1, 2, the high byte first: [3.03865e-319, 3.16e-322] (float64)
1 and a masked -999: [1.0, -999.0] (float64)
a time with nanoseconds: [datetime.datetime(2020, 1, 1, 0, 0, 0, 123456)] (datetime64[us])
a time that is missing: ValueError
integers, then doubles: ValueError
300 values, cut by 0 bytes: 300
300 values, cut by 8 bytes: 299
300 values, cut by 1000 bytes: 184
300 values, cut by 2000 bytes: 69
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import logging

import numpy as np
from nptdms import ChannelObject, TdmsFile, TdmsWriter

logging.disable(logging.CRITICAL)


def told(words, *segments):
    try:
        with TdmsWriter("made.tdms") as file:
            for values in segments:
                file.write_segment([ChannelObject("group", "channel", values)])
        channel = TdmsFile.read("made.tdms")["group"]["channel"]
        print(f"{words}: {channel[:].tolist()} ({channel.dtype})")
    except Exception as error:
        print(f"{words}: {type(error).__name__}")


told("an array of doubles", np.array([1, 2.5]))
told("the list 1, 2.5", [1, 2.5])
told("the list 2.5, 1", [2.5, 1])
told("the list 1, 300", [1, 300])
told("the list 300, 1, 70000", [300, 1, 70000])
told("the list 1, missing", [1, float("nan")])
told("32-bit integers 1, 2, the high byte first", np.array([1, 2], ">i4"))
told("doubles 1, 2, the high byte first", np.array([1.0, 2.0], ">f8"))
told("1 and a masked -999", np.ma.masked_array([1.0, -999.0], [0, 1]))
told("a time with nanoseconds", np.array(["2020-01-01T00:00:00.123456789"], "M8[ns]").astype("M8[ns]"))
told("a time that is missing", np.array(["NaT"], "M8[us]"))
told("integers, then doubles", np.array([1, 2], "i4"), np.array([1.5]))
with TdmsWriter("made.tdms") as file:
    for first in (0, 100, 200):
        file.write_segment([ChannelObject("group", "channel", np.arange(first, first + 100, dtype="f8"))])
with open("made.tdms", "rb") as whole:
    content = whole.read()
for n_bytes in (0, 8, 1000, 2000):
    with open("cut.tdms", "wb") as cut:
        cut.write(content[: len(content) - n_bytes])
    print(f"300 values, cut by {n_bytes} bytes: {len(TdmsFile.read('cut.tdms')['group']['channel'])}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
