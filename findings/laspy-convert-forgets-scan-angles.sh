#!/usr/bin/env bash
# Points of format 3 converted to format 6, and back.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'laspy==2.7.0' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'laspy==2.7.0' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' laspy numpy
cd "$tmp"
cat >expected <<'END'
format 3: scan_angle_rank [30, -15] degrees; classification [2, 6]
format 6: scan_angle      [0.0, 0.0] degrees; classification [2, 6]
and back: scan_angle_rank [0, 0]
END
venv/bin/python -W ignore - >seen <<'END'
import laspy
import numpy as np

old = laspy.create(point_format=3, file_version="1.2")
old.header.scales = [0.01, 0.01, 0.01]
old.x = old.y = old.z = np.array([1.0, 2.0])
old.scan_angle_rank = np.array([30, -15])  # degrees
old.classification = np.array([2, 6])
new = laspy.convert(old, point_format_id=6)
print("format 3: scan_angle_rank", np.array(old.scan_angle_rank).tolist(), "degrees; classification", np.array(old.classification).tolist())
degrees = (np.array(new.scan_angle) * 0.006).tolist()
print("format 6: scan_angle     ", degrees, "degrees; classification", np.array(new.classification).tolist())
back = laspy.convert(new, point_format_id=3)
print("and back: scan_angle_rank", np.array(back.scan_angle_rank).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
