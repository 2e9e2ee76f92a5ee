#!/usr/bin/env bash
# Does pydicom say that a file ends within its pixels, where its header says how many there are?
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'pydicom==3.0.2' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(pydicom) '
cd "$tmp"
cat >expected <<'END'
whole: 18000 of 18000 bytes of pixels
half: 9000 of 18000 bytes of pixels
END
venv/bin/python -W error - >seen <<'END'
import io

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

meta = FileMetaDataset()
meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
meta.MediaStorageSOPInstanceUID = "1.2.3"
meta.TransferSyntaxUID = ExplicitVRLittleEndian
data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
data.Rows, data.Columns, data.BitsAllocated, data.BitsStored, data.HighBit = 90, 100, 16, 16, 15
data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
data.PixelData = bytes(18000)
file = io.BytesIO()
pydicom.dcmwrite(file, data, enforce_file_format=True)
for name, content in (("whole", file.getvalue()), ("half", file.getvalue()[:-9000])):
    read = pydicom.dcmread(io.BytesIO(content))
    print(f"{name}: {len(read.PixelData)} of {read.Rows * read.Columns * 2} bytes of pixels")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
