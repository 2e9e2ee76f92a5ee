#!/usr/bin/env bash
# Arrays that are made shorter and longer again, and a NaN among their attributes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('zarr==3.1.6' 'tensorstore==0.1.86' 'h5py==3.16.0' 'orjson==3.11.4' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' zarr tensorstore h5py orjson numpy
cat >expected <<'END'
zarr, chunks of 4: 6 rows, cut to [1, 2, 3] and six again: [1, 2, 3, 4, 0, 0]
  the same with one row appended: [1, 2, 3, 9, 0, 0]
zarr, shards of 4: 6 rows, cut to [1, 2, 3] and six again: [1, 2, 3, 4, 0, 0]
  the same with one row appended: [1, 2, 3, 9, 0, 0]
zarr, chunks of 2: 6 rows, cut to [1, 2, 3] and six again: [1, 2, 3, 4, 0, 0]
  the same with one row appended: [1, 2, 3, 9, 0, 0]
TensorStore, chunks of 4: [1, 2, 3, 4, 0, 0]
h5py, chunks of 4: [1, 2, 3, 0, 0, 0]
zarr, an attribute NaN: nan
orjson: the metadata are no JSON
TensorStore: ValueError
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import h5py
import numpy as np
import orjson
import tensorstore
import zarr

for words, more in {"chunks of 4": {"chunks": (4,)}, "shards of 4": {"chunks": (2,), "shards": (4,)}, "chunks of 2": {"chunks": (2,)}}.items():
    array = zarr.create_array(store={}, shape=(6,), dtype="i4", fill_value=0, **more)
    array[:] = [1, 2, 3, 4, 5, 6]
    array.resize((3,))
    before = array[:].tolist()
    array.resize((6,))
    print(f"zarr, {words}: 6 rows, cut to", before, "and six again:", array[:].tolist())
    array.resize((3,))
    array.append(np.array([9], "i4"))
    array.resize((6,))
    print("  the same with one row appended:", array[:].tolist())
store = {"driver": "zarr3", "kvstore": {"driver": "memory", "path": "a/"}, "create": True, "dtype": "int32"}
array = tensorstore.open(store, shape=[6], chunk_layout=tensorstore.ChunkLayout(chunk_shape=[4])).result()
array.write(np.array([1, 2, 3, 4, 5, 6], "i4")).result()
array = array.resize(exclusive_max=[3]).result().resize(exclusive_max=[6]).result()
print("TensorStore, chunks of 4:", array.read().result().tolist())
with h5py.File("a.h5", "w") as file:
    rows = file.create_dataset("a", data=np.array([1, 2, 3, 4, 5, 6]), chunks=(4,), maxshape=(None,))
    rows.resize((3,))
    rows.resize((6,))
    print("h5py, chunks of 4:", rows[:].tolist())

zarr.create_array("with-nan.zarr", shape=(2,), dtype="i4", attributes={"valid_max": float("nan")})[:] = 1
print("zarr, an attribute NaN:", zarr.open_array("with-nan.zarr", mode="r").attrs["valid_max"])
try:
    orjson.loads(open("with-nan.zarr/zarr.json").read())
except orjson.JSONDecodeError:
    print("orjson: the metadata are no JSON")
try:
    print("TensorStore:", tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": "with-nan.zarr"}}).result().read().result().tolist())
except ValueError as error:
    print("TensorStore:", type(error).__name__)
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
