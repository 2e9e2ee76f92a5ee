#!/usr/bin/env bash
# Numbers and times that pandas writes for Stata.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pandas==3.1.1' 'pyreadstat==1.3.7' 'numpy==2.4.6')
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
int8, 127 and 1: pandas ['127', '1'], pyreadstat ['127', '1'], warnings: 0
int16, 32767 and 1: pandas ['32767', '1'], pyreadstat ['32767', '1'], warnings: 0
int32, 2147483620 and 1: pandas ['2147483620', '1'], pyreadstat ['2147483620', '1'], warnings: 0
int32, 2147483621 and 1: pandas ['nan', '1.0'], pyreadstat ['nan', '1'], warnings: 0
int32, 2147483647 and 1: pandas ['nan', '1.0'], pyreadstat ['nan', '1'], warnings: 0
int32, -2147483648 and 1: pandas ['nan', '1.0'], pyreadstat ['-2147483648', '1'], warnings: 0
int64, 2147483647 and 1: pandas ['2147483647.0', '1.0'], pyreadstat ['2147483647.0', '1.0'], warnings: 0
Int32, 2147483647 and nothing: pandas ['nan', 'nan'], pyreadstat ['nan', 'nan'], warnings: 0
a time of 0.123999 s: pandas ['2026-01-01 00:00:00.123000'], pyreadstat ['2026-01-01 00:00:00.123000'], warnings: 0
END
venv/bin/python - >seen <<'END'
import warnings

import numpy as np
import pandas as pd
import pyreadstat


def show(told, column):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pd.DataFrame({"v": column}).to_stata("t.dta", write_index=False)
    whole = [str(each) for each in pd.read_stata("t.dta").v]
    other = [str(each) for each in pyreadstat.read_dta("t.dta")[0].v]
    print(f"{told}: pandas {whole}, pyreadstat {other}, warnings: {len(said)}")


show("int8, 127 and 1", np.array([127, 1], "int8"))
show("int16, 32767 and 1", np.array([32767, 1], "int16"))
show("int32, 2147483620 and 1", np.array([2147483620, 1], "int32"))
show("int32, 2147483621 and 1", np.array([2147483621, 1], "int32"))
show("int32, 2147483647 and 1", np.array([2147483647, 1], "int32"))
show("int32, -2147483648 and 1", np.array([-2147483648, 1], "int32"))
show("int64, 2147483647 and 1", np.array([2147483647, 1], "int64"))
show("Int32, 2147483647 and nothing", pd.array([2147483647, None], dtype="Int32"))
show("a time of 0.123999 s", pd.to_datetime(["2026-01-01T00:00:00.123999"]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
