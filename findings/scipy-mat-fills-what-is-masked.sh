#!/usr/bin/env bash
# Missing values, texts and dates in files of MATLAB.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('scipy==1.17.1' 'numpy==2.4.6')
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
masked, format 5: [1.0, 1e+20, 3.0]
masked, format 4: [1.0, 2.0, 3.0]
masked integers, format 5: [1, 999999, 3]
masked integers, format 4: [1.0, 2.0, 3.0]
texts, format 5: ['a  ', 'a  ', 'b2 ']
texts, format 4: ['a  ', 'a  ', 'b2 ']
dates, format 5: 20455.0
dates, format 4: 20455.0
the same in seconds, format 5: 1767312000.0
the same in seconds, format 4: 1767312000.0
not a date, format 5: -9.223372036854776e+18
not a date, format 4: -9.223372036854776e+18
durations, format 5: 90.0
durations, format 4: 90.0
int64, format 5: 9007199254740993
int64, format 4: 9007199254740992.0
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import scipy.io

for told, given in (
    ("masked", np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])),
    ("masked integers", np.ma.array([1, 2, 3], mask=[False, True, False])),
    ("texts", np.array(["a", "a  ", "b2"])),
    ("dates", np.array(["2026-01-02"], "datetime64[D]")),
    ("the same in seconds", np.array(["2026-01-02"], "datetime64[s]")),
    ("not a date", np.array(["NaT"], "datetime64[D]")),
    ("durations", np.array([90], "timedelta64[m]")),
    ("int64", np.array([2**53 + 1])),
):
    for form in ("5", "4"):
        scipy.io.savemat("file.mat", {"x": given}, format=form)
        print(f"{told}, format {form}: {np.squeeze(scipy.io.loadmat('file.mat')['x']).tolist()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
