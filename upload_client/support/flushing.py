"""Brings many files to the disk at once, where the system can do that and says whether it has.

A disk takes a thousand small files in one go about as quickly as ten one by one: each `fsync` waits for a
commit of the file system's log. `syncfs(2)` brings everything of a file system to the disk with one commit.
Since Linux 5.8 it says whether something could not be written since its descriptor was opened, and since 5.17
whether the file system's own log and the disk's cache could be: before, it called that success. What else is
unwritten on that file system is written along with it: where that takes long, or fails, each file is brought
there by itself again.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

_MOUNTS: Final = "/proc/self/mountinfo"
_KNOWN: Final = frozenset({"ext4", "xfs"})
"""File systems whose `syncfs` ends with the disk's own cache, as their `fsync` does."""
_SINCE: Final = (5, 17)
_FEW: Final = 4  # files that are brought to the disk one by one: what others write is not waited for
_LONG: Final = 2.0  # seconds


def type_of(device: int, mounts: str = _MOUNTS) -> str:
    """The type of a mounted file system, such as ``ext4``; empty where the system does not say it.

    Args:
        device: its number, as in `os.stat_result.st_dev`.
        mounts: the system's list of them; see proc_pid_mountinfo(5).
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - of the system
            for line in lines:
                fields = line.split(" ")
                if fields[2] == wanted and "-" in fields:
                    return fields[fields.index("-") + 1]
    except (OSError, IndexError):
        pass
    return ""


def _syncfs() -> Callable[[int], bool] | None:
    """The system's call, which says whether all went well; None: there is none that says so."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    if release is None or (int(release[1]), int(release[2])) < _SINCE:
        return None
    try:
        import ctypes  # noqa: PLC0415 - only where something is fetched; some build Python without

        found = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        return None
    return lambda fd: found(ctypes.c_int(fd)) == 0


class Flusher:
    """Brings files to the disk; see the module. `flush` is for one thread, `takes` for any.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._syncfs = _syncfs()
        self._known: dict[int, bool] = {}

    def takes(self, device: int) -> bool:
        """Whether files on this device are brought to the disk together."""
        if self._syncfs is None:
            return False
        if device not in self._known:
            self._known[device] = type_of(device) in _KNOWN
        return self._known[device]

    def flush(self, fds: Sequence[int], devices: Sequence[int] | None = None) -> list[OSError | None]:
        """Bring files to the disk that have been written since they were opened, in this order.

        Args:
            fds: open files.
            devices: of each, where they are known.

        Returns:
            For each, why it is not on the disk; None: it is.
        """
        by_device: dict[int, list[int]] = {}
        for fd, device in zip(fds, devices or [os.fstat(fd).st_dev for fd in fds], strict=True):
            by_device.setdefault(device, []).append(fd)
        done: set[int] = set()
        for device, some in by_device.items():
            if len(some) >= _FEW and self.takes(device) and self._together(device, some[0]):
                done.update(some)
        return [None if fd in done else flush_one(fd) for fd in fds]

    def _together(self, device: int, first: int) -> bool:
        """Bring everything of a device to the disk; False: some of it is not, or that is not known."""
        assert self._syncfs is not None
        began = self._clock()
        # Opened before anything was written into the others, it hears of all that went wrong since then.
        all_there = self._syncfs(first)
        if not all_there or self._clock() - began > _LONG:  # such as where a container forbids it
            self._known[device] = False
        return all_there


def flush_one(fd: int) -> OSError | None:
    """Bring one file to the disk; why it is not there, None: it is."""
    try:
        os.fsync(fd)
    except OSError as error:
        return error
    return None
