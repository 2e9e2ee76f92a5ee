#!/usr/bin/env bash
# A series of DICOM with a slice that is missing, or there twice, as an image.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pydicom==3.0.2' 'dcm2niix==1.0.20260724' 'dicom2nifti==2.6.2' 'nibabel==5.4.2' 'SimpleITK==2.5.7' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' pydicom dcm2niix dicom2nifti nibabel SimpleITK
cat >expected <<'END'
slices at 0, 2, 4, 6 and 8 mm
  dcm2niix    0 at 0 2 at 2 4 at 4 6 at 6 8 at 8, exit 0
  dicom2nifti 0 at 0 2 at 2 4 at 4 6 at 6 8 at 8
  simpleitk   0 at 0 2 at 2 4 at 4 6 at 6 8 at 8
the one at 4 mm is missing
  dcm2niix    0 at 0 2 at 2 6 at 4 8 at 6, exit 1
  dicom2nifti ConversionValidationError
  simpleitk   0 at 0 2 at 2.67 6 at 5.33 8 at 8
the one at 2 mm is there twice
  dcm2niix    0 at 0 2 at 2 2 at 4 4 at 6 6 at 8, exit 1
  dicom2nifti 0 at 0 2 at 2 4 at 4 6 at 6
  simpleitk   0 at 0 2 at 1.5 2 at 3 4 at 4.5 6 at 6
MONOCHROME1
  dcm2niix    0 at 0 2 at 2 4 at 4 6 at 6 8 at 8, exit 0
  dicom2nifti 0 at 0 2 at 2 4 at 4 6 at 6 8 at 8
  simpleitk   6553.5 at 0 6551.5 at 2 6549.5 at 4 6547.5 at 6 6545.5 at 8
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import glob
import os
import shutil
import subprocess
import warnings

warnings.simplefilter("ignore")
import dcm2niix
import dicom2nifti
import nibabel
import numpy as np
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.1"  # pydicom's, for examples


def series(places, photometric="MONOCHROME2"):
    """A series of slices whose pixels are ten times their place, in millimetres."""
    shutil.rmtree("series", ignore_errors=True)
    os.makedirs("series")
    for number, place in enumerate(places, 1):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, f"{ROOT}.{number}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        slice.SOPClassUID, slice.SOPInstanceUID = CTImageStorage, f"{ROOT}.{number}"
        slice.SeriesInstanceUID, slice.StudyInstanceUID, slice.FrameOfReferenceUID = f"{ROOT}.99", f"{ROOT}.98", f"{ROOT}.97"
        slice.Modality, slice.Manufacturer, slice.SeriesDescription, slice.ProtocolName = "CT", "made", "made", "made"
        slice.ImageType, slice.PatientPosition, slice.PatientID = ["ORIGINAL", "PRIMARY", "AXIAL"], "HFS", "made"
        slice.StudyDate, slice.StudyTime, slice.SeriesNumber, slice.InstanceNumber = "20200101", "120000", 1, number
        slice.Rows = slice.Columns = 8
        slice.BitsAllocated, slice.BitsStored, slice.HighBit, slice.PixelRepresentation = 16, 16, 15, 0
        slice.SamplesPerPixel, slice.PhotometricInterpretation = 1, photometric
        slice.PixelSpacing, slice.SliceThickness = [1.5, 1.5], 2
        slice.ImagePositionPatient, slice.ImageOrientationPatient = [0, 0, place], [1, 0, 0, 0, 1, 0]
        slice.RescaleSlope, slice.RescaleIntercept = 1, 0
        slice.PixelData = np.full((8, 8), 10 * place, "<u2").tobytes()
        slice.save_as(f"series/{number:03d}.dcm", enforce_file_format=True)


def by_dcm2niix():
    shutil.rmtree("made", ignore_errors=True)
    os.makedirs("made")
    ended = subprocess.run([dcm2niix.bin, "-z", "n", "-b", "n", "-o", "made", "series"], capture_output=True).returncode
    (path,) = glob.glob("made/*.nii")
    image = nibabel.load(path)
    return image.header.get_zooms()[2], image.get_fdata()[0, 0], f", exit {ended}"


def by_dicom2nifti():
    dicom2nifti.dicom_series_to_nifti("series", "made.nii", reorient_nifti=False)
    image = nibabel.load("made.nii")
    return image.header.get_zooms()[2], image.get_fdata()[0, 0], ""


def by_simpleitk():
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames("series"))
    image = reader.Execute()
    return image.GetSpacing()[2], SimpleITK.GetArrayFromImage(image)[:, 0, 0], ""


SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
for words, places, more in (
    ("slices at 0, 2, 4, 6 and 8 mm", [0, 2, 4, 6, 8], {}),
    ("the one at 4 mm is missing", [0, 2, 6, 8], {}),
    ("the one at 2 mm is there twice", [0, 2, 2, 4, 6], {}),
    ("MONOCHROME1", [0, 2, 4, 6, 8], {"photometric": "MONOCHROME1"}),
):
    series(places, **more)
    print(words)
    for convert in (by_dcm2niix, by_dicom2nifti, by_simpleitk):
        name = convert.__name__[3:]
        try:
            spacing, values, ended = convert()
            lie = " ".join(f"{value / 10:g} at {number * spacing:.3g}" for number, value in enumerate(values.tolist()))
            print(f"  {name:11} {lie}{ended}")
        except Exception as error:
            print(f"  {name:11} {type(error).__name__}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
