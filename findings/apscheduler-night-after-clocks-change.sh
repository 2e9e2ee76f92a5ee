#!/usr/bin/env bash
# The nights around the days on which clocks are set, of cron lines that name midnight, or an hour that is missing.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check 'apscheduler==3.11.3' 'tzdata==2026.2' 2>/dev/null
"$tmp/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(apscheduler|tzdata) '
cd "$tmp"
cat >expected <<'END'
0 0 * * *       Europe/Berlin: Sat 28 00:00+0100, Sun 29 00:00+0100, Tue 31 00:00+0200, Wed 01 00:00+0200
0 0 * * mon-fri Europe/Berlin: Tue 31 00:00+0200, Wed 01 00:00+0200
0 0 * * *       America/Santiago: Sat 05 00:00-0400, Mon 07 00:00-0300, Tue 08 00:00-0300, Wed 09 00:00-0300
0 2,3 * * *     Europe/Berlin: Sun 29 02:00+0100, Mon 30 02:00+0200, Mon 30 03:00+0200
30 2 * * *      Europe/Berlin: Sun 25 02:30+0200, Sun 25 02:30+0100, Mon 26 02:30+0100
END
venv/bin/python -W ignore - >seen <<'END'
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger


def fires(line, zone, start, days):
    trigger = CronTrigger.from_crontab(line, timezone=ZoneInfo(zone))
    now = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    end, last = now + timedelta(days=days), None
    times = []
    while (last := trigger.get_next_fire_time(last, now)) < end:
        times.append(f"{last:%a %d %H:%M%z}")
        now = (last.astimezone(UTC) + timedelta(seconds=1)).astimezone(last.tzinfo)  # it has run
    print(f"{line:16}{zone}: {', '.join(times)}")


fires("0 0 * * *", "Europe/Berlin", "2026-03-27T12:00", 5)  # clocks go forward on Sunday the 29th
fires("0 0 * * mon-fri", "Europe/Berlin", "2026-03-27T12:00", 5)
fires("0 0 * * *", "America/Santiago", "2026-09-04T12:00", 5)  # on Sunday the 6th at midnight
fires("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)
fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)  # back on Sunday the 25th
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
