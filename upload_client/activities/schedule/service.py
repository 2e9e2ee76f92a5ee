"""The service that runs a schedule: APScheduler finds due jobs, and each run has a thread.

All work is done in `Service.step`, which the main thread calls in a loop; with `launch` and another clock it
runs in virtual time, without threads.
"""

from __future__ import annotations

import contextvars
import logging
import math
import stat
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upload_client.activities.errors import missing_extra
from upload_client.activities.runner import describe, exit_code_of
from upload_client.activities.schedule.jobs import find_modules_in_folder, load_ahead, runner_of
from upload_client.activities.schedule.store import Claimed, JobStore, Store, StoreUnreachable, open_engine
from upload_client.activities.schedule.triggers import trigger_of
from upload_client.core.exits import ExitCode
from upload_client.core.lease import ProcessIdentity
from upload_client.core.schedule import MAX_CUTS, Claim, RunState
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError, Interrupted, UsageError
from upload_client.support.clock import SYSTEM, Clock

try:
    from apscheduler.executors.base import BaseExecutor
    from apscheduler.jobstores.base import JobLookupError
    from apscheduler.schedulers.base import BaseScheduler
except ImportError:
    raise missing_extra("a schedule", "activities") from None

if TYPE_CHECKING:
    from upload_client.activities.runner import ActivityRunner
    from upload_client.activities.schedule.document import Loaded

_log = logging.getLogger(__name__)

Notify = Callable[[str, Mapping[str, Any]], object]
"""Receives the events, for programs: the kind of an event, and its fields."""

Launch = Callable[[Callable[[], None]], object]

JOB: contextvars.ContextVar[str] = contextvars.ContextVar("job", default="")
"""The job that runs in this thread."""

_LONGEST = 15.0
"""Seconds between two steps at the most: the clock may be set, or the machine sleep, meanwhile."""
_BEAT_EVERY = 20.0
_LOOK_EVERY = 30.0  # for runs that were cut off
_AGAIN = 5.0  # after trouble with the store
_MAILED_FIRST, _MAILED_LAST = 60.0, 3600.0  # seconds between two attempts of a mail
_MAILED_FOR = 86_400.0
_JUMP = 2.0  # seconds by which the clock may be behind


def _nothing(kind: str, fields: Mapping[str, Any]) -> None:
    """Ignore the event."""


def run_by_service() -> None:
    """The function that APScheduler stores for each job; `_Executor` does the work instead."""


class _Scheduler(BaseScheduler):  # type: ignore[misc] # APScheduler has no types
    """APScheduler without a thread of its own."""

    def start(self) -> None:
        """Begin."""
        super().start()

    def shutdown(self) -> None:
        """End."""
        super().shutdown(wait=False)

    def wakeup(self) -> None:
        """It is looked at often enough."""

    def step(self) -> float | None:
        """Start what is due; seconds until the next is, None: never."""
        wait: float | None = self._process_jobs()
        return wait


class _Executor(BaseExecutor):  # type: ignore[misc] # APScheduler has no types
    """Hands what is due to the service, with the moment for which it is."""

    def __init__(self, begin: Callable[[str, datetime], None]) -> None:
        super().__init__()
        self._begin = begin

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:  # noqa: ANN401 - APScheduler's Job
        """Begin it. That no job overlaps with itself is seen to by the store, across processes."""
        self._begin(job.id, run_times[-1])

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:  # noqa: ANN401
        """`submit_job` is all that is called."""


@dataclass(frozen=True, slots=True)
class _Unsent:
    """A run whose mail found no server.

    Attributes:
        job: whose.
        run: the moment for which it ran.
        runner: what sends the mail.
        since: when that failed first, monotonic.
        pause: seconds from the last attempt to the next.
        at: when that is due, monotonic.
    """

    job: str
    run: datetime
    runner: ActivityRunner
    since: float
    pause: float
    at: float


class Service:
    """Runs the jobs of a schedule when they are due.

    Args:
        loaded: the schedule.
        clock: time.
        notify: receives the events.
        launch: runs a function beside this thread; None: in a thread of a pool.
        make: makes what runs a job; None: as the schedule says.
        me: this process; None: determined by itself.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        clock: Clock = SYSTEM,
        notify: Notify = _nothing,
        launch: Launch | None = None,
        make: Callable[[str, datetime], ActivityRunner] | None = None,
        me: ProcessIdentity | None = None,
    ) -> None:
        self._loaded, self._clock, self._notify = loaded, clock, notify
        self._zone = loaded.schedule.zone
        self._make = make or (lambda job, run: runner_of(loaded, job, run, self._hook(job, run)))
        self._pool = None if launch else ThreadPoolExecutor(loaded.schedule.at_once, "job")
        self._launch: Launch = launch or self._submit
        self._under_way: set[str] = set()
        self._repeating = {name for name, job in loaded.schedule.jobs.items() if job.at is None}
        self._running: dict[str, ActivityRunner] = {}
        self._unsent: list[_Unsent] = []
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        engine = open_engine(loaded.schedule.store, loaded.folder)
        assert engine is not None
        self.store = Store(engine, clock, me)
        self._jobs = JobStore(self.store, set(loaded.schedule.jobs))
        self._scheduler = _Scheduler(
            timezone=self._zone,
            jobstores={"default": self._jobs},
            executors={"default": _Executor(self._begin)},
        )
        self._reported_trouble = ""
        self._not_claimed: StoreUnreachable | None = None
        self.exit_code: int | None = None
        self._stamp = _stamp(loaded.path)
        self._seen = (clock.wall(), clock.monotonic())
        self._beat_at = self._look_at = clock.monotonic()

    # --- start and stop ---

    def start(self) -> None:
        """Load the store: add new jobs, find missed times, and resume interrupted runs.

        Raises:
            StoreUnreachable: it cannot be read or written.
            UsageError: the store cannot be used.
        """
        find_modules_in_folder(self._loaded)
        load_ahead(self._loaded)
        self.store.create()
        with self.store.errors("be taken up"):
            self._scheduler.start()
            self._take_up()
        for past in self.store.forget(set(self._loaded.schedule.jobs)):
            _log.warning("%s: an unfinished run is given up: the job is no longer in the schedule", past.job)
        self._resume()

    def run(self, is_asked: Callable[[], bool] = lambda: False) -> None:
        """Run until a signal handler raises KeyboardInterrupt, or no job is due any more.

        Args:
            is_asked: whether a signal has come. What is raised while APScheduler starts a job it takes for
                the job's own failure, and goes on.

        Raises:
            KeyboardInterrupt: a signal has come; then call `stop`.
        """
        while (wait := self.step()) is not None:
            if is_asked():
                raise KeyboardInterrupt
            self._wake.wait(wait)
            self._wake.clear()

    def step(self) -> float | None:
        """Do once what is due.

        Returns:
            Seconds until it is to be called again; None: no job is due any more.
        """
        now = self._clock.monotonic()
        self._mail_again(now)
        try:
            self._see_clock()
            if now >= self._beat_at:
                self._beat_at = now + _BEAT_EVERY
                self._beat()
            if now >= self._look_at:
                self._look_at = now + _LOOK_EVERY
                self._see_file()
                self._fix()
                self._resume()
            with self.store.errors("be asked what is due"):
                wait = self._scheduler.step()
            if self._not_claimed is not None:
                error, self._not_claimed = self._not_claimed, None
                raise error
            if wait is None and self._is_over():
                return None
        except JobLookupError:  # another process has taken it off
            return 0.0
        except DeliveryError as error:
            if str(error) != self._reported_trouble:
                self._reported_trouble = str(error)
                _log.error("%s; it is tried again", for_log(str(error)))
            self.store.reconnect()
            return _AGAIN
        self._reported_trouble = ""
        return min(_LONGEST if wait is None else wait, _LONGEST)

    def _fix(self) -> None:
        """Take up again what is in the file and no more in the store, if it is due again and again.

        And what another process, whose clock was ahead, has put off until then.
        """
        with self.store.errors("be looked through"):
            if lost := self._repeating - self.store.due().keys():
                _log.warning("%s: no longer in the store; taken up again", ", ".join(sorted(lost)))
                self._take_up()
            else:
                self._look_ahead(datetime.fromtimestamp(self._clock.wall(), self._zone))

    def _is_over(self) -> bool:
        """Whether nothing is to come any more, and nothing runs, here or elsewhere."""
        if self._repeating:
            return False
        with self._mutex:
            under_way = bool(self._under_way)
        return not (under_way or self._jobs.is_anything_due() or self.store.busy() & self._jobs.known)

    def stop(self) -> None:
        """Stop running jobs in order, so that the next start resumes them, and wait for that."""
        with self._mutex:
            self._stopping = True
            running = dict(self._running)
        for job, runner in running.items():
            _stop_run(job, runner)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        for one in self._unsent:
            _log.error("%s: nobody was notified of the run for %s by mail", one.job, _spelled(one.run))
        self._unsent.clear()
        if self._scheduler.running:
            self._scheduler.shutdown()

    def once(self, job: str, run: datetime) -> int:
        """Run a job now for this due time, even if it has already run for it.

        Returns:
            Its exit code.

        Raises:
            Busy: it runs already.
            Interrupted: it was stopped.
        """
        self.store.create()
        claimed = self.store.claim(job, run.timestamp(), again=True)
        if claimed.claim is not Claim.TAKE:
            holder = claimed.holder
            where = f" on {holder.host} (process {holder.process.pid})" if holder else ""
            raise Busy(f"{job} runs already{where}")
        try:
            self._take(job, run, claimed, resumes=False)
            while self._under_way:
                self._wake.wait(_BEAT_EVERY)
                self._wake.clear()
                self._beat()
        finally:
            self.stop()
        if self.exit_code is None:
            raise Interrupted
        return self.exit_code

    # --- jobs that are due ---

    def _take_up(self) -> None:
        """Have APScheduler know each job: one that it knows keeps the moment at which it is due."""
        now = datetime.fromtimestamp(self._clock.wall(), self._zone)
        known = {job.id: job for job in self._jobs.get_all_jobs()}
        for gone in known.keys() - self._loaded.schedule.jobs.keys():
            self._jobs.remove_job(gone)
        for name, job in self._loaded.schedule.jobs.items():
            trigger = trigger_of(job, self._zone)
            spelled = f"{job.when} {self._loaded.schedule.timezone}"
            if name in known and known[name].name == spelled:
                continue
            due = trigger.get_next_fire_time(None, now)
            if name in known and (waits := known[name].next_run_time) and waits.timestamp() < now.timestamp():
                _log.warning(
                    "%s: the run for %s was missed, and is not made up for: the file has other times now",
                    name,
                    _spelled(waits.astimezone(self._zone)),
                )
            if job.at is not None and due.timestamp() < now.timestamp():
                if not self.store.has_run(name, due.timestamp()):
                    _log.warning("%s: %s is in the past: it does not run", name, job.when)
                if name in known:
                    self._jobs.remove_job(name)
                continue
            self._scheduler.add_job(
                f"{__name__}:{run_by_service.__name__}",
                trigger,
                id=name,
                name=spelled,
                replace_existing=True,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=due,
            )
        self._look_ahead(now)

    def _look_ahead(self, now: datetime) -> None:
        """Have no job wait for a moment later than its next: the clock was wrong when that was worked out."""
        for job in self._jobs.get_all_jobs():
            if job.id not in self._jobs.known or job.next_run_time is None:
                continue
            due = job.trigger.get_next_fire_time(None, now)
            if due is not None and due.timestamp() < job.next_run_time.timestamp():
                self._scheduler.modify_job(job.id, next_run_time=due)

    def _see_clock(self) -> None:
        """Notice that the clock was set back."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        behind = (monotonic - self._seen[1]) - (wall - self._seen[0])
        self._seen = (wall, monotonic)
        if behind > _JUMP:
            _log.warning("the clock was set back by %.0f s", behind)
            self._look_at = -math.inf

    def _see_file(self) -> None:
        """Notice that the file was changed: whoever did that may believe that it counts."""
        stamp = _stamp(self._loaded.path)
        if stamp != self._stamp:
            self._stamp = stamp
            _log.warning(
                "%s was changed: all goes on as it stood there at the start; start it anew to take that up",
                for_log(str(self._loaded.path)),
            )

    def _begin(self, job: str, due: datetime) -> None:
        """Begin a run, called by APScheduler; or leave it due."""
        if self._stopping:
            self._jobs.kept.add(job)
            return
        try:
            taken = self._claim(job, due.timestamp())
        except StoreUnreachable as error:
            self._not_claimed = error
            taken = Claim.BUSY
        except BaseException:  # a signal: APScheduler would take it for done
            self._jobs.kept.add(job)
            raise
        if taken is Claim.BUSY:
            self._jobs.kept.add(job)

    def _claim(self, job: str, due: float) -> Claim:
        claimed = self.store.claim(job, due)
        if claimed.claim is Claim.TAKE:
            self._take(job, datetime.fromtimestamp(due, self._zone), claimed)
        return claimed.claim

    def _take(self, job: str, run: datetime, claimed: Claimed, *, resumes: bool = True) -> None:
        if claimed.cut_off:
            _log.warning("%s: the run for %s was cut off", job, _spelled(run))
            self._notify("run", _event(job, run, "cut_off"))
        with self._mutex:
            self._under_way.add(job)
        self._launch(lambda: self._run(job, run, claimed.cuts, resumes=resumes))

    def _resume(self) -> None:
        """Go on with what was stopped or cut off, here or by a process that is gone."""
        for past in self.store.unfinished():
            if past.job in self._loaded.schedule.jobs and not self._stopping:
                self._claim(past.job, past.due)

    def _beat(self) -> None:
        for job in self.store.beat():
            _log.error("%s: another process considers this run dead, and has resumed it", job)
            with self._mutex:
                runner = self._running.get(job)
            if runner is not None:
                runner.activity.stop()

    # --- one run ---

    def _submit(self, run: Callable[[], None]) -> None:
        assert self._pool is not None
        self._pool.submit(run)

    def _run(self, job: str, run: datetime, cuts: int, *, resumes: bool) -> None:
        """One run, from its beginning to the note of what came of it."""
        token = JOB.set(job)
        try:
            state, code, message = self._outcome(job, run, cuts)
            self.exit_code = code
            if state is RunState.STOPPED and not resumes:
                state, code = RunState.FAILED, int(ExitCode.INTERRUPTED)
            self._write_down(job, run, state, code, message)
            runner = self._running.get(job)
            if runner is not None and not runner.is_notified and resumes:
                now = self._clock.monotonic()
                with self._mutex:
                    self._unsent.append(_Unsent(job, run, runner, now, _MAILED_FIRST, now + _MAILED_FIRST))
        finally:
            JOB.reset(token)
            with self._mutex:
                self._running.pop(job, None)
                self._under_way.discard(job)
            self._wake.set()

    def _mail_again(self, now: float) -> None:
        """Send the mails that found no server once more, each beside this thread."""
        with self._mutex:
            due = [one for one in self._unsent if now >= one.at and not self._stopping]
            self._unsent = [one for one in self._unsent if one not in due]
        for one in due:
            if self._pool is None:
                self._mail_one(one)
            else:
                self._pool.submit(self._mail_one, one)

    def _mail_one(self, one: _Unsent) -> None:
        token = JOB.set(one.job)
        try:
            if one.runner.notify_again():
                return
        finally:
            JOB.reset(token)
        now = self._clock.monotonic()
        if now - one.since > _MAILED_FOR:
            _log.error("%s: nobody is notified of the run for %s any more", one.job, _spelled(one.run))
            return
        pause = min(2 * one.pause, _MAILED_LAST)
        with self._mutex:
            self._unsent.append(replace(one, pause=pause, at=now + pause))

    def _outcome(self, job: str, run: datetime, cuts: int) -> tuple[RunState, int | None, str]:
        began = self._clock.monotonic()
        _log.info("%s: begins, for %s", job, _spelled(run))
        self._notify("run", _event(job, run, "began"))
        state, code, message = RunState.FAILED, None, ""
        try:
            runner = self._make(job, run)
            with self._mutex:  # either `stop` sees this run, or this run sees that all are being stopped
                self._running[job] = runner
                stopping = self._stopping
            if stopping:
                _stop_run(job, runner)
            if cuts >= MAX_CUTS:
                runner.fail(CutOff(f"it was cut off {cuts} times"))
            else:
                runner.run()
            error = runner.exception
            state = RunState.SUCCEEDED if error is None else RunState.FAILED
            code = 0 if error is None else int(exit_code_of(error))
            message = "" if error is None else describe(error)
        except Interrupted:
            state, message = RunState.STOPPED, "stopped"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - nothing may keep it from being noted down
            _log.exception("%s: unexpected", job)
            code, message = 1, describe(error)
        seconds = self._clock.monotonic() - began
        level = logging.ERROR if state is RunState.FAILED else logging.INFO
        _log.log(
            level,
            "%s: %s, for %s, after %.0f s%s%s",
            job,
            state.value,
            _spelled(run),
            seconds,
            f" (exit code {code})" if code else "",
            f": {for_log(message)}" if state is RunState.FAILED else "",
        )
        self._notify(
            "run",
            {
                **_event(job, run, state.value),
                "exit_code": code,
                "message": message,
                "seconds": round(seconds, 3),
            },
        )
        return state, code, message

    def _write_down(self, job: str, run: datetime, state: RunState, code: int | None, message: str) -> None:
        """Until it is written, it has not ended: another process would run it again."""
        is_logged = False
        while True:
            try:
                if not self.store.end(job, run.timestamp(), state, code, message):
                    _log.error(
                        "%s: another process considers this run dead, and will report its outcome", job
                    )
            except StoreUnreachable as error:
                if not is_logged:
                    _log.error("%s: %s; it is tried again", job, for_log(str(error)))
                    is_logged = True
                if self._stopping:
                    _log.error("%s: what came of it is not written down: it is run again", job)
                    return
                self.store.reconnect()
                self._clock.sleep(_AGAIN)
            else:
                return

    def _hook(self, job: str, run: datetime) -> Callable[[int, BaseException, float], None]:
        def hook(remaining: int, error: BaseException, delay: float) -> None:
            details = {"tries_remaining": remaining, "delay": delay, "message": describe(error)}
            self._notify("retry", {**_event(job, run, "running"), **details})

        return hook


def _stop_run(job: str, runner: ActivityRunner) -> None:
    _log.info("%s: is being stopped", job)
    runner.activity.stop()


class Busy(DeliveryError):  # noqa: N818 - named for what it is
    """A job runs already."""

    exit_code = ExitCode.LOCKED
    hint = "Wait until it has ended: `upload-client schedule show` says how far it is."


class CutOff(DeliveryError):  # noqa: N818 - named for what it is
    """A run that was interrupted several times: it may be what kills the process."""

    hint = "Look into the system's log: it may need more memory than there is. `schedule once` runs it again."


def run_once(
    loaded: Loaded, job: str, run: datetime | None = None, *, clock: Clock = SYSTEM, notify: Notify = _nothing
) -> int:
    """Run a job now.

    Args:
        loaded: the schedule.
        job: the name of the job.
        run: the moment for which; None: now. One that was run already is run again.
        clock: time.
        notify: receives the events.

    Returns:
        Its exit code.

    Raises:
        UsageError: there is no such job.
        Busy: it runs already.
        Interrupted: it was stopped.
    """
    if job not in loaded.schedule.jobs:
        raise UsageError(
            f"there is no job {job!r} in {loaded.path}", hint=f"There are {', '.join(loaded.schedule.jobs)}."
        )
    find_modules_in_folder(loaded)
    zone = loaded.schedule.zone
    if run is None:
        run = datetime.fromtimestamp(int(clock.wall()), zone)
    return Service(loaded, clock=clock, notify=notify).once(job, run.astimezone(zone))


def _stamp(path: Path) -> tuple[int, int] | None:
    """A number that a file has no more once it is changed; None: it is no file, such as a pipe, or gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


def _spelled(run: datetime) -> str:
    return f"{run:%Y-%m-%d %H:%M:%S %Z}" if run.second else f"{run:%Y-%m-%d %H:%M %Z}"


def _event(job: str, run: datetime, state: str) -> dict[str, Any]:
    return {"job": job, "run": run.isoformat(timespec="seconds"), "state": state}
