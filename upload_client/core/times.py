"""Moments as text and as numbers: UTC with milliseconds, the way the logs write them.

Nothing here reads a clock; every moment comes in as an argument.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_THOUSANDTHS = tuple(f"{ms:03d}Z" for ms in range(1000))
_HTTP = re.compile(
    "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    " ([1-9][0-9]{3}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_1970 = datetime(1970, 1, 1, tzinfo=UTC)

EARLIEST, LATEST = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 and 9999 have names, in milliseconds since 1970."""


def timestamp(wall: float) -> str:
    """The moment `wall` (seconds since 1970, UTC) as text, such as `2026-01-02T03:04:05.678Z`."""
    return from_milliseconds(int(wall * 1000))


def milliseconds(text: str) -> int:
    """The moment `text`, in the form of `timestamp`, in milliseconds since 1970.

    Raises:
        ValueError: there is no such moment. Whoever does not know that `text` has the form must look first.
    """
    # A million records lie within few minutes: only the first of each minute is worked out in full.
    return minute(text[:17]) + int(text[17:19] + text[20:23])


@lru_cache(maxsize=64)
def minute(prefix: str) -> int:
    """The minute that the first 17 characters of a moment name, in milliseconds since 1970.

    Raises:
        ValueError: there is no such minute (a 30th of February).
    """
    return int(datetime.fromisoformat(prefix + "00+00:00").timestamp()) * 1000


def from_milliseconds(ms: int) -> str:
    """The moment `ms` milliseconds after 1970 as text."""
    return _second(ms // 1000) + _THOUSANDTHS[ms % 1000]


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    # Not fromtimestamp, which knows no moment before 1970 on Windows.
    return (_1970 + timedelta(seconds=seconds)).isoformat()[:19] + "."


def from_http(date: str) -> float:
    """The moment of an HTTP date (RFC 9110, section 5.6.7), in seconds since 1970.

    One without a zone is in UTC, as all of them are to be, and not in this machine's.

    Raises:
        ValueError: it is none.
    """
    if (usual := _HTTP.fullmatch(date)) is not None:
        day, month, year, hour, minutes, seconds = usual.groups()
        number = _MONTHS.index(month) // 3 + 1
        return datetime(
            int(year), number, int(day), int(hour), int(minutes), int(seconds), tzinfo=UTC
        ).timestamp()
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - loads much, and nearly all are as above

    read = parsedate_to_datetime(date)
    return (read.replace(tzinfo=UTC) if read.tzinfo is None else read).timestamp()
