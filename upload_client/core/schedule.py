"""When something is due: durations, local times of a cron line as moments, what was missed, who may run it.

A cron line names local times. On two days of a year some of them do not exist or are there twice; what then
happens is the rule of cron(8) in Debian: a line that names a time runs once, at the moment the clocks went
forward, or the first time of two; a line with ``*`` as hour or minute runs as often as there is such a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum

from upload_client.core.lease import ProcessIdentity

LEASE = 120.0
"""Seconds without a sign of life from another machine after which a run there counts as cut off."""
MAX_CUTS = 3
"""How often a run may be cut off before it is given up: it may be what kills the process."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+[smhdw])+", re.ASCII)
_SHIFT = timedelta(hours=26)  # no clock was ever set by more at once than a day (Samoa, 2011)
_SECOND = timedelta(seconds=1)


def parse_duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``1h30m``, ``1d``, ``2w``.

    Raises:
        ValueError: it is none, or less than a second.
    """
    joined = "".join(text.split())
    if not _DURATION.fullmatch(joined):
        raise ValueError(f"{text!r} is no duration; write 90s, 15m, 1h30m, 1d or 2w")
    seconds = sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhdw])", joined))
    if not 1 <= seconds <= 10 * 366 * 86_400:
        raise ValueError(f"{text!r} is no duration between a second and ten years")
    return timedelta(seconds=seconds)


# --- local times ---


def repeats(line: str) -> bool:
    """Whether a cron line has ``*`` as hour or minute, and so runs at each such time there is."""
    minute, hour = line.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


def moments(wall: datetime, zone: tzinfo, *, every: bool) -> list[datetime]:
    """The moments at which something runs that names a local time.

    Args:
        wall: the local time, without a zone.
        zone: of which it is the time.
        every: whether it runs at each moment there is of this time; else once, also where there is none.

    Returns:
        None, one or two moments in UTC.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return [] if every else [_end_of_gap(wall, zone)]
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return [first, second] if every and second != first else [first]


def _end_of_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The moment at which clocks went forward over a local time (PEP 495 tells what lies around it)."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return _change_between(before, after, zone)


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first moment that has the offset that `after` has, to the second."""
    offset = _offset(after, zone)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(middle, zone) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


Walls = Callable[[datetime], Iterator[datetime]]
"""Gives the local times that a cron line names after a local time, in order; an end is possible."""


def next_moment(walls: Walls, zone: tzinfo, after: datetime, *, every: bool) -> datetime | None:
    """The first moment after another one at which a cron line is due; None: never.

    Args:
        walls: the local times that it names.
        zone: whose.
        after: the moment; in any zone.
        every: see `moments`.
    """
    after = after.astimezone(UTC)
    offsets = [_offset(after + shift, zone) for shift in (-_SHIFT, timedelta(), _SHIFT)]
    best: datetime | None = None
    # Where clocks are set nearby, a local time that has passed may come again.
    for wall in walls(after.replace(tzinfo=None) + min(offsets)):
        if best is not None and (wall - max(offsets)).replace(tzinfo=UTC) > best:
            break
        for moment in moments(wall, zone, every=every):
            if moment > after and (best is None or moment < best):
                best = moment
    return best


def latest_due(following: Callable[[datetime], datetime | None], due: datetime, now: datetime) -> datetime:
    """The last of the moments that are due: what was missed meanwhile is done once.

    Args:
        following: the first moment after another one; None: there is none.
        due: one that is due.
        now: until when.

    Returns:
        The moment, in UTC.
    """
    # Two times of one zone are compared, and added to, as if clocks were never set.
    due, now = due.astimezone(UTC), now.astimezone(UTC)
    # From near the end, in steps that double: a year of minutes is not gone through one by one.
    back = timedelta(minutes=1)
    while now - back > due:
        found = following(now - back)
        if found is not None and found <= now:
            due = max(due, found.astimezone(UTC))
            break
        back *= 2
    while (found := following(due)) is not None and found <= now:
        due = found.astimezone(UTC)
    return due


@dataclass(frozen=True, slots=True)
class DaylightSaving:
    """An effect of daylight saving on a cron line.

    Attributes:
        at: the moment at which clocks are set, UTC.
        forward: whether they go forward, so that the times do not exist; else they are there twice.
        walls: the first of the local times concerned that the line names.
        n: how many there are.
        every: see `moments`.
        runs_at: when it runs in place of times that do not exist; None: it does not.
    """

    at: datetime
    forward: bool
    walls: tuple[datetime, ...]
    n: int
    every: bool
    runs_at: datetime | None

    def __str__(self) -> str:
        times = " and ".join(f"{wall:%H:%M}" for wall in self.walls)
        if self.n > len(self.walls):
            times = f"{times} and {self.n - len(self.walls)} more"
        day, one = f"{self.walls[0]:%Y-%m-%d}", self.n == 1
        if not self.forward:
            there = f"{day}: {times} {'is' if one else 'are'} there twice, as clocks go back"
            return f"{there}: it runs {'both times' if self.every else 'the first time only'}"
        missing = f"{day}: {times} {'does' if one else 'do'} not exist, as clocks go forward"
        if self.runs_at is None:
            return f"{missing}: it does not run then"
        return f"{missing}: it runs at {self.runs_at:%H:%M}" + ("" if one else ", once")


_SHOWN_WALLS = 2
_MOST_WALLS = 10_000


def daylight_saving(
    walls: Walls, zone: tzinfo, start: datetime, *, every: bool, days: int = 366
) -> Iterator[DaylightSaving]:
    """The effects of daylight saving on a cron line.

    Args:
        walls: the local times that it names.
        zone: whose.
        start: from when on.
        every: see `moments`.
        days: for how long.
    """
    at = start.astimezone(UTC).replace(microsecond=0)
    step = timedelta(hours=6)
    for _ in range(4 * days):
        before, at = at, at + step
        if _offset(before, zone) == _offset(at, zone):
            continue
        change = _change_between(before, at, zone)
        earlier, later = _offset(before, zone), _offset(at, zone)
        naive = change.replace(tzinfo=None)
        begin, end = sorted((naive + earlier, naive + later))
        named: list[datetime] = []
        n = 0
        for wall in walls(begin - _SECOND):
            if wall >= end or n >= _MOST_WALLS:
                break
            n += 1
            if len(named) < _SHOWN_WALLS:
                named.append(wall)
        if n:
            forward = later > earlier
            runs_at = change.astimezone(zone) if forward and not every else None
            yield DaylightSaving(change, forward, tuple(named), n, every, runs_at)


# --- the holder of a run ---


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a run that is under way.

    Attributes:
        process: which process on which machine.
        beat: grows with each sign of life.
        due: the moment for which it runs, Unix seconds.
        host: the machine's name, for people.
        since: when it began, Unix seconds, for people.
    """

    process: ProcessIdentity
    beat: int
    due: float
    host: str
    since: float


class RunState(Enum):
    """The end of a run."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    """In order, before its end: it is to be resumed."""

    @property
    def ended(self) -> bool:
        """Whether nothing is to be done for it any more."""
        return self in {RunState.SUCCEEDED, RunState.FAILED}


class Claim(Enum):
    """The answer to a process that wants to run something."""

    TAKE = "take"
    TAKE_OVER = "take over"
    """It was begun, and whoever has begun it is gone."""
    DONE = "done"
    """It has been run for this moment."""
    BUSY = "busy"
    """It runs already, for this moment or another one."""


def is_alive(
    holder: Holder, me: ProcessIdentity, is_running: Callable[[int, str | None], bool], unchanged: float
) -> bool:
    """Whether somebody who has a run under way is still there.

    No two clocks are compared: of a process elsewhere it counts for how long its sign of life has stayed
    the same, by the watch of who looks.

    Args:
        holder: who.
        me: the process that looks.
        is_running: whether a process of this machine runs, by its id and start.
        unchanged: seconds for which `Holder.beat` has been seen to stay the same.
    """
    if holder.process.shares_processes_with(me):
        return is_running(holder.process.pid, holder.process.started)
    return unchanged < LEASE


def claim(holder: Holder | None, state: RunState | None, *, alive: bool) -> Claim:
    """Whether a run may begin.

    Args:
        holder: who has a run of this job under way, for whatever moment; None: nobody.
        state: of the run for this very moment, as far as there was one.
        alive: whether `holder` is still there.
    """
    if holder is not None and alive:
        return Claim.BUSY
    if state is not None and state.ended:
        return Claim.DONE
    return Claim.TAKE if state is None else Claim.TAKE_OVER


_PASSING = frozenset({1, 4, 5, 7, 11, 12})


def may_help(exit_code: int) -> bool:
    """Whether another try may help, by itself, after this exit code; the others need a person."""
    return exit_code in _PASSING
