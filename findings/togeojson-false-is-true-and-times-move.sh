#!/usr/bin/env bash
# Tracks in GPX and places in KML that a library of JavaScript makes GeoJSON of, and the same GPX for one of Python.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('gpxpy==1.6.2')
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
npm install --silent --no-audit --no-fund --ignore-scripts @tmcw/togeojson@7.1.3 @xmldom/xmldom@0.9.12
node -p '["@tmcw/togeojson", "@xmldom/xmldom"].map((name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version} (npm)`).join("\n")'
cat >expected <<'END'
without a fix at 10:01
  gpxpy: 1 at 10:00; 2 at None; 3 at 10:02; 4 at 10:03
with one point after a pause
  gpxpy: 1 at 11:00; 2 at 11:01
  gpxpy: 3 at 11:30
without a fix at 10:01
  togeojson: LineString [[5,1,10],[5,2],[5,3,30],[5,4,40]], times ["2026-01-31T10:00:00Z","2026-01-31T10:02:00Z","2026-01-31T10:03:00Z"]
with one point after a pause
  togeojson: LineString [[6,1],[6,2]], times ["2026-01-31T11:00:00Z","2026-01-31T11:01:00Z"]
KML
  togeojson: [5,1,0] {"checked":true,"number":9007199254740992,"id":"007","dose":1.5}
  togeojson: [5,2,0] {"checked":true,"number":0,"id":"","dose":0}
  togeojson: [[5,1,10],[null],[5,3,30]] {"coordinateProperties":{"times":["2026-01-31T10:00:00Z","2026-01-31T10:01:00Z","2026-01-31T10:02:00Z"]}}
END
cat >made.gpx <<'END'
<?xml version="1.0"?>
<gpx version="1.1" creator="made" xmlns="http://www.topografix.com/GPX/1/1">
  <trk><name>without a fix at 10:01</name><trkseg>
    <trkpt lat="1" lon="5"><ele>10</ele><time>2026-01-31T10:00:00Z</time></trkpt>
    <trkpt lat="2" lon="5"></trkpt>
    <trkpt lat="3" lon="5"><ele>30</ele><time>2026-01-31T10:02:00Z</time></trkpt>
    <trkpt lat="4" lon="5"><ele>40</ele><time>2026-01-31T10:03:00Z</time></trkpt>
  </trkseg></trk>
  <trk><name>with one point after a pause</name><trkseg>
    <trkpt lat="1" lon="6"><time>2026-01-31T11:00:00Z</time></trkpt>
    <trkpt lat="2" lon="6"><time>2026-01-31T11:01:00Z</time></trkpt>
  </trkseg><trkseg><trkpt lat="3" lon="6"><time>2026-01-31T11:30:00Z</time></trkpt></trkseg></trk>
</gpx>
END
cat >made.kml <<'END'
<?xml version="1.0"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>
  <Schema name="s" id="s"><SimpleField type="bool" name="checked"/><SimpleField type="int" name="number"/><SimpleField type="string" name="id"/><SimpleField type="float" name="dose"/></Schema>
  <Placemark><ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="checked">false</SimpleData><SimpleData name="number">9007199254740993</SimpleData><SimpleData name="id">007</SimpleData><SimpleData name="dose">1.50</SimpleData></SchemaData></ExtendedData><Point><coordinates>5,1,0</coordinates></Point></Placemark>
  <Placemark><ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="checked">0</SimpleData><SimpleData name="number"></SimpleData><SimpleData name="id"></SimpleData><SimpleData name="dose"></SimpleData></SchemaData></ExtendedData><Point><coordinates>5,2,0</coordinates></Point></Placemark>
  <Placemark><gx:Track><when>2026-01-31T10:00:00Z</when><when>2026-01-31T10:01:00Z</when><when>2026-01-31T10:02:00Z</when><gx:coord>5 1 10</gx:coord><gx:coord></gx:coord><gx:coord>5 3 30</gx:coord></gx:Track></Placemark>
</Document></kml>
END
cat >read.py <<'END'
import gpxpy

for track in gpxpy.parse(open("made.gpx")).tracks:
    print(track.name)
    for segment in track.segments:
        print("  gpxpy:", "; ".join(f"{p.latitude:g} at {p.time and p.time.strftime('%H:%M')}" for p in segment.points))
END
cat >read.mjs <<'END'
import fs from "node:fs";
import { gpx, kml } from "@tmcw/togeojson";
import { DOMParser } from "@xmldom/xmldom";

const read = (path) => new DOMParser().parseFromString(fs.readFileSync(path, "utf8"), "text/xml");
for (const { properties, geometry } of gpx(read("made.gpx")).features) {
  console.log(properties.name);
  console.log(`  togeojson: ${geometry.type} ${JSON.stringify(geometry.coordinates)}, times ${JSON.stringify(properties.coordinateProperties.times)}`);
}
console.log("KML");
for (const { properties, geometry } of kml(read("made.kml")).features) {
  console.log(`  togeojson: ${JSON.stringify(geometry.coordinates)} ${JSON.stringify(properties)}`);
}
END
{ venv/bin/python read.py && node read.mjs; } >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
