#!/usr/bin/env bash
# Numbers that a column of a casacore table has no room for, and cells that nobody wrote.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-compile --disable-pip-version-check 'python-casacore==3.8.1' 'numpy==2.4.6' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(numpy|python-casacore) '
cd "$tmp"
cat >expected <<'END'
2^31, 2^40 and 5 in a column of integers: [-2147483648, 0, 5]
2^32 - 1, unsigned in a column of integers: [-1]
1.7, -1.2 and 3e9 in a column of integers: [1, -1, -2147483648]
NaN in a column of integers: [-2147483648]
a list of 1 and 2.7 in a column of integers: [1, 2]
2 and 0 in a column of flags: [True, False]
2^53 + 1 in a column of doubles: [9007199254740992.0]
two cells of integers that nobody wrote: [0, 0]
two cells of doubles that nobody wrote: [0.0, 0.0]
two cells of texts that nobody wrote: ['', '']
two cells of flags that nobody wrote: [False, False]
texts in a column of integers: RuntimeError
complex in a column of integers: RuntimeError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
from casacore.tables import makescacoldesc, maketabdesc, table


def column(name, example, values=None, rows=2):
    made = table(name, maketabdesc([makescacoldesc("A", example)]), nrow=rows if values is None else len(values), ack=False)
    if values is not None:
        made.putcol("A", values)
    made.close()
    read = table(name, ack=False).getcol("A")
    return read if isinstance(read, list) else read.tolist()


for words, example, values in (
    ("2^31, 2^40 and 5", 0, np.array([2**31, 2**40, 5])),
    ("2^32 - 1, unsigned", 0, np.array([2**32 - 1], np.uint32)),
    ("1.7, -1.2 and 3e9", 0, np.array([1.7, -1.2, 3e9])),
    ("NaN", 0, np.array([np.nan])),
    ("a list of 1 and 2.7", 0, [1, 2.7]),
):
    print(f"{words} in a column of integers:", column(words, example, values))
print("2 and 0 in a column of flags:", column("flags", True, np.array([2, 0])))
print("2^53 + 1 in a column of doubles:", column("doubles", 0.0, np.array([2**53 + 1])))
for words, example in {"integers": 0, "doubles": 0.0, "texts": "", "flags": True}.items():
    print(f"two cells of {words} that nobody wrote:", column(f"empty-{words}", example))
for words, values in {"texts in a column of integers": ["5"], "complex in a column of integers": np.array([1 + 2j])}.items():
    try:
        print(words + ":", column(words, 0, values))
    except RuntimeError as error:
        print(words + ":", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
