"""Time, as the parts of the program that do I/O see it.

Everything outside ``core`` that waits or asks for the time does so through a `Clock`, so that a
simulation can put virtual time in its place. ``core`` takes times as arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """The machine's clocks. Subclass it to put another time in their place."""

    def wall(self) -> float:
        """Seconds since the Unix epoch, UTC. May jump."""
        return time.time()

    def written(self) -> float:
        """The time to write down, seconds since the Unix epoch, UTC; `wall` where no better is known."""
        return self.wall()

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which `wall` is ahead of the right time (behind: negative); None: not known."""
        return None

    def monotonic(self) -> float:
        """Seconds that never go back; they may stand still while the machine sleeps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        time.sleep(seconds)


class StoppableClock(Clock):
    """Another clock, whose sleep ends where somebody wants it to.

    Args:
        clock: The other one.
        check: Called before and during each sleep; what it raises ends the sleep.
        step: Seconds between two calls.
    """

    def __init__(self, clock: Clock, check: Callable[[], None], step: float) -> None:
        self._clock = clock
        self._check = check
        self._step = step

    def wall(self) -> float:
        """See `Clock`."""
        return self._clock.wall()

    def written(self) -> float:
        """See `Clock`."""
        return self._clock.written()

    @property
    def clock_ahead(self) -> float | None:
        """See `Clock`."""
        return self._clock.clock_ahead

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds, if nobody ends it."""
        end = self._clock.monotonic() + seconds
        left = seconds
        while True:
            self._check()
            if left <= 0:
                return
            self._clock.sleep(min(left, self._step))
            left = end - self._clock.monotonic()


SYSTEM = Clock()
"""The clock of this machine."""
