#!/usr/bin/env bash
# Numbers that SPSS, Stata and SAS have no room for: what pyreadstat writes of them, without a word.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'pandas==3.1.1' 'pyreadstat==1.3.7'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pandas==3.1.1' 'pyreadstat==1.3.7'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pandas pyreadstat
cd "$tmp"
cat >expected <<'END'
SPSS: 9007199254740993 is written, and 9007199254740992 is read
Stata: 9007199254740993 is written, and 9007199254740992 is read
SAS transport: 9007199254740993 is written, and 9007199254740992 is read
Stata: 1e+300 is written, and 1e+300 is read
Stata: inf: ReadstatError
SAS transport: 1e+300 is written, and inf is read; by pandas 7.237e+75
SAS transport: 1e-300 is written, and 0 is read; by pandas 5.398e-79
END
venv/bin/python -W error - >seen <<'END'
import numpy as np
import pandas as pd
import pyreadstat

DONE = {
    "SPSS": (pyreadstat.write_sav, pyreadstat.read_sav),
    "Stata": (pyreadstat.write_dta, pyreadstat.read_dta),
    "SAS transport": (pyreadstat.write_xport, pyreadstat.read_xport),
}
N = 2**53 + 1
for name, (write, read) in DONE.items():
    write(pd.DataFrame({"id": [N]}), "file")
    print(f"{name}: {N} is written, and {int(read('file')[0]['id'][0])} is read")
for value in (1e300, np.inf):
    try:
        pyreadstat.write_dta(pd.DataFrame({"value": [value]}), "file")
        print(f"Stata: {value} is written, and {pyreadstat.read_dta('file')[0]['value'][0]} is read")
    except pyreadstat.ReadstatError as error:
        print(f"Stata: {value}: {type(error).__name__}")
for value in (1e300, 1e-300):
    pyreadstat.write_xport(pd.DataFrame({"value": [value]}), "file", file_format_version=5)
    read = pyreadstat.read_xport("file")[0].iloc[0, 0]
    other = pd.read_sas("file", format="xport").iloc[0, 0]
    print(f"SAS transport: {value:g} is written, and {read:g} is read; by pandas {other:.4g}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
