"""Ctrl-C and SIGTERM: the first ends the work in order, the second at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from upload_client.core.delivery import ExitCode
from upload_client.ui import restore_terminal

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[None]:
    """Within this, the first signal raises KeyboardInterrupt here and the second ends the process.

    Call it from the main thread.
    """
    asked = False

    def handle(_signum: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            restore_terminal()
            # Not sys.exit: threads in the middle of a transfer would be waited for.
            os._exit(int(ExitCode.INTERRUPTED))
        asked = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
