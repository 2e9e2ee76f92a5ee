#!/usr/bin/env bash
# Where an image of NIfTI lies, if both of its transforms are set, or none, and in which unit.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('nibabel==5.4.2' 'SimpleITK==2.5.7' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' nibabel SimpleITK numpy
cat >expected <<'END'
both, scanner and scanner: the last voxel is at nibabel [16.0, 26.0, 36.0], SimpleITK [13.0, 23.0, 33.0]
both, scanner and template: the last voxel is at nibabel [16.0, 26.0, 36.0], SimpleITK [3.0, 3.0, 3.0]
sform alone: the last voxel is at nibabel [16.0, 26.0, 36.0], SimpleITK [13.0, 23.0, 33.0]
neither: the last voxel is at nibabel [-1.5, 1.5, 1.5], SimpleITK [-3.0, -3.0, 3.0]
sform alone, sheared: the last voxel is at nibabel [3.9, 3.0, 3.0], SimpleITK refused
both, sform sheared: the last voxel is at nibabel [3.9, 3.0, 3.0], SimpleITK [3.0, 3.0, 3.0]
voxels of 0.5 mm: nibabel [0.5, 0.5, 0.5], SimpleITK [0.5, 0.5, 0.5]
voxels of 0.5 meter: nibabel [0.5, 0.5, 0.5], SimpleITK [500.0, 500.0, 500.0]
voxels of 0.5 micron: nibabel [0.5, 0.5, 0.5], SimpleITK [0.0005, 0.0005, 0.0005]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import nibabel
import numpy as np
import SimpleITK

plain = np.diag([1.0, 1.0, 1.0, 1.0])
moved = np.array([[2.0, 0, 0, 10], [0, 2, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1]])
sheared = np.array([[1.0, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def centre_of_last_voxel():
    in_nibabel = nibabel.load("image.nii").affine @ [3, 3, 3, 1]
    try:
        x, y, z = SimpleITK.ReadImage("image.nii").TransformIndexToPhysicalPoint((3, 3, 3))
        in_simpleitk = [round(-x, 2), round(-y, 2), round(z, 2)]  # its axes point the other way
    except RuntimeError:
        in_simpleitk = "refused"
    return f"nibabel {[round(float(v), 2) + 0 for v in in_nibabel[:3]]}, SimpleITK {in_simpleitk if isinstance(in_simpleitk, str) else [v + 0 for v in in_simpleitk]}"


for words, qform, sform in (
    ("both, scanner and scanner", (plain, 1), (moved, 1)),
    ("both, scanner and template", (plain, 1), (moved, 4)),
    ("sform alone", (plain, 0), (moved, 1)),
    ("neither", (plain, 0), (plain, 0)),
    ("sform alone, sheared", (plain, 0), (sheared, 1)),
    ("both, sform sheared", (plain, 1), (sheared, 1)),
):
    header = nibabel.Nifti1Header()
    header.set_data_shape((4, 4, 4))
    header.set_qform(*qform)
    header.set_sform(*sform)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None, header), "image.nii")
    print(f"{words}: the last voxel is at", centre_of_last_voxel())
for unit in ("mm", "meter", "micron"):
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.diag([0.5, 0.5, 0.5, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, "image.nii")
    sizes = [float(v) for v in nibabel.load("image.nii").header.get_zooms()]
    print(f"voxels of 0.5 {unit}: nibabel {sizes}, SimpleITK {[round(v, 6) for v in SimpleITK.ReadImage('image.nii').GetSpacing()]}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
