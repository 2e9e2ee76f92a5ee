"""`Polling`: when a validator looks at its client's log again, and how long the client has been silent."""

from __future__ import annotations

import math

_MAX_GAP = 30.0
_AT_THE_END, _AT_THE_END_SECONDS = 5, 1.0
"""Where the next segment is likely to be the last that is waited for: so many times as often, for so long."""


class Polling:
    """The looks at a log: the longer nothing comes, the longer it is until the next one.

    Times are seconds of one monotonic clock.

    Args:
        seconds: between two looks while something comes.
        longest: the same after a long silence.
    """

    def __init__(self, seconds: float, longest: float) -> None:
        self._seconds = seconds
        self._longest = longest
        self._pause = seconds
        self.next_at = -math.inf
        """When the next look is due."""
        self._found = False
        self._polled_at: float | None = None
        self._at_the_end_until = -math.inf
        self.silence = 0.0
        """Seconds for which its writer could be heard, and said nothing."""

    def polled(self, now: float, n_found: int, *, could: bool, ends: bool) -> None:
        """The log has been looked at.

        Args:
            now: when.
            n_found: how many segments were new.
            could: whether it could be read; while it cannot, its writer is not silent.
            ends: whether as many as these are all that is waited for.
        """
        if not could:
            self._polled_at = None
        else:
            if self._polled_at is not None:
                self.silence += min(now - self._polled_at, _MAX_GAP)
            self._polled_at = now
        self._found = n_found > 0
        if n_found:
            self.silence = 0.0
            self._pause = self._seconds
            self._at_the_end_until = now + _AT_THE_END_SECONDS if ends else -math.inf
        if now < self._at_the_end_until:
            self.next_at = now + self._pause / _AT_THE_END
            return
        self.next_at = now + self._pause
        if not n_found:
            self._pause = min(1.5 * self._pause, self._longest)

    def bring_forward(self, now: float) -> None:
        """All that was found has been dealt with: there may be more by now."""
        if self._found:
            self.next_at = min(self.next_at, now)
