#!/usr/bin/env bash
# A SPEC file of a beamline, in which the numbers of scans begin again and a counter once had no value, for two readers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('silx==3.1.3' 'spec2nexus==2021.2.8' 'numpy==2.4.6')
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
silx: 1.1, 2.1, 1.2
  1.1: th [0.0, 1.0, 2.0, 3.0]; monitor [100.0, 0.0, 0.0, 103.0]; detector [7.0, 8.0, 9.0, 10.0]
  2.1: th [0.0, 1.0]; detector [20.0, 9007199254740992.0]
  1.2: th [0.0, 1.0]; detector [30.0, 31.0]
spec2nexus: 1, 1.1, 2
  1: th [0.0, 1.0, 2.0, 3.0]; monitor [100.0, nan, inf, 103.0]; detector [7.0, 8.0, 9.0, 10.0]
  1.1: th [0.0, 1.0]; detector [30.0, 31.0]
  2: th [0.0, 1.0]; detector [20.0, 9007199254740992.0]
the detector of scan 1.1: silx [7.0, 8.0, 9.0, 10.0] and spec2nexus [30.0, 31.0]
END
cat >made.spec <<'END'
#F made.spec
#E 1769859015
#D Sat Jan 31 11:30:15 2026
#O0 th  tth

#S 1  ascan  th 0 3 3 1
#D Sat Jan 31 11:30:15 2026
#T 1  (Seconds)
#P0 0.1 0.2
#N 3
#L th  monitor  detector
0 100 7
1 nan 8
2 inf 9
3 103 10

#S 2  ascan  th 0 1 1 1
#D Sat Jan 31 11:40:15 2026
#T 1  (Seconds)
#P0 0.1 0.2
#N 2
#L th  detector
0 20
1 9007199254740993

#S 1  ascan  th 0 1 1 1
#D Sat Jan 31 11:50:15 2026
#T 1  (Seconds)
#P0 0.1 0.2
#N 2
#L th  detector
0 30
1 31
END
cat >read.py <<'END'
import numpy as np
from silx.io.specfile import SpecFile
from spec2nexus.spec import SpecDataFile

first = SpecFile("made.spec")
print("silx:", ", ".join(first.keys()))
for scan in first:
    print(f"  {scan.number}.{scan.order}:", "; ".join(f"{label} {column.tolist()}" for label, column in zip(scan.labels, np.asarray(scan.data), strict=True)))
second = SpecDataFile("made.spec")
print("spec2nexus:", ", ".join(second.getScanNumbers()))
for key in second.getScanNumbers():
    print(f"  {key}:", "; ".join(f"{label} {column}" for label, column in second.getScan(key).data.items()))
print("the detector of scan 1.1: silx", first["1.1"].data_column_by_name("detector").tolist(), "and spec2nexus", second.getScan("1.1").data["detector"])
END
venv/bin/python -W ignore read.py >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
