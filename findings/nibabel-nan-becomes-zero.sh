#!/usr/bin/env bash
# A NaN in an image that is saved as whole numbers.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q 'nibabel==5.4.2' 'numpy==2.4.6'
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check 'nibabel==5.4.2' 'numpy==2.4.6'
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' nibabel numpy
cd "$tmp"
cat >expected <<'END'
float32  [nan, -1.0, 0.0, 0.001, 250.0]
int16    [-0.0, -1.0, -0.0, -0.0, 250.0]
uint8    [-0.016, -1.0, -0.016, -0.016, 250.0]
END
venv/bin/python -W ignore - >seen <<'END'
import nibabel
import numpy as np

values = np.array([np.nan, -1.0, 0.0, 0.001, 250.0]).reshape(5, 1, 1)
for dtype in ("float32", "int16", "uint8"):
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.set_data_dtype(dtype)  # as those who save room do
    nibabel.save(image, "image.nii")
    print(f"{dtype:8}", nibabel.load("image.nii").get_fdata().ravel().round(3).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
