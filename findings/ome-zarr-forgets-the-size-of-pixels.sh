#!/usr/bin/env bash
# Sizes of pixels, levels and labels that two writers of OME-Zarr make.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # ome-zarr 0.21 wants 3.12 or newer
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
packages=('ome-zarr==0.21.0' 'ngff-zarr==0.50.0' 'zarr==3.4.2' 'dask==2026.8.0' 'scikit-image==0.26.0' 'itkwasm-downsample==2.0.2' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' ome-zarr ngff-zarr zarr dask scikit-image numpy
cat >expected <<'END'
pixels of 0.5, ome-zarr, coordinate_transformations: [1.0, 1.0]
pixels of 0.5, ome-zarr, scale: [0.5, 0.5]
pixels of 0.5, ngff-zarr: [0.5, 0.5]
scale_factors [2, 2], ome-zarr: [(64, 64), (32, 32), (16, 16)]
scale_factors [2, 2], ngff-zarr: [(64, 64), (32, 32), (32, 32)]
65 pixels halved, ome-zarr: 32 of 2.03125, from 0.515625 on
65 pixels halved, ngff-zarr: 32 of 2.0, from 0.5 on
cells 7 and 1000, ome-zarr, write_labels: [0, 7, 1000]
cells 7 and 1000, ngff-zarr: [0, 1, 6, 7, 11, 93, 104, 803, 896, 1000]
NaN of 64 by 64 pixels, ome-zarr: [1, 9, 16, 16, 9]
2^24 + 1 halved, ngff-zarr: [16777216]  ome-zarr: [16777217]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import logging
import shutil

import ngff_zarr
import numpy as np
import zarr
from ome_zarr.writer import write_image, write_labels

logging.disable(logging.WARNING)


def ome(image, labels=False, **given):
    shutil.rmtree("made.zarr", ignore_errors=True)
    group = zarr.open_group("made.zarr", mode="w")
    write_image(image, group, axes="yx", **({} if labels else given))
    if labels:
        write_labels(image, group, name="cells", axes="yx")
        group = group["labels/cells"]
    levels = group.attrs["ome"]["multiscales"][0]["datasets"]
    return [(group[one["path"]][:], one["coordinateTransformations"][0]["scale"], one["coordinateTransformations"][1]["translation"]) for one in levels]


def ngff(image, factors=(2,), size=1.0):
    made = ngff_zarr.to_ngff_image(image, dims=["y", "x"], scale={"y": size, "x": size})
    levels = ngff_zarr.to_multiscales(made, scale_factors=list(factors), chunks=64).images
    return [(np.asarray(one.data), [one.scale["y"], one.scale["x"]], [one.translation["y"], one.translation["x"]]) for one in levels]


image = np.ones((64, 64), "u2")
sizes = [[{"type": "scale", "scale": [0.5 * factor] * 2}] for factor in (1, 2, 4, 8, 16)]
print("pixels of 0.5, ome-zarr, coordinate_transformations:", ome(image, coordinate_transformations=sizes)[0][1])
print("pixels of 0.5, ome-zarr, scale:", ome(image, scale={"y": 0.5, "x": 0.5})[0][1])
print("pixels of 0.5, ngff-zarr:", ngff(image, size=0.5)[0][1])
print("scale_factors [2, 2], ome-zarr:", [level.shape for level, _, _ in ome(image, scale_factors=[2, 2])])
print("scale_factors [2, 2], ngff-zarr:", [level.shape for level, _, _ in ngff(image, [2, 2])])
image = np.ones((65, 65), "u2")
for name, (level, scale, translation) in {"ome-zarr": ome(image)[1], "ngff-zarr": ngff(image)[1]}.items():
    print(f"65 pixels halved, {name}: {level.shape[0]} of {scale[0]}, from {translation[0]} on")
cells = np.zeros((64, 64), "u2")
cells[8:24, 8:24], cells[20:50, 30:60] = 7, 1000
print("cells 7 and 1000, ome-zarr, write_labels:", np.unique(ome(cells, labels=True)[1][0]).tolist())
print("cells 7 and 1000, ngff-zarr:", np.unique(ngff(cells)[1][0]).tolist())
image = np.ones((64, 64), "f4")
image[10, 10] = np.nan
print("NaN of 64 by 64 pixels, ome-zarr:", [int(np.isnan(level).sum()) for level, _, _ in ome(image)])
image = np.full((64, 64), 2**24 + 1, "i4")
print("2^24 + 1 halved, ngff-zarr:", np.unique(ngff(image)[1][0]).tolist(), " ome-zarr:", np.unique(ome(image)[1][0]).tolist())
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
