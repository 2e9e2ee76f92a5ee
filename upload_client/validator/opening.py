"""Does a binary file open as what its suffix says: Parquet, FITS, ASDF, where their libraries are there.

The libraries run in processes of their own (`upload_client.validator.opener`), which are killed when they
take too long, and get the file's bytes from here, block by block.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Self

from upload_client.core.text import for_log
from upload_client.validator.content import Unreadable

__all__ = ["LIBRARIES", "Openers", "is_installed"]

LIBRARIES = {"parquet": "pyarrow", "fits": "astropy", "asdf": "asdf"}
"""Which library opens what. All are in the extra ``formats``."""

WALL_SECONDS = 300.0
"""Time one file may take, the reading of its bytes included."""

_MAX_LINE = 64 * 1024
_MAX_BLOCK = 64 * 1024 * 1024
_MAX_WHY = 300


@cache
def is_installed(library: str) -> bool:
    """Whether a library can be imported here."""
    return importlib.util.find_spec(library) is not None


class Openers:
    """Up to `n` processes that open files.

    They are started when they are needed, and kept. Safe to share between threads.
    """

    def __init__(self, n: int) -> None:
        self._places = threading.Semaphore(n)
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, kind: str, size: int, read: Callable[[int, int], bytes]) -> None:
        """Open a file.

        Args:
            kind: one of `LIBRARIES`; its library must be installed.
            size: of the file, in bytes.
            read: gives n bytes from an offset; what it raises passes through.

        Raises:
            Unreadable: it does not open, or takes more time or memory than a file may.
        """
        with self._places:
            process = self._take()
            timer = threading.Timer(WALL_SECONDS, process.kill)
            timer.daemon = True
            timer.start()
            try:
                outcome = _converse(process, kind, size, read)
            except BaseException:
                _end(process)
                raise
            finally:
                timer.cancel()
            with self._lock:
                self._idle.append(process)
        if not outcome["opens"]:
            raise Unreadable(f"it does not open as {kind}: {for_log(str(outcome.get('why')), _MAX_WHY)}")

    def close(self) -> None:
        """End all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            _end(process)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.poll() is None:
                    return process
                _end(process)
        return subprocess.Popen(
            [sys.executable, "-m", "upload_client.validator.opener"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )


def _environment() -> dict[str, str]:
    # A file must not be able to reach for the credentials, whatever it makes of its reader.
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("AWS_")}
    # Lambda's runtime finds its modules through sys.path only.
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}


def _converse(
    process: subprocess.Popen[bytes], kind: str, size: int, read: Callable[[int, int], bytes]
) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    too_much = Unreadable(f"opening it as {kind} takes too much time or memory")
    try:
        process.stdin.write(json.dumps({"kind": kind, "size": size}).encode() + b"\n")
        process.stdin.flush()
        while line := process.stdout.readline(_MAX_LINE):
            said = json.loads(line)
            if "read" not in said:
                return {"opens": said.get("opens") is True, "why": said.get("why")}
            offset, n = said["read"]
            if not (0 <= offset <= offset + n <= size and n <= _MAX_BLOCK):
                raise too_much
            process.stdin.write(read(offset, n))
            process.stdin.flush()
    except (BrokenPipeError, ValueError, TypeError, AttributeError):
        raise too_much from None
    raise too_much


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was left to be written has nobody to read it
                pipe.close()
