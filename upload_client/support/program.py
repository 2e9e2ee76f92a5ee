"""Programs of a person's or an operator's own, run within limits of time and of what they may print."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

MAX_OUTPUT = 256 * 1024
"""Bytes that a program may print on its standard output, where that is read."""
_TAIL = 4096
"""Bytes that are kept of the end of its standard error."""
_BLOCK = 8192
_DRAIN_SECONDS = 2.0
"""For the rest of its words, once it has ended: what it has started may hold the pipes for ever."""


class TooMuchOutput(Exception):  # noqa: N818 - it reads as what it says
    """A program has printed more than `MAX_OUTPUT`, and was ended."""


class Ran(NamedTuple):
    """A program that has ended.

    Attributes:
        returncode: its exit code; of a signal, the negative number.
        output: its standard output; empty where that was not read.
        error_output: the end of its standard error, at most 4,096 bytes; empty where that was not read.
    """

    returncode: int
    output: bytes
    error_output: bytes


def run_program(
    command: Sequence[str] | str,
    *,
    seconds: float,
    given: bytes = b"",
    reads_output: bool = False,
    reads_errors: bool = True,
    inherits_input: bool = False,
    cwd: Path | None = None,
) -> Ran:
    """Run a program without a shell; what it prints takes no more memory than is kept of it.

    Args:
        command: program and arguments; on Windows a command line, too.
        seconds: after which it is ended.
        given: its standard input.
        reads_output: keep its standard output; else nobody reads it.
        reads_errors: keep the end of its standard error; else it is this process' own.
        inherits_input: its standard input is this process' own: it may ask the person.
        cwd: its working directory; None: this process' own.

    Raises:
        subprocess.TimeoutExpired: it took longer. It holds nothing of what the program printed.
        TooMuchOutput: it printed more than `MAX_OUTPUT` on its standard output.
        OSError: it cannot be run.
        RuntimeError: the system gives no thread any more.
    """
    by = time.monotonic() + seconds
    process = subprocess.Popen(  # noqa: S603 - the person's own choice of program
        command,
        stdin=None if inherits_input else subprocess.PIPE,
        stdout=subprocess.PIPE if reads_output else subprocess.DEVNULL,
        stderr=subprocess.PIPE if reads_errors else None,
        cwd=cwd,
    )
    output, error_output = _Kept(process, MAX_OUTPUT), _Kept(None, _TAIL)
    threads = []
    for pipe, kept in ((process.stdout, output), (process.stderr, error_output)):
        if pipe is not None:
            threads.append(threading.Thread(target=kept.read, args=(pipe,), daemon=True))
    if process.stdin is not None:
        threads.append(threading.Thread(target=_write, args=(process.stdin, given), daemon=True))
    try:
        for thread in threads:
            thread.start()
        process.wait(max(0.0, by - time.monotonic()))
    except BaseException:
        process.kill()
        process.wait()
        raise
    drained_by = time.monotonic() + _DRAIN_SECONDS
    for thread in threads:
        thread.join(max(0.0, drained_by - time.monotonic()))
    if output.is_too_much:
        raise TooMuchOutput
    return Ran(process.returncode, bytes(output.data), bytes(error_output.data))


class _Kept:
    """The bytes kept of one of a program's pipes: its beginning, and no more is allowed; or its end.

    Args:
        ends: the process that is ended by too much; None: the end is kept, and everything allowed.
        most: bytes.
    """

    def __init__(self, ends: subprocess.Popen[bytes] | None, most: int) -> None:
        self._ends = ends
        self._most = most
        self.data = bytearray()
        self.is_too_much = False

    def read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), pipe:
            while block := pipe.read1(_BLOCK):  # type: ignore[attr-defined] # a BufferedReader
                self.data += block
                if len(self.data) <= self._most:
                    continue
                if self._ends is not None:
                    self.is_too_much = True
                    self._ends.kill()
                    return
                del self.data[: -self._most]


def _write(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:  # it does not read, or has ended
        pipe.write(data)
