"""Ctrl-C, SIGTERM, a closed terminal, warnings of schedulers: the first ends it in order, the second at once.

Ctrl-Z gives the terminal to the shell as it was; what is drawn in place is drawn anew when the work goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from upload_client.core.exits import ExitCode
from upload_client.ui import restore_terminal

_ENDING_SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
_AT_ONCE = b"stopped at once; the same command goes on from here\r\n"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within this, the first signal raises KeyboardInterrupt here and the second ends the process.

    A closed terminal (SIGHUP) is a first signal, never a second: the shell and the kernel may both send it.
    Where it is ignored already, as `nohup` has it, it stays so. So are those by which schedulers of clusters
    say that time is nearly up (SIGUSR1, SIGUSR2: Slurm's ``--signal``, Grid Engine's ``-notify``; SIGXCPU,
    which the kernel repeats each second): they would end the process with its lock held. Call it from the
    main thread.

    What is yielded tells whether a signal has come: where other people's code runs, it may have swallowed the
    exception.
    """
    asked = False
    ending = [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]  # not on Windows

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number in ending:
            return
        if asked:
            restore_terminal(_AT_ONCE)
            # Not sys.exit: threads in the middle of a transfer would be waited for.
            os._exit(int(ExitCode.INTERRUPTED))
        asked = True
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [number for number in ending if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in numbers}
    suspend = getattr(signal, "SIGTSTP", None)  # not on Windows
    if suspend is not None and signal.getsignal(suspend) is signal.SIG_DFL:
        before[suspend] = signal.signal(suspend, _suspended)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _suspended(number: int, _frame: FrameType | None) -> None:
    """Leave the terminal to the shell, and stop as this signal does by default."""
    restore_terminal(b"")
    signal.signal(number, signal.SIG_DFL)
    try:
        os.kill(os.getpid(), number)  # here it stands until it is told to go on
    finally:  # a Ctrl-C may come first of all
        signal.signal(number, _suspended)
