#!/usr/bin/env bash
# One column of a CSV file, read by agate (and csvkit, which is made of it), petl and pyexcel.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('agate==1.14.2' 'csvkit==2.2.0' 'petl==1.7.30' 'pyexcel==0.7.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' agate csvkit petl pyexcel
cd "$tmp"
cat >expected <<'END'
'1/2' and '3/4': agate 2001-01-02 and 2001-03-04; csvjson "2001-01-02" and "2001-03-04"; petl '1/2' and '3/4'; pyexcel '1/2' and '3/4'
'1-2' and '3-4': agate 2001-01-02 and 2001-03-04; csvjson "2001-01-02" and "2001-03-04"; petl '1-2' and '3-4'; pyexcel '1-2' and '3-4'
'monday' and 'friday': agate 0001-01-08 and 0001-01-05; csvjson "0001-01-08" and "0001-01-05"; petl 'monday' and 'friday'; pyexcel 'monday' and 'friday'
'today' and 'tomorrow': agate 0001-01-01 and 0001-01-02; csvjson "0001-01-01" and "0001-01-02"; petl 'today' and 'tomorrow'; pyexcel 'today' and 'tomorrow'
'May 5' and 'June 3': agate 0001-05-05 and 0001-06-03; csvjson "0001-05-05" and "0001-06-03"; petl 'May 5' and 'June 3'; pyexcel 'May 5' and 'June 3'
'12:30' and '08:15': agate 0:12:30 and 0:08:15; csvjson "0:12:30" and "0:08:15"; petl '12:30' and '08:15'; pyexcel '12:30' and '08:15'
'5m' and '3h': agate 0:05:00 and 3:00:00; csvjson "0:05:00" and "3:00:00"; petl '5m' and '3h'; pyexcel '5m' and '3h'
'5%' and '12%': agate 5 and 12; csvjson 5.0 and 12.0; petl '5%' and '12%'; pyexcel '5%' and '12%'
'$5' and '-$7': agate 5 and -7; csvjson 5.0 and -7.0; petl '$5' and '-$7'; pyexcel '$5' and '-$7'
'1' and '0': agate True and False; csvjson true and false; petl 1 and 0; pyexcel 1 and 0
'1,5' and '2,25': agate 15 and 225; csvjson 15.0 and 225.0; petl '1,5' and '2,25'; pyexcel 15 and 225
'007' and '008': agate 7 and 8; csvjson 7.0 and 8.0; petl 7 and 8; pyexcel '007' and '008'
'1_000' and '2': agate 1000 and 2; csvjson 1000.0 and 2.0; petl 1000 and 2; pyexcel '1_000' and 2
'(5)' and '6': agate '(5)' and '6'; csvjson "(5)" and "6"; petl (5+0j) and 6; pyexcel '(5)' and 6
'none' and '5': agate None and 5; csvjson null and 5.0; petl 'none' and 5; pyexcel 'none' and 5
'.' and 'x': agate None and 'x'; csvjson null and "x"; petl '.' and 'x'; pyexcel '.' and 'x'
'03/04/2021' and '04/05/2021': agate 2021-03-04 and 2021-04-05; csvjson "2021-03-04" and "2021-04-05"; petl '03/04/2021' and '04/05/2021'; pyexcel '03/04/2021' and '04/05/2021'
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json
import subprocess
import sys

import agate
import petl
import pyexcel


def shown(values):
    return " and ".join(f"{value!r}" if isinstance(value, str) else f"{value}" for value in values)


for column in (
    ["1/2", "3/4"], ["1-2", "3-4"], ["monday", "friday"], ["today", "tomorrow"], ["May 5", "June 3"], ["12:30", "08:15"], ["5m", "3h"], ["5%", "12%"], ["$5", "-$7"],
    ["1", "0"], ["1,5", "2,25"], ["007", "008"], ["1_000", "2"], ["(5)", "6"], ["none", "5"], [".", "x"], ["03/04/2021", "04/05/2021"],
):  # fmt: skip
    with open("made.csv", "w") as file:
        file.write("x|k\n" + "".join(f"{value}|z\n" for value in column))
    print(shown(column) + ":", "agate", shown(row["x"] for row in agate.Table.from_csv("made.csv", delimiter="|").rows), end="; ")
    said = subprocess.run([sys.prefix + "/bin/csvjson", "-d", "|", "made.csv"], capture_output=True, text=True, check=True).stdout
    print("csvjson", " and ".join(json.dumps(row["x"]) for row in json.loads(said)), end="; ")
    print("petl", shown(petl.values(petl.convertnumbers(petl.fromcsv("made.csv", delimiter="|")), "x")), end="; ")
    print("pyexcel", shown(row[0] for row in pyexcel.get_array(file_name="made.csv", delimiter="|")[1:]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
