#!/usr/bin/env bash
# Gaps, moments and infinity of a table of points, written in five formats and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('geopandas==1.2.0' 'pyogrio==0.13.0' 'pandas==3.1.1' 'shapely==2.2.0')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
venv/bin/python -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' geopandas pyogrio pandas shapely
cat >expected <<'END'
a count and a gap
  gpkg     ['1.0', 'nan']
  geojson  ['1.0', 'nan']
  gml      ['1.0', 'nan']
  tab      ['1', '0']
a share and a gap
  gpkg     ['0.5', 'nan']
  geojson  ['0.5', 'nan']
  gml      ['0.5', 'nan']
  tab      ['0.5', '0.0']
a flag and a gap
  gpkg     ['1.0', 'nan']
  geojson  ['1.0', 'nan']
  gml      ['1.0', 'nan']
  tab      ['True', 'False']
an empty text and a gap
  gpkg     ['', 'nan']
  geojson  ['', 'nan']
  gml      ['None', 'None']
  tab      ['', '']
infinity and 1
  gpkg     ['inf', '1.0']
  geojson  ['nan', '1.0']
  gml      ['inf', '1.0']
  tab      ['inf', '1.0']
a microsecond past noon, and a gap
  gpkg     ['2026-07-01 12:00:00', 'NaT']
  geojson  ['2026-07-01 12:00:00', 'NaT']
  gml      ['2026-07-01 12:00:00', 'NaT']
  tab      ['2026-07-01 12:00:00', 'NaT']
22:00 UTC and 22:00 two hours east
  gpkg     ['2026-07-01 22:00:00+00:00', '2026-07-01 20:00:00+00:00']
  geojson  ['2026-07-01 22:00:00+00:00', '2026-07-01 20:00:00+00:00']
  gml      ['2026-07-01 22:00:00+00:00', '2026-07-01 20:00:00+00:00']
  tab      ['2026-07-01 22:00:00', '2026-07-01 22:00:00']
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import datetime

import geopandas
import pandas as pd
import pyogrio
from shapely import Point

berlin = datetime.timezone(datetime.timedelta(hours=2))
columns = {
    "a count and a gap": pd.array([1, None], dtype="Int64"),
    "a share and a gap": [0.5, float("nan")],
    "a flag and a gap": pd.array([True, None], dtype="boolean"),
    "an empty text and a gap": ["", None],
    "infinity and 1": [float("inf"), 1.0],
    "a microsecond past noon, and a gap": pd.to_datetime(["2026-07-01 12:00:00.000001", None]),
    "22:00 UTC and 22:00 two hours east": [datetime.datetime(2026, 7, 1, 22, tzinfo=datetime.timezone.utc), datetime.datetime(2026, 7, 1, 22, tzinfo=berlin)],
}
for number, (words, values) in enumerate(columns.items()):
    print(words)
    table = geopandas.GeoDataFrame({"c": values}, geometry=[Point(1, 2), Point(3, 4)], crs=4326)
    for suffix in ("gpkg", "geojson", "gml", "tab"):
        table.to_file(f"points-{number}.{suffix}", engine="pyogrio")
        print(f"  {suffix:8}", [str(value) for value in pyogrio.read_dataframe(f"points-{number}.{suffix}")["c"]])
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
