#!/usr/bin/env bash
# Columns whose type frictionless finds out: decimal commas, and names of digits.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'frictionless==5.21.0'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'frictionless==5.21.0'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' frictionless
cd "$tmp"
cat >expected <<'END'
a decimal comma: ['string', 'geopoint'] [['A', [1.0, 5.0]], ['B', [2.0, 25.0]]]; valid: True
a decimal comma, thousands: ['string', 'geopoint'] [['A', [1.234, 5.0]], ['B', [2.25, 0.0]]]; valid: True
numbers as names: ['integer', 'integer'] [[12, 3], [13, 4]]; valid: True
END
venv/bin/python -W ignore - >seen <<'END'
from pathlib import Path

import frictionless

for name, text in (
    ("a decimal comma", "site;depth\nA;1,5\nB;2,25\n"),
    ("a decimal comma, thousands", "site;depth\nA;1.234,5\nB;2.250,0\n"),
    ("numbers as names", "site,depth\n0012,3\n0013,4\n"),
):
    Path("table.csv").write_text(text)
    resource = frictionless.Resource("table.csv")
    rows = [row.to_list() for row in resource.read_rows()]
    print(f"{name}: {[field.type for field in resource.schema.fields]} {rows}; valid: {frictionless.validate('table.csv').valid}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
