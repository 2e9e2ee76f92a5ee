"""Memory for bodies, used again and again: fresh memory costs a page fault every 4 KiB."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Buffers"]

_STEP = 1024 * 1024


class Buffers:
    """Buffers that are lent and given back. Safe to share between threads.

    Args:
        keep: Says how many bytes may lie unused; more is let go. How much is lent is for the caller to bound.
    """

    def __init__(self, keep: Callable[[], int]) -> None:
        self._keep = keep
        self._lying = 0
        self._free: list[bytearray] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> memoryview:
        """A buffer of at least `size` bytes."""
        with self._lock:
            for i, buffer in enumerate(self._free):
                if len(buffer) >= size:
                    del self._free[i]
                    self._lying -= len(buffer)
                    return memoryview(buffer)
        return memoryview(bytearray(-(-size // _STEP) * _STEP))

    def give_back(self, view: memoryview) -> None:
        """Return a buffer; the caller must not touch it again."""
        buffer = view.obj
        assert isinstance(buffer, bytearray)
        with self._lock:
            self._free.append(buffer)
            self._free.sort(key=len)
            self._lying += len(buffer)
            while self._lying > self._keep():
                self._lying -= len(self._free.pop(0))
