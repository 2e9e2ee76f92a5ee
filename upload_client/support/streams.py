"""Standard streams that nobody reads any more, or whose disk is full."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STANDARD = (1, 2)


def open_closed_streams() -> None:
    """Have each of the standard streams be there: else the next file that is opened takes its number.

    What is asked for on standard output and cannot be written is an error, as if it were closed; what is said
    on stderr goes nowhere.
    """
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free
            os.set_inheritable(fd, True)  # noqa: FBT003 - takes no keyword
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        # Nothing is held back that could not be written at the process' end either.
        closed = open(1, "wb", buffering=0, closefd=False)  # noqa: SIM115
        sys.stdout = io.TextIOWrapper(closed, encoding="utf-8", write_through=True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


class StandardFile(io.FileIO):
    """The file behind a standard stream, to which one rule holds, whatever library writes there.

    A reader that leaves early (``| head``) is no error: the rest goes nowhere, and the program goes on. So it
    is of all that cannot be written on stderr, which is for people alone.

    Args:
        fd: 1 or 2; it stays open.

    Attributes:
        trouble: why something could not be written, where that is an error.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "w", closefd=False)
        self.trouble: OSError | None = None
        self._goes_on = fd == 2

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of it, or let it go."""
        try:
            return super().write(data)
        except BrokenPipeError:
            pass
        except OSError as error:
            if not self._goes_on:
                self.trouble = error
                raise
        return memoryview(data).nbytes


def guard_standard_streams() -> None:
    """Put such a file behind stdout and stderr of this process."""
    if os.name != "posix":
        return  # a console of Windows is written to by other means
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != fd:
            continue
        stream.flush()
        file = StandardFile(fd)
        is_direct = isinstance(stream.buffer, io.RawIOBase)  # as PYTHONUNBUFFERED has it
        guarded = io.TextIOWrapper(
            file if is_direct else io.BufferedWriter(file),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, guarded)


def trouble_of(stream: TextIO) -> OSError | None:
    """Why something could not be written to a stream that is guarded; None: all was, or no reader is left."""
    buffer = getattr(stream, "buffer", None)
    file = getattr(buffer, "raw", buffer)
    return file.trouble if isinstance(file, StandardFile) else None


def discard_pending(stream: TextIO) -> None:
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
