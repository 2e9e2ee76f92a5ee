#!/usr/bin/env bash
# A table of points with a column fid, written by GeoPandas into three formats and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('geopandas==1.2.0' 'pyogrio==0.13.0' 'pandas==3.1.1')
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
written: fid [30, 10, 20], name ['c', 'a', 'b']
GeoPackage: name ['a', 'b', 'c']
FlatGeobuf: fid [10, 30, 20], name ['a', 'c', 'b']
GeoJSON: fid [30, 10, 20], name ['c', 'a', 'b']
END
venv/bin/python -W error - >seen <<'END'
import geopandas
from shapely import Point

points = [Point(7, 50), Point(120, -30), Point(-60, 10)]
table = geopandas.GeoDataFrame({"fid": [30, 10, 20], "name": ["c", "a", "b"]}, geometry=points, crs=4326)


def told(frame):
    return ", ".join(f"{name} {frame[name].tolist()}" for name in frame if name != "geometry")


print("written:", told(table))
for driver, name, ending in (
    ("GPKG", "GeoPackage", "gpkg"),
    ("FlatGeobuf", "FlatGeobuf", "fgb"),
    ("GeoJSON", "GeoJSON", "geojson"),
):
    table.to_file(f"points.{ending}", driver=driver)
    print(f"{name}: {told(geopandas.read_file(f'points.{ending}'))}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
