#!/usr/bin/env bash
# Numbers and a name, written by pydicom with all checks of the file's format.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'pydicom==3.0.2'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pydicom==3.0.2'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pydicom
cd "$tmp"
cat >expected <<'END'
warnings: []
SliceThickness: 18 bytes, b'0.3333333333333333' (DICOM allows 16)
PatientName: b'M\xfcller^J\xfcrgen ', SpecificCharacterSet: None
END
venv/bin/python -W ignore - >seen <<'END'
import warnings

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

image = Dataset()
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    image.PatientName = "Müller^Jürgen"
    image.SliceThickness = 1 / 3
    image.PixelSpacing = [0.1 + 0.2, 2 / 3]
    image.save_as("image.dcm", enforce_file_format=True)
print("warnings:", [str(one.message)[:80] for one in told])
data = open("image.dcm", "rb").read()
at = data.index(b"\x18\x00\x50\x00DS") + 8
n = int.from_bytes(data[at - 2 : at], "little")
print(f"SliceThickness: {n} bytes, {data[at : at + n]!r} (DICOM allows 16)")
at = data.index(b"\x10\x00\x10\x00PN") + 8
n = int.from_bytes(data[at - 2 : at], "little")
print(f"PatientName: {data[at : at + n]!r}, SpecificCharacterSet:", pydicom.dcmread("image.dcm").get("SpecificCharacterSet"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
