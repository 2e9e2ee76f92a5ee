#!/usr/bin/env bash
# Images of a brain that MRtrix converts and reckons with, read by NiBabel.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
named=(mrtrix3=3.0.3-3+b1) # of Debian 12
mkdir "$tmp/packages" "$tmp/unpacked"
(
  cd "$tmp/packages"
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
packages=('nibabel==5.4.2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
mrtrix() { LD_LIBRARY_PATH=$libraries:$root/usr/lib/mrtrix3/lib timeout 60 "$root/usr/bin/$1" -quiet -force "${@:2}"; }
LD_LIBRARY_PATH=$libraries:$root/usr/lib/mrtrix3/lib "$root/usr/bin/mrconvert" -version 2>/dev/null | head -n 1
cat >expected <<'END'
  floats as they are: float32, 0.5 1.5 -0.400000006 -1 255 256 300 70000 nan inf
  mrconvert -datatype uint8: uint8, 1 2 0 0 255 0 44 112 0 0
  mrconvert -datatype uint16: uint16, 1 2 0 0 255 256 300 4464 0 0
  mrconvert -datatype int16: int16, 1 2 0 -1 255 256 300 4464 0 0
  mrconvert -datatype int32: int32, 1 2 0 -1 255 256 300 70000 0 0
  bytes as they are: uint8, 0 1 2 100 127 128 200 254 255 255
  mrconvert -scaling 0,0.5: uint8, 0 1 2 100 127 0 72 126 127 127
  mrcalc 1 -add -datatype uint8: uint8, 1 2 3 101 128 129 201 255 0 0
  labels as they are: int32, 0 1 16777217 2147483647 -1 2 3 4 5 6
  mrcalc 0 -add: float32, 0 1 16777216 2147483648 -1 2 3 4 5 6
  mrcalc 0 -add -datatype int32: int32, 0 1 16777216 -2147483648 -1 2 3 4 5 6
  times as they are: float64, 2460310 2460310.1 2460310.2 2460310.3 2460310.4 2460310.5 2460310.6 2460310.7 2460310.8 2460310.9
  mrcalc 0 -add: float32, 2460310 2460310 2460310.25 2460310.25 2460310.5 2460310.5 2460310.5 2460310.75 2460310.75 2460311
END
cat >write.py <<'END'
import nibabel
import numpy as np

GIVEN = {
    "floats": np.array([0.5, 1.5, -0.4, -1, 255, 256, 300, 70000, np.nan, np.inf], "float32"),
    "labels": np.array([0, 1, 16777217, 2147483647, -1, 2, 3, 4, 5, 6], "int32"),
    "times": 2460310 + np.arange(10) / 10,
    "bytes": np.array([0, 1, 2, 100, 127, 128, 200, 254, 255, 255], "uint8"),
}
for name, values in GIVEN.items():
    nibabel.save(nibabel.Nifti1Image(values.reshape(10, 1, 1), np.eye(4)), name + ".nii")
END
cat >show.py <<'END'
import sys

import nibabel

image = nibabel.load(sys.argv[2])
kind, values = image.get_data_dtype(), image.get_fdata().ravel()
print(f"  {sys.argv[1]}: {kind},", " ".join(f"{value:.10g}" for value in values))
END
show() { venv/bin/python show.py "$@"; }
seen() {
  venv/bin/python write.py
  show "floats as they are" floats.nii
  for kind in uint8 uint16 int16 int32; do
    mrtrix mrconvert floats.nii -datatype "$kind" made.nii
    show "mrconvert -datatype $kind" made.nii
  done
  show "bytes as they are" bytes.nii
  mrtrix mrconvert bytes.nii -scaling 0,0.5 made.nii
  show "mrconvert -scaling 0,0.5" made.nii
  mrtrix mrcalc bytes.nii 1 -add -datatype uint8 made.nii
  show "mrcalc 1 -add -datatype uint8" made.nii
  show "labels as they are" labels.nii
  mrtrix mrcalc labels.nii 0 -add made.nii
  show "mrcalc 0 -add" made.nii
  mrtrix mrcalc labels.nii 0 -add -datatype int32 made.nii
  show "mrcalc 0 -add -datatype int32" made.nii
  show "times as they are" times.nii
  mrtrix mrcalc times.nii 0 -add made.nii
  show "mrcalc 0 -add" made.nii
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
