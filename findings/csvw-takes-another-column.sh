#!/usr/bin/env bash
# What the library of CSV on the Web calls valid.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('csvw==4.1.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' csvw
cat >expected <<'END'
5 and 50 with a maximum of 10: ValueError
300 as a byte: ValueError
1.5 as an integer: ValueError
1.0 as an integer: valid, 1
1_000 as an integer: valid, 1000
the Arabic digit three as an integer: valid, 3
1,234.5 as a decimal without a format: ValueError
1.234,5 with a comma for the point: valid, 1234.5
1,2,3 with groups: valid, 123
NaN with a minimum of 0: valid, nan
inf as a number: valid, inf
30 February: ValueError
a time with nanoseconds: valid, 2020-01-01 00:00:00.123456
the end of a day, 24:00:00: ValueError
a column of another name: valid, None None
a column of another name that is required: ValueError
one key twice: ValueError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import warnings

from csvw import CSVW

warnings.simplefilter("ignore")


def tell(words, text, column, header="x", **schema):
    with open("made.csv", "w", encoding="utf-8") as out:
        out.write(f"{header}\n" + "".join(f'"{cell}"\n' for cell in text))
    described = {"@context": "http://www.w3.org/ns/csvw", "url": "made.csv", "tableSchema": {"columns": [{"name": "x", "titles": "x", **column}], **schema}}
    with open("made.csv-metadata.json", "w") as out:
        json.dump(described, out)
    try:
        table = CSVW("made.csv-metadata.json", validate=True)
        if not table.is_valid:
            print(f"{words}: not valid")
            return
        print(f"{words}: valid,", *(str(row["x"]) for row in table.tables[0]))
    except Exception as error:
        print(f"{words}: {type(error).__name__}")


def of(base, **more):
    return {"datatype": {"base": base, **more}}


tell("5 and 50 with a maximum of 10", ["5", "50"], of("integer", maximum="10"))
tell("300 as a byte", ["300"], of("byte"))
tell("1.5 as an integer", ["1.5"], of("integer"))
tell("1.0 as an integer", ["1.0"], of("integer"))
tell("1_000 as an integer", ["1_000"], of("integer"))
tell("the Arabic digit three as an integer", ["\u0663"], of("integer"))
tell("1,234.5 as a decimal without a format", ["1,234.5"], of("decimal"))
tell("1.234,5 with a comma for the point", ["1.234,5"], of("decimal", format={"decimalChar": ",", "groupChar": "."}))
tell("1,2,3 with groups", ["1,2,3"], of("decimal", format={"groupChar": ","}))
tell("NaN with a minimum of 0", ["NaN"], of("number", minimum="0"))
tell("inf as a number", ["inf"], of("number"))
tell("30 February", ["2021-02-30"], of("date"))
tell("a time with nanoseconds", ["2020-01-01T00:00:00.123456789"], of("dateTime"))
tell("the end of a day, 24:00:00", ["24:00:00"], of("time"))
tell("a column of another name", ["1", "2"], of("integer"), header="y")
tell("a column of another name that is required", ["1", "2"], {**of("integer"), "required": True}, header="y")
tell("one key twice", ["1", "1"], of("integer"), primaryKey="x")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
