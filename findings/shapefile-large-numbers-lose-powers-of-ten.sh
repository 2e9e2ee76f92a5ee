#!/usr/bin/env bash
# Numbers in the table of a shapefile, written and read by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('geopandas==1.2.0' 'pyogrio==0.13.0' 'pyshp==3.1.6' 'numpy==2.4.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
given:    [0.1, 6.02214076e+23, 1e+30, -1e+30, 1.5e-14, 6.62607015e-34]
by_gdal.shp, read by GDAL:  [0.1, 6.02214076e+23, 1.0000000000000001e+23, -1e+22, 1.5e-14, 0.0]
by_gdal.shp, read by pyshp: [0.1, 6.02214076e+23, 1.0000000000000001e+23, -1e+22, 1.5e-14, 0.0]
by_pyshp.shp, read by GDAL:  [0.1, 6.02214076e+23, 1.0000000000000001e+23, -1e+22, 1.5e-14, 0.0]
by_pyshp.shp, read by pyshp: [0.1, 6.02214076e+23, 1.0000000000000001e+23, -1e+22, 1.5e-14, 0.0]
END
venv/bin/python -W ignore - >seen <<'END'
import geopandas
import shapefile
from shapely.geometry import Point

VALUES = [0.1, 6.02214076e23, 1e30, -1e30, 1.5e-14, 6.62607015e-34]
points = [Point(0, 0)] * len(VALUES)
geopandas.GeoDataFrame({"value": VALUES}, geometry=points, crs="EPSG:4326").to_file("by_gdal.shp")
with shapefile.Writer("by_pyshp.shp") as file:
    file.field("value", "F", 24, 15)
    for value in VALUES:
        file.point(0, 0)
        file.record(value)
print("given:   ", VALUES)
for name in ("by_gdal.shp", "by_pyshp.shp"):
    print(f"{name}, read by GDAL: ", geopandas.read_file(name)["value"].tolist())
    print(f"{name}, read by pyshp:", [record["value"] for record in shapefile.Reader(name).records()])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
