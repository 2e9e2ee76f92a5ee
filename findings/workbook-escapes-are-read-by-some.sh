#!/usr/bin/env bash
# Texts with what looks like an escape of a workbook: written by two libraries, read by two.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('xlsxwriter==3.3.1' 'openpyxl==3.1.5' 'python-calamine==0.9.1')
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
'site_x0041_3' by openpyxl: openpyxl reads 'site_x0041_3', calamine reads 'siteA3'
'site_x0041_3' by XlsxWriter: openpyxl reads 'site_x0041_3', calamine reads 'site_x0041_3'
'two\r\nlines' by openpyxl: openpyxl reads 'two\nlines', calamine reads 'two\nlines'
'two\r\nlines' by XlsxWriter: openpyxl reads 'two_x000D_\nlines', calamine reads 'two\r\nlines'
END
venv/bin/python -W error - >seen <<'END'
import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook


def by_openpyxl(text):
    book = openpyxl.Workbook()
    book.active.append([text])
    book.save("book.xlsx")


def by_xlsxwriter(text):
    with xlsxwriter.Workbook("book.xlsx") as book:
        book.add_worksheet().write_string(0, 0, text)


for text in ("site_x0041_3", "two\r\nlines"):
    for name, write in (("openpyxl", by_openpyxl), ("XlsxWriter", by_xlsxwriter)):
        write(text)
        one = openpyxl.load_workbook("book.xlsx").active.cell(1, 1).value
        other = CalamineWorkbook.from_path("book.xlsx").get_sheet_by_index(0).to_python()[0][0]
        print(f"{text!r} by {name}: openpyxl reads {one!r}, calamine reads {other!r}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
