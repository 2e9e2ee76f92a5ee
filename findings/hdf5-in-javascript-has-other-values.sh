#!/usr/bin/env bash
# Datasets of HDF5 for two readers of Node.js.
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
npm install --silent --no-audit --no-fund jsfive@0.4.2 h5wasm@0.10.3
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' h5py numpy
node -p '["jsfive", "h5wasm"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`).join("\n")'
cat >read.mjs <<'END'
import fs from "node:fs";
import * as jsfive from "jsfive";
import h5wasm from "h5wasm/node";

await h5wasm.ready;
const bytes = fs.readFileSync("set.h5");
const readers = {
  jsfive: new jsfive.File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), "set.h5"),
  h5wasm: new h5wasm.File("set.h5", "r"),
};
for (const [name, expected] of Object.entries(JSON.parse(fs.readFileSync("names.json")))) {
  const said = Object.entries(readers).map(([reader, file]) => {
    try {
      const values = Array.from(file.get(name).value, (value) => (typeof value === "string" ? JSON.stringify(value) : String(value))).join(" ");
      return `${reader} ${name === "packed by LZF" && values !== expected ? "other numbers, without an error" : values}`;
    } catch (error) {
      return `${reader} refuses it`;
    }
  });
  console.log(`${name}: ${said.join(", ")}`);
}
END
cat >expected <<'END'
2^53 + 1: jsfive 9007199254740992, h5wasm 9007199254740993
2^64 - 1: jsfive 18446744073709552000, h5wasm 18446744073709551615
a link to texts: jsfive refuses it, h5wasm "ab" "c"
halves, 1.5 and -2: jsfive 1.5 -2, h5wasm refuses it
packed by LZF: jsfive refuses it, h5wasm other numbers, without an error
packed by scale and offset: jsfive refuses it, h5wasm 100 101 102 103 104
texts of two bytes, ab and c: jsfive "ab" "c\u0000", h5wasm "ab" "c"
two written of five, whose fill value is -9: jsfive 1 1 undefined undefined undefined, h5wasm 1 1 -9 -9 -9
END
venv/bin/python -W ignore - 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import json

import h5py
import numpy as np

with h5py.File("set.h5", "w") as file:
    file["2^53 + 1"] = np.array([2**53 + 1])
    file["2^64 - 1"] = np.array([2**64 - 1], "u8")
    part = file.create_dataset("two written of five, whose fill value is -9", (5,), "f8", chunks=(2,), fillvalue=-9.0)
    part[:2] = 1
    file["texts of two bytes, ab and c"] = np.array([b"ab", b"c"])
    file["halves, 1.5 and -2"] = np.array([1.5, -2], "f2")
    file.create_dataset("packed by LZF", data=np.arange(10), chunks=(5,), compression="lzf")
    file.create_dataset("packed by scale and offset", data=np.arange(5) + 100, chunks=(5,), scaleoffset=0)
    file["a link to texts"] = h5py.SoftLink("/texts of two bytes, ab and c")
    names = {name: " ".join(map(str, file[name][...])) for name in file}
json.dump(names, open("names.json", "w"))
END
node read.mjs >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
