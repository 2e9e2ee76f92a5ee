#!/usr/bin/env bash
# A timetable in GTFS, read and written by two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('gtfs-kit==13.0.1' 'partridge==1.1.2' 'pandas==3.1.1' 'numpy==2.4.6')
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
cat >expected <<'END'
gtfs-kit's copy is without pathways.txt translations.txt
its stops: 001,One,52.1,13.4 ,North Avenue,52.5,13.5
the stop of the last row, to partridge: nan
one trip every ten minutes from 6 to 22, and one at night, gtfs-kit counts 2
partridge counts 2
under way on 20260105 at 25:30:00 night
under way on 20260106 at 01:30:00 none
under way on 20260105 at 12:00:00 none
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import pathlib
import zipfile

import gtfs_kit
import partridge

FEED = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\n007,A,http://example.org,Europe/Berlin\n",
    "stops.txt": "stop_id,stop_name,stop_lat,stop_lon\n001,One,52.1,13.4\nNA,North Avenue,52.5,13.5\n",
    "routes.txt": "route_id,agency_id,route_short_name,route_long_name,route_type\n01,007,1,Line,3\n",
    "trips.txt": "route_id,service_id,trip_id\n01,WD,night\n01,WD,often\n",
    "stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
    "night,25:10:00,25:10:00,001,1\nnight,26:00:00,26:00:00,NA,2\n"
    "often,06:00:00,06:00:00,001,1\noften,06:30:00,06:30:00,NA,2\n",
    "frequencies.txt": "trip_id,start_time,end_time,headway_secs\noften,06:00:00,22:00:00,600\n",
    "calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "WD,1,1,1,1,1,0,0,20260101,20261231\n",
    "translations.txt": "table_name,field_name,language,translation,field_value\nstops,stop_name,de,Eins,One\n",
    "pathways.txt": "pathway_id,from_stop_id,to_stop_id,pathway_mode,is_bidirectional\np,001,NA,1,1\n",
}


def packed(path, tables):
    with zipfile.ZipFile(path, "w") as file:
        for name, text in tables.items():
            file.writestr(name, text)


packed("feed.zip", FEED)
feed = gtfs_kit.read_feed("feed.zip", dist_units="km")
feed.to_file(pathlib.Path("copy.zip"))
with zipfile.ZipFile("copy.zip") as file:
    print("gtfs-kit's copy is without", *sorted(set(FEED) - set(file.namelist())))
    print("its stops:", *file.read("stops.txt").decode().split()[1:])
print("the stop of the last row, to partridge:", partridge.load_feed("feed.zip").stop_times["stop_id"].iloc[-1])
packed("feed.zip", {name: text.replace("NA", "N") for name, text in FEED.items()})
feed = gtfs_kit.read_feed("feed.zip", dist_units="km")
print("one trip every ten minutes from 6 to 22, and one at night, gtfs-kit counts", feed.compute_route_stats(["20260102"])["num_trips"].iloc[0])
print("partridge counts", next(iter(partridge.read_trip_counts_by_date("feed.zip").values())))
for day, time in (("20260105", "25:30:00"), ("20260106", "01:30:00"), ("20260105", "12:00:00")):
    print("under way on", day, "at", time, *(feed.get_trips(date=day, time=time)["trip_id"].tolist() or ["none"]))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
