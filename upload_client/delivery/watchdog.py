"""Ends a process whose run is stuck in a system call: on a dead disk, or a pipe that nobody reads.

The caller's thread checks the run several times a second, and ends it where it makes no progress
(`upload_client.core.standstill.Standstill`). That thread cannot end itself where a system call never returns,
and no exception can be raised in it: so another thread gives the lock back and ends the process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

from upload_client.core.standstill import Stuck, why_stuck
from upload_client.core.text import for_terminal
from upload_client.delivery.finish import end
from upload_client.delivery.run import Run
from upload_client.errors import NoProgress
from upload_client.events import Event

_log = logging.getLogger(__name__)

_LOOKS = 20  # in the time after which it ends
_LONGEST_PAUSE = 15.0  # seconds between two looks
_ENDING = 15.0  # seconds for the end in order
_LAST_MESSAGE_SECONDS = 2.0  # seconds for its last words


@contextlib.contextmanager
def watched(seconds: float, run: Run | None = None) -> Iterator[None]:
    """Within this, end the process with exit code 5 where the calling thread is stuck in a call for too long.

    For a program of its own, not for a library: the process ends.

    Args:
        seconds: that are too long.
        run: that the thread carries out; it is watched once somebody is logged in: before, a person may be
            asked for a password. None: it reads the folder with the data.
    """
    done = threading.Event()
    arguments = seconds, run, threading.get_ident(), done
    thread = threading.Thread(target=_watch, args=arguments, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _watch(seconds: float, run: Run | None, ident: int, done: threading.Event) -> None:
    while run is not None and run.buckets is None:
        if done.wait(1.0):
            return
    stuck = Stuck(seconds)
    while not done.wait(min(seconds / _LOOKS, _LONGEST_PAUSE)):
        frame = sys._current_frames().get(ident)  # noqa: SLF001 - documented, for just this
        looks = 0 if run is None else run.n_looks
        if frame is not None and stuck.see(time.monotonic(), looks, _place(frame)):
            _end(run, frame, seconds)


def _place(frame: FrameType | None) -> tuple[tuple[int, int], ...]:
    """Where a thread is, to the instruction."""
    found = []
    while frame is not None:
        found.append((id(frame), frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def _end(run: Run | None, frame: FrameType, seconds: float) -> None:
    """End, whatever fails on the way: a machine without memory may be what it is stuck in."""
    try:
        error = NoProgress(why_stuck(list(_files(frame)), seconds))
        stack = "".join(traceback.format_stack(frame))
        # What it is stuck in may be the log: then nobody else can write there either.
        _try_for(_LAST_MESSAGE_SECONDS, lambda: _log.error("%s\n%s", error, stack))
        if run is not None:
            run.reporter = _Nobody()  # whoever is told may be what it is stuck in
            _try_for(_ENDING, lambda: end(run, error, crashed=False))
        message = f"error: {for_terminal(f'{error}. {error.hint}')}\n".encode()
        if not _try_for(_LAST_MESSAGE_SECONDS, lambda: os.write(2, message)):
            os.write(2, message)
    finally:
        os._exit(int(NoProgress.exit_code))


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def _try_for(seconds: float, call: Callable[[], object]) -> bool:
    """Wait so long for this, and no longer. False: the system gives no thread any more; it was not begun."""

    def careful() -> None:
        with contextlib.suppress(Exception):
            call()

    try:
        thread = threading.Thread(target=careful, daemon=True)
        thread.start()
    except (RuntimeError, MemoryError):
        return False
    thread.join(seconds)
    return True


class _Nobody:
    """A reporter that shows nothing."""

    def handle(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass
