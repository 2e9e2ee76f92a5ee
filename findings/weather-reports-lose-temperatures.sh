#!/usr/bin/env bash
# Weather reports of airports (METAR) for two libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('metar==2.0.2' 'avwx-engine==1.9.10')
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
no visibility was measured: EGLL 301250Z 18010KT //// // ////// 10/08 Q1013
  metar: 10 C, visibility 10000 m, wind 10 kt, gusts missing
  avwx: 10 C, visibility missing, wind 10 kt, gusts missing
no dew point was measured: EDDF 301250Z 18010KT 9999 FEW030 17/// Q1013
  metar: 17 C, visibility 10000 m, wind 10 kt, gusts missing
  avwx: missing, visibility 9999 m, wind 10 kt, gusts missing
no dew point, in inches: KORD 301251Z AUTO 36005KT 10SM CLR 21/ A3001
  metar: 21 C, visibility 16093 m, wind 5 kt, gusts missing
  avwx: missing, visibility 10 sm, wind 5 kt, gusts missing
more than six miles: KBOS 301254Z 09008KT P6SM SKC 15/M01 A2990
  metar: 15 C, visibility 9656 m, wind 8 kt, gusts missing
  avwx: 15 C, visibility missing, wind 8 kt, gusts missing
less than a quarter of a mile: KJFK 301251Z VRB03KT M1/4SM FG VV002 02/02 A2992
  metar: 2 C, visibility 402 m, wind 3 kt, gusts missing
  avwx: 2 C, visibility missing, wind 3 kt, gusts missing
minus 0.4 degrees: KJFK 301251Z 18012G20KT 10SM CLR M00/M01 A2992 RMK AO2 T10041011
  metar: -0.4 C, visibility 16093 m, wind 12 kt, gusts 20 kt
  avwx: 0 C, visibility 10 sm, wind 12 kt, gusts 20 kt
gusts beyond 49 knots: SAEZ 301300Z 18015P49KT 5000 FEW030 20/18 Q1009
  metar: 20 C, visibility 5000 m, wind missing, gusts missing
  avwx: 20 C, visibility 5000 m, wind 15 kt, gusts 49 kt
wind of an unknown direction: EGLL 301250Z ///10KT 9999 FEW030 10/08 Q1013
  metar: 10 C, visibility 10000 m, wind 10 kt, gusts missing
  avwx: 10 C, visibility missing, wind missing, gusts missing
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import avwx
from metar.Metar import Metar

REPORTS = {
    "no visibility was measured": "EGLL 301250Z 18010KT //// // ////// 10/08 Q1013",
    "no dew point was measured": "EDDF 301250Z 18010KT 9999 FEW030 17/// Q1013",
    "no dew point, in inches": "KORD 301251Z AUTO 36005KT 10SM CLR 21/ A3001",
    "more than six miles": "KBOS 301254Z 09008KT P6SM SKC 15/M01 A2990",
    "less than a quarter of a mile": "KJFK 301251Z VRB03KT M1/4SM FG VV002 02/02 A2992",
    "minus 0.4 degrees": "KJFK 301251Z 18012G20KT 10SM CLR M00/M01 A2992 RMK AO2 T10041011",
    "gusts beyond 49 knots": "SAEZ 301300Z 18015P49KT 5000 FEW030 20/18 Q1009",
    "wind of an unknown direction": "EGLL 301250Z ///10KT 9999 FEW030 10/08 Q1013",
}


def by_metar(report):
    found = Metar(report, month=11, year=2026, strict=False)
    wind = found.wind_speed and found.wind_speed.value("KT")
    distance = found.vis and round(found.vis.value("M"))
    return found.temp and found.temp.value("C"), distance, "m", wind, found.wind_gust and found.wind_gust.value("KT")


def by_avwx(report):
    found = avwx.Metar.from_report(report)
    of = [part and part.value for part in (found.data.temperature, found.data.visibility, found.data.wind_speed, found.data.wind_gust)]
    return of[0], of[1], found.units.visibility, of[2], of[3]


def shown(value, unit):
    return "missing" if value is None else f"{value:g} {unit}"


for title, report in REPORTS.items():
    print(f"{title}: {report}")
    for name, read in (("metar", by_metar), ("avwx", by_avwx)):
        warm, distance, unit, wind, gust = read(report)
        print(f"  {name}: {shown(warm, 'C')}, visibility {shown(distance, unit)}, wind {shown(wind, 'kt')}, gusts {shown(gust, 'kt')}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
