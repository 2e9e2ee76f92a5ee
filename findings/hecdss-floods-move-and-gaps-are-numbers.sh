#!/usr/bin/env bash
# Series of a gauge in HEC-DSS, written and read by the library for it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('hecdss==0.1.33' 'numpy==2.4.6')
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
1, 2, 3, 4 at 1, 2, 5, 6 o'clock of 31 January
  is 1 at 31 Jan 01:00:00, 2 at 31 Jan 02:00:00, 3 at 31 Jan 03:00:00, 4 at 31 Jan 04:00:00
10, 20, 30 on 28, 29 and 31 January
  is 10 at 28 Jan 00:00:00, 20 at 29 Jan 00:00:00, 30 at 30 Jan 00:00:00
1, 2, 3 at the last midnight of January, February and March
  is 1 at 01 Feb 00:00:00, 2 at 01 Mar 00:00:00, 3 at 01 Apr 00:00:00
-902, -901, NaN, 5 from 1 o'clock on
  is nan at 31 Jan 03:00:00, 5 at 31 Jan 04:00:00
1 at 1 o'clock, and 2 put at 4 o'clock
  is 1 at 31 Jan 01:00:00, -3.40282e+38 at 31 Jan 02:00:00, -3.40282e+38 at 31 Jan 03:00:00, 2 at 31 Jan 04:00:00
  whose mean is -1.70141e+38, with 0 missing
1, 2, 3 at 0.25, 0.75 and 2 s past 1 o'clock
  is 1 at 31 Jan 01:00:00, 2 at 31 Jan 01:00:00, 3 at 31 Jan 01:00:02
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys
from datetime import datetime, timedelta

import numpy as np
from hecdss import HecDss, IrregularTimeSeries, RegularTimeSeries

sys.stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # where the library tells of itself
DAY = datetime(2026, 1, 31)
HOURLY, DAILY, MONTHLY = "/BASIN/GAUGE/FLOW//1Hour/RAW/", "/BASIN/GAUGE/FLOW//1Day/RAW/", "/BASIN/GAUGE/FLOW//1Month/RAW/"


def series(kind, values, times, path):
    return kind.create(values, times=times, units="cms", data_type="INST-VAL", path=path)


def shown(found, first=0):
    parts = zip(found.values.tolist()[first : first + 6], found.times[first:])
    return ", ".join(f"{value:.6g} at {time:%d %b %H:%M:%S}" for value, time in parts)


def kept(title, *parts):
    if os.path.exists("set.dss"):
        os.remove("set.dss")
    file = HecDss("set.dss")
    for part in parts:
        file.put(part)
    found = file.get(parts[0].id)
    file.close()
    print(f"{title}\n  is {shown(found)}")
    return found


hours = [DAY + timedelta(hours=hour) for hour in range(1, 7)]
kept("1, 2, 3, 4 at 1, 2, 5, 6 o'clock of 31 January", series(RegularTimeSeries, [1, 2, 3, 4], [hours[place] for place in (0, 1, 4, 5)], HOURLY))
kept("10, 20, 30 on 28, 29 and 31 January", series(RegularTimeSeries, [10, 20, 30], [DAY - timedelta(3), DAY - timedelta(2), DAY], DAILY))
kept("1, 2, 3 at the last midnight of January, February and March", series(RegularTimeSeries, [1, 2, 3], [DAY, datetime(2026, 2, 28), datetime(2026, 3, 31)], MONTHLY))
kept("-902, -901, NaN, 5 from 1 o'clock on", series(RegularTimeSeries, [-902, -901, np.nan, 5], hours[:4], HOURLY))
found = kept("1 at 1 o'clock, and 2 put at 4 o'clock", series(RegularTimeSeries, [1], hours[:1], HOURLY), series(RegularTimeSeries, [2], hours[3:4], HOURLY))
print(f"  whose mean is {np.nanmean(found.values):.6g}, with {np.isnan(found.values).sum()} missing")
halves = [hours[0] + timedelta(seconds=second) for second in (0.25, 0.75, 2)]
kept("1, 2, 3 at 0.25, 0.75 and 2 s past 1 o'clock", series(IrregularTimeSeries, [1, 2, 3], halves, "/BASIN/GAUGE/FLOW//IR-Day/RAW/"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
