"""The database of a schedule: due times (APScheduler's store), running processes, and outcomes of runs.

Two tables beside APScheduler's own, in the same database. Several processes may share it: a run begins only
with a compare-and-set on the job's row, so each moment is run once, and no job runs twice at a time.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from upload_client.activities.errors import missing_extra
from upload_client.control.identity import current_process, is_running
from upload_client.core.exits import ExitCode
from upload_client.core.lease import ProcessIdentity
from upload_client.core.schedule import Claim, Holder, RunState, claim, is_alive, latest_due
from upload_client.errors import DeliveryError, UsageError
from upload_client.support.clock import Clock
from upload_client.support.in_use import note

try:
    import sqlalchemy as sa
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.triggers.date import DateTrigger
    from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import QueuePool
except ImportError:
    raise missing_extra("a schedule", "activities") from None

KEPT = 500
"""Runs of a job that are remembered."""

_MAX_MESSAGE = 2000
_BUSY = 30.0  # seconds to wait for another process that writes
_CONNECT = 10  # seconds for a connection to a server
_TRIES = 5
_AHEAD = 120.0
"""Seconds by which the clocks of two machines may differ."""
_DUE = "upload_client_due"

_tables = sa.MetaData()
_jobs = sa.Table(
    "upload_client_jobs",
    _tables,
    sa.Column("job", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),  # JSON; NULL: it does not run
    sa.Column("due", sa.Float(53)),
)
_runs = sa.Table(
    "upload_client_runs",
    _tables,
    sa.Column("job", sa.String(63), primary_key=True),
    sa.Column("due", sa.Float(53), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("began", sa.Float(53), nullable=False),
    sa.Column("ended", sa.Float(53)),
    sa.Column("exit_code", sa.Integer),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("cuts", sa.Integer, nullable=False),
)

# Made once: to put a statement together takes longer than to carry it out. What it is about, and what becomes
# of that, are given each time.
_OF: Final = sa.bindparam("of", type_=sa.String(63))
_THE_RUN: Final = (_runs.c.job == _OF, _runs.c.due == sa.bindparam("at"))
_TAKEN_JOBS: Final = _jobs.select().where(_jobs.c.holder.is_not(None))
_ONE_JOB: Final = _jobs.select().where(_jobs.c.job == _OF)
_NEW_JOB: Final = _jobs.insert()
_CHANGE_JOB: Final = _jobs.update().where(_jobs.c.job == _OF, _jobs.c.version == sa.bindparam("before"))
_ONE_RUN: Final = _runs.select().where(*_THE_RUN)
_NEW_RUN: Final = _runs.insert()
_CHANGE_RUN: Final = _runs.update().where(*_THE_RUN)
_OLDEST_KEPT: Final = (
    sa.select(_runs.c.due)
    # Those for a moment to come were run while a clock was ahead: they take the place of none that is true.
    .where(_runs.c.job == _OF, _runs.c.due <= sa.bindparam("now"))
    .order_by(_runs.c.due.desc())
    .offset(sa.bindparam("newer", type_=sa.Integer()))
    .limit(1)
)
_PRUNE: Final = _runs.delete().where(_runs.c.job == _OF, _runs.c.due < _OLDEST_KEPT.scalar_subquery())


class StoreUnreachable(DeliveryError):  # noqa: N818 - named for what happened
    """The store cannot be read or written at this moment."""

    exit_code = ExitCode.NOT_REACHABLE
    hint = "See whether its disk or its server is there; a schedule that runs tries again by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A run as the database has it. Times are Unix seconds.

    Attributes:
        job: whose.
        due: the moment for which it ran.
        state: what became of it.
        began: when it last began.
        ended: when it ended; None: it has not.
        exit_code: with which; None: it has not ended, or was stopped.
        message: what it failed with; empty where it succeeded.
        cuts: how often it was cut off.
    """

    job: str
    due: float
    state: RunState
    began: float
    ended: float | None
    exit_code: int | None
    message: str
    cuts: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a claim.

    Attributes:
        claim: whether it is taken (`Claim.TAKE`), or why not.
        cuts: how often this run was cut off so far.
        cut_off: whether it was cut off, and is taken over.
        holder: who has it under way, where it is busy.
    """

    claim: Claim
    cuts: int = 0
    cut_off: bool = False
    holder: Holder | None = None


def open_engine(url: str, folder: Path, *, read_only: bool = False) -> sa.Engine | None:
    """The database of a schedule.

    Args:
        url: ``memory``, ``sqlite:///FILE`` (relative to `folder`) or ``postgresql://…``.
        folder: of the schedule's file.
        read_only: change nothing; None is given where there is nothing to be read.

    Raises:
        UsageError: there is no such database, or no driver for it.
    """
    if url == "memory":
        # One connection for all threads, in turn: each other one would be another, empty database.
        return sa.create_engine(
            "sqlite://",
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    if url.startswith("sqlite"):
        path = folder / url.partition(":///")[2]
        if read_only and not path.exists():
            return None
        if not read_only:
            _make_private(path)
        note(path, "the store of the schedule")
        # Not as text: a ? or % in a name would be none of the name.
        return sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), creator=lambda: _connect_to_file(path)
        )
    # psycopg 3 where no driver is named.
    url = re.sub(r"\Apostgresql://", "postgresql+psycopg://", url)
    try:
        # libpq itself waits for ever for a server that says nothing.
        of_libpq = url.startswith("postgresql+psycopg")
        options = {"connect_timeout": _CONNECT} if of_libpq else {}
        return sa.create_engine(url, pool_pre_ping=True, connect_args=options)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the store {url} needs a driver: {error.name} is not installed",
            hint="pip install 'psycopg[binary]'",
        ) from None
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"the store {url}: {error}") from None


def _make_private(path: Path) -> None:
    """Make a file that only its owner reads, if it is not there."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UsageError(
            f"the store {path} cannot be written: {error.strerror}",
            hint="`store` in the schedule names it; a relative path is relative to the schedule's folder.",
        ) from None


def _connect_to_file(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there: SQLite alone would make an empty one, which knows of nothing."""
    place = f"file:{quote(os.fsencode(path.absolute()))}?mode=rw"
    return sqlite3.connect(place, uri=True, timeout=_BUSY, check_same_thread=False)


class Store:
    """The table of runs: which process runs each, and how it ended.

    Args:
        engine: the database.
        clock: time.
        me: this process; None: determined by itself.
    """

    def __init__(self, engine: sa.Engine, clock: Clock, me: ProcessIdentity | None = None) -> None:
        self.engine = engine
        self._is_in_memory = engine.url.get_backend_name() == "sqlite" and not engine.url.database
        self._clock = clock
        self._me = me or current_process()
        self._host = socket.gethostname()
        self._mine: dict[str, int] = {}
        self._mutex = threading.Lock()
        self._seen: dict[str, tuple[int, float]] = {}
        """For each job that runs elsewhere: its last sign of life, and when that was first seen."""

    def create(self) -> None:
        """Make the tables, where they are not there.

        Raises:
            StoreUnreachable: they cannot be made.
        """
        for attempt in range(_TRIES):
            try:
                with self.errors("make its tables"):
                    _tables.create_all(self.engine)
            except StoreUnreachable:
                # Perhaps another process was making them.
                if attempt == _TRIES - 1:
                    raise
                self._clock.sleep(0.2)
            else:
                return

    def reconnect(self) -> None:
        """Reach for the database anew: its file may be another one by now, put back or mounted again."""
        if not self._is_in_memory:
            self.engine.dispose()

    def claim(self, job: str, due: float, *, again: bool = False) -> Claimed:
        """Take a run, if that may be.

        Args:
            job: whose.
            due: the moment for which.
            again: also if it has been run.

        Returns:
            Whether it is taken, or why not.

        Raises:
            StoreUnreachable: that cannot be found out now.
        """
        for _ in range(_TRIES):
            found = self._try_claim(job, due, again=again)
            if found is not None:
                return found
        return Claimed(Claim.BUSY)  # somebody is quicker each time

    def _try_claim(self, job: str, due: float, *, again: bool) -> Claimed | None:
        """The same; None: another process was quicker, and all may be different."""
        now = self._clock.wall()
        with self._mutex, self.errors(f"claim a run of {job}"):
            try:
                with self.engine.begin() as db:
                    version, holder = self._row(db, job)
                    past = self._past(db, job, due)
                    alive = holder is not None and self._is_alive(job, holder)
                    decided = claim(holder, None if past is None else past.state, alive=alive)
                    if decided is Claim.BUSY or (decided is Claim.DONE and not again):
                        return Claimed(decided, holder=holder)
                    cut_off = past is not None and past.state is RunState.RUNNING
                    cuts = (past.cuts if past and decided is not Claim.DONE else 0) + cut_off
                    me = Holder(self._me, version + 1, due, self._host, now)
                    taken = db.execute(
                        _CHANGE_JOB,
                        {
                            "of": job,
                            "before": version,
                            "version": version + 1,
                            "holder": _encode(me),
                            "due": due,
                        },
                    )
                    if taken.rowcount != 1:
                        db.rollback()
                        return None
                    began = {"state": RunState.RUNNING.value, "began": now, "ended": None, "exit_code": None}
                    if past is None:
                        db.execute(_NEW_RUN, {"job": job, "due": due, "message": "", "cuts": 0, **began})
                    else:
                        db.execute(_CHANGE_RUN, {"of": job, "at": due, "cuts": cuts, **began})
            except IntegrityError:  # the same run was entered by another process
                return None
            self._mine[job] = version + 1
            return Claimed(Claim.TAKE, cuts, cut_off)

    def end(self, job: str, due: float, state: RunState, exit_code: int | None, message: str) -> bool:
        """Record the outcome of a run, and release the job.

        Returns:
            Whether it was ours until now; else nothing is written, as it is another process' to say.

        Raises:
            StoreUnreachable: it cannot be written now; it may be tried again.
        """
        now = self._clock.wall()
        with self._mutex, self.errors(f"write down what came of {job}"):
            version = self._mine.get(job)
            if version is None:
                return False
            with self.engine.begin() as db:
                given = db.execute(
                    _CHANGE_JOB, {"of": job, "before": version, "version": version + 1, "holder": None}
                )
                if given.rowcount == 1:
                    ended = now if state.ended else None
                    db.execute(
                        _CHANGE_RUN,
                        {
                            "of": job,
                            "at": due,
                            "state": state.value,
                            "ended": ended,
                            "exit_code": exit_code,
                            "message": _storable(message[:_MAX_MESSAGE]),
                        },
                    )
                    db.execute(_PRUNE, {"of": job, "newer": KEPT - 1, "now": now + _AHEAD})
            del self._mine[job]
            return given.rowcount == 1

    def beat(self) -> list[str]:
        """Write a heartbeat for each run of this process.

        Returns:
            Jobs whose run another process has taken over, as it considered this one dead.

        Raises:
            StoreUnreachable: it cannot be written now.
        """
        lost = []
        with self._mutex, self.errors("give a sign of life"):
            if not self._mine:
                return []
            with self.engine.begin() as db:
                for job, version in list(self._mine.items()):
                    changed = db.execute(_CHANGE_JOB, {"of": job, "before": version, "version": version + 1})
                    if changed.rowcount == 1:
                        self._mine[job] = version + 1
                    else:
                        del self._mine[job]
                        lost.append(job)
        return lost

    def unfinished(self) -> list[Past]:
        """Runs that were stopped or cut off, and that nobody has under way, the oldest first."""
        with self._mutex, self.errors("look for unfinished runs"), self.engine.begin() as db:
            query = _runs.select().where(_runs.c.state.in_([RunState.RUNNING.value, RunState.STOPPED.value]))
            found = [_as_past(row) for row in db.execute(query.order_by(_runs.c.due)).mappings()]
            busy = self._busy(db)
            return [past for past in found if past.job not in busy]

    def busy(self) -> set[str]:
        """Jobs that run now, here or elsewhere."""
        with self._mutex, self.errors("look at what runs"), self.engine.begin() as db:
            return self._busy(db)

    def running(self) -> dict[str, tuple[Holder, bool]]:
        """The jobs under way: by which process, and whether it is still there as far as is known."""
        with self.errors("look at what runs"), self.engine.begin() as db:
            found = db.execute(_TAKEN_JOBS).mappings()
            holders = {row["job"]: _decode(row["holder"], row["version"]) for row in found}
            return {job: (holder, self._is_alive(job, holder)) for job, holder in holders.items()}

    def is_there(self) -> bool:
        """Whether there are tables to be read."""
        with self.errors("be looked at"), self.engine.begin() as db:
            return bool(sa.inspect(db).has_table(_runs.name))

    def last(self, job: str, *, ended: bool = True) -> Past | None:
        """The last run of a job that has ended; or, of those that have not, the one for the latest moment.

        One that ended while a clock was ahead is the last only where there is no other.
        """
        states = [state.value for state in RunState if state.ended is ended]
        with self.errors(f"look for the last run of {job}"), self.engine.begin() as db:
            query = _runs.select().where(_runs.c.job == job, _runs.c.state.in_(states))
            moment = _runs.c.ended if ended else _runs.c.due
            is_to_come = moment > self._clock.wall() + _AHEAD
            row = db.execute(query.order_by(is_to_come, moment.desc()).limit(1)).mappings().first()
            return None if row is None else _as_past(row)

    def count(self) -> int:
        """Runs that are remembered, of all jobs."""
        with self.errors("be counted"), self.engine.begin() as db:
            return int(db.execute(sa.select(sa.func.count()).select_from(_runs)).scalar_one())

    def has_run(self, job: str, due: float) -> bool:
        """Whether a run for this moment was ever begun."""
        with self.errors(f"look for a run of {job}"), self.engine.begin() as db:
            return self._past(db, job, due) is not None

    def due(self) -> dict[str, float]:
        """When each job is due that is due at all, Unix seconds, as APScheduler has it."""
        with self.errors("be asked what is due"), self.engine.begin() as db:
            if not sa.inspect(db).has_table(_DUE):
                return {}
            found = db.execute(sa.text(f"SELECT id, next_run_time FROM {_DUE}"))  # noqa: S608 - a constant
            return {row.id: row.next_run_time for row in found if row.next_run_time is not None}

    def forget(self, jobs: set[str]) -> list[Past]:
        """Give up what was not finished of jobs that are none any more; which runs that were."""
        given_up = [past for past in self.unfinished() if past.job not in jobs]
        with self.errors("forget jobs"), self.engine.begin() as db:
            for past in given_up:
                db.execute(
                    _CHANGE_RUN,
                    {
                        "of": past.job,
                        "at": past.due,
                        "state": RunState.FAILED.value,
                        "exit_code": 1,
                        "message": "the job is no longer in the schedule",
                        "ended": self._clock.wall(),
                    },
                )
                db.execute(_jobs.update().where(_jobs.c.job == past.job).values(holder=None))
        return given_up

    def _busy(self, db: sa.Connection) -> set[str]:
        found = db.execute(_TAKEN_JOBS).mappings()
        return {
            row["job"] for row in found if self._is_alive(row["job"], _decode(row["holder"], row["version"]))
        }

    def _row(self, db: sa.Connection, job: str) -> tuple[int, Holder | None]:
        row = db.execute(_ONE_JOB, {"of": job}).mappings().first()
        if row is None:
            db.execute(_NEW_JOB, {"job": job, "version": 0})
            return 0, None
        holder = None if row["holder"] is None else _decode(row["holder"], row["version"])
        return row["version"], holder

    @staticmethod
    def _past(db: sa.Connection, job: str, due: float) -> Past | None:
        row = db.execute(_ONE_RUN, {"of": job, "at": due}).mappings().first()
        return None if row is None else _as_past(row)

    def _is_alive(self, job: str, holder: Holder) -> bool:
        if job in self._mine:
            return True
        now = self._clock.monotonic()
        beat, since = self._seen.get(job, (None, now))
        if beat != holder.beat:
            since = now
            self._seen[job] = (holder.beat, now)
        return is_alive(holder, self._me, is_running, now - since)

    @contextmanager
    def errors(self, action: str) -> Iterator[None]:
        """Raise what the database raises inside as `StoreUnreachable`, without statements and values."""
        try:
            yield
        except SQLAlchemyError as error:
            # The driver's own words: SQLAlchemy's have the statement and its values.
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()
            url = self.engine.url
            name = f" {url.database}" if url.get_backend_name() == "sqlite" and url.database else ""
            raise StoreUnreachable(
                f"the store{name} cannot {action}: {reason[0] if reason else error}"
            ) from error


def _storable(text: str) -> str:
    """Text as each database takes it: SQLite's driver takes no lone surrogate, PostgreSQL no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _as_past(row: sa.RowMapping) -> Past:
    return Past(**{**dict(row), "state": RunState(row["state"])})


def _encode(holder: Holder) -> str:
    return json.dumps(
        {"host": holder.host, "due": holder.due, "since": holder.since, **asdict(holder.process)}
    )


def _decode(text: str, version: int) -> Holder:
    fields = json.loads(text)
    host, due, since = (fields.pop(name) for name in ("host", "due", "since"))
    return Holder(ProcessIdentity(**fields), version, due, host, since)


# --- when each job is due ---

_TICK = timedelta(microseconds=1)

_KNOWN = {
    ("apscheduler.triggers.date", "DateTrigger"),
    ("apscheduler.triggers.interval", "IntervalTrigger"),
    ("upload_client.activities.schedule.triggers", "CronLine"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("zoneinfo", "ZoneInfo"),
}


def _zone_by_name(owner: object, name: str) -> Any:  # noqa: ANN401 - a function
    """In place of `getattr`, with which a pickle would get anywhere."""
    if owner is not ZoneInfo or name != "_unpickle":
        raise pickle.UnpicklingError(f"{name} is no part of a job")
    return getattr(owner, name)


class _Unpickler(pickle.Unpickler):
    """Reads jobs, and nothing that could do something while it is read."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a class
        if (module, name) == ("builtins", "getattr"):
            return _zone_by_name
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a job")
        return super().find_class(module, name)


def following(trigger: Any) -> Callable[[datetime], datetime | None]:  # noqa: ANN401 - APScheduler's
    """Gives the first moment after another one at which a trigger that repeats is due."""

    def after(moment: datetime) -> datetime | None:
        found: datetime | None = trigger.get_next_fire_time(None, moment.astimezone(UTC) + _TICK)
        return found

    return after


class JobStore(SQLAlchemyJobStore):  # type: ignore[misc] # APScheduler has no types
    """APScheduler's store, as several processes use it.

    Args:
        store: the store of runs. A job that runs is due when it has ended.
        known: jobs of this process' file; others may be in the store.

    Attributes:
        known: the same.
        kept: jobs that could not be started; they stay due.
    """

    def __init__(self, store: Store, known: set[str]) -> None:
        super().__init__(engine=store.engine, tablename=_DUE)
        self._store, self.known = store, known
        self.kept: set[str] = set()
        when = self.jobs_t.c.next_run_time
        waiting = self.jobs_t.c.id.in_(sa.bindparam("waiting", expanding=True))
        self._next = sa.select(when).where(when.is_not(None), waiting).order_by(when).limit(1)

    def get_due_jobs(self, now: datetime) -> list[Any]:
        """Jobs that are due and do not run, each for the last moment that was missed."""
        try:
            with self._store.errors("be asked what is due"):
                due = [job for job in super().get_due_jobs(now) if job.id in self.known]
            busy = self._store.busy() if due else set()
        except StoreUnreachable:
            return []  # when the next one is due cannot be found out either, and that is told
        due = [job for job in due if job.id not in busy]
        for job in due:
            if not isinstance(job.trigger, DateTrigger):
                job.next_run_time = latest_due(following(job.trigger), job.next_run_time, now)
        return due

    def get_next_run_time(self) -> datetime | None:
        """When the next job is due that does not run."""
        waiting = self.known - self._store.busy()
        with self.engine.begin() as db:
            moment = db.execute(self._next, {"waiting": list(waiting)}).scalar()
        return None if moment is None else datetime.fromtimestamp(moment, UTC)

    def is_anything_due(self) -> bool:
        """Whether any job is due at any time."""
        with self._store.errors("be asked what is due"), self.engine.begin() as db:
            query = sa.select(self.jobs_t.c.id).where(self.jobs_t.c.id.in_(self.known)).limit(1)
            return db.execute(query).first() is not None

    def update_job(self, job: Any) -> None:  # noqa: ANN401 - APScheduler's Job
        """Write when it is due next, unless it could not be started."""
        if job.id in self.kept:
            self.kept.discard(job.id)
        else:
            super().update_job(job)

    def remove_job(self, job_id: str) -> None:
        """Remove what is not due any more, unless it could not be started."""
        if job_id in self.kept:
            self.kept.discard(job_id)
        else:
            super().remove_job(job_id)

    def _reconstitute_job(self, job_state: bytes) -> Any:  # noqa: ANN401 - APScheduler's Job
        state = _Unpickler(io.BytesIO(job_state)).load()
        return super()._reconstitute_job(pickle.dumps(state))
