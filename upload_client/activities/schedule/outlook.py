"""The next and the last runs of a schedule, read without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from upload_client.activities.schedule.store import Past, Store, open_engine
from upload_client.activities.schedule.triggers import CronLine, trigger_of
from upload_client.core.schedule import Holder, RunState
from upload_client.support.clock import SYSTEM, Clock

if TYPE_CHECKING:
    from upload_client.activities.schedule.document import Loaded

NEXT = 5
"""Next times that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A job: its next times, and its last run.

    Attributes:
        job: its name.
        when: as it stands in the file.
        next: the next times at which it is due, in the schedule's zone.
        missed: the time at which it was due and did not run; it runs when the schedule does.
        running: which process runs it, and whether that is still there, as far as is known.
        unfinished: a run that was stopped or cut off, and is resumed when the schedule runs.
        last: the last run that has ended; None: nothing is remembered.
        notes: warnings about its next times.
    """

    job: str
    when: str
    next: tuple[datetime, ...]
    missed: datetime | None
    running: tuple[Holder, bool] | None
    unfinished: Past | None
    last: Past | None
    notes: tuple[str, ...]


def look(loaded: Loaded, *, clock: Clock = SYSTEM) -> Iterator[Outlook]:
    """Look at each job of a schedule.

    Raises:
        StoreUnreachable: the store cannot be read.
    """
    zone = loaded.schedule.zone
    now = datetime.fromtimestamp(clock.wall(), zone)
    store = None
    running: Mapping[str, tuple[Holder, bool]] = {}
    due: Mapping[str, float] = {}
    # What lies in the memory of another process cannot be looked at.
    engine = None
    if loaded.schedule.store != "memory":
        engine = open_engine(loaded.schedule.store, loaded.folder, read_only=True)
    if engine is not None:
        store = Store(engine, clock)
        if store.is_there():
            running, due = store.running(), store.due()
        else:
            store = None
    try:
        for name, job in loaded.schedule.jobs.items():
            trigger = trigger_of(job, zone)
            last = None if store is None else store.last(name)
            unfinished = None if store is None or name in running else store.last(name, ended=False)
            notes = []
            if (
                job.at is not None
                and trigger.run_date.timestamp() < now.timestamp()
                and name not in due
                and (store is None or not store.has_run(name, trigger.run_date.timestamp()))
            ):
                notes.append("this is in the past: it does not run")
            following = tuple(_next(trigger, now))
            notes += _not_taken_up(name, due, following, now)
            if isinstance(trigger, CronLine):
                notes += [str(note) for note in trigger.daylight_saving(now)]
            when = due.get(name)
            missed = when is not None and when < now.timestamp() and name not in running
            yield Outlook(
                job=name,
                when=job.when,
                next=following,
                missed=datetime.fromtimestamp(when, zone) if missed and when is not None else None,
                running=running.get(name),
                unfinished=unfinished,
                last=last,
                notes=tuple(notes),
            )
    finally:
        if engine is not None:
            engine.dispose()


def _not_taken_up(
    job: str, due: Mapping[str, float], following: tuple[datetime, ...], now: datetime
) -> Iterator[str]:
    """Tell of a file that was changed: a schedule that runs goes on as it stood there at its start."""
    if not due or not following:
        return
    when = due.get(job)
    if when is None:
        yield "the store does not have it yet: it is due from the next start of the schedule on"
    elif now.timestamp() < when != following[0].timestamp():
        there = datetime.fromtimestamp(when, now.tzinfo)
        yield (
            f"the store has it due on {there:%Y-%m-%d %H:%M:%S %Z}: the file was changed since the schedule"
            " was started, and counts from its next start on"
        )


def _next(trigger: Any, now: datetime) -> Iterator[datetime]:  # noqa: ANN401 - APScheduler's
    moment = trigger.get_next_fire_time(None, now)
    for _ in range(NEXT):
        if moment is None or moment.timestamp() < now.timestamp():
            return
        yield moment
        moment = trigger.get_next_fire_time(moment, now)


def as_json(seen: Outlook, zone: Any) -> dict[str, Any]:  # noqa: ANN401 - a tzinfo
    """The same for programs."""

    def moment(seconds: float | None) -> str | None:
        return (
            None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")
        )

    last = seen.last
    return {
        "job": seen.job,
        "when": seen.when,
        "next": [one.isoformat(timespec="seconds") for one in seen.next],
        "missed": None if seen.missed is None else seen.missed.isoformat(timespec="seconds"),
        "running": None
        if seen.running is None
        else {
            "run": moment(seen.running[0].due),
            "since": moment(seen.running[0].since),
            "host": seen.running[0].host,
            "pid": seen.running[0].process.pid,
            "alive": seen.running[1],
        },
        "unfinished": None
        if seen.unfinished is None
        else {
            "run": moment(seen.unfinished.due),
            "state": "stopped" if seen.unfinished.state is RunState.STOPPED else "cut_off",
        },
        "last": None
        if last is None
        else {
            "run": moment(last.due),
            "state": last.state.value,
            "began": moment(last.began),
            "ended": moment(last.ended),
            "exit_code": last.exit_code,
            "message": last.message,
        },
        "notes": list(seen.notes),
    }
