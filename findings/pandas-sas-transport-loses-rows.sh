#!/usr/bin/env bash
# A SAS transport file (version 5) of four short texts, written by pyreadstat, and what pandas reads of it.
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
written: ['Hospital North', 'Hospital South', 'Hospital West', 'East']
pyreadstat: ['Hospital North', 'Hospital South', 'Hospital West', 'East']
pandas: ['Hospital North', 'Hospital South', 'Hospital West']
written: ['yes', 'no', 'yes', 'no']
pyreadstat: ['yes', 'no', 'yes', 'no']
pandas: ['yes', 'no', 'yes', 'no', '']
written in the default version: pyreadstat reads 4 rows
pandas: ValueError
END
venv/bin/python - >seen <<'END'
import pandas as pd
import pyreadstat

for texts in (["Hospital North", "Hospital South", "Hospital West", "East"], ["yes", "no", "yes", "no"]):
    print("written:", texts)
    pyreadstat.write_xport(pd.DataFrame({"site": texts}), "sites.xpt", file_format_version=5)
    print("pyreadstat:", pyreadstat.read_xport("sites.xpt")[0]["site"].tolist())
    print("pandas:", pd.read_sas("sites.xpt", encoding="utf-8").iloc[:, 0].tolist())
pyreadstat.write_xport(pd.DataFrame({"site": texts}), "sites.xpt")
print("written in the default version: pyreadstat reads", len(pyreadstat.read_xport("sites.xpt")[0]), "rows")
try:
    print("pandas:", len(pd.read_sas("sites.xpt")), "rows")
except ValueError as error:
    print("pandas:", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
