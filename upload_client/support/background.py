"""Daemon threads: one that calls a `step` whenever it is due, and no more; and one for a single call.

All work of the first is in the step, which raises nothing, so that it can be driven without a thread as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["Background", "aside"]

T = TypeVar("T")


def aside(call: Callable[[], T], name: str) -> Future[T]:
    """Make a call in a daemon thread of this name; to come is its result, or whatever it raises."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


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
