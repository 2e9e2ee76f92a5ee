"""A cap on bytes a second: when may the next ones go?

Pure: times come in as arguments. What is sent is spent at once and paid off at the allowed rate; while more
than a short burst is owed, nothing new may begin. So the average holds however large single requests are.
Who sends them in pieces of `RateLimit.piece` leaves room on the line at every moment, too.
"""

from __future__ import annotations

from typing import Final

BURST: Final = 1.0
"""Seconds' worth of bytes that may be owed before anything has to wait."""


class RateLimit:
    """Bytes a second, over all connections together.

    Args:
        bytes_per_second: the cap, above 0.

    Attributes:
        piece: bytes that may go at once: a tenth of a second's worth. Less would be many small packets, more
            would let S3 wait for too long when many connections share little.
    """

    __slots__ = ("_free_at", "_rate", "piece")

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0
        self.piece = max(1024, min(int(bytes_per_second / 10), 1024 * 1024))

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
