#!/usr/bin/env bash
# A region is drawn on a series of images, saved as an RTSTRUCT, and asked for again: square, wide and tall images.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rt-utils==1.2.7' 'pydicom==3.0.2' 'opencv-python==5.0.0.93' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3.11 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3.11 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' rt-utils pydicom opencv-python numpy
cat >expected <<'END'
24 rows of 24 columns, region of 96: corners in the file (12, 4) to (19, 7); read as 24 of 24, region of 96
16 rows of 24 columns, region of 96: corners in the file (12, 4) to (19, 7); read as 24 of 16, region of 48
24 rows of 16 columns, region of 96: corners in the file (4, 12) to (7, 19); read as 16 of 24, region of 48
16 rows of 24 columns, region of 48: corners in the file (18, 4) to (21, 7); read as 24 of 16, region of 0
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import contextlib
import io
import os

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from rt_utils import RTStructBuilder


def series(folder, rows, columns):
    os.mkdir(folder)
    study, group, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(3):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, group, frame
        image.Modality, image.StudyDate, image.StudyTime, image.StudyID = "CT", "20260101", "100000", "1"
        image.PatientName, image.PatientID = "phantom", "1"
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
        image.SeriesNumber, image.InstanceNumber, image.SliceThickness = 1, number + 1, 2
        image.ImagePositionPatient = [0, 0, 2 * number]
        image.ImageOrientationPatient, image.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
        image.Rows, image.Columns, image.SamplesPerPixel = rows, columns, 1
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.PhotometricInterpretation = 15, 0, "MONOCHROME2"
        image.PixelData = bytes(2 * rows * columns)
        image.save_as(f"{folder}/{number}.dcm", enforce_file_format=True)


cases = (24, 24, (4, 8), (12, 20)), (16, 24, (4, 8), (12, 20)), (24, 16, (12, 20), (4, 8)), (16, 24, (4, 8), (18, 22))
for case, (rows, columns, down, across) in enumerate(cases):
    series(f"images{case}", rows, columns)
    mask = np.zeros((rows, columns, 3), bool)
    mask[slice(*down), slice(*across)] = True
    with contextlib.redirect_stdout(io.StringIO()):
        made = RTStructBuilder.create_new(dicom_series_path=f"images{case}")
        made.add_roi(mask=mask, name="lung")
        made.save(f"{case}.dcm")
        kept = RTStructBuilder.create_from(dicom_series_path=f"images{case}", rt_struct_path=f"{case}.dcm")
        found = kept.get_roi_mask_by_name("lung")
    points = np.array(dcmread(f"{case}.dcm").ROIContourSequence[0].ContourSequence[0].ContourData, float).reshape(-1, 3)
    low, high = (tuple(int(place) for place in corner[:2]) for corner in (points.min(0), points.max(0)))
    print(
        f"{rows} rows of {columns} columns, region of {mask.sum()}: corners in the file {low} to {high};"
        f" read as {found.shape[0]} of {found.shape[1]}, region of {found.sum()}"
    )
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
