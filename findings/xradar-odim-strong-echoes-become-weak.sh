#!/usr/bin/env bash
# A sweep of a weather radar, written as ODIM_H5 and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('xradar==0.12.0' 'xarray==2026.9.0' 'h5netcdf==1.8.2' 'h5py==3.16.0' 'numpy==2.3.5' 'pandas==3.1.1')
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
a byte has room for -32 to 95 dBZ in steps of a half, 255 is missing
nan dBZ is read as nan
-32.0 dBZ is read as -32.0
20.25 dBZ is read as 20.0
95.0 dBZ is read as 95.0
95.5 dBZ is read as nan
96.0 dBZ is read as -32.0
100.0 dBZ is read as -28.0
-33.0 dBZ is read as 95.0
-40.0 dBZ is read as 88.0
an even turn of 30 s: the ray at 0.5 is of 0.0 s, read as 0.0 s
an even turn of 30 s: the ray at 90.5 is of 7.5 s, read as 7.5 s
an even turn of 30 s: the ray at 180.5 is of 15.0 s, read as 15.0 s
an even turn of 30 s: the ray at 270.5 is of 22.5 s, read as 22.5 s
from south on: the ray at 0.5 is of 15.0 s, read as 15.0 s
from south on: the ray at 90.5 is of 22.5 s, read as 22.5 s
from south on: the ray at 180.5 is of 0.0 s, read as 0.0 s
from south on: the ray at 270.5 is of 7.5 s, read as 7.5 s
with a pause of 60 s in the north-east: the ray at 0.5 is of 0.0 s, read as 0.1 s
with a pause of 60 s in the north-east: the ray at 90.5 is of 67.5 s, read as 22.6 s
with a pause of 60 s in the north-east: the ray at 180.5 is of 75.0 s, read as 45.1 s
with a pause of 60 s in the north-east: the ray at 270.5 is of 82.5 s, read as 67.6 s
END
venv/bin/python -W ignore - >seen <<'END'
import numpy as np
import xarray
import xradar

PLACE = {"latitude": 47.0, "longitude": 8.0, "altitude": 500.0}
PACKED = {"dtype": "uint8", "scale_factor": 0.5, "add_offset": -32.0, "_FillValue": 255, "_Undetect": 0}
START = np.datetime64("2026-01-01T00:00:00", "ns")


def trip(values, seconds, first=0):
    """A full turn in rays of one degree, which begins at an azimuth of `first` degrees."""
    sweep = xarray.Dataset(
        {
            "DBZH": (("azimuth", "range"), values, {}, PACKED),
            "sweep_mode": "azimuth_surveillance",
            "sweep_number": 0,
            "prt_mode": "not_set",
            "follow_mode": "not_set",
            "sweep_fixed_angle": 1.0,
        },
        coords={
            "azimuth": (np.arange(360) + first) % 360 + 0.5,
            "range": (
                "range",
                np.arange(500.0, 500 + 1000 * values.shape[1], 1000),
                {"meters_between_gates": 1000.0, "meters_to_center_of_first_gate": 500.0},
            ),
            "elevation": ("azimuth", np.full(360, 1.0)),
            "time": ("azimuth", START + (seconds * 1e9).astype("timedelta64[ns]")),
            **PLACE,
        },
    )
    volume = xarray.Dataset(
        {
            "volume_number": 0,
            "platform_type": "fixed",
            "instrument_type": "radar",
            "time_coverage_start": "2026-01-01T00:00:00Z",
            "time_coverage_end": "2026-01-01T00:05:00Z",
            "sweep_group_name": ("sweep", ["sweep_0"]),
            "sweep_fixed_angle": ("sweep", [1.0]),
            **PLACE,
        },
        attrs={"instrument_name": "T", "source": "NOD:deess", "version": "H5rad 2.2"},
    )
    tree = xarray.DataTree.from_dict({"/": volume, "/sweep_0": sweep})
    xradar.io.to_odim(tree, "r.h5", source="NOD:deess")
    return xradar.io.open_odim_datatree("r.h5")["sweep_0"].to_dataset().load()


print("a byte has room for -32 to 95 dBZ in steps of a half, 255 is missing")
given = [np.nan, -32.0, 20.25, 95.0, 95.5, 96.0, 100.0, -33.0, -40.0]
values = np.full((360, len(given)), 20.0, "float32")
values[0] = given
read = trip(values, np.arange(360) / 12)
for before, after in zip(given, read.DBZH.values[0].tolist(), strict=True):
    print(f"{before} dBZ is read as {after}")


def show(told, seconds, first=0):
    read = trip(np.full((360, 2), 20.0, "float32"), seconds, first)
    for azimuth in (0.5, 90.5, 180.5, 270.5):
        given = seconds[int(azimuth - 0.5 - first) % 360]
        got = (read.time.sel(azimuth=azimuth, method="nearest").values - START) / np.timedelta64(1, "s")
        print(f"{told}: the ray at {azimuth} is of {given:.1f} s, read as {got:.1f} s")


turn = np.arange(360) / 12
show("an even turn of 30 s", turn)
show("from south on", turn, first=180)
show("with a pause of 60 s in the north-east", turn + np.where(np.arange(360) > 45, 60, 0))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
