#!/usr/bin/env bash
# Labels of a recording in Praat's TextGrid, read and written by four libraries, and read by Praat.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('praat-parselmouth==0.4.7' 'praatio==6.2.2' 'tgt==1.5' 'textgrid==1.6.1' 'pympi-ling==1.71')
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
labels with a sign: 0 to 1 '', 1 to 2 'f0=220 Hz', 2 to 3 'a = b'
  praatio: the same
  tgt: 0 to 1 '', 1 to 2 'f0=220 Hz', 2 to 3 ''
  textgrid: the same
  pympi: the same
  pympi through ELAN: the same
labels with quotes: 0 to 1 '', 1 to 3 'so "no"'; 2 '"'
  praatio: 0 to 1 '', 1 to 3 'so "no"'; 2 '""'
  tgt: the same
  textgrid: the same
  pympi: the same
  pympi through ELAN: 0 to 1 '', 1 to 3 'so "no"'; 2 to 2.1 '"'
an interval of a blank, and one without a label: 0 to 1 '', 1 to 2 ' ', 2 to 2.5 '', 2.5 to 3 'end'
  praatio: 0 to 1 '', 1 to 2 '', 2 to 2.5 '', 2.5 to 3 'end'
  tgt: 0 to 2.5 '', 2.5 to 3 'end'
  textgrid: the same
  pympi: the same
  pympi through ELAN: 0 to 2.5 '', 2.5 to 3 'end'
a label of two lines: 0 to 1 '', 1 to 2 'one\ntwo', 2 to 3 'x'
  praatio: the same
  tgt: refused, IndexError
  textgrid: the same
  pympi: the same
  pympi through ELAN: the same
a label of brackets: 0 to 1 '', 1 to 2 'intervals [2]:', 2 to 3 'x'
  praatio: refused, ParsingError
  tgt: the same
  textgrid: the same
  pympi: the same
  pympi through ELAN: the same
boundaries 0.4 us apart: 0 to 1 '', 1 to 1.0000004 'a', 1.0000004 to 2 'b', 2 to 3 'c'
  praatio: the same
  tgt: the same
  textgrid: 0 to 1 '', 1 to 2 'b', 2 to 3 'c'
  pympi: 0 to 1 '', 1 to 1 'a', 2 to 3 'c'
  pympi through ELAN: refused, ValueError
a third of a second: 0 to 0.333333333 '', 0.333333333 to 2 'a', 2 to 3 'b'
  praatio: the same
  tgt: the same
  textgrid: 0 to 0.33333 '', 0.33333 to 2 'a', 2 to 3 'b'
  pympi: 0 to 0.333333 '', 0.333333 to 2 'a', 2 to 3 'b'
  pympi through ELAN: 0 to 0.333 '', 0.333 to 2 'a', 2 to 3 'b'
two points 20 ms apart: 0 to 3 ''; 1 'a', 1.02 'b'
  praatio: the same
  tgt: the same
  textgrid: the same
  pympi: the same
  pympi through ELAN: 0 to 1.12 ''; 1 to 1.1 'a'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import sys

import parselmouth
import pympi
import textgrid
import tgt
from parselmouth.praat import call
from praatio import textgrid as praatio

sys.stdout = os.fdopen(os.dup(1), "w")


def tier(grid, name):
    for number in range(1, call(grid, "Get number of tiers") + 1):
        if call(grid, "Get tier name", number) == name:
            return number
    return None


def told(path):
    grid = parselmouth.read(path)
    kept = []
    for name in ("words", "marks"):
        number = tier(grid, name)
        if call(grid, "Is interval tier", number):
            each = [
                [call(grid, f"Get {what} of interval", number, place) for what in ("start time", "end time", "label")]
                for place in range(1, call(grid, "Get number of intervals", number) + 1)
            ]
            kept.append(", ".join(f"{start:.9g} to {end:.9g} {label!r}" for start, end, label in each if name == "words" or label))
        else:
            each = [
                (call(grid, "Get time of point", number, place), call(grid, "Get label of point", number, place))
                for place in range(1, call(grid, "Get number of points", number) + 1)
            ]
            kept.append(", ".join(f"{time:.9g} {label!r}" for time, label in each))
    return "; ".join(each for each in kept if each)


def through_elan(path):
    pympi.TextGrid(path).to_eaf().to_file("copy.eaf")
    pympi.Eaf("copy.eaf").to_textgrid().to_file("copy.TextGrid")


COPIES = {
    "praatio": lambda path: praatio.openTextgrid(path, includeEmptyIntervals=True).save("copy.TextGrid", "long_textgrid", includeBlankSpaces=True),
    "tgt": lambda path: tgt.io.write_to_file(tgt.io.read_textgrid(path), "copy.TextGrid", format="long"),
    "textgrid": lambda path: textgrid.TextGrid.fromFile(path).write("copy.TextGrid"),
    "pympi": lambda path: pympi.TextGrid(path).to_file("copy.TextGrid"),
    "pympi through ELAN": through_elan,
}
CASES = {
    "labels with a sign": ([(1, "f0=220 Hz"), (2, "a = b")], []),
    "labels with quotes": ([(1, 'so "no"')], [(2, '"')]),
    "an interval of a blank, and one without a label": ([(1, " "), (2, ""), (2.5, "end")], []),
    "a label of two lines": ([(1, "one\ntwo"), (2, "x")], []),
    "a label of brackets": ([(1, "intervals [2]:"), (2, "x")], []),
    "boundaries 0.4 us apart": ([(1, "a"), (1.0000004, "b"), (2, "c")], []),
    "a third of a second": ([(1 / 3, "a"), (2, "b")], []),
    "two points 20 ms apart": ([], [(1, "a"), (1.02, "b")]),
}
for title, (intervals, points) in CASES.items():
    grid = call("Create TextGrid", 0.0, 3.0, "words marks", "marks")
    for place, (start, label) in enumerate(intervals):
        call(grid, "Insert boundary", 1, float(start))
        call(grid, "Set interval text", 1, place + 2, label)
    for time, label in points:
        call(grid, "Insert point", 2, float(time), label)
    call(grid, "Save as text file...", "made.TextGrid")
    made = told("made.TextGrid")
    print(f"{title}: {made}")
    for name, copy in COPIES.items():
        try:
            copy("made.TextGrid")
            seen = told("copy.TextGrid")
        except Exception as error:
            seen = f"refused, {type(error).__name__}"
        print(f"  {name}: {'the same' if seen == made else seen}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
