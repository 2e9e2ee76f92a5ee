"""Reusable buffers for bodies: fresh memory costs a page fault every 4 KiB."""

from __future__ import annotations

import threading
from collections.abc import Callable

_STEP = 1024 * 1024


class Buffers:
    """Buffers that are lent and given back. Safe to share between threads.

    Args:
        limit: Says how many bytes may be there at once. What lies unused is let go for that; how much is lent
            is for the caller to bound.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._free: list[bytearray] = []  # the smallest first
        self._lock = threading.Lock()
        self.held = 0
        """Bytes lent, or lying unused."""

    def take(self, size: int) -> memoryview:
        """A buffer of at least `size` bytes."""
        size = -(-size // _STEP) * _STEP
        with self._lock:
            for i, buffer in enumerate(self._free):
                if len(buffer) >= size:
                    return memoryview(self._free.pop(i))
            self.held += size
            self._let_go()
        return memoryview(bytearray(size))

    def give_back(self, view: memoryview) -> None:
        """Return a buffer; the caller must not touch it again."""
        buffer = view.obj
        assert isinstance(buffer, bytearray)
        with self._lock:
            self._free.append(buffer)
            self._free.sort(key=len)
            self._let_go()

    def _let_go(self) -> None:
        while self._free and self.held > self._limit():
            self.held -= len(self._free.pop(0))
