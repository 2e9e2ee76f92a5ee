"""Standard streams that nobody reads any more, or whose disk is full."""

from __future__ import annotations

import os
from typing import TextIO

_STANDARD = (1, 2)


def let_go(stream: TextIO) -> None:
    """Have what a standard stream still holds go nowhere, once it cannot be written.

    At the end of a process Python tries to write it once more, says that this failed, and ends with 120,
    whatever the process' own exit code is.
    """
    try:
        fd = stream.fileno()
        if fd in _STANDARD:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, fd)
            finally:
                os.close(nowhere)
            stream.flush()
    except (OSError, ValueError):
        pass  # it is closed, or none of the process
