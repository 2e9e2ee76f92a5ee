#!/usr/bin/env bash
# Points without a height, without a reference system, and numbers, in three formats.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('geopandas==1.2.0' 'pyogrio==0.13.0' 'shapely==2.2.0')
if command -v uv >/dev/null; then
  uv venv -q --python python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}"
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%[=[]*}"
cd "$tmp"
cat >expected <<'END'
a height is missing: POINT Z (1 2 3), POINT Z (4 5 NaN)
  gpkg: ['POINT Z (1 2 3)', 'POINT Z (4 5 NaN)'], EPSG:4326
  geojson: ['POINT Z (1 2 3)', None], EPSG:4326
  gml: ['POINT Z (1 2 3)', 'POINT Z (4 5 0)'], EPSG:4326
no reference system: POINT (500000 5700000)
  gpkg: ['POINT (500000 5700000)'], None
  geojson: ['POINT (500000 5700000)'], EPSG:4326
  gml: ['POINT (500000 5700000)'], None
small numbers: POINT (1e-20 0.1)
  gpkg: ['POINT (1e-20 0.1)'], EPSG:4326
  geojson: ['POINT (0 0.1)'], EPSG:4326
  gml: ['POINT (0 0.1)'], EPSG:4326
a column of 9007199254740993:
  gpkg: [9007199254740993]
  geojson: [9007199254740993]
a column of 2.5 and infinity:
  gpkg: [2.5, inf]
  geojson: [2.5, nan]
END
venv/bin/python -W ignore - >seen <<'END'
import geopandas
import shapely


def through(ending, texts, crs, **columns):
    geometry = [shapely.from_wkt(each) for each in texts]
    geopandas.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(f"points.{ending}")
    return geopandas.read_file(f"points.{ending}")


for told, texts, crs in (
    ("a height is missing", ["POINT Z (1 2 3)", "POINT Z (4 5 NaN)"], 4326),
    ("no reference system", ["POINT (500000 5700000)"], None),
    ("small numbers", ["POINT (1e-20 0.1)"], 4326),
):
    print(f"{told}: {', '.join(texts)}")
    for ending in ("gpkg", "geojson", "gml"):
        read = through(ending, texts, crs)
        print(f"  {ending}: {[each and each.wkt for each in read.geometry]}, {read.crs and read.crs.to_string()}")
print("a column of 9007199254740993:")
for ending in ("gpkg", "geojson"):
    read = through(ending, ["POINT (1 2)"], 4326, number=[9007199254740993])
    print(f"  {ending}: {read['number'].tolist()}")
print("a column of 2.5 and infinity:")
for ending in ("gpkg", "geojson"):
    read = through(ending, ["POINT (1 2)"] * 2, 4326, number=[2.5, float("inf")])
    print(f"  {ending}: {read['number'].tolist()}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
