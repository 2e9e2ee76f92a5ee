"""Ctrl-C, SIGTERM, a closed terminal, warnings of schedulers: the first ends it in order, the second at once.

Ctrl-Z gives the terminal to the shell as it was; what is drawn in place is drawn anew when the work goes on.
"""

from __future__ import annotations

import _thread
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from upload_client.cli.failure import Failure, goes_on, written
from upload_client.core.exits import ExitCode
from upload_client.ui import restore_terminal

_ENDING_SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
_AT_ONCE = b"stopped at once; the same command goes on from here\r\n"
_STARTS_OVER = b"stopped at once; the same command starts from the beginning\r\n"
_active: Callable[[], bool] | None = None  # of the block that is the outermost; of the main thread


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within this, the first signal raises KeyboardInterrupt here and the second ends the process.

    A closed terminal (SIGHUP) is a first signal, never a second: the shell and the kernel may both send it.
    Where it is ignored already, as `nohup` has it, it stays so. So are those by which schedulers of clusters
    say that time is nearly up (SIGUSR1, SIGUSR2: Slurm's ``--signal``, Grid Engine's ``-notify``; SIGXCPU,
    which the kernel repeats each second): they would end the process with its lock held. Call it from the
    main thread. A block within another one is a part of it.

    A process that was forked meanwhile does with a signal what is done by default: it is not ours to end.

    What is yielded tells whether a signal has come: where other people's code runs, it may have swallowed the
    exception.
    """
    global _active  # noqa: PLW0603 - as signals are, it is of the process
    if _active is not None:
        yield _active
        return
    asked = False
    process = os.getpid()
    ending = _named()

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if asked and number in ending:
            return
        if asked:
            _end_at_once()
        asked = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in _that_end_it()}
    suspend = getattr(signal, "SIGTSTP", None)  # not on Windows
    if suspend is not None and signal.getsignal(suspend) is signal.SIG_DFL:
        before[suspend] = signal.signal(suspend, _suspended)
    _active = lambda: asked  # noqa: E731 - a function of this name would be another one
    try:
        yield _active
    finally:
        _active = None
        for number, handler in before.items():
            signal.signal(number, handler)


def in_order(run: Callable[[], int]) -> int:
    """Run what a whole process is for, and end it in order when a signal says so, whatever it is about.

    Args:
        run: does it, and puts into words what goes wrong.

    Returns:
        Its exit code; 130 where it was interrupted while it put something into words.
    """
    try:
        with interruptible():
            code = run()
    except KeyboardInterrupt as error:
        failure = Failure.of(error)
        failure.print()
        code = failure.exit_code
    return written(code)


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Within this, the first signal that would end the program calls `stop`: of who serves until then.

    The second one (SIGINT, SIGTERM) ends the process: a store that is silent may hold up `stop` for minutes.

    It is called from a thread of its own: what it sets may have a lock, held by the very code that the signal
    interrupts, as `threading.Event` has, which would be waited for without end.
    """
    asked = False
    ending = _named()

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number not in ending:
            _end_at_once()
        asked = True
        # No `threading.Thread`: to begin one takes such a lock, too.
        _thread.start_new_thread(stop, ())

    before = {number: signal.signal(number, handle) for number in _that_end_it()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once() -> NoReturn:
    restore_terminal(_AT_ONCE if goes_on() else _STARTS_OVER)
    # Not sys.exit: threads in the middle of a transfer would be waited for.
    os._exit(int(ExitCode.INTERRUPTED))


def _named() -> list[int]:
    """Those that come once or more often and mean the same each time; Windows has none of them."""
    return [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]


def _that_end_it() -> list[int]:
    """All that end a program, but for those that whoever started it has it ignore."""
    heeded = [number for number in _named() if signal.getsignal(number) is not signal.SIG_IGN]
    return [signal.SIGINT, signal.SIGTERM, *heeded]


def _suspended(number: int, _frame: FrameType | None) -> None:
    """Leave the terminal to the shell, and stop as this signal does by default."""
    restore_terminal(b"")
    signal.signal(number, signal.SIG_DFL)
    try:
        os.kill(os.getpid(), number)  # here it stands until it is told to go on
    finally:  # a Ctrl-C may come first of all
        signal.signal(number, _suspended)
