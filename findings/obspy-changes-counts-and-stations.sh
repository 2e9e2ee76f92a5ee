#!/usr/bin/env bash
# Counts of a seismometer and the name of its station, in five formats that ObsPy writes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('obspy==1.5.1' 'setuptools==80.9.0')
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
MSEED: 16777217 of STAT123 at .123456 is read as 16777217 of STAT1 at .123456, 0 warnings
TSPAIR: 16777217 of STAT123 at .123456 is read as 16777217 of STAT123 at .123456, 0 warnings
SAC: 16777217 of STAT123 at .123456 is read as 16777216 of STAT123 at .123456, 0 warnings
AH: 16777217 of STAT123 at .123456 is read as 16777216 of STAT12 at .123456, 0 warnings
SH_ASC: 16777217 of STAT123 at .123456 is read as 16777220 of STAT123 at .123000, 0 warnings
END
venv/bin/python -W ignore - >seen <<'END'
import warnings

import numpy as np
from obspy import Stream, Trace, UTCDateTime, read

for kind in ("MSEED", "TSPAIR", "SAC", "AH", "SH_ASC"):
    head = {"station": "STAT123", "starttime": UTCDateTime("2024-01-01T00:00:00.123456Z")}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        Stream([Trace(np.array([2**24 + 1, 1], np.int32), head)]).write("file", format=kind)
        trace = read("file", format=kind)[0]
    found = f"{int(trace.data[0])} of {trace.stats.station} at {trace.stats.starttime.strftime('.%f')}"
    print(f"{kind}: 16777217 of STAT123 at .123456 is read as {found}, {len(told)} warnings")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
