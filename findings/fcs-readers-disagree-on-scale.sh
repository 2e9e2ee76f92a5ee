#!/usr/bin/env bash
# What three readers of FCS make of gains, scales, widths and byte orders.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('flowio==1.4.0' 'FlowCal==1.3.1' 'fcsparser==0.2.4' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' flowio FlowCal fcsparser numpy
cat >expected <<'END'
floats
  FlowIO    ['512', '1', '2', '1023']
  FlowCal   ['512', '1', '2', '1023']
  fcsparser ['512', '1', '2', '1023']
floats, the first channel with a gain of 8
  FlowIO    ['64', '1', '0.25', '1023']
  FlowCal   ['512', '1', '2', '1023']
  fcsparser ['512', '1', '2', '1023']
floats, the first channel is the time in steps of 0.01 s
  FlowIO    ['5.12', '1', '0.02', '1023']
  FlowCal   ['512', '1', '2', '1023']
  fcsparser ['512', '1', '2', '1023']
integers, the first channel on four decades
  FlowIO    ['100', '1', '1.01815', '1023']
  FlowCal   ['512', '1', '2', '1023']
  fcsparser ['512', '1', '2', '1023']
integers of 24 bits
  FlowIO    ValueError
  FlowCal   ['1', '2', '3', '70000']
  fcsparser ['256', '512', '768', '1.14278e+06']
integers in the byte order 3,4,1,2
  FlowIO    ['65536', '131072', '196608', '262144']
  FlowCal   NotImplementedError
  fcsparser ParserFeatureNotImplementedError
floats in the byte order 4,3,2,1
  FlowIO    ['512', '1', '2', '1023']
  FlowCal   ['512', '1', '2', '1023']
  fcsparser AttributeError
doubles
  FlowIO    ['512', '1', '2', '1e+300']
  FlowCal   ['512', '1', '2', '1e+300']
  fcsparser ['512', '1', '2', 'inf']
one event where two are
  FlowIO    ['512', '1', '2', '1023']
  FlowCal   ValueError
  fcsparser ['512', '1']
three events where two are
  FlowIO    ['512', '1', '2', '1023']
  FlowCal   ValueError
  fcsparser ValueError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import struct

import fcsparser
import flowio
import FlowCal
import numpy as np

READERS = {
    "FlowIO": lambda: np.asarray(flowio.FlowData("made.fcs").as_array()),
    "FlowCal": lambda: np.asarray(FlowCal.io.FCSData("made.fcs")),
    "fcsparser": lambda: fcsparser.parse("made.fcs")[1].values,
}


def tell(words, kind, data, ranges=(1024, 1024), bits=32, order="1,2,3,4", total=2, **more):
    keys = {"$BEGINANALYSIS": "0", "$ENDANALYSIS": "0", "$BEGINSTEXT": "0", "$ENDSTEXT": "0", "$NEXTDATA": "0"}
    keys |= {"$BYTEORD": order, "$DATATYPE": kind, "$MODE": "L", "$PAR": "2", "$TOT": str(total)}
    for number, largest in enumerate(ranges, 1):
        keys |= {f"$P{number}B": str(bits), f"$P{number}E": "0,0", f"$P{number}N": f"C{number}", f"$P{number}R": str(largest)}
    keys |= {"$" + key: value for key, value in more.items()} | {"$BEGINDATA": "2048", "$ENDDATA": str(2047 + len(data))}
    text = ("|" + "|".join(word for pair in keys.items() for word in pair) + "|").encode()
    head = b"FCS3.1    " + b"".join(b"%8d" % place for place in (256, 255 + len(text), 2048, 2047 + len(data), 0, 0))
    with open("made.fcs", "wb") as out:
        out.write((head.ljust(256) + text).ljust(2048) + data)
    print(words)
    for name, read in READERS.items():
        try:
            print(f"  {name:9}", [f"{value:.6g}" for value in read().ravel()])
        except Exception as error:
            print(f"  {name:9}", type(error).__name__)


floats = struct.pack("<4f", 512, 1, 2, 1023)
tell("floats", "F", floats)
tell("floats, the first channel with a gain of 8", "F", floats, P1G="8")
tell("floats, the first channel is the time in steps of 0.01 s", "F", floats, P1N="Time", TIMESTEP="0.01")
tell("integers, the first channel on four decades", "I", struct.pack("<4H", 512, 1, 2, 1023), bits=16, P1E="4,1")
tell("integers of 24 bits", "I", b"".join(n.to_bytes(3, "little") for n in (1, 2, 3, 70000)), (2**24, 2**24), 24)
tell("integers in the byte order 3,4,1,2", "I", b"".join(bytes([0, 0, n, 0]) for n in (1, 2, 3, 4)), (2**32, 2**32), order="3,4,1,2")
tell("floats in the byte order 4,3,2,1", "F", struct.pack(">4f", 512, 1, 2, 1023), order="4,3,2,1")
tell("doubles", "D", struct.pack("<4d", 512, 1, 2, 1e300), bits=64)
tell("one event where two are", "F", floats, total=1)
tell("three events where two are", "F", floats, total=3)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
