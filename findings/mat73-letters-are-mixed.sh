#!/usr/bin/env bash
# Texts and shapes in files of MATLAB 7.3, as two readers have them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('mat73==0.65' 'hdf5storage==0.2.2' 'h5py==3.16.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
names, a row each: mat73 'lregfhtt', hdf5storage ['left', 'rght']
a text: mat73 'left', hdf5storage ['left']
an emoji and a letter: mat73 '\U0001f52ca', hdf5storage ['\U0001f52ca']
0 rows of 3 columns: mat73 None, hdf5storage an array of (0, 3)
3 rows of 0 columns: mat73 None, hdf5storage an array of (3, 0)
a row of 3: mat73 an array of (3,), hdf5storage an array of (1, 3)
a column of 3: mat73 an array of (3,), hdf5storage an array of (3, 1)
END
venv/bin/python -W ignore - >seen <<'END'
import hdf5storage
import mat73
import numpy as np

content = {
    "names, a row each": np.array([["left"], ["rght"]]),
    "a text": "left",
    "an emoji and a letter": "\N{MICROSCOPE}a",
    "0 rows of 3 columns": np.zeros((0, 3)),
    "3 rows of 0 columns": np.zeros((3, 0)),
    "a row of 3": np.zeros((1, 3)),
    "a column of 3": np.zeros((3, 1)),
}
keys = {told: f"v{number}" for number, told in enumerate(content)}
hdf5storage.savemat(
    "m.mat", {keys[told]: value for told, value in content.items()}, format="7.3", store_python_metadata=False
)


def shown(value):
    if isinstance(value, np.ndarray):
        return ascii(value.ravel().tolist()) if value.dtype.kind == "U" else f"an array of {value.shape}"
    return ascii(value)


seen, other = mat73.loadmat("m.mat"), hdf5storage.loadmat("m.mat")
for told, key in keys.items():
    print(f"{told}: mat73 {shown(seen[key]) if key in seen else 'nothing'}, hdf5storage {shown(other[key])}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
