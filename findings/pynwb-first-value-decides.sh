#!/usr/bin/env bash
# Lists of numbers whose first one is whole, written and read as NWB.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pynwb==4.2.0' 'hdmf==6.2.0' 'h5py==3.16.0' 'numpy==2.4.6')
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
[2.7, 1]: samples [2.7, 1.0], column [2.7, 1.0]
[1, 2.7, -0.9]: samples [1, 2, 0], column [1, 2, 0]
[True, 2, 0]: samples [True, True, False], column [True, True, False]
[9007199254740993, 1.5]: samples [9007199254740993, 1], column [9007199254740993, 1]
END
venv/bin/python -W ignore - >seen <<'END'
from datetime import datetime, timezone

from hdmf.common import DynamicTable, VectorData
from pynwb import NWBHDF5IO, NWBFile, TimeSeries

for given in ([2.7, 1], [1, 2.7, -0.9], [True, 2, 0], [9007199254740993, 1.5]):
    file = NWBFile("a finding", "id", datetime(2026, 1, 1, tzinfo=timezone.utc))
    file.add_acquisition(TimeSeries(name="samples", data=given, unit="V", rate=1.0))
    column = VectorData(name="dose", description="mg", data=given)
    file.add_scratch(DynamicTable(name="table", description="a finding", columns=[column]))
    with NWBHDF5IO("file.nwb", "w") as target:
        target.write(file)
    with NWBHDF5IO("file.nwb", "r") as source:
        read = source.read()
        print(f"{given}: samples {read.acquisition['samples'].data[:].tolist()},", end=" ")
        print(f"column {[each.item() for each in read.scratch['table']['dose'][:]]}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
