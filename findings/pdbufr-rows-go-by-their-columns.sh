#!/usr/bin/env bash
# Reports of three stations in BUFR, as a table.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('pdbufr==0.15.1' 'eccodes==2.50.0' 'pandas==3.1.1' 'numpy==2.4.6')
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
three stations: 7001 at 12:30, 7002 at a minute that is missing, and number 3 of a block that is missing, at 12:00
one after the other
  stationNumber, airTemperature: 1 273.15; 2 280; 3 290
  WMO_station_id, airTemperature: 7001 273.15; 7002 280
  data_datetime, airTemperature: 12:30 273.15; 12:00 290
  minute, airTemperature: 30 273.15; missing 280; 0 290
  WMO_station_id, data_datetime, airTemperature: 7001 12:30 273.15
  stations where {'latitude': 52.5}: nothing
  stations where {'airTemperature': 280.0}: 2
  stations where {'minute': slice(1, None, None)}: 1
compressed
  stationNumber, airTemperature: 1 273.15; 2 280; 3 290
  WMO_station_id, airTemperature: 7001 273.15; 7002 280; 2147483647003 290
  data_datetime, airTemperature: 12:30 273.15; 12:00 290
  minute, airTemperature: 30 273.15; 2147483647 280; 0 290
  WMO_station_id, data_datetime, airTemperature: 7001 12:30 273.15; 2147483647003 12:00 290
  stations where {'latitude': 52.5}: nothing
  stations where {'airTemperature': 280.0}: 2
  stations where {'minute': slice(1, None, None)}: 1; 2
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

import eccodes
import pandas
import pdbufr

warnings.simplefilter("ignore")
STATIONS = [
    {"blockNumber": 7, "stationNumber": 1, "latitude": 52.12345, "year": 2026, "month": 1, "day": 31, "hour": 12, "minute": 30, "airTemperature": 273.15},
    {"blockNumber": 7, "stationNumber": 2, "latitude": 52.5, "year": 2026, "month": 1, "day": 31, "hour": 12, "minute": None, "airTemperature": 280.0},
    {"blockNumber": None, "stationNumber": 3, "latitude": 53.0, "year": 2026, "month": 1, "day": 31, "hour": 12, "minute": 0, "airTemperature": 290.0},
]


def written(path, packed):
    message = eccodes.codes_bufr_new_from_samples("BUFR4")
    for key, value in {"masterTablesVersionNumber": 28, "dataCategory": 0, "numberOfSubsets": len(STATIONS), "compressedData": packed}.items():
        eccodes.codes_set(message, key, value)
    eccodes.codes_set_array(message, "unexpandedDescriptors", [1001, 1002, 5001, 4001, 4002, 4003, 4004, 4005, 12101])
    for key in STATIONS[0]:
        values = [eccodes.CODES_MISSING_LONG if station[key] is None else station[key] for station in STATIONS]
        if packed:
            eccodes.codes_set_array(message, key, values)
            continue
        for place, value in enumerate(values):
            eccodes.codes_set(message, f"#{place + 1}#{key}", value)
    eccodes.codes_set(message, "pack", 1)
    with open(path, "wb") as file:
        eccodes.codes_write(message, file)
    eccodes.codes_release(message)


def shown(table):
    rows = [" ".join("missing" if pandas.isna(value) else f"{value:.13g}" if isinstance(value, (int, float)) else f"{value:%H:%M}" for value in row) for row in table.itertuples(index=False)]
    return "; ".join(rows) or "nothing"


print("three stations: 7001 at 12:30, 7002 at a minute that is missing, and number 3 of a block that is missing, at 12:00")
for packed, title in ((0, "one after the other"), (1, "compressed")):
    written("set.bufr", packed)
    print(title)
    for columns in (["stationNumber", "airTemperature"], ["WMO_station_id", "airTemperature"], ["data_datetime", "airTemperature"], ["minute", "airTemperature"], ["WMO_station_id", "data_datetime", "airTemperature"]):
        found = pdbufr.read_bufr("set.bufr", columns=columns)
        print(f"  {', '.join(columns)}: {shown(found[columns])}")
    for filters in ({"latitude": 52.5}, {"airTemperature": 280.0}, {"minute": slice(1, None)}):
        found = pdbufr.read_bufr("set.bufr", columns=["stationNumber"], filters=filters)
        print(f"  stations where {filters}: {shown(found)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
