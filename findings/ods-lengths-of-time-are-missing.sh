#!/usr/bin/env bash
# Cells of an OpenDocument spreadsheet for three readers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('odfpy==1.4.1' 'pandas==3.1.1' 'python-calamine==0.9.1' 'polars==2.1.0' 'fastexcel==0.21.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' odfpy pandas python-calamine polars fastexcel
cat >expected <<'END'
12:30:00
  pandas (odfpy): datetime.time(12, 30)
  pandas (calamine): datetime.time(12, 30)
  Polars: datetime.timedelta(seconds=45000)
  Polars, all as text: None
36:15:00
  pandas (odfpy): the sheet is refused (DateParseError)
  pandas (calamine): 'PT36H15M00S'
  Polars: None
  Polars, all as text: None
a, a tab, b, a line break, c
  pandas (odfpy): 'ab\nc'
  pandas (calamine): 'abc'
  Polars: 'abc'
  Polars, all as text: 'abc'
the value exact, shown as another text
  pandas (odfpy): 'shown'
  pandas (calamine): 'exact'
  Polars: 'exact'
  Polars, all as text: 'exact'
1e-20
  pandas (odfpy): np.float64(1e-20)
  pandas (calamine): np.float64(1e-20)
  Polars: 1e-20
  Polars, all as text: '0'
1 divided by 0
  pandas (odfpy): '#DIV/0!'
  pandas (calamine): np.float64(nan)
  Polars: ''
  Polars, all as text: ''
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import pandas as pd
import polars as pl
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import LineBreak, P, Tab


def text(*pieces):
    paragraph = P()
    for piece in pieces:
        paragraph.addText(piece) if isinstance(piece, str) else paragraph.addElement(piece())
    return paragraph


cells = {
    "12:30:00": ({"valuetype": "time", "timevalue": "PT12H30M00S"}, text("12:30:00")),
    "36:15:00": ({"valuetype": "time", "timevalue": "PT36H15M00S"}, text("36:15:00")),
    "a, a tab, b, a line break, c": ({"valuetype": "string"}, text("a", Tab, "b", LineBreak, "c")),
    "the value exact, shown as another text": ({"valuetype": "string", "stringvalue": "exact"}, text("shown")),
    "1e-20": ({"valuetype": "float", "value": "1E-20"}, text("0")),
    "1 divided by 0": ({"valuetype": "string", "stringvalue": "", "formula": "of:=1/0"}, text("#DIV/0!")),
}
readers = {
    "pandas (odfpy)": lambda: pd.read_excel("set.ods", engine="odf").iloc[0, 1],
    "pandas (calamine)": lambda: pd.read_excel("set.ods", engine="calamine").iloc[0, 1],
    "Polars": lambda: pl.read_ods("set.ods")[0, 1],
    "Polars, all as text": lambda: pl.read_ods("set.ods", infer_schema_length=0)[0, 1],
}
for words, (attributes, shown) in cells.items():
    book, sheet = OpenDocumentSpreadsheet(), Table(name="S")
    for row in ([({"valuetype": "string"}, text("id")), ({"valuetype": "string"}, text("x"))], [({"valuetype": "string"}, text("r1")), (attributes, shown)]):
        line = TableRow()
        for given, paragraph in row:
            cell = TableCell(**given)
            cell.addElement(paragraph)
            line.addElement(cell)
        sheet.addElement(line)
    book.spreadsheet.addElement(sheet)
    book.save("set.ods")
    print(words)
    for name, read in readers.items():
        try:
            print(f"  {name}: {read()!r}")
        except Exception as error:
            print(f"  {name}: the sheet is refused ({type(error).__name__})")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
