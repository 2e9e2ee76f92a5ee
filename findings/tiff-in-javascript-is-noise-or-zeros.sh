#!/usr/bin/env bash
# Pixels of TIFF files that rasterio has written, for three readers of Node.js.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('rasterio==1.4.4' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
npm install --silent --no-audit --no-fund geotiff@3.0.5 tiff@7.1.3 utif2@4.1.0
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
node -p '["geotiff", "tiff", "utif2"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`).join("\n")'
cat >write.py <<'END'
import numpy as np
import rasterio

steps = np.arange(256).reshape(16, 16)
FILES = {
    "counts": (steps * 200, "uint16", {}),
    "below_zero": (steps - 5, "int16", {}),
    "bytes_below_zero": (steps - 128, "int8", {}),
    "halves": (steps / 2, "float32", {"nbits": 16}),
    "zstd": (steps / 2, "float32", {"compress": "zstd"}),
    "lzma": (steps / 2, "float32", {"compress": "lzma"}),
    "lerc": (steps / 2, "float32", {"compress": "lerc"}),
    "differences_32_bits": (steps * 70000, "int32", {"compress": "deflate", "predictor": 2}),
    "differences_floats": (steps / 2, "float32", {"compress": "deflate", "predictor": 3}),
    "high_byte_first": (steps * 200, "uint16", {"endianness": "BIG"}),
    "high_byte_first_differences": (steps * 200, "uint16", {"endianness": "BIG", "compress": "deflate", "predictor": 2}),
    "high_byte_first_differences_floats": (steps / 2, "float32", {"endianness": "BIG", "compress": "deflate", "predictor": 3}),
}
for name, (values, kind, form) in FILES.items():
    values = values.astype(kind)
    place = {"transform": rasterio.Affine(1, 0, 0, 0, -1, 16), "crs": "EPSG:32632"}
    with rasterio.open(name + ".tif", "w", driver="GTiff", height=16, width=16, count=1, dtype=kind, **place, **form) as file:
        file.write(values, 1)
    with rasterio.open(name + ".tif") as file:
        assert (file.read(1) == values).all()
    print(name, kind, *values[0, 2:5])
END
cat >read.mjs <<'END'
import fs from "node:fs";
import { createRequire } from "node:module";
import { fromFile } from "geotiff";

const require = createRequire(import.meta.url);
const loaded = async (name) => {
  try {
    return require(name);
  } catch {
    return import(name);
  }
};
const tiff = await loaded("tiff");
const UTIF = await loaded("utif2");
console.log = () => {};
const ARRAYS = { uint16: Uint16Array, int16: Int16Array, int8: Int8Array, float32: Float32Array, int32: Int32Array };
const readers = {
  geotiff: async (path) => (await (await (await fromFile(path)).getImage()).readRasters())[0],
  tiff: async (path) => tiff.decode(fs.readFileSync(path))[0].data,
  utif2: async (path, kind) => {
    const bytes = new Uint8Array(fs.readFileSync(path)).buffer;
    const [image] = UTIF.decode(bytes);
    UTIF.decodeImage(bytes, image);
    if (image.data.length / 256 !== ARRAYS[kind].BYTES_PER_ELEMENT) return null; // bytes as they are stored
    return new ARRAYS[kind](new Uint8Array(image.data).buffer);
  },
};
const [, , name, kind, ...wanted] = process.argv;
const told = [];
for (const [reader, read] of Object.entries(readers)) {
  try {
    const pixels = await read(`${name}.tif`, kind);
    if (!pixels) continue;
    const found = Array.from(pixels.slice(2, 5));
    const same = found.every((value, place) => value === Number(wanted[place]));
    const noise = found.some((value) => Math.abs(value) > 1e9 || (value && Math.abs(value) < 1e-9));
    told.push(`${reader} ${same ? "the same" : noise ? "noise" : found.join(" ")}`);
  } catch {
    told.push(`${reader} refuses it`);
  }
}
process.stdout.write(`${name}, ${wanted.join(" ")}: ${told.join("; ")}\n`);
process.exit(0);
END
cat >expected <<'END'
counts, 400 600 800: geotiff the same; tiff the same; utif2 the same
below_zero, -3 -2 -1: geotiff the same; tiff 65533 65534 65535; utif2 the same
bytes_below_zero, -126 -125 -124: geotiff the same; tiff 130 131 132; utif2 the same
halves, 1.0 1.5 2.0: geotiff the same; tiff 15360 15872 16384
zstd, 1.0 1.5 2.0: geotiff the same; tiff refuses it; utif2 0 0 0
lzma, 1.0 1.5 2.0: geotiff refuses it; tiff refuses it; utif2 0 0 0
lerc, 1.0 1.5 2.0: geotiff the same; tiff refuses it; utif2 0 0 0
differences_32_bits, 140000 210000 280000: geotiff the same; tiff refuses it; utif2 140000 209744 279744
differences_floats, 1.0 1.5 2.0: geotiff the same; tiff refuses it; utif2 0 0 4.000091552734375
high_byte_first, 400 600 800: geotiff the same; tiff the same; utif2 the same
high_byte_first_differences, 400 600 800: geotiff 144 88 32; tiff the same; utif2 the same
high_byte_first_differences_floats, 1.0 1.5 2.0: geotiff noise; tiff refuses it; utif2 0 0 4.000091552734375
END
venv/bin/python -W ignore write.py >files 2>errors || { tail -n 5 errors; exit 1; }
while read -r name kind wanted; do
  # shellcheck disable=SC2086
  node read.mjs "$name" "$kind" $wanted </dev/null
done <files >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
