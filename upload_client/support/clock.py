"""Time, as the parts of the program that do I/O see it.

Everything outside ``core`` that waits or asks for the time does so through a `Clock`, so that a
simulation can put virtual time in its place. ``core`` takes times as arguments.
"""

from __future__ import annotations

import time

__all__ = ["SYSTEM", "Clock"]


class Clock:
    """The machine's clocks. Subclass it to put another time in their place."""

    def wall(self) -> float:
        """Seconds since the Unix epoch, UTC. May jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back; they may stand still while the machine sleeps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        time.sleep(seconds)


SYSTEM = Clock()
"""The clock of this machine."""
