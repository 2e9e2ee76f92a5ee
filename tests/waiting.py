"""Waiting for what cannot tell that it has happened: another process, a store, a thread of somebody else's.

Where something can tell (an event, a condition, `UploadClient.update` with a time-out), wait for that.
No test guesses how long a thing takes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def until(so: Callable[[], T], seconds: float = 120.0, *, why: Callable[[], object] | str = "") -> T:
    """Look until something is so, and give what it is.

    Args:
        so: Looks once.
        seconds: How long it may take on a busy machine.
        why: What to say if it never is.
    """
    end = time.monotonic() + seconds
    pause, begun = 0.001, time.monotonic()
    while not (found := so()):
        assert time.monotonic() < end, f"it never came to that: {why() if callable(why) else why}"
        # Where a look lists a store, what is waited for needs the processor more than the looks do.
        time.sleep(max(pause, min(2 * (time.monotonic() - begun), 0.25)))
        pause, begun = min(2 * pause, 0.05), time.monotonic()
    return found


@contextlib.contextmanager
def killed_after(process: subprocess.Popen, seconds: float = 120.0) -> Iterator[None]:
    """Kill a process that keeps somebody waiting for so long: who reads what it says then sees its end."""
    too_long = threading.Timer(seconds, process.kill)
    too_long.daemon = True
    too_long.start()
    try:
        yield
    finally:
        too_long.cancel()


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
