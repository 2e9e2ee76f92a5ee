#!/usr/bin/env bash
# Which system of coordinates places have that were written without one, or with one of their own.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('sedonadb==0.5.0' 'geopandas==1.2.0' 'pyogrio==0.13.0' 'shapely==2.2.0' 'pyproj==3.7.2' 'pyarrow==26.0.1' 'pandas==3.1.1' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' sedonadb geopandas pyogrio shapely pyproj
cat >expected <<'END'
no system
  gpkg: None
  fgb: None
  shp: None
  gml: None
  geojson: EPSG:4326
  parquet: None
  parquet, read and written by SedonaDB: OGC:CRS84
  the table itself, written by SedonaDB: SedonaError
a grid of the site, in metres
  gpkg: site grid
  fgb: site grid
  shp: site grid
  gml: None
  geojson: EPSG:4326
  parquet: site grid
  parquet, read and written by SedonaDB: site grid
  the table itself, written by SedonaDB: site grid
UTM 32
  gpkg: EPSG:25832
  fgb: EPSG:25832
  shp: EPSG:25832
  gml: EPSG:25832
  geojson: EPSG:25832
  parquet: EPSG:25832
  parquet, read and written by SedonaDB: EPSG:25832
  the table itself, written by SedonaDB: EPSG:25832
from no system to GeoJSON: 450000 degrees east, 5300000 north, EPSG:4326
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import geopandas
import sedonadb
import shapely

points = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(450_000, 5_300_000)])
systems = {
    "no system": points,
    "a grid of the site, in metres": points.set_crs('LOCAL_CS["site grid",UNIT["metre",1]]'),
    "UTM 32": points.set_crs(25832),
}


def system(path):
    read = geopandas.read_parquet if path.endswith("parquet") else geopandas.read_file
    found = read(path).crs
    return found and ":".join(found.to_authority() or [found.name])


for words, table in systems.items():
    print(words)
    for path in ("made.gpkg", "made.fgb", "made.shp", "made.gml", "made.geojson", "made.parquet"):
        (table.to_parquet if path.endswith("parquet") else table.to_file)(path)
        print(f"  {path[5:]}: {system(path)}")
    connection = sedonadb.connect()
    try:
        connection.read_parquet("made.parquet").to_parquet("copy.parquet")
        print(f"  parquet, read and written by SedonaDB: {system('copy.parquet')}")
        connection.create_data_frame(table).to_parquet("second.parquet")
        print(f"  the table itself, written by SedonaDB: {system('second.parquet')}")
    except Exception as error:
        print(f"  the table itself, written by SedonaDB: {type(error).__name__}")
systems["no system"].to_file("made.geojson")
place = geopandas.read_file("made.geojson")
print(f"from no system to GeoJSON: {place.geometry[0].x:.0f} degrees east, {place.geometry[0].y:.0f} north, {place.crs}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
