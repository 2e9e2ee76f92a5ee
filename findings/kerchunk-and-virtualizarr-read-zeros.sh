#!/usr/bin/env bash
# HDF5 files whose data lie elsewhere, or behind a link, read through references by kerchunk and VirtualiZarr.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=(
  'kerchunk==0.2.10' 'virtualizarr==2.5.1' 'zarr==3.1.6' 'h5py==3.16.0' 'fsspec==2026.9.0'
  'numcodecs==0.16.6' 'obstore==0.12.1' 'obspec-utils==0.9.0' 'numpy==2.4.6' 'xarray==2026.9.0'
)
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' kerchunk virtualizarr zarr h5py fsspec numcodecs obstore obspec-utils numpy xarray
cat >expected <<'END'
plain: h5py [1, 2, 3]
  kerchunk: [1, 2, 3]
  VirtualiZarr: [1, 2, 3]
virtual: h5py [1, 2, 3]
  kerchunk: [0, 0, 0]
  VirtualiZarr: [0, 0, 0]
external: h5py [1, 2, 3]
  kerchunk: [0, 0, 0]
  VirtualiZarr: [0, 0, 0]
soft_link: h5py [1, 2, 3]
  kerchunk: KeyError
  VirtualiZarr: [1, 2, 3]
compound: h5py [(1, 2.5)]
  kerchunk: KeyError
  VirtualiZarr: [(1, 2.5)]
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import os

import fsspec
import h5py
import numpy as np
import zarr
from kerchunk.hdf import SingleHdf5ToZarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser


def plain(file):
    file["a"] = np.array([1, 2, 3])


def virtual(file):
    with h5py.File("elsewhere.h5", "w") as elsewhere:
        elsewhere["b"] = np.array([1, 2, 3])
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "b", (3,))
    file.create_virtual_dataset("a", layout)


def external(file):
    file.create_dataset("a", (3,), "i8", external=[("elsewhere.bin", 0, 24)])[:] = [1, 2, 3]


def soft_link(file):
    file["b"] = np.array([1, 2, 3])
    file["a"] = h5py.SoftLink("/b")


def compound(file):
    file["a"] = np.array([(1, 2.5)], [("n", "i4"), ("x", "f8")])


def read(store, **more):
    try:
        return np.asarray(zarr.open_group(store, mode="r", **more)["a"][...]).tolist()
    except Exception as error:
        return type(error).__name__


for make in (plain, virtual, external, soft_link, compound):
    name = f"{make.__name__}.h5"
    with h5py.File(name, "w") as file:
        make(file)
    with h5py.File(name) as file:
        print(f"{make.__name__}: h5py", file["a"][...].tolist())
    references = SingleHdf5ToZarr(name).translate()
    files = fsspec.filesystem("reference", fo=references, remote_protocol="file", asynchronous=True)
    print("  kerchunk:", read(zarr.storage.FsspecStore(files, read_only=True), zarr_format=2))
    manifest = HDFParser()(url="file://" + os.path.abspath(name), registry=ObjectStoreRegistry({"file://": LocalStore()}))
    print("  VirtualiZarr:", read(manifest))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
