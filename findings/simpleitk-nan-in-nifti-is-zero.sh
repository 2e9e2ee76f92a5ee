#!/usr/bin/env bash
# NaN and infinity in images, written and read by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('SimpleITK==2.5.7' 'nibabel==5.4.2' 'numpy==2.4.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
float32 written by nibabel:
  nibabel reads:   [1.5, nan, inf]
  SimpleITK reads: [1.5, 0.0, 0.0]
float32 written by SimpleITK:
  nibabel reads:   [1.5, nan, inf]
  SimpleITK reads: [1.5, 0.0, 0.0]
float64 written by nibabel:
  nibabel reads:   [1.5, nan, inf]
  SimpleITK reads: [1.5, 0.0, 0.0]
float64 written by SimpleITK:
  nibabel reads:   [1.5, nan, inf]
  SimpleITK reads: [1.5, 0.0, 0.0]
image.nrrd: [1.5, nan, inf]
image.mha: [1.5, nan, inf]
END
venv/bin/python -W ignore - >seen <<'END'
import nibabel
import numpy as np
import SimpleITK as sitk

WRITTEN = [1.5, float("nan"), float("inf")]
for kind in ("float32", "float64"):
    for told in ("nibabel", "SimpleITK"):
        array = np.array(WRITTEN, kind).reshape(1, 1, 3)
        if told == "nibabel":
            nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), "image.nii")
        else:
            sitk.WriteImage(sitk.GetImageFromArray(array), "image.nii")
        print(f"{kind} written by {told}:")
        print("  nibabel reads:  ", nibabel.load("image.nii").get_fdata().ravel().tolist())
        print("  SimpleITK reads:", sitk.GetArrayFromImage(sitk.ReadImage("image.nii")).ravel().tolist())
for name in ("image.nrrd", "image.mha"):
    sitk.WriteImage(sitk.GetImageFromArray(np.array(WRITTEN).reshape(1, 1, 3)), name)
    print(f"{name}:", sitk.GetArrayFromImage(sitk.ReadImage(name)).ravel().tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
