#!/usr/bin/env bash
# Spectra in JCAMP-DX for a library of Python, which writes them too, and one of Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('jcamp==1.3.2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund jcampconverter@12.5.3
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
node -p '`jcampconverter ${JSON.parse(fs.readFileSync("node_modules/jcampconverter/package.json")).version}`'
cat >write.py <<'END'
import contextlib
import io

import jcamp
import numpy as np

HEAD = """##TITLE=made
##JCAMP-DX=4.24
##DATA TYPE=INFRARED SPECTRUM
##XUNITS=1/CM
##YUNITS=ABSORBANCE
##XFACTOR=1
##YFACTOR=1
##FIRSTX=100
##LASTX=105
##NPOINTS=6
##XYDATA=(X++(Y..Y))
"""
ROWS = {"plain": "100 10 20 30\n103 40 50 60\n", "exponents": "100 1E+1 2.0E+1 30\n103 40 50 60\n", "missing": "100 10 ? 30\n103 40 50 60\n"}
for name, rows in ROWS.items():
    with open(name + ".jdx", "w") as file:
        file.write(HEAD + rows + "##END=\n")
MADE = {"uneven": ([1, 2, 4, 8], [0.25, 0.5, 0.75, 1]), "small": ([1, 2, 3, 4], [1e-10, 2.5e-7, 1 / 3, 1]), "gap": ([1, 2, 3, 4], [1, np.nan, 3, 4])}
for name, (x, y) in MADE.items():
    spectrum = {"title": name, "data type": "INFRARED SPECTRUM", "xunits": "1/CM", "yunits": "ABSORBANCE", "x": np.array(x, float), "y": np.array(y, float)}
    with contextlib.redirect_stdout(io.StringIO()):
        jcamp.writefile(name + ".jdx", spectrum)
END
cat >read.py <<'END'
import sys

import jcamp

try:
    found = jcamp.readfile(sys.argv[1] + ".jdx")
    print("  jcamp: x", *(f"{value:.6g}" for value in found["x"]), "y", *(f"{value:.6g}" for value in found["y"]))
except Exception as error:
    print(f"  jcamp: refused ({error})")
END
cat >read.mjs <<'END'
import fs from "node:fs";
import * as jcamp from "jcampconverter";

const convert = jcamp.convert ?? jcamp.default.convert;
const { x, y } = convert(fs.readFileSync(`${process.argv[2]}.jdx`, "utf8")).flatten[0].spectra[0].data;
const shown = (values) => Array.from(values, (value) => String(Number(value.toPrecision(6)))).join(" ");
console.log(`  jcampconverter: x ${shown(x)} y ${shown(y)}`);
END
cat >expected <<'END'
plain: 100 10 20 30|103 40 50 60
  jcamp: x 100 101 102 103 104 105 y 10 20 30 40 50 60
  jcampconverter: x 100 101 102 103 104 105 y 10 20 30 40 50 60
exponents: 100 1E+1 2.0E+1 30|103 40 50 60
  jcamp: x 100 101 102 103 104 105 y 10 20 30 40 50 60
  jcampconverter: x 100 101 102 103 104 105 106 107 108 109 y 1 5 1 2 5 1 30 40 50 60
missing: 100 10 ? 30|103 40 50 60
  jcamp: refused (Unknown character (?) encountered while parsing data)
  jcampconverter: x 100 101 102 103 104 y 10 30 40 50 60
written by jcamp: x 1 2 4 8 y 0.25 0.5 0.75 1; x 1 2 3 4 y 1e-10 2.5e-07 0.333333 1; x 1 2 3 4 y 1 NaN 3 4
  jcamp: x 1 3.33333 5.66667 8 y 0.25 0.5 0.75 1
  jcampconverter: x 1 3.33333 5.66667 8 y 0.25 0.5 0.75 1
  jcamp: x 1 2 3 4 y 0 0 0.3333 1
  jcampconverter: x 1 2 3 4 y 0 0 0.3333 1
  jcamp: refused (Unknown character (?) encountered while parsing data)
  jcampconverter: x 1 2 3 y 1 3 4
END
{
  venv/bin/python -W ignore write.py
  for name in plain exponents missing; do
    echo "$name: $(sed -n 12,13p "$name.jdx" | paste -s -d '|')"
    venv/bin/python -W ignore read.py "$name"
    node read.mjs "$name"
  done
  echo "written by jcamp: x 1 2 4 8 y 0.25 0.5 0.75 1; x 1 2 3 4 y 1e-10 2.5e-07 0.333333 1; x 1 2 3 4 y 1 NaN 3 4"
  for name in uneven small gap; do
    venv/bin/python -W ignore read.py "$name"
    node read.mjs "$name"
  done
} >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
