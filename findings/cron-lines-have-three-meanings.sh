#!/usr/bin/env bash
# The same lines of cron, by three libraries.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('croniter==7.0.0' 'cronsim==2.8' 'apscheduler==3.11.3' 'tzdata==2026.3')
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
0 6 * * 1
  croniter: Mon 05 Jan, Mon 12 Jan, Mon 19 Jan, Mon 26 Jan
  cronsim: Mon 05 Jan, Mon 12 Jan, Mon 19 Jan, Mon 26 Jan
  APScheduler: Tue 06 Jan, Tue 13 Jan, Tue 20 Jan, Tue 27 Jan
0 6 */2 * 1
  croniter: Thu 01 Jan, Sat 03 Jan, Mon 05 Jan, Wed 07 Jan
  cronsim: Mon 05 Jan, Mon 19 Jan, Mon 09 Feb, Mon 23 Feb
  APScheduler: Tue 13 Jan, Tue 27 Jan, Tue 03 Feb, Tue 17 Feb
0 6 1,15 * */2
  croniter: Thu 01 Jan, Sat 03 Jan, Sun 04 Jan, Tue 06 Jan
  cronsim: Thu 01 Jan, Thu 15 Jan, Sun 01 Feb, Sun 15 Feb
  APScheduler: Sun 01 Feb, Sun 15 Feb, Sun 01 Mar, Sun 15 Mar
30 2 * * * in Berlin, 24 October
  croniter: 24 02:30+0200, 25 02:30+0200, 25 02:30+0100, 26 02:30+0100
  cronsim: 24 02:30+0200, 25 02:30+0200, 26 02:30+0100, 27 02:30+0100
  APScheduler: 24 02:30+0200, 25 02:30+0200, 25 02:30+0100, 25 02:30+0100
0 */2 * * * in Berlin, 29 March
  croniter: 29 03:00+0200, 29 04:00+0200, 29 06:00+0200, 29 08:00+0200
  cronsim: 29 04:00+0200, 29 06:00+0200, 29 08:00+0200, 29 10:00+0200
  APScheduler: 29 02:00+0100, 29 04:00+0200, 29 06:00+0200, 29 08:00+0200
END
venv/bin/python -W ignore - >seen <<'END'
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

START = datetime(2026, 1, 1, 0, 30, tzinfo=timezone.utc)


def of_croniter(line, start):
    moments = croniter(line, start)
    return [moments.get_next(datetime) for _ in range(4)]


def of_cronsim(line, start):
    moments = CronSim(line, start)
    return [next(moments) for _ in range(4)]


def of_apscheduler(line, start):
    trigger, moments = CronTrigger.from_crontab(line, timezone=start.tzinfo), []
    for _ in range(4):
        start = trigger.get_next_fire_time(None, start)
        moments.append(start)
        start += timedelta(seconds=1)
    return moments


LIBRARIES = {"croniter": of_croniter, "cronsim": of_cronsim, "APScheduler": of_apscheduler}
for line in ("0 6 * * 1", "0 6 */2 * 1", "0 6 1,15 * */2"):
    print(line)
    for name, reckon in LIBRARIES.items():
        print(f"  {name}:", ", ".join(f"{each:%a %d %b}" for each in reckon(line, START)))
berlin = ZoneInfo("Europe/Berlin")
print("30 2 * * * in Berlin, 24 October")
for name, reckon in LIBRARIES.items():
    moments = reckon("30 2 * * *", datetime(2026, 10, 24, tzinfo=berlin))
    print(f"  {name}:", ", ".join(f"{each:%d %H:%M%z}" for each in moments))
print("0 */2 * * * in Berlin, 29 March")
for name, reckon in LIBRARIES.items():
    moments = reckon("0 */2 * * *", datetime(2026, 3, 29, 0, 30, tzinfo=berlin))
    print(f"  {name}:", ", ".join(f"{each:%d %H:%M%z}" for each in moments))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
