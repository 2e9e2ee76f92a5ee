#!/usr/bin/env bash
# A point cloud of a survey (LAS), written by laspy and read by the loaders of deck.gl.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('laspy==2.7.0' 'numpy==2.4.6')
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
npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps @loaders.gl/core@4.5.4 @loaders.gl/las@4.5.1
node -p '["@loaders.gl/core", "@loaders.gl/las"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version} (npm)`).join("\n")'
cat >expected <<'END'
red 25600 65535 32768
  laspy x: 2600123.456, 2600123.789, 2600123.601
  laspy y: 1200345.678, 1200345.900, 1200345.700
  laspy z: 431.230, -0.005, 0.000
  laspy red: 25600, 65535, 32768 of 65535
  loaders.gl with {}: POSITION, intensity, classification, COLOR_0
    x: 2600123.500, 2600123.750, 2600123.500
    y: 1200345.625, 1200345.875, 1200345.750
    z: 431.230, -0.005, 0.000
    red: 0, 255, 0 of 255
  loaders.gl with {"las":{"fp64":true}}: POSITION, intensity, classification, COLOR_0
    x: 2600123.456, 2600123.789, 2600123.601
    y: 1200345.678, 1200345.900, 1200345.700
    z: 431.230, -0.005, 0.000
    red: 0, 255, 0 of 255
  loaders.gl with {"las":{"colorDepth":16}}: POSITION, intensity, classification, COLOR_0
    x: 2600123.500, 2600123.750, 2600123.500
    y: 1200345.625, 1200345.875, 1200345.750
    z: 431.230, -0.005, 0.000
    red: 100, 255, 128 of 255
red 100 25600 65280
  laspy x: 2600123.456, 2600123.789, 2600123.601
  laspy y: 1200345.678, 1200345.900, 1200345.700
  laspy z: 431.230, -0.005, 0.000
  laspy red: 100, 25600, 65280 of 65535
  loaders.gl with {}: POSITION, intensity, classification, COLOR_0
    x: 2600123.500, 2600123.750, 2600123.500
    y: 1200345.625, 1200345.875, 1200345.750
    z: 431.230, -0.005, 0.000
    red: 100, 0, 0 of 255
  loaders.gl with {"las":{"fp64":true}}: POSITION, intensity, classification, COLOR_0
    x: 2600123.456, 2600123.789, 2600123.601
    y: 1200345.678, 1200345.900, 1200345.700
    z: 431.230, -0.005, 0.000
    red: 100, 0, 0 of 255
  loaders.gl with {"las":{"colorDepth":16}}: POSITION, intensity, classification, COLOR_0
    x: 2600123.500, 2600123.750, 2600123.500
    y: 1200345.625, 1200345.875, 1200345.750
    z: 431.230, -0.005, 0.000
    red: 0, 100, 255 of 255
END
cat >write.py <<'END'
import sys

import laspy
import numpy as np

header = laspy.LasHeader(point_format=3, version="1.2")
header.scales, header.offsets = [0.001] * 3, [2600000, 1200000, 0]
cloud = laspy.LasData(header)
cloud.x = np.array([2600123.456, 2600123.789, 2600123.601])
cloud.y = np.array([1200345.678, 1200345.9, 1200345.7])
cloud.z = np.array([431.23, -0.005, 0.0])
cloud.red = np.array([int(value) for value in sys.argv[1:]])
cloud.gps_time = np.array([1.0, 2.0, 3.0])
cloud.write("made.las")
read = laspy.read("made.las")
for axis in "xyz":
    print(f"  laspy {axis}:", ", ".join(f"{value:.3f}" for value in read[axis]))
print("  laspy red:", ", ".join(map(str, read.red)), "of 65535")
END
cat >read.mjs <<'END'
import fs from "node:fs";
import { parse } from "@loaders.gl/core";
import { LASLoader } from "@loaders.gl/las";

const bytes = fs.readFileSync("made.las");
for (const options of [{}, { las: { fp64: true } }, { las: { colorDepth: 16 } }]) {
  const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const { attributes } = await parse(content, LASLoader, { worker: false, ...options });
  console.log(`  loaders.gl with ${JSON.stringify(options)}: ${Object.keys(attributes).join(", ")}`);
  const places = Array.from(attributes.POSITION.value);
  [0, 1, 2].forEach((axis) => console.log(`    ${"xyz"[axis]}: ${[0, 1, 2].map((point) => places[3 * point + axis].toFixed(3)).join(", ")}`));
  const colors = Array.from(attributes.COLOR_0.value);
  console.log(`    red: ${[0, 1, 2].map((point) => colors[(colors.length / 3) * point]).join(", ")} of 255`);
}
END
seen() {
  for colors in "25600 65535 32768" "100 25600 65280"; do
    echo "red $colors"
    venv/bin/python write.py $colors
    node read.mjs
  done
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
