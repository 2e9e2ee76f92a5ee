"""Virtual time, and processes made of tasks that stand in for threads.

A task is a greenlet: it runs until it waits (for time, for a lock, for an answer of the store), and the
scheduler then goes on with whatever is due next. Nothing runs at the same time and nothing is left to chance,
so a run is repeated exactly by repeating its random numbers.

`threading` here has the names of the standard module that the product uses. Put in its place in the product's
modules, it makes tasks of their threads; the product's own code is run as it is.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Self

from greenlet import GreenletExit, getcurrent, greenlet

from upload_client.support.clock import Clock

START = 1_800_000_000.0
"""The true time at which every simulation begins, Unix seconds."""


class Stuck(AssertionError):  # noqa: N818 - it says what the world is
    """Everything waits for something that will never come."""


class Endless(AssertionError):  # noqa: N818 - the same
    """A simulation has gone on for longer than makes sense."""


class Process:
    """One process of one machine: its tasks live, pause and die together.

    Args:
        name: for the trace.
        machine: the machine's name; None for a function in the cloud, which knows of no machine.
        skew: how far its wall clock is ahead of the true time, in seconds.
    """

    def __init__(self, scheduler: Scheduler, name: str, *, machine: str | None = None, skew: float = 0.0):
        self.scheduler = scheduler
        self.name = name
        self.machine = machine
        self.pid = next(scheduler.pids)
        self.skew = skew
        self.alive = True
        self.set_back = False
        """Its wall clock was set back: should it sleep as well, nothing could tell it how long."""
        self.paused_until = -math.inf
        self.slept = 0.0
        """Seconds for which its monotonic clock stood still."""
        self.clock = ProcessClock(self)
        self.client: Any = None
        self.steals: str | None = None
        """The agent whose lock it takes although that is held."""

    def spawn(self, call: Callable[[], object]) -> Task:
        """Run something as a task of this process, from now on."""
        return self.scheduler.spawn(call, self)

    def kill(self) -> None:
        """End it, now, as by a signal that cannot be caught."""
        self.alive = False

    def pause(self, seconds: float, *, asleep: bool) -> None:
        """Stop it for a while; `asleep`: with the whole machine, whose monotonic clock then stands still."""
        until = max(self.paused_until, self.scheduler.now + seconds)
        if asleep and not self.set_back:
            self.slept += until - max(self.scheduler.now, self.paused_until)
        self.paused_until = until

    @property
    def paused(self) -> bool:
        return self.paused_until > self.scheduler.now


class ProcessClock(Clock):
    """What a process takes for the time."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def wall(self) -> float:
        return self._process.scheduler.now + self._process.skew

    def monotonic(self) -> float:
        return self._process.scheduler.now - START + 1000.0 - self._process.slept

    def sleep(self, seconds: float) -> None:
        self._process.scheduler.wait(seconds)


class Task:
    """A greenlet and what it waits for."""

    def __init__(self, call: Callable[[], object], process: Process | None, scheduler: Scheduler) -> None:
        self.process = process
        self.scheduler = scheduler
        self.turn = 0  # what is queued for an earlier turn is void
        self.done = False
        self.woken = False
        self.error: BaseException | None = None
        self.waiters: list[Task] = []
        self._call = call
        self.greenlet = greenlet(self._run, scheduler.hub)

    def _run(self) -> None:
        try:
            self._call()
        except GreenletExit:
            pass
        except BaseException as error:  # noqa: BLE001 - the scheduler raises it
            self.error = error
        self.done = True
        wake_all(self.waiters)


def wake_all(waiters: list[Task]) -> None:
    for task in waiters:
        task.scheduler.wake(task)
    waiters.clear()


class Scheduler:
    """The time, and all that waits for it."""

    def __init__(self) -> None:
        self.now = START
        self.hub = getcurrent()
        self.pids = itertools.count(100)
        self.task: Task | None = None
        self.over = False
        self.trouble: BaseException | None = None
        """What a task has found wrong: raised by `run`, as the product would swallow it."""
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Task | Callable[[], None], int]] = []
        self._tasks: list[Task] = []

    # Asked by tasks

    def wait(self, seconds: float) -> None:
        """Go on in so many seconds."""
        task = self.task
        assert task is not None
        self._push(self._after(seconds), task)
        self._switch()

    def block(self, waiters: list[Task], timeout: float | None = None) -> bool:
        """Wait until somebody calls `wake`; whether somebody did before the time was up."""
        task = self.task
        if task is None or self.over:
            raise GreenletExit
        task.woken = False
        waiters.append(task)
        if timeout is not None and timeout < math.inf:
            self._push(self._after(timeout), task)
        self._switch()
        if not task.woken and task in waiters:
            waiters.remove(task)
        return task.woken

    def wake(self, task: Task) -> None:
        """Let a task that is blocked go on."""
        if not task.woken:
            task.woken = True
            task.turn += 1
            self._push(self.now, task)

    def _after(self, seconds: float) -> float:
        """The moment in so many seconds: a later one than now, however few they are."""
        return max(self.now + seconds, math.nextafter(self.now, math.inf)) if seconds > 0 else self.now

    # Asked by anyone

    def spawn(self, call: Callable[[], object], process: Process | None) -> Task:
        task = Task(call, process, self)
        self._tasks.append(task)
        self._push(self.now, task)
        return task

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Have something happen at that moment, in no process."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), call, 0))

    def run(self, until: Callable[[], bool], *, limit: float) -> None:
        """Let time pass until something is so.

        Raises:
            Stuck: Nothing would ever happen any more.
            Endless: It is not so after `limit` seconds.
        """
        end = self.now + limit
        while not until():
            if not self._queue:
                raise Stuck("everything waits, and nothing will come")
            when, _, what, turn = heapq.heappop(self._queue)
            if isinstance(what, Task):
                self._resume(what, when, turn)
            else:
                self.now = max(self.now, when)
                what()
            if self.trouble is not None:
                raise self.trouble
            if self.now > end:
                raise Endless(f"still not done after {limit:.0f} s")

    def close(self) -> None:
        """Unwind all that is left, without letting it do anything."""
        self.over = True
        for task in self._tasks:
            if task.greenlet and not task.done:
                self.task = task
                task.greenlet.throw()
        self.task = None
        self._tasks.clear()
        self._queue.clear()

    def _push(self, when: float, task: Task) -> None:
        heapq.heappush(self._queue, (when, next(self._order), task, task.turn))

    def _resume(self, task: Task, when: float, turn: int) -> None:
        process = task.process
        if task.done or turn != task.turn or (process is not None and not process.alive):
            return
        if process is not None and process.paused_until > when:
            heapq.heappush(self._queue, (process.paused_until, next(self._order), task, turn))
            return
        self.now = max(self.now, when)
        task.turn += 1
        self.task = task
        task.greenlet.switch()
        self.task = None
        if task.error is not None:
            raise task.error

    def _switch(self) -> None:
        if self.over:
            raise GreenletExit
        self.hub.switch()
        if self.over:
            raise GreenletExit


_here: Scheduler | None = None


def use(scheduler: Scheduler | None) -> None:
    """Say whose tasks the objects of `threading` belong to."""
    global _here  # noqa: PLW0603 - a module that stands in for another has its state as that has
    _here = scheduler


def _scheduler() -> Scheduler:
    assert _here is not None
    return _here


class Lock:
    """As `threading.Lock`."""

    def __init__(self) -> None:
        self._owner: object = None
        self._waiters: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        here = _scheduler()
        end = math.inf if timeout < 0 else here.now + timeout
        while self._owner is not None:
            left = end - here.now
            if not blocking or left <= 0 or not here.block(self._waiters, left):
                return False
        self._owner = here.task or self
        return True

    def release(self) -> None:
        self._owner = None
        if self._waiters:
            task = self._waiters.pop(0)
            task.scheduler.wake(task)

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock(Lock):
    """As `threading.RLock`."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._owner is not None and self._owner is _scheduler().task:
            self._depth += 1
            return True
        return super().acquire(blocking, timeout)

    def release(self) -> None:
        if self._depth:
            self._depth -= 1
        else:
            super().release()


class Event:
    """As `threading.Event`."""

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        wake_all(self._waiters)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            _scheduler().block(self._waiters, timeout)
        return self._set


class Condition:
    """As `threading.Condition`."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._waiters: list[Task] = []

    def wait(self, timeout: float | None = None) -> bool:
        self._lock.release()
        try:
            return _scheduler().block(self._waiters, timeout)
        finally:
            if not _scheduler().over:
                self._lock.acquire()

    def notify(self, n: int = 1) -> None:
        for task in self._waiters[:n]:
            task.scheduler.wake(task)
        del self._waiters[:n]

    def notify_all(self) -> None:
        wake_all(self._waiters)


class Thread:
    """As `threading.Thread`: a task of the process that starts it."""

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[object, ...] = (),
        name: str = "",
        daemon: bool = True,
    ) -> None:
        self._call = lambda: target(*args)
        self.name = name
        self.daemon = daemon
        self._task: Task | None = None

    def start(self) -> None:
        here = _scheduler()
        assert here.task is not None
        self._task = here.spawn(self._call, here.task.process)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done

    def join(self, timeout: float | None = None) -> None:
        if self._task is not None and not self._task.done:
            _scheduler().block(self._task.waiters, timeout)


class Pool:
    """As `concurrent.futures.ThreadPoolExecutor`: every call a task; `map` in the caller's own."""

    def __init__(self, max_workers: int = 1, thread_name_prefix: str = "") -> None:
        pass

    def submit(self, call: Callable[..., Any], /, *args: object) -> Future[Any]:
        future: Future[Any] = Future()
        here = _scheduler()

        def run() -> None:
            try:
                future.set_result(call(*args))
            except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)

        assert here.task is not None
        here.spawn(run, here.task.process)
        return future

    def map(self, call: Callable[..., Any], *args: Iterable[Any]) -> Iterator[Any]:
        return map(call, *args)

    def shutdown(self, **_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


threading = SimpleNamespace(Condition=Condition, Event=Event, Lock=Lock, RLock=RLock, Thread=Thread)
