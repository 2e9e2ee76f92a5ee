#!/usr/bin/env bash
# Recordings of faults in a power grid (COMTRADE), written by the standard's own description and read by its library.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('comtrade==0.2.0' 'numpy==2.4.6')
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
ASCII, whole: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0020 s 3 kV 1; 0.0030 s 4 kV 1
ASCII, cut after two of four: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0000 s 0 kV 0; 0.0000 s 0 kV 0
ASCII, six where four are announced: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0020 s 3 kV 1; 0.0030 s 4 kV 1
BINARY, whole: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0020 s 3 kV 1; 0.0030 s 4 kV 1
BINARY, cut after two of four: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0000 s 0 kV 0; 0.0000 s 0 kV 0
BINARY, six where four are announced: 4 samples, 0.0000 s 1 kV 0; 0.0010 s 2 kV 1; 0.0020 s 3 kV 1; 0.0030 s 4 kV 1
ASCII, without the second value: refused, ValueError
10,000 Hz, an hour after the start: 5 samples, 3600.0000 s 1 kV 0; 3600.0000 s 1 kV 0; 3600.0002 s 1 kV 0; 3600.0002 s 1 kV 0; 3600.0005 s 1 kV 0
the same in double precision: 5 samples, 3600.0000 s 1 kV 0; 3600.0001 s 1 kV 0; 3600.0002 s 1 kV 0; 3600.0003 s 1 kV 0; 3600.0004 s 1 kV 0
BINARY32, 16777217 and 16777219: 2 samples, 0.0000 s 16777216 kV 0; 0.0010 s 16777220 kV 0
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import struct

import comtrade


def write(kind, rows, announced=None, rates=(), scale="0.01,-5"):
    lines = [
        "STATION,1,2013",
        "2,1A,1D",
        f"1,VA,A,,kV,{scale},0,-32767,32767,20000,110,P",
        "1,TRIP,,,0",
        "50",
        str(len(rates)),
        *([f"{rate},{last}" for rate, last in rates] or [f"0,{announced or len(rows)}"]),
        "31/01/2026,10:00:00.000000",
        "31/01/2026,10:00:00.001000",
        kind,
        "1",
        "+0,+0",
        "B,0",
    ]
    with open("made.cfg", "w") as file:
        file.write("".join(line + "\r\n" for line in lines))
    with open("made.dat", "wb") as file:
        for number, (time, value, flag) in enumerate(rows, 1):
            if kind == "ASCII":
                file.write(f"{number},{time},{value},{flag}\r\n".encode())
            else:
                file.write(struct.pack("<II" + {"BINARY": "h", "BINARY32": "i"}[kind] + "H", number, time, value, flag))


def show(told, **options):
    recording = comtrade.Comtrade(**options)
    try:
        recording.load("made.cfg", "made.dat")
    except Exception as error:
        print(f"{told}: refused, {type(error).__name__}")
        return
    rows = zip(recording.time, recording.analog[0], recording.status[0], strict=True)
    print(f"{told}: {recording.total_samples} samples, " + "; ".join(f"{float(time):.4f} s {float(value):.10g} kV {flag}" for time, value, flag in rows))


for kind in ("ASCII", "BINARY"):
    rows = [(0, 600, 0), (1000, 700, 1), (2000, 800, 1), (3000, 900, 1)]
    write(kind, rows)
    show(f"{kind}, whole")
    write(kind, rows[:2], announced=4)
    show(f"{kind}, cut after two of four")
    write(kind, [*rows, (4000, 1000, 1), (5000, 1100, 1)], announced=4)
    show(f"{kind}, six where four are announced")
write("ASCII", [(0, 600, 0), (1000, "", 1), (2000, 800, 1)])
show("ASCII, without the second value")
hour = 3600 * 10**6
write("BINARY", [(hour + step, 600, 0) for step in (0, 100, 200, 300, 400)])
show("10,000 Hz, an hour after the start")
show("the same in double precision", use_double_precision=True)
write("BINARY32", [(0, 16777217, 0), (1000, 16777219, 0)], scale="1,0")
show("BINARY32, 16777217 and 16777219")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
