#!/usr/bin/env bash
# Dates before 1900 in a workbook, as three libraries write them and two read them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('polars==2.1.0' 'pandas==3.1.1' 'xlsxwriter==3.3.1' 'openpyxl==3.1.5' 'python-calamine==0.9.1')
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
1850-01-01 by Polars: openpyxl reads 1849-12-31, calamine reads 00:00:00
1850-01-01 by pandas and XlsxWriter: openpyxl reads 1849-12-31, calamine reads 00:00:00
1850-01-01 by pandas and openpyxl: openpyxl reads 1850-01-01, calamine reads 00:00:00
1900-01-01 by Polars: openpyxl reads 1900-01-01, calamine reads 1900-01-01
1900-01-01 by pandas and XlsxWriter: openpyxl reads 1900-01-01, calamine reads 1900-01-01
1900-01-01 by pandas and openpyxl: openpyxl reads 1900-01-01, calamine reads 1900-01-01
END
venv/bin/python -W error - >seen <<'END'
import datetime

import openpyxl
import pandas
import polars
from python_calamine import CalamineWorkbook

DAYS = [datetime.date(1850, 1, 1), datetime.date(1900, 1, 1)]
polars.DataFrame({"born": DAYS}).write_excel("Polars.xlsx")
for engine in ("xlsxwriter", "openpyxl"):
    pandas.DataFrame({"born": DAYS}).to_excel(f"{engine}.xlsx", index=False, engine=engine)
WRITERS = {"Polars": "Polars", "pandas and XlsxWriter": "xlsxwriter", "pandas and openpyxl": "openpyxl"}
for row, day in enumerate(DAYS, 1):
    for writer, name in WRITERS.items():
        one = openpyxl.load_workbook(f"{name}.xlsx").active.cell(row + 1, 1).value
        other = CalamineWorkbook.from_path(f"{name}.xlsx").get_sheet_by_index(0).to_python()[row][0]
        print(f"{day} by {writer}: openpyxl reads {one:%Y-%m-%d}, calamine reads {other}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
