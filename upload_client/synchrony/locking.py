"""One at a time: a lock on a file, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from upload_client.errors import UsageError

__all__ = ["hold"]


@contextlib.contextmanager
def hold(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Hold the lock at `path` inside; False: somebody else has held it for all of `seconds`.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - the extra
    except ImportError:
        command = "pip install 'upload-client[synchrony]'"
        raise UsageError(
            f"to keep a folder in sync needs what is not installed: {command}", hint=command
        ) from None
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
