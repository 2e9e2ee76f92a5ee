"""An end for what waits on somebody else's word: whoever answers a byte at a time holds nobody for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Call `ask` in a thread of its own, and wait for so long.

    A thread that has not returned goes on, and keeps no process from ending; nobody sees what it brings.
    Where the system gives no thread, `ask` is called as it is.

    Raises:
        TimeoutError: it has not returned.
        Exception: whatever `ask` raises.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            future.set_exception(error)

    try:
        threading.Thread(target=work, name="within", daemon=True).start()
    except RuntimeError:
        return ask()
    return future.result(seconds)
