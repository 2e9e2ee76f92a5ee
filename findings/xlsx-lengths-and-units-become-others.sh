#!/usr/bin/env bash
# Cells of a workbook for readers of Python and of Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('openpyxl==3.1.5' 'python-calamine==0.9.1' 'xlsx2csv==0.8.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund exceljs@4.4.0 xlsx@0.18.5 read-excel-file@9.3.17
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
node -p '["exceljs", "xlsx", "read-excel-file"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`).join("\n")'
cat >write.py <<'END'
import datetime

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904

CELLS = {
    "dose": (5, '0.0" mg"'),
    "loss": (-5.5, "0.0;(0.0)"),
    "trace": (1.5e-7, "0.00"),
    "id": (1234567890123456, "General"),
    "share": (0.123456, "0%"),
    "exposed": (datetime.timedelta(hours=36, minutes=15), "[h]:mm:ss"),
    "seen": (datetime.datetime(2026, 1, 31, 12, 30, 15), "yyyy-mm-dd hh:mm:ss"),
    "born": (datetime.datetime(2026, 1, 31), "yyyy-mm-dd"),
    "error": ("#N/A", "General"),
    "label": (" a ", "General"),
}
for epoch in (1900, 1904):
    book = openpyxl.Workbook()
    if epoch == 1904:
        book.epoch = CALENDAR_MAC_1904
    for name, (value, form) in CELLS.items():
        book.active.append([name, value])
        book.active.cell(book.active.max_row, 2).number_format = form
    book.save(f"{epoch}.xlsx")
END
cat >read.py <<'END'
import csv
import subprocess
import sys

import openpyxl
import python_calamine

path = sys.argv[1] + ".xlsx"
rows = {"openpyxl": [row[1] for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]}
rows["calamine"] = [row[1] for row in python_calamine.load_workbook(path).get_sheet_by_index(0).to_python()]
text = subprocess.run([sys.executable, "-m", "xlsx2csv", path], capture_output=True, text=True, check=True).stdout
rows["xlsx2csv"] = [row[1] for row in csv.reader(text.splitlines())]
for name, values in rows.items():
    print(f"  {name}:", ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values))
END
cat >read.mjs <<'END'
import ExcelJS from "exceljs";
import XLSX from "xlsx";
import * as module from "read-excel-file/node";

const path = `${process.argv[2]}.xlsx`;
const shown = (value) =>
  value instanceof Date ? value.toISOString().replace("T", " ").replace(".000Z", "").replace("Z", "")
  : value === undefined || value === null ? "missing"
  : typeof value === "string" ? `'${value}'`
  : value.error ? value.error
  : String(value);
const told = (name, values) => console.log(`  ${name}:`, values.map(shown).join(", "));

const book = new ExcelJS.Workbook();
await book.xlsx.readFile(path);
const cells = [];
book.worksheets[0].eachRow((row) => cells.push(row.getCell(2).value));
told("exceljs", cells);
const sheet = (options) => {
  const found = XLSX.readFile(path, options);
  return found.Sheets[found.SheetNames[0]];
};
told("SheetJS, cellDates", XLSX.utils.sheet_to_json(sheet({ cellDates: true }), { header: 1 }).map((row) => row[1]));
told("SheetJS, CSV", XLSX.utils.sheet_to_csv(sheet({})).trim().split("\n").map((row) => row.slice(row.indexOf(",") + 1)));
const found = await module.default(path);
told("read-excel-file", (Array.isArray(found[0]) ? found : found[0].data).map((row) => row[1]));
END
venv/bin/python write.py
cat >expected <<'END'
dates are counted from 1900
  openpyxl: 5, -5.5, 1.5e-07, 1234567890123456, 0.123456, 1 day, 12:15:00, 2026-01-31 12:30:15, 2026-01-31 00:00:00, '#N/A', ' a '
  calamine: 5.0, -5.5, 1.5e-07, 1234567890123456.0, 0.123456, 1 day, 12:15:00, 2026-01-31 12:30:15, 2026-01-31, '', ' a '
  xlsx2csv: '0.0" 01g"', '-5.5000', '0', '1234567890123456', '12%', '12:15', '2026-01-31 12:30:14', '2026-01-31', '#N/A', ' a '
  exceljs: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1899-12-31 12:15:00, 2026-01-31 12:30:15, 2026-01-31 00:00:00, #N/A, ' a '
  SheetJS, cellDates: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1899-12-31 12:15:00, 2026-01-31 12:30:14.999, 2026-01-31 00:00:00, missing, ' a '
  SheetJS, CSV: '5.0 mg', '(5.5)', '0.00', '1.23457E+15', '12%', '36:15:00', '2026-01-31 12:30:15', '2026-01-31', '#N/A', ' a'
  read-excel-file: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1899-12-31 12:15:00, 2026-01-31 12:30:14.999, 2026-01-31 00:00:00, missing, 'a'
dates are counted from 1904
  openpyxl: 5, -5.5, 1.5e-07, 1234567890123456, 0.123456, 1 day, 12:15:00, 2026-01-31 12:30:15, 2026-01-31 00:00:00, '#N/A', ' a '
  calamine: 5.0, -5.5, 1.5e-07, 1234567890123456.0, 0.123456, 1 day, 12:15:00, 2026-01-31 12:30:15, 2026-01-31, '', ' a '
  xlsx2csv: '0.0" 01g"', '-5.5000', '0', '1234567890123456', '12%', '12:15', '2026-01-31 12:30:14', '2026-01-31', '#N/A', ' a '
  exceljs: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1904-01-02 12:15:00, 2026-01-31 12:30:15, 2026-01-31 00:00:00, #N/A, ' a '
  SheetJS, cellDates: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1899-12-31 12:15:00, 2022-01-30 12:30:14.999, 2022-01-30 00:00:00, missing, ' a '
  SheetJS, CSV: '5.0 mg', '(5.5)', '0.00', '1.23457E+15', '12%', '36:15:00', '2026-01-31 12:30:15', '2026-01-31', '#N/A', ' a'
  read-excel-file: 5, -5.5, 1.5e-7, 1234567890123456, 0.123456, 1904-01-02 12:15:00, 2026-01-31 12:30:14.999, 2026-01-31 00:00:00, missing, 'a'
END
for epoch in 1900 1904; do
  echo "dates are counted from $epoch"
  TZ=UTC venv/bin/python -W ignore read.py "$epoch"
  TZ=UTC node read.mjs "$epoch"
done >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
