"""Schedules in virtual time, without threads: APScheduler reads the same clock as everything else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from upload_client.activities import Activity, ActivityRunner
from upload_client.activities.schedule import service as service_module
from upload_client.activities.schedule import store as store_module
from upload_client.activities.schedule.document import load
from upload_client.activities.schedule.service import Service
from upload_client.core.lease import ProcessIdentity
from upload_client.support.clock import Clock

BEGIN = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC)  # a Monday


class Virtual(Clock):
    """A clock that goes on when somebody waits."""

    def __init__(self) -> None:
        self.time = BEGIN.timestamp()
        self.uptime = 0.0

    def wall(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.uptime

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.uptime += seconds


@dataclass
class Ran:
    """A run: of which job, for which moment, from when to when."""

    job: str
    run: dt.datetime
    began: dt.datetime
    ended: dt.datetime | None = None
    process: str = ""


@dataclass
class World:
    """Machines with processes, a clock, and what was run.

    Attributes:
        seconds: how long a run of each job takes.
        fails: jobs whose runs fail.
        ran: all runs, in order.
        living: processes that are there.
    """

    folder: Path
    clock: Virtual = field(default_factory=Virtual)
    seconds: dict[str, float] = field(default_factory=dict)
    fails: dict[str, Exception] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    living: set[int] = field(default_factory=set)
    _pid: int = 100

    @property
    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.clock.time, dt.UTC)

    def runs(self, job: str, zone: dt.tzinfo = dt.UTC) -> list[str]:
        return [f"{ran.run.astimezone(zone):%m-%d %H:%M}" for ran in self.ran if ran.job == job]

    def write(self, text: str, name: str = "schedule.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def process(self, path: Path, *, machine: str = "m") -> Process:
        self._pid += 1
        self.living.add(self._pid)
        return Process(self, path, ProcessIdentity(machine, "boot", "ns", self._pid, "start"))


class Process:
    """A process that runs a schedule; its runs end when their time has come."""

    def __init__(self, world: World, path: Path, me: ProcessIdentity) -> None:
        self.world, self.me = world, me
        self.pending: list[tuple[float, Callable[[], None], Ran]] = []
        self.events: list[dict] = []
        self.service = Service(
            load(path),
            clock=world.clock,
            notify=lambda kind, fields: self.events.append({"kind": kind, **fields}),
            launch=self._launch,
            make=self._make,
            me=me,
        )
        self._stopped = False

    def start(self) -> Process:
        self.service.start()
        return self

    def _launch(self, run: Callable[[], None]) -> None:
        job, moment = run.__closure__ and _about(run)
        ran = Ran(job, moment, self.world.now, process=f"{self.me.machine_id}{self.me.pid}")
        self.world.ran.append(ran)
        ends = self.world.clock.time + self.world.seconds.get(job, 0)
        self.pending.append((ends, run, ran))

    def _make(self, job: str, run: dt.datetime) -> ActivityRunner:
        return ActivityRunner(_Fake(self.world.fails.get(job)), _Nobody(), _Nobody())

    def end_runs(self) -> None:
        for entry in [one for one in self.pending if one[0] <= self.world.clock.time]:
            self.pending.remove(entry)
            entry[1]()
            entry[2].ended = self.world.now

    def kill(self) -> None:
        """The plug is pulled."""
        self.pending.clear()
        self.world.living.discard(self.me.pid)

    def stop(self) -> None:
        """SIGTERM."""
        self.service._stopping = True
        for _, run, ran in self.pending:
            run()
            ran.ended = self.world.now
        self.pending.clear()
        self.world.living.discard(self.me.pid)


def _about(run):
    cells = {
        name: cell.cell_contents for name, cell in zip(run.__code__.co_freevars, run.__closure__, strict=True)
    }
    return cells["job"], cells["run"]


class _Fake(Activity):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def start(self):
        from upload_client.errors import Interrupted

        if self._stopping.is_set():
            raise Interrupted
        if self.error is not None:
            raise self.error


class _Nobody:
    def handle_success(self, metadata):
        pass

    def handle_failure(self, exception, metadata):
        pass


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in virtual time."""
    world = World(tmp_path)

    class Virtually(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.fromtimestamp(world.clock.time, tz)

    # Nobody sets this clock while it is not looked at: a step need not be taken every few seconds.
    monkeypatch.setattr(service_module, "_LONGEST", 86400.0)
    monkeypatch.setattr(store_module, "is_running", lambda pid, started: pid in world.living)
    # No power is cut here, and no process killed: waiting for the disk, and a file for each change by which
    # it could be taken back, would take much of the time.
    event.listen(Engine, "connect", _does_not_wait_for_the_disk)
    with mock.patch("apscheduler.schedulers.base.datetime", Virtually):
        yield world
    event.remove(Engine, "connect", _does_not_wait_for_the_disk)


def _does_not_wait_for_the_disk(connection, record):
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a step be taken as often as signs of life have to be given."""
    monkeypatch.setattr(service_module, "_LONGEST", 60.0)


@pytest.fixture
def until(world: World) -> Callable[..., None]:
    """Let time pass: ``until(days=3)`` or ``until(days=3, processes=[one, other])``."""

    def run(*processes: Process, **duration: float) -> None:
        end = world.clock.time + dt.timedelta(**duration).total_seconds()
        while True:
            waits = []
            for process in processes:
                process.end_runs()
                wait = process.service.step()
                if wait is not None:
                    waits.append(world.clock.time + wait)
                waits += [ends for ends, _, _ in process.pending]
            if not waits or min(waits) > end:
                world.clock.sleep(max(end - world.clock.time, 0))
                return
            world.clock.sleep(max(min(waits) - world.clock.time, 0.001))

    return run


@pytest.fixture
def namespace():
    """Something with attributes."""
    return SimpleNamespace
