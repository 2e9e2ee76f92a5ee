#!/usr/bin/env bash
# The table of a shapefile with gaps, for two readers of JavaScript.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pyshp==3.1.6')
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
npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps shpjs@6.2.0 @loaders.gl/core@4.5.4 @loaders.gl/shapefile@4.5.2
node -p '["shpjs", "@loaders.gl/core", "@loaders.gl/shapefile"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version} (npm)`).join("\n")'
cat >expected <<'END'
a row, a row of gaps, a row
  pyshp: 007, 9007199254740993, True, 2026-01-31
  pyshp: , missing, missing, missing
  pyshp: x, 0, False, 1899-11-30
read in UTC
  shpjs: 007, 9007199254740992, true, 2026-01-31T00:00:00.000Z
  shpjs: , NaN, false, 1899-11-30T00:00:00.000Z
  shpjs: x, 0, false, 1899-11-30T00:00:00.000Z
  loaders.gl: 007, 9007199254740992, true, 2026-01-31T00:00:00.000Z
  loaders.gl: missing, missing, missing, 1899-11-30T00:00:00.000Z
  loaders.gl: x, 0, false, 1899-11-30T00:00:00.000Z
read in Europe/Berlin
  shpjs: 007, 9007199254740992, true, 2026-01-30T23:00:00.000Z
  shpjs: , NaN, false, 1899-11-29T23:00:00.000Z
  shpjs: x, 0, false, 1899-11-29T23:00:00.000Z
  loaders.gl: 007, 9007199254740992, true, 2026-01-31T00:00:00.000Z
  loaders.gl: missing, missing, missing, 1899-11-30T00:00:00.000Z
  loaders.gl: x, 0, false, 1899-11-30T00:00:00.000Z
END
cat >write.py <<'END'
import shapefile

with shapefile.Writer("made", shapeType=shapefile.POINT) as writer:
    writer.field("id", "C", 10)
    writer.field("number", "N", 20, 0)
    writer.field("checked", "L")
    writer.field("day", "D")
    for row in (("007", 9007199254740993, True, "20260131"), ("", None, None, None), ("x", 0, False, "18991130")):
        writer.point(5, 1)
        writer.record(*row)
for row in shapefile.Reader("made").records():
    print("  pyshp:", ", ".join("missing" if value is None else str(value) for value in row))
END
cat >read.mjs <<'END'
import fs from "node:fs";
import { parse } from "@loaders.gl/core";
import { DBFLoader } from "@loaders.gl/shapefile";
import shp from "shpjs";

const show = (reader, row) => {
  const day = row.day === null ? "missing" : new Date(row.day).toISOString();
  console.log(`  ${reader}: ${[row.id, row.number, row.checked].map((value) => value ?? "missing").join(", ")}, ${day}`);
};
const { features } = await shp({ shp: fs.readFileSync("made.shp"), dbf: fs.readFileSync("made.dbf") });
features.forEach(({ properties }) => show("shpjs", properties));
const bytes = fs.readFileSync("made.dbf");
const table = await parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), DBFLoader, { worker: false });
table.forEach((row) => show("loaders.gl", row));
END
seen() {
  echo "a row, a row of gaps, a row"
  venv/bin/python write.py
  for zone in UTC Europe/Berlin; do
    echo "read in $zone"
    TZ=$zone node read.mjs
  done
}
seen >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
