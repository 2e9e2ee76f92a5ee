#!/usr/bin/env bash
# Does laspy say that points are missing at the end of a file whose header says how many there are?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'laspy==2.7.0' 'numpy<3' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(laspy) '
cd "$tmp"
cat >expected <<'END'
whole: header 3000, read 3000
ten points fewer: header 3000, read 2990
END
venv/bin/python -W error - >seen <<'END'
import io

import laspy
import numpy as np

made = laspy.create(point_format=3)
made.x = made.y = made.z = np.arange(3000) / 10
made.write("a.las")
with open("a.las", "rb") as file:
    data = file.read()
for name, content in (("whole", data), ("ten points fewer", data[: -10 * made.header.point_format.size])):
    read = laspy.read(io.BytesIO(content))
    print(f"{name}: header {read.header.point_count}, read {len(read.points)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
