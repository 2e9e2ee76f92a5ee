#!/usr/bin/env bash
# Grey values of one DICOM file, read by pydicom and by SimpleITK (GDCM).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pydicom==3.0.2' 'SimpleITK==2.5.7' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pydicom SimpleITK numpy
cd "$tmp"
cat >expected <<'END'
12 bits, white is high: pydicom [0, 1, 100, 4095], [0, 1, 100, 4095] rescaled; SimpleITK [0, 1, 100, 4095]
12 bits, white is low: pydicom [0, 1, 100, 4095], [0, 1, 100, 4095] rescaled; SimpleITK [4095, 4094, 3995, 0]
the same, 2 x - 5: pydicom [0, 1, 100, 4095], [-5.0, -3.0, 195.0, 8185.0] rescaled; SimpleITK [8185, 8183, 7985, -5]
a table of optical densities: pydicom [0, 1, 2, 3], [100, 90, 80, 70] rescaled; SimpleITK [0, 1, 2, 3]
slope 0 of a constant image: pydicom [0, 1, 2, 3], [5.0, 5.0, 5.0, 5.0] rescaled; SimpleITK [5, 6, 7, 8]
a mask of 16 bits: pydicom [1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1] rescaled; SimpleITK [255, 0, 255, 0, 255, 0, 255, 255, 255, 0, 0, 0, 0, 0, 255, 255]
a mask of 9 bits: pydicom [1, 0, 1, 0, 1, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0, 1, 1, 1] rescaled; SimpleITK [255, 0, 255, 0, 255, 0, 255, 255, 0]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

warnings.simplefilter("ignore")
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def file(pixels, rows, columns, allocated=16, stored=16, photometric="MONOCHROME2", **more):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.4", "1.2.3", "1.2.3.1"
    made.Modality, made.PatientID, made.PatientName = "CT", "7", "A"
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = rows, columns, 1, photometric
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = allocated, stored, stored - 1, 0
    for name, value in more.items():
        setattr(made, name, value)
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    made.save_as("image.dcm", enforce_file_format=True)


def read(label):
    dataset = pydicom.dcmread("image.dcm")
    stored = dataset.pixel_array
    rescaled = pydicom.pixels.apply_rescale(stored, dataset)
    colours = ""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colours = f", {pydicom.pixels.apply_color_lut(stored, dataset).ravel().tolist()} with its colours"
    print(f"{label}: pydicom {stored.ravel().tolist()}, {rescaled.ravel().tolist()} rescaled{colours};", end=" ")
    print("SimpleITK", SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("image.dcm")).ravel().tolist())


grey = np.array([0, 1, 100, 4095], "u2")
file(grey, 1, 4, stored=12)
read("12 bits, white is high")
file(grey, 1, 4, stored=12, photometric="MONOCHROME1")
read("12 bits, white is low")
file(grey, 1, 4, stored=12, RescaleSlope="2", RescaleIntercept="-5", photometric="MONOCHROME1")
read("the same, 2 x - 5")
table = Dataset()
table.LUTDescriptor, table.ModalityLUTType = [4, 0, 16], "OD"
table.LUTData = np.array([100, 90, 80, 70], "u2").tobytes()
table["LUTData"].VR = "OW"
file(np.array([0, 1, 2, 3], "u2"), 1, 4, ModalityLUTSequence=[table])
read("a table of optical densities")
file(np.array([0, 1, 2, 3], "u2"), 1, 4, RescaleSlope="0", RescaleIntercept="5")
read("slope 0 of a constant image")
mask = np.array([1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1], "u1")
file(np.packbits(mask, bitorder="little"), 4, 4, allocated=1, stored=1)
read("a mask of 16 bits")
file(np.packbits(np.append(mask[:9], [0] * 7), bitorder="little"), 3, 3, allocated=1, stored=1)
read("a mask of 9 bits")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
