#!/usr/bin/env bash
# A table with missing values, in four formats.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('astropy==8.0.2' 'numpy==2.4.6')
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
given: {'flag': [True, False, None], 'note': ['seen', '', None], 'code': ['x  ', ' y', 'z'], 'count': [1, 2, None]}
table.fits: {'flag': [True, False, True], 'note': ['seen', '', ''], 'code': ['x', ' y', 'z'], 'count': [1, 2, None]}
table.ecsv: {'flag': [True, False, None], 'note': ['seen', None, None], 'code': ['x', 'y', 'z'], 'count': [1, 2, None]}
table.vot: {'flag': [True, False, None], 'note': ['seen', '', ''], 'code': ['x', 'y', 'z'], 'count': [1, 2, None]}
table.csv: {'flag': ['True', 'False', None], 'note': ['seen', None, None], 'code': ['x', 'y', 'z'], 'count': [1, 2, None]}
END
venv/bin/python -W ignore - >seen <<'END'
from astropy.table import MaskedColumn, Table

given = Table(
    {
        "flag": MaskedColumn([True, False, False], mask=[False, False, True]),
        "note": MaskedColumn(["seen", "", "?"], mask=[False, False, True]),
        "code": ["x  ", " y", "z"],
        "count": MaskedColumn([1, 2, 3], mask=[False, False, True]),
    }
)
print("given:", {name: given[name].tolist() for name in given.colnames})
for name, options in (
    ("table.fits", {}),
    ("table.ecsv", {}),
    ("table.vot", {"format": "votable"}),
    ("table.csv", {"format": "ascii.csv"}),
):
    given.write(name, overwrite=True, **options)
    read = Table.read(name, **options)
    print(f"{name}:", {name: read[name].tolist() for name in read.colnames})
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
