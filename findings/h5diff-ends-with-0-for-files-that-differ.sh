#!/usr/bin/env bash
# Pairs of HDF5 files that are not the same, for h5diff.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('h5py==3.16.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  # of Debian 12
  apt-get download -qq hdf5-tools=1.10.8+repack1-1 libhdf5-103-1=1.10.8+repack1-1 libhdf5-hl-100=1.10.8+repack1-1 libaec0 libsz2 libcurl4 libnghttp2-14 \
    libpsl5 libbrotli1 librtmp1 libssh2-1 libldap-2.5-0 >/dev/null 2>&1 || { echo "Debian's tools of HDF5 are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' h5py numpy
cat >h5diff <<END
#!/bin/sh
LD_LIBRARY_PATH=$tmp/unpacked/usr/lib/x86_64-linux-gnu exec $tmp/unpacked/usr/bin/h5diff "\$@"
END
chmod +x h5diff
./h5diff --version
cat >expected <<'END'
1, 2 and 1, 3: exit 1, 1 differences found
1, 2 and nothing of that name: exit 1, not a word
1, 2 and 1, 2, 3: exit 0, Some objects are not comparable
1, 2 and 7.5, 8.5: exit 0, Some objects are not comparable
-1 as a signed byte and 255 as an unsigned one: exit 0, Some objects are not comparable
columns dose and unit, and dose alone: exit 0, Some objects are not comparable
a row of two numbers and one of three: exit 0, not a word
flags 0 and 1, good and bad, and bad and good: exit 0, not a word
a note 1 and a note 'no': exit 0, Some objects are not comparable
a note of one number and one of two: exit 0, Some objects are not comparable
a reference to good and one to bad: exit 0, not a word
a group and a dataset: exit 0, Some objects are not comparable
0.0 and -0.0: exit 1, 1 differences found
NaN and NaN: exit 0, not a word
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import subprocess

import h5py
import numpy as np


def values(given, **more):
    return lambda file: file.create_dataset("x", data=given, **more)


def rows(given):
    def make(file):
        dataset = file.create_dataset("x", (len(given),), dtype=h5py.vlen_dtype("i4"))
        for number, row in enumerate(given):
            dataset[number] = row

    return make


def note(given):
    return lambda file: values([1])(file).attrs.__setitem__("note", given)


def pointing(name):
    def make(file):
        for one in ("good", "bad"):
            file.create_dataset(one, data=[1])
        file.create_dataset("x", data=[file[name].ref], dtype=h5py.ref_dtype)

    return make


def flags(**names):
    return values(np.array([0, 1], "i1"), dtype=h5py.enum_dtype(names, basetype="i1"))


two, one = np.dtype([("dose", "f8"), ("unit", "S2")]), np.dtype([("dose", "f8")])
pairs = {
    "1, 2 and 1, 3": (values([1, 2]), values([1, 3])),
    "1, 2 and nothing of that name": (values([1, 2]), lambda file: None),
    "1, 2 and 1, 2, 3": (values([1, 2]), values([1, 2, 3])),
    "1, 2 and 7.5, 8.5": (values([1, 2]), values([7.5, 8.5])),
    "-1 as a signed byte and 255 as an unsigned one": (values(np.array([-1], "i1")), values(np.array([255], "u1"))),
    "columns dose and unit, and dose alone": (values(np.array([(1, b"mg")], two)), values(np.array([(9,)], one))),
    "a row of two numbers and one of three": (rows([[1, 2]]), rows([[1, 2, 3]])),
    "flags 0 and 1, good and bad, and bad and good": (flags(good=0, bad=1), flags(bad=0, good=1)),
    "a note 1 and a note 'no'": (note(1), note("no")),
    "a note of one number and one of two": (note([1]), note([1, 2])),
    "a reference to good and one to bad": (pointing("good"), pointing("bad")),
    "a group and a dataset": (lambda file: file.create_group("x"), values([1])),
    "0.0 and -0.0": (values([0.0]), values([-0.0])),
    "NaN and NaN": (values([np.nan]), values([np.nan])),
}
for words, makers in pairs.items():
    for name, maker in zip(("a.h5", "b.h5"), makers):
        with h5py.File(name, "w") as file:
            maker(file)
    ended = subprocess.run(["./h5diff", "a.h5", "b.h5"], capture_output=True, text=True)
    lines = [line for line in ended.stdout.splitlines() if line and "---" not in line and "Use -c" not in line]
    print(f"{words}: exit {ended.returncode}, {lines[-1] if lines else 'not a word'}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
