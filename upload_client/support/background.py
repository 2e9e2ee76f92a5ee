"""Daemon threads: one that calls a `step` whenever it is due, one for a single call, some for many calls.

All work of the first is in the step, which raises nothing, so that it can be driven without a thread as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def call_in_thread(call: Callable[[], T], name: str) -> Future[T]:
    """Make a call in a daemon thread of this name; the future has its result, or what it raises."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def map_in_threads(call: Callable[[S], T], items: Iterable[S], n: int, name: str) -> Generator[T]:
    """Make a call for each item, up to `n` at a time, in daemon threads of this name; results in order.

    Whoever takes no more of them waits for none: calls that are under way go on by themselves, and keep no
    process from ending, as those of Python's own pools do.

    Args:
        call: is made in any order; whatever it raises is raised where its result is due.
        items: taken at once.
        n: at least 1.
        name: of the threads.
    """
    given = list(items)
    changed = threading.Condition()
    following = iter(range(len(given)))
    ended: dict[int, Future[T]] = {}
    is_over = False

    def work() -> None:
        while True:
            with changed:
                at = None if is_over else next(following, None)
            if at is None:
                return
            future: Future[T] = Future()
            try:
                future.set_result(call(given[at]))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)
            with changed:
                ended[at] = future
                changed.notify_all()

    try:
        for _ in range(min(n, len(given))):
            try:
                threading.Thread(target=work, name=name, daemon=True).start()
            except RuntimeError:  # the system gives no more: what there are do it all
                work()
                break
        for at in range(len(given)):
            with changed:
                while at not in ended:
                    changed.wait()
                future = ended.pop(at)
            yield future.result()
    finally:
        with changed:
            is_over = True


class Background:
    """Calls `step` again and again, until stopped.

    Args:
        step: What to do; it gives the seconds until it should be called again.
        name: Of the thread.
        longest: Seconds after which it is called at the latest. A machine's sleep, during which the clock of
            threads stands still, is noticed so soon.
    """

    def __init__(self, step: Callable[[], float], name: str, *, longest: float) -> None:
        self._step = step
        self._name = name
        self._longest = longest
        self._wake = threading.Event()
        self._stopping: threading.Event | None = None

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        if self._stopping is None:
            self._stopping = threading.Event()
            threading.Thread(target=self._run, args=(self._stopping,), name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Tell the thread to end, and do not wait: it may wait for an answer from the network."""
        if self._stopping is not None:
            self._stopping.set()
            self._stopping = None
            self._wake.set()

    def wake(self) -> None:
        """Let it call `step` now."""
        self._wake.set()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self._wake.wait(min(self._step(), self._longest))
            # Before the next step looks, not after: what comes from now on wakes it again.
            self._wake.clear()
