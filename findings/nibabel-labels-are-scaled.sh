#!/usr/bin/env bash
# An image of labels that is saved with fewer bits.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('nibabel==5.4.2' 'numpy==2.4.6' 'SimpleITK==2.5.7')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' nibabel numpy SimpleITK
cat >expected <<'END'
labels [0, 1, 2, 255] as uint8: [0, 1, 2, 255]
  as integers: [0, 1, 2, 255] different ones: 4
  in SimpleITK: [0, 1, 2, 255]
labels [0, 1, 2, 1000] as uint8: [0.0, 0.0, 3.92, 1000.0]
  as integers: [0, 0, 3, 1000] different ones: 3
  in SimpleITK: [0.0, 0.0, 3.9200000762939453, 1000.0]
labels [0, 2035, 1001, 17] as uint8: [0.0, 2035.0, 997.55, 15.96]
  as integers: [0, 2034, 997, 15] different ones: 4
  in SimpleITK: [0.0, 2035.0, 997.5499877929688, 15.960000038146973]
labels [-1, 0, 1, 2] as uint8: [-1.0, 0.0, 1.0, 2.0]
  as integers: [-1, 0, 1, 2] different ones: 4
  in SimpleITK: [-1.0, 0.0, 1.0, 2.0]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import nibabel
import numpy as np
import SimpleITK

for labels in ([0, 1, 2, 255], [0, 1, 2, 1000], [0, 2035, 1001, 17], [-1, 0, 1, 2]):
    image = nibabel.Nifti1Image(np.array(labels, np.int16).reshape(2, 2, 1), np.eye(4))
    image.set_data_dtype(np.uint8)
    nibabel.save(image, "labels.nii")
    read = nibabel.load("labels.nii")
    print(f"labels {labels} as uint8:", np.asarray(read.dataobj).ravel().round(2).tolist())
    print("  as integers:", np.asarray(read.dataobj).astype(int).ravel().tolist(), "different ones:", len(np.unique(np.asarray(read.dataobj))))
    print("  in SimpleITK:", SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("labels.nii")).T.ravel().round(2).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
