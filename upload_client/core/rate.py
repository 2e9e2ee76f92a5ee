"""A cap on bytes a second: when may the next ones go?

Pure: times come in as arguments. What is sent is spent at once and paid off at the allowed rate; while more
than a short burst is owed, nothing new may begin. So the average holds however large single requests are.
"""

from __future__ import annotations

from typing import Final

BURST: Final = 1.0
"""Seconds' worth of bytes that may be owed before anything has to wait."""


class RateLimit:
    """Bytes a second, over all connections together.

    Args:
        bytes_per_second: the cap, above 0.
    """

    __slots__ = ("_free_at", "_rate")

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until something new may begin; 0 if it may now."""
        return max(0.0, self._free_at - now - BURST)

    def spend(self, n_bytes: int, now: float) -> float:
        """Let `n_bytes` go.

        Returns:
            Seconds after which their sending is to begin: all that was let go before comes first.
        """
        wait = self.wait(now)
        self._free_at = max(self._free_at, now) + n_bytes / self._rate
        return wait
