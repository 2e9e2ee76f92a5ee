#!/usr/bin/env bash
# Surfaces and a spectrum, written and read by RosettaSciIO.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rosettasciio==0.15.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
a surface, 1 2.5 3.25 7.5, in the form of Digital Surf
  float32: 1 2.5 3.25 1
  float32, with a mark for what is missing: 1 2.5 3.25 1
  float64: 1 2.5 3.25 7.5
  float64, with a mark for what is missing: 1 2.5 3.25 7.5
one with a gap, 1 nan 3.25 7.5, in the form of Digital Surf
  float32: 1 1 3.25 1
  float32, with a mark for what is missing: nan nan 3.25 nan
  float64: 1 1 3.25 7.5
  float64, with a mark for what is missing: 1 nan 3.25 7.5
one that is level, 5 5 5 5, in the form of Digital Surf
  float32: -2.147484e+09 -2.147484e+09 -2.147484e+09 -2.147484e+09
  float32, with a mark for what is missing: -2.147484e+09 -2.147484e+09 -2.147484e+09 -2.147484e+09
  float64: -2.147484e+09 -2.147484e+09 -2.147484e+09 -2.147484e+09
  float64, with a mark for what is missing: -2.147484e+09 -2.147484e+09 -2.147484e+09 -2.147484e+09
one with infinity, 1 2.5 3.25 inf, in the form of Digital Surf
  float32: nan nan nan nan
  float32, with a mark for what is missing: nan nan nan nan
  float64: nan nan nan nan
  float64, with a mark for what is missing: nan nan nan nan
a spectrum of 1e-10 2.5e-07 0.3333333 1 in EMSA's form: 0 0 0.333333 1
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import logging
import warnings

import numpy as np
from rsciio import digitalsurf, msa

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def signal(values):
    names = ("night", "y", "x")[-values.ndim :]
    axes = [
        {"name": name, "size": size, "index_in_array": place, "scale": 0.5, "offset": 0.0, "units": "nm", "navigate": False, "is_binned": False, "_type": "UniformDataAxis"}
        for place, (name, size) in enumerate(zip(names, values.shape))
    ]
    return {"data": values, "axes": axes, "metadata": {"General": {"title": "made"}, "Signal": {"signal_type": ""}}, "original_metadata": {}}


def shown(values):
    return " ".join(f"{value:.7g}" for value in np.ravel(values).tolist())


CASES = {
    "a surface": [1, 2.5, 3.25, 7.5],
    "one with a gap": [1, np.nan, 3.25, 7.5],
    "one that is level": [5, 5, 5, 5],
    "one with infinity": [1, 2.5, 3.25, np.inf],
}
for title, values in CASES.items():
    print(f"{title}, {shown(values)}, in the form of Digital Surf")
    for kind in ("float32", "float64"):
        for more in ({}, {"is_special": True}):
            digitalsurf.file_writer("made.sur", signal(np.array([values[:2], values[2:]], kind)), **more)
            [found] = digitalsurf.file_reader("made.sur")
            print(f"  {kind}{', with a mark for what is missing' if more else ''}: {shown(found['data'])}")
spectrum = np.array([1e-10, 2.5e-7, 1 / 3, 1])
msa.file_writer("made.msa", signal(spectrum))
print("a spectrum of", shown(spectrum), "in EMSA's form:", shown(msa.file_reader("made.msa")[0]["data"]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
