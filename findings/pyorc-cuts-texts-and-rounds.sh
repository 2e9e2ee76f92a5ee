#!/usr/bin/env bash
# Values that the types of an ORC file have no room for.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyorc==0.12.0' 'pyarrow==26.0.1')
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
varchar(3), ['abcde', 'abc']: pyorc ['abc', 'abc'], PyArrow ['abc', 'abc']
char(3), ['abcde', 'a']: pyorc ['abc', 'a  '], PyArrow ['abc', 'a  ']
decimal(10,2), ['1.999', '1.10']: pyorc ['2.00', '1.10'], PyArrow ['2.00', '1.10']
decimal(4,2), ['12345.67']: refused, InvalidOperation
int, ['2147483648']: pyorc ['2147483648'], PyArrow ['-2147483648']
tinyint, ['300']: pyorc ['44'], PyArrow ['44']
END
venv/bin/python -W ignore - >seen <<'END'
from decimal import Decimal

import pyarrow.orc
import pyorc

for kind, given in (
    ("varchar(3)", ["abcde", "abc"]),
    ("char(3)", ["abcde", "a"]),
    ("decimal(10,2)", [Decimal("1.999"), Decimal("1.10")]),
    ("decimal(4,2)", [Decimal("12345.67")]),
    ("int", [2**31]),
    ("tinyint", [300]),
):
    try:
        with open("file.orc", "wb") as file, pyorc.Writer(file, f"struct<x:{kind}>") as writer:
            for each in given:
                writer.write((each,))
    except Exception as error:
        print(f"{kind}, {list(map(str, given))}: refused, {type(error).__name__}")
        continue
    with open("file.orc", "rb") as file:
        read = [str(x) for (x,) in pyorc.Reader(file)]
    by_arrow = list(map(str, pyarrow.orc.read_table("file.orc")["x"].to_pylist()))
    print(f"{kind}, {list(map(str, given))}: pyorc {read}, PyArrow {by_arrow}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
