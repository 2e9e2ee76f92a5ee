#!/usr/bin/env bash
# The same elements written as a DICOM file and as DICOM JSON.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pydicom==3.0.2' 'orjson==3.11.4')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pydicom orjson
cat >expected <<'END'
RecommendedDisplayFrameRate 30.7: in the file 30.7, in JSON 30, read back '30'
InstanceNumber '007': in the file '7', in JSON 7, read back '7'
PatientWeight '70.50': in the file '70.50', in JSON 70.5, read back '70.5'
PatientWeight '7E1': in the file '7E1', in JSON 70.0, read back '70.0'
RescaleSlope '1.0': in the file '1.0', in JSON 1.0, read back '1.0'
RealWorldValueSlope nan: in the file nan, in not JSON to orjson NaN, read back nan
RealWorldValueIntercept inf: in the file inf, in not JSON to orjson Infinity, read back inf
PatientID ' 7 ': in the file ' 7', in JSON " 7 ", read back ' 7 '
Rows 70000: in the file refused, in JSON 70000, read back 70000
SmallestImagePixelValue -5: in the file refused, in JSON -5, read back -5
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import io
import json

import orjson
import pydicom

for keyword, value in (
    ("RecommendedDisplayFrameRate", 30.7),
    ("InstanceNumber", "007"),
    ("PatientWeight", "70.50"),
    ("PatientWeight", "7E1"),
    ("RescaleSlope", "1.0"),
    ("RealWorldValueSlope", float("nan")),
    ("RealWorldValueIntercept", float("inf")),
    ("PatientID", " 7 "),
    ("Rows", 70000),
    ("SmallestImagePixelValue", -5),
):
    given = pydicom.Dataset()
    setattr(given, keyword, value)
    try:
        file = io.BytesIO()
        given.save_as(file, implicit_vr=False, little_endian=True)
        file.seek(0)
        in_file = repr(getattr(pydicom.dcmread(file, force=True), keyword))
    except OSError:
        in_file = "refused"
    written = given.to_json()
    in_json = json.dumps(next(iter(json.loads(written).values()))["Value"][0])
    try:
        orjson.loads(written)
        is_json = "JSON"
    except orjson.JSONDecodeError:
        is_json = "not JSON to orjson"
    print(f"{keyword} {value!r}: in the file {in_file}, in {is_json} {in_json}, read back", repr(getattr(pydicom.Dataset.from_json(written), keyword)))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
