#!/usr/bin/env bash
# Two events in the formats of catalogues that ObsPy writes.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('obspy==1.5.1' 'numpy==2.4.6' 'setuptools==84.2.1')
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
given, picks in seconds from 12:31 on
  quarry blast at 31 12:30:59.996000: -0.75 ML, 1.25 Mw; P XX.ABCDE.00.HHZ 4.121000, S XX.ABCDF.00.HHZ 7.246000, S XX.ABCDE.00.HHZ 7.496000
  earthquake at 01 00:00:00.000000: no magnitude; no picks
QUAKEML: 2 of 2 events
  quarry blast at 31 12:30:59.996000: -0.75 ML, 1.25 Mw; P XX.ABCDE.00.HHZ 4.121000, S XX.ABCDF.00.HHZ 7.246000, S XX.ABCDE.00.HHZ 7.496000
  earthquake at 01 00:00:00.000000: no magnitude; no picks
SC3ML: 2 of 2 events, with a warning
  quarry blast at 31 12:30:59.996000: no magnitude; P XX.ABCDE.00.HHZ 4.121000, S XX.ABCDF.00.HHZ 7.246000, S XX.ABCDE.00.HHZ 7.496000
  earthquake at 01 00:00:00.000000: no magnitude; no picks
ZMAP: 2 of 2 events
  None at 31 12:30:59.996001: -0.75 of no type; no picks
  None at 31 23:59:59.999990: no magnitude; no picks
CSZ: 2 of 2 events, with a warning
  None at 31 12:30:59.996000: -0.75 ML; P XX.ABCDE.00.HHZ 4.121000, S XX.ABCDF.00.HHZ 7.246000, S XX.ABCDE.00.HHZ 7.496000
  None at 01 00:00:00.000000: no magnitude; no picks
NORDIC: 1 of 2 events, with a warning
  earthquake at 31 12:30:59.996000: -0.8 ML, 1.2 Mw; P .ABCDE..HZ 4.121000, S .ABCDF..HZ 7.246000, S .ABCDE..HZ 7.496000
HYPODDPHA: 2 of 2 events, with a warning
  None at 31 12:30:59.996000: -0.75 of no type; P .ABCDE..Z 4.121000, S .ABCDF..N 7.246000, S .ABCDE..N 7.496000
  None at 01 00:00:00.000000: 0 of no type; no picks
CNV, which is not read:
  260131 1230 60.00  0.5000S  10.0000E   5.00  -0.75 0
  ABCDP0  4.12ABCDS0  7.25ABCDS0  7.50
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import warnings

from obspy import Catalog, UTCDateTime, read_events
from obspy.core.event import Arrival, Event, Magnitude, Origin, Pick, QuantityError, WaveformStreamID

none = QuantityError()
origin = Origin(time=UTCDateTime("2026-01-31T12:30:59.996"), latitude=-0.5, longitude=10, depth=5000, time_errors=none, depth_errors=none)
picks = []
for station, phase, seconds in (("ABCDE", "P", 4.125), ("ABCDF", "S", 7.25), ("ABCDE", "S", 7.5)):
    picks.append(Pick(time=origin.time + seconds, phase_hint=phase, waveform_id=WaveformStreamID("XX", station, "00", "HHZ")))
    origin.arrivals.append(Arrival(pick_id=picks[-1].resource_id, phase=phase, distance=0.5, azimuth=90.0))
sizes = [Magnitude(mag=-0.75, magnitude_type="ML"), Magnitude(mag=1.25, magnitude_type="Mw")]
blast = Event(event_type="quarry blast", origins=[origin], picks=picks, magnitudes=sizes)
quiet = Event(event_type="earthquake", origins=[Origin(time=UTCDateTime("2026-02-01"), latitude=-1, longitude=20, depth=0, time_errors=none, depth_errors=none)])


def told(event):
    found = event.origins[0]
    sizes = [f"{size.mag:g} {size.magnitude_type or 'of no type'}" for size in event.magnitudes]
    picks = [f"{pick.phase_hint} {pick.waveform_id.get_seed_string()} {pick.time - UTCDateTime('2026-01-31T12:31'):.6f}" for pick in event.picks]
    return f"{event.event_type} at {found.time.strftime('%d %H:%M:%S.%f')}: {', '.join(sizes) or 'no magnitude'}; {', '.join(picks) or 'no picks'}"


print("given, picks in seconds from 12:31 on")
for event in (blast, quiet):
    print("  " + told(event))
for kind, more in (("QUAKEML", {}), ("SC3ML", {}), ("ZMAP", {}), ("CSZ", {}), ("NORDIC", {"userid": "ABCD", "evtype": "L", "wavefiles": ["none"]}), ("HYPODDPHA", {})):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Catalog([blast, quiet]).write("events", format=kind, **more)
        found = read_events("events", format=kind)
    print(f"{kind}: {len(found)} of 2 events" + (", with a warning" if any(issubclass(one.category, UserWarning) for one in said) else ""))
    for event in found:
        print("  " + told(event))
warnings.simplefilter("ignore")
Catalog([blast]).write("events", format="CNV")
print("CNV, which is not read:", *open("events").read().split("\n")[:2], sep="\n  ")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
