"""`Judging`: many uploads judged at once.

An upload that one request can judge is judged on the multiplexer's thread, over direct connections, with
hundreds under way (`upload_client.s3.multiplexer`). Threads that may block take the rest: large files, files
that a library opens, and unusual answers of the store.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Protocol

from upload_client.core.uploads import Upload
from upload_client.s3.concurrency import Concurrency
from upload_client.s3.direct import DirectWire, is_unusual
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.wire import Answer
from upload_client.support.clock import SYSTEM, Clock
from upload_client.validator.checks import Abandoned, Ask, Judgement, Steps

AT_ONCE = 256
"""The most requests that are under way on the one thread."""
_MEMORY = 64 * 1024 * 1024
"""Bytes of content that are in memory, above which no further file is asked for."""
_NOTIFY_JUDGEMENTS = 64
_NOTIFY_SECONDS = 0.01


class Judge(Protocol):
    """Judges single uploads; `upload_client.validator.checks.Checker` is the real one."""

    def judge(self, path: str, announced: Upload) -> Judgement:
        """Judge one upload, in a thread that may wait; `Abandoned` after `stop`."""

    def steps(self, path: str, announced: Upload) -> Steps:
        """The same, request by request."""

    def go_on(self, steps: Steps, request: Ask) -> Judgement:
        """Go on with this, in a thread that may wait."""

    def memory(self, path: str, announced: Upload) -> int:
        """Bytes of content that are in memory meanwhile."""

    def stop(self) -> None:
        """Let judgements that are under way end soon."""


class _Task:
    """An upload, and the future of its judgement."""

    __slots__ = ("announced", "future", "path")

    def __init__(self, path: str, announced: Upload) -> None:
        self.path = path
        self.announced = announced
        self.future: Future[Judgement] = Future()


class Judging:
    """Judges uploads, in the order in which they come, as many at once as bring more.

    Args:
        judge: judges single ones.
        executor: its threads may wait. It stays the caller's, to shut down too, after `close`.
        wire: whose connections carry what the one thread asks; None: everything is left to the executor.
        on_judgement: is called with each path and what came out, in any thread.
        clock: the machine's.
    """

    def __init__(
        self,
        judge: Judge,
        executor: Executor,
        wire: DirectWire | None = None,
        *,
        on_judgement: Callable[[str, Judgement], object] = lambda _path, _judgement: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._judge = judge
        self._executor = executor
        self._wire = wire
        self._on_judgement = on_judgement
        self._clock = clock
        self._pace = Concurrency(None, AT_ONCE)
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._unfinished: set[_Task] = set()  # who takes one out of it may end its future
        self._ended: list[tuple[_Task, object]] = []
        self._notified_at = 0.0
        self._held = 0  # bytes of content that the executor's threads have
        self._stopped = False
        self._multiplexer: Multiplexer | None = None
        if wire is not None:
            self._multiplexer = Multiplexer(wire, self)
            self._multiplexer.start()

    def submit(self, path: str, announced: Upload) -> Future[Judgement]:
        """Have an upload judged. Returns at once.

        Returns:
            What comes out, one day; or `Abandoned`, after `stop`, or what else the judging ended with.
        """
        task = _Task(path, announced)
        with self._lock:
            multiplexer = None if self._stopped else self._multiplexer
            self._unfinished.add(task)
            if multiplexer is not None:
                memory = self._judge.memory(path, announced)
                self._waiting.append(Job(self._judge.steps(path, announced), _nobody, task, memory))
        if multiplexer is None:
            self._executor.submit(self._do, task, partial(self._judge.judge, path, announced))
        elif multiplexer.asleep:
            multiplexer.wake()
        return task.future

    def stop(self) -> None:
        """Let judgements that are under way end soon, and those that are not with `Abandoned`."""
        self._judge.stop()
        with self._lock:
            multiplexer, self._multiplexer, self._stopped = self._multiplexer, None, True
        if multiplexer is None:
            return
        multiplexer.stop()
        if threading.current_thread() is not multiplexer.thread:
            multiplexer.thread.join()
        self._notify()
        for task in list(self._unfinished):
            self._finish(task, Abandoned())

    def close(self) -> None:
        """Stop, and let go of connections."""
        self.stop()
        if self._wire is not None:
            self._wire.close()

    # What the multiplexer asks for; see `upload_client.s3.multiplexer.Jobs`

    def room(self) -> int:
        """Number of further ones that may be under way."""
        multiplexer = self._multiplexer
        if multiplexer is None or multiplexer.memory + self._held > _MEMORY:
            return 0
        return self._pace.limit - multiplexer.flying

    def take_small(self, most: int) -> list[Job]:
        """Take the next ones, no more than `most`."""
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Note which have begun, and report those that are judged."""
        del begun
        now = self._clock.monotonic()
        n_bytes = 0
        for job, result in ended:
            n_bytes += job.memory
            self._ended.append((job.about, result))
        if ended:
            self._pace.answered(n_bytes, now, busy=bool(self._waiting), n=len(ended))
        if len(self._ended) >= _NOTIFY_JUDGEMENTS:
            self._notify()

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """Give the executor one that takes more than a request."""
        if answer is not None and answer.throttled:
            self._pace.throttled(self._clock.monotonic())
        with self._lock:
            self._held += job.memory
            stopped = self._stopped
        if stopped:
            self._finish(job.about, Abandoned())
        else:
            unusual = answer is not None and is_unusual(answer)
            self._executor.submit(self._do, job.about, partial(self._go_on, job, unusual=unusual))

    def may_write(self) -> bool:
        """Whether a write may begin: none is ever made here."""
        return False

    def failed(self, error: BaseException) -> None:
        """Go on with the executor alone: the multiplexer has met what nobody foresaw."""
        del error
        with self._lock:
            if self._stopped:
                return
            self._multiplexer = None
            self._waiting.clear()
            tasks = list(self._unfinished)
        for task in tasks:
            self._executor.submit(self._do, task, partial(self._judge.judge, task.path, task.announced))

    def notify_caller(self, *, now: float) -> bool:
        """Notify whoever waits, if enough has come, or nothing more comes soon; whether nobody waits on."""
        if not self._ended:
            return True
        multiplexer = self._multiplexer
        if multiplexer is not None and multiplexer.flying and now - self._notified_at < _NOTIFY_SECONDS:
            return False
        self._notified_at = now
        self._notify()
        return True

    def _notify(self) -> None:
        ended, self._ended = self._ended, []
        for task, result in ended:
            self._finish(task, result)

    def _go_on(self, job: Job, *, unusual: bool) -> Judgement:
        try:
            came_out = self._judge.go_on(job.steps, job.request)
            if unusual and self._wire is not None:
                self._wire.learn()
            return came_out
        finally:
            with self._lock:
                self._held -= job.memory
                multiplexer = self._multiplexer
            if multiplexer is not None:
                multiplexer.wake()

    def _do(self, task: _Task, judge: Callable[[], Judgement]) -> None:
        """In a thread that may wait."""
        result: object
        try:
            result = judge()
        except BaseException as error:  # noqa: BLE001 — it is what the future ends with
            result = error
        self._finish(task, result)

    def _finish(self, task: _Task, result: object) -> None:
        with self._lock:
            if task not in self._unfinished:
                return  # by somebody else, meanwhile
            self._unfinished.remove(task)
        if isinstance(result, BaseException):
            task.future.set_exception(result)
        else:
            assert isinstance(result, Judgement)
            self._on_judgement(task.path, result)
            task.future.set_result(result)


def _nobody(_about: object, _result: object) -> None:
    """Ignore the result: `report` receives it."""
