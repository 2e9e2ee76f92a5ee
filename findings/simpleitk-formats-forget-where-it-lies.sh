#!/usr/bin/env bash
# An image that is turned, moved and described, written by SimpleITK in eight formats.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('SimpleITK==2.5.7' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' SimpleITK numpy
cat >expected <<'END'
nii   kept: voxels origin spacing direction ; lost: metadata
nrrd  kept: voxels origin spacing direction metadata ; lost:
mha   kept: voxels origin spacing direction metadata ; lost:
h5    kept: voxels origin spacing direction metadata ; lost:
vtk   kept: voxels origin spacing ; lost: direction metadata
gipl  kept: voxels origin spacing ; lost: direction metadata
hdr   kept: voxels origin spacing direction ; lost: metadata
tif   kept: voxels ; lost: origin spacing direction metadata
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import numpy as np
import SimpleITK

for suffix in ("nii", "nrrd", "mha", "h5", "vtk", "gipl", "hdr", "tif"):
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetOrigin((10, 20, 30))
    image.SetSpacing((0.5, 2, 3))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    image.SetMetaData("note", "left")
    SimpleITK.WriteImage(image, f"image.{suffix}")
    read = SimpleITK.ReadImage(f"image.{suffix}")
    kept = {
        "voxels": bool((SimpleITK.GetArrayFromImage(read) == SimpleITK.GetArrayFromImage(image)).all()),
        "origin": np.allclose(read.GetOrigin(), image.GetOrigin()),
        "spacing": np.allclose(read.GetSpacing(), image.GetSpacing()),
        "direction": np.allclose(read.GetDirection(), image.GetDirection()),
        "metadata": "note" in read.GetMetaDataKeys(),
    }
    print(f"{suffix:5} kept:", *(name for name, is_so in kept.items() if is_so), "; lost:", *(name for name, is_so in kept.items() if not is_so))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
