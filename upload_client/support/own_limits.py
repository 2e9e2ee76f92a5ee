"""Limits of this machine, and of this process on it: open files, memory, disk."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

ENOUGH_FILES: Final = 8192
"""Descriptors that a delivery can make use of: a thousand connections with a file each, and some room."""

SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Errors of the system that pass when something else is closed or ends."""

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system that say that there is no room for what is written."""

_KEPT: Final = 32  # descriptors for everything that is no transfer: logs, lock, state, selectors
_EACH: Final = 3  # a connection of our own, one of boto3's, and the file

_ADVICE: Final = {
    **dict.fromkeys(
        DISK_FULL, "Make room there, or name another place for what is written; then run it again."
    ),
    errno.EMFILE: "Allow this process more open files (`ulimit -n`); then run it again.",
    errno.ENFILE: "End other programs, or have this machine allow more open files; then run it again.",
    errno.ENOMEM: (
        "End other programs, or allow this process more memory (`ulimit -v`, or a limit of its container or"
        " unit); then run it again."
    ),
    errno.ENOBUFS: "End other programs, which have many connections open; then run it again.",
    errno.EIO: "See whether that disk is sound, or name another place for what is written; then try again.",
    errno.EROFS: "Name a place that may be written to; then run it again.",
}


def is_scarce(error: OSError) -> bool:
    """Whether it is a limit of this machine that may pass."""
    return error.errno in SCARCE


def lack(error: BaseException) -> str | None:
    """The thing this process lacks, where no exception of Python's own says it; None: it is none of these."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    # Python has no exception of its own for it.
    if type(error) is RuntimeError and str(error) == "can't start new thread":
        return "this machine lets this process have no further thread"
    return None


def advice(error: BaseException) -> str | None:
    """Say what a person can do about a limit of their machine; None: it is none."""
    if isinstance(error, MemoryError):
        return _ADVICE[errno.ENOMEM]
    if lack(error) is not None:
        return (
            "Allow this process more threads (`ulimit -u`, `ulimit -v`, or a limit of its container or"
            " unit), or give fewer with --threads; then run it again."
        )
    return _ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None


def raise_open_files() -> int | None:
    """Let this process have `ENOUGH_FILES` open files, as far as that is allowed.

    Returns:
        How many it may have now; None: there is no limit.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return 512  # sockets that select watches there
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return None
    target = ENOUGH_FILES if hard == unlimited else min(ENOUGH_FILES, hard)
    if target > soft:
        with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            return target
    return soft


def connections(most: int) -> int:
    """How many connections this process can have open at once, each with a file to send.

    Args:
        most: never more than this.
    """
    may = raise_open_files()
    if may is None:
        return most
    return max(1, min(most, (may - _open_now() - _KEPT) // _EACH))


def _open_now() -> int:
    """Descriptors that are open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 - Path would make an object of each
    return 16
