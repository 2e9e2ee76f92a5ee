"""When a job is due, as APScheduler's triggers.

A cron line is APScheduler's to keep and to wake up for, and cronsim's to read: the days of the week count as
in cron, a day of the month and one of the week mean either, and what happens to a time that does not exist is
the rule of `upload_client.core.schedule`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from upload_client.activities.errors import missing_extra
from upload_client.core.schedule import daylight_saving, moments, next_moment, repeats
from upload_client.core.text import counted

try:
    from apscheduler.triggers.base import BaseTrigger
    from apscheduler.triggers.date import DateTrigger
    from apscheduler.triggers.interval import IntervalTrigger
    from cronsim import CronSim, CronSimError
except ImportError:
    raise missing_extra("a schedule", "activities") from None

if TYPE_CHECKING:
    from upload_client.activities.schedule.document import Job
    from upload_client.core.schedule import DaylightSaving

_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""See crontab(5)."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_YEAR = datetime(2024, 1, 1)  # noqa: DTZ001 - a local time


def _line(text: str) -> str:
    return _SHORT.get(text.strip().lower(), text)


def check_cron(text: str) -> str | None:
    """Why this is no cron line; None if it is one."""
    line = _line(text)
    n = len(line.split())
    if n != 5:
        return f"is no cron line: it has {counted(n, 'field')}; there are minute, hour, day, month, weekday"
    try:
        CronSim(line, _LEAP_YEAR)
    except CronSimError as error:
        return f"is no cron line: {str(error).replace('Bad ', 'wrong ')}"
    return None


def never_runs(text: str) -> bool:
    """Whether a cron line names a day that does not exist, such as a 30th of February."""
    return next(CronSim(_line(text), _LEAP_YEAR), None) is None


class CronLine(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """Due at the local times of a cron line.

    Args:
        line: five fields, or ``@daily`` and the like.
        zone: the name of a time zone.
    """

    def __init__(self, line: str, zone: str) -> None:
        self._set(line, zone)

    def _set(self, line: str, zone: str) -> None:
        self.line, self.zone = line, zone
        self._fields, self._zone = _line(line), ZoneInfo(zone)
        self._every = repeats(self._fields)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first moment after the one before; without one, from now on."""
        after = previous_fire_time or now.astimezone(UTC) - timedelta(microseconds=1)
        found = next_moment(self._walls, self._zone, after, every=self._every)
        return None if found is None else found.astimezone(self._zone)

    def daylight_saving(self, start: datetime) -> Iterator[DaylightSaving]:
        """The effects of daylight saving on it within a year."""
        return daylight_saving(self._walls, self._zone, start, every=self._every)

    def _walls(self, after: datetime) -> Iterator[datetime]:
        return CronSim(self._fields, after)

    def __getstate__(self) -> dict[str, Any]:
        return {"version": 1, "line": self.line, "zone": self.zone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(state["line"], state["zone"])

    def __str__(self) -> str:
        return f"cron[{self.line}]"


def trigger_of(job: Job, zone: ZoneInfo) -> BaseTrigger:
    """When a job is due.

    `every` counts from the beginning of 1970 in UTC, so that an hourly job is due on the hour, whenever and
    wherever it is started.
    """
    if job.cron is not None:
        return CronLine(job.cron, zone.key)
    if job.every is not None:
        return IntervalTrigger(seconds=int(job.every.total_seconds()), start_date=_BEGINNING, timezone=zone)
    assert job.at is not None
    moment = job.at if job.at.tzinfo is not None else moments(job.at, zone, every=False)[0]
    return DateTrigger(moment.astimezone(zone))
