#!/usr/bin/env bash
# Times, whole numbers and levels that are written for R.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyreadr==0.5.8' 'rdata==1.1.0' 'pandas==3.1.1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pyreadr rdata pandas numpy
cat >expected <<'END'
written by pyreadr, read by pyreadr
  times with a fraction of a second: ['2020-07-01 12:00:00', '2020-07-01 12:00:01'] (str)
  times of Berlin: ['2020-07-01 12:00:00', '2020-07-01 12:00:01'] (str)
  days: ['2020-07-01', '2020-07-01'] (str)
  a time and none: ['2020-07-01 12:00:00', nan] (str)
  the smallest integer of 32 bits: [nan, 1] (object)
  2^53 + 1: [9007199254740992.0, 1.0] (float64)
  whole numbers and none: [1.0, nan] (float64)
  complex numbers: ['(1+2j)', '1j'] (str)
  levels that are numbers: [10.0, 20.0] (float64)
  an ordered level: ['low', 'high'] (category)
written by rdata, read by pyreadr
  times with a fraction of a second: UnboundLocalError
  times of Berlin: UnboundLocalError
  days: NotImplementedError
  a time and none: UnboundLocalError
  the smallest integer of 32 bits: [nan, 1] (object)
  2^53 + 1: ValueError
  whole numbers and none: [1, nan] (object)
  complex numbers: LibrdataError
  levels that are numbers: LibrdataError
  an ordered level: ['low', 'high'] (category)
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

warnings.simplefilter("ignore")
import pandas as pd
import pyreadr
import rdata

times = pd.to_datetime(["2020-07-01T12:00:00.75", "2020-07-01T12:00:01.25"])
columns = {
    "times with a fraction of a second": times,
    "times of Berlin": times.tz_localize("Europe/Berlin"),
    "days": [day.date() for day in times],
    "a time and none": pd.to_datetime(["2020-07-01T12:00:00", None]),
    "the smallest integer of 32 bits": pd.Series([-(2**31), 1], dtype="int32"),
    "2^53 + 1": [2**53 + 1, 1],
    "whole numbers and none": pd.array([1, None], "Int64"),
    "complex numbers": [1 + 2j, 1j],
    "levels that are numbers": pd.Categorical([10, 20]),
    "an ordered level": pd.Categorical(["low", "high"], ["low", "high"], ordered=True),
}


def told(column):
    values = [getattr(value, "item", lambda value=value: value)() for value in column.tolist()]
    return f"{values} ({column.dtype}{' in order' if getattr(column.dtype, 'ordered', False) else ''})"


for library in ("pyreadr", "rdata"):
    print(f"written by {library}, read by pyreadr")
    for words, values in columns.items():
        try:
            table = pd.DataFrame({"x": values})
            pyreadr.write_rds("made.rds", table) if library == "pyreadr" else rdata.write_rds("made.rds", table)
            print(f"  {words}: {told(pyreadr.read_r('made.rds')[None]['x'])}")
        except Exception as error:
            print(f"  {words}: {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
