#!/usr/bin/env bash
# Parts of an array that nobody has written, and small arrays of other types, for four readers of Zarr.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python=
for candidate in python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do # zarr 3.4 wants 3.12 or newer
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || { echo "Python 3.13 is not here" >&2; exit 1; }
packages=('zarr==3.4.2' 'tensorstore==0.1.86' 'rasterio==1.5.2' 'numpy==2.5.5')
if command -v uv >/dev/null; then
  uv venv -q -p "$python" "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  "$python" -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund zarrita@0.7.5 @zarrita/storage@0.2.0
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))
import rasterio
print("GDAL", rasterio.__gdal_version__)' zarr tensorstore rasterio numpy
node -p '`zarrita ${JSON.parse(fs.readFileSync("node_modules/zarrita/package.json")).version}`'
cat >read.mjs <<'END'
import * as zarr from "zarrita";
import { FileSystemStore } from "@zarrita/storage";
const root = zarr.root(new FileSystemStore("set.zarr"));
for (const name of process.argv.slice(2)) {
  try {
    const { data } = await zarr.get(await zarr.open(root.resolve(name), { kind: "array" }));
    console.log([...data].join(" ") || "nothing");
  } catch (error) {
    console.log(`refused (${error.message})`);
  }
}
END
cat >expected <<'END'
format 3, labels, of which 2^64 - 1 stands for none
  zarr: 7 18446744073709551615
  TensorStore: 7 18446744073709551615
  zarrita: 7 0
  GDAL: 7 9223372036854775807 of which missing: 1
format 3, counts, of which 2^63 - 1 stands for none
  zarr: 7 9223372036854775807
  TensorStore: 7 9223372036854775807
  zarrita: 7 -9223372036854775808
  GDAL: 7 9223372036854775807 of which missing: 1
format 3, ids, of which 2^53 + 1 stands for none
  zarr: 7 9007199254740993
  TensorStore: 7 9007199254740993
  zarrita: 7 9007199254740992
  GDAL: 7 9007199254740993 of which missing: 1
format 3, depths, of which 0 is one
  zarr: 0.0 1.5
  TensorStore: 0.0 1.5
  zarrita: 0 1.5
  GDAL: 0.0 1.5 of which missing: 1
format 3, halves
  zarr: 1.5
  TensorStore: 1.5
  zarrita: refused (Not found: v2 array)
  GDAL: 1.5 of which missing: 0
format 3, complex numbers
  zarr: (1+2j)
  TensorStore: (1+2j)
  zarrita: refused (Not found: v2 array)
  GDAL: (1+2j) of which missing: 0
format 3, nothing
  zarr:
  TensorStore:
  zarrita: refused (Input contains an empty iterator.)
  GDAL: refused
format 2, labels, of which 2^64 - 1 stands for none
  zarr: 7 18446744073709551615
  TensorStore: 7 18446744073709551615
  zarrita: 7 0
  GDAL: 7 9223372036854775807 of which missing: 1
format 2, counts, of which 2^63 - 1 stands for none
  zarr: 7 9223372036854775807
  TensorStore: 7 9223372036854775807
  zarrita: 7 -9223372036854775808
  GDAL: 7 9223372036854775807 of which missing: 1
format 2, ids, of which 2^53 + 1 stands for none
  zarr: 7 9007199254740993
  TensorStore: 7 9007199254740993
  zarrita: 7 9007199254740992
  GDAL: 7 9007199254740993 of which missing: 1
format 2, depths, of which 0 is one
  zarr: 0.0 1.5
  TensorStore: 0.0 1.5
  zarrita: 0 1.5
  GDAL: 0.0 1.5 of which missing: 1
format 2, halves
  zarr: 1.5
  TensorStore: 1.5
  zarrita: refused (Not found: v3 array or group)
  GDAL: refused
format 2, complex numbers
  zarr: (1+2j)
  TensorStore: (1+2j)
  zarrita: refused (Not found: v3 array or group)
  GDAL: refused
format 2, nothing
  zarr:
  TensorStore:
  zarrita: refused (Input contains an empty iterator.)
  GDAL: refused
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os
import subprocess

import numpy as np
import rasterio
import tensorstore
import zarr

made = {
    "labels, of which 2^64 - 1 stands for none": ("u8", np.uint64(2**64 - 1), [7]),
    "counts, of which 2^63 - 1 stands for none": ("i8", 2**63 - 1, [7]),
    "ids, of which 2^53 + 1 stands for none": ("i8", 2**53 + 1, [7]),
    "depths, of which 0 is one": ("f4", 0, [0, 1.5]),
    "halves": ("f2", np.float16("nan"), [1.5]),
    "complex numbers": ("c8", 0, [1 + 2j]),
    "nothing": ("f8", 0, []),
}
for form in (3, 2):
    group = zarr.open_group("set.zarr", mode="w", zarr_format=form)
    for name, (kind, fill, values) in made.items():
        more = 1 if "none" in name else 0  # the second chunk is never written
        array = group.create_array(name.split(",")[0], shape=(len(values) + more,), chunks=(max(len(values), 1),), dtype=kind, fill_value=fill)
        array[: len(values)] = values
    plain = [name.split(",")[0] for name in made]
    by_node = subprocess.run(["node", "read.mjs", *plain], capture_output=True, text=True, check=True).stdout.splitlines()
    for name, path, node in zip(made, plain, by_node):
        print(f"format {form}, {name}")
        print("  zarr:", *zarr.open_array(f"set.zarr/{path}")[...])
        spec = {"driver": "zarr3" if form == 3 else "zarr", "kvstore": f"file://{os.getcwd()}/set.zarr/{path}/"}
        print("  TensorStore:", *tensorstore.open(spec).result().read().result())
        print("  zarrita:", node)
        try:
            with rasterio.open(f'ZARR:"set.zarr":/{path}') as source:
                values = source.read(1).ravel()
                print("  GDAL:", *values, "of which missing:", int(np.sum(source.read_masks(1) == 0)))
        except rasterio.errors.RasterioError as error:
            print("  GDAL: refused")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
