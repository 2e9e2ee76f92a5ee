"""A file lock, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from upload_client.core.hints import install
from upload_client.errors import UsageError


@contextlib.contextmanager
def hold(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Hold the lock at `path` inside; False: somebody else has held it for all of `seconds`.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - the extra
    except ImportError:
        why = "to keep a folder in sync needs filelock, which is not installed"
        raise UsageError(why, hint=install("synchrony")) from None
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
