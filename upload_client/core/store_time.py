"""The time as the store has it, estimated from its answers. Nothing here reads a clock.

An answer was made after its request was sent and before it was received, and says to the second when
(``Date``, RFC 9110, section 6.6.1). Both moments are known by the monotonic clock, which nobody sets; so the
store's time is known within the seconds that the request took, whatever is done to this machine's wall clock.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from upload_client.core.preflight import CLOCK_OFF

_ANSWERS = 5
_NEEDED = 2
_SENSIBLE = range(1_000_000_000, 4_000_000_000)
"""Seconds since 1970 (2001 to 2096): what says another time has no clock."""


class Answered(NamedTuple):
    """An answer of the store.

    Attributes:
        date: when it was made, by the store: seconds since 1970, whole ones.
        sent: when its request was sent, by the monotonic clock.
        received: when it came, the same.
        wall: this machine's time at that moment, seconds since 1970.
    """

    date: float
    sent: float
    received: float
    wall: float

    def off(self, wall: float) -> float:
        """Seconds that a clock is at least ahead (behind: negative) which said `wall` when this came."""
        latest = self.date + 1 + (self.received - self.sent)
        return wall - latest if wall > latest else min(wall - self.date, 0.0)


class StoreTime:
    """The time to write down: this machine's, carried on by the monotonic clock; or the store's.

    It begins with the wall clock's. Somebody may set that while the run goes on, and a machine may sleep:
    where the two differ, what the store says counts. Of its last answers it is the middle one, so that a
    single odd one changes nothing; a second answer has to agree with the first.

    Args:
        wall: this machine's time, seconds since 1970.
        now: the same moment by the monotonic clock.
    """

    def __init__(self, wall: float, now: float) -> None:
        self._zero = wall - now  # the time at which the monotonic clock was at 0
        self._answers: deque[Answered] = deque(maxlen=_ANSWERS)
        self._last = -math.inf

    def see(self, answer: Answered) -> None:
        """Learn from an answer. The order of arrival is of no matter."""
        if int(answer.date) not in _SENSIBLE:
            return
        self._answers.append(answer)
        if len(self._answers) < _NEEDED:
            return
        off = _middle([each.off(self._zero + each.received) for each in self._answers])
        if abs(off) > CLOCK_OFF:
            right = abs(self.ahead or 0.0) <= CLOCK_OFF  # it is the monotonic clock that stood still
            self._zero = answer.wall - answer.received if right else self._zero - off

    @property
    def ahead(self) -> float | None:
        """Seconds by which this machine's clock is at least ahead (behind: negative); None: not known yet."""
        if len(self._answers) < _NEEDED:
            return None
        return _middle([each.off(each.wall) for each in self._answers])

    def at(self, now: float) -> float:
        """The time at a moment of the monotonic clock, seconds since 1970. Once known, it never goes back."""
        time = self._zero + now
        if len(self._answers) < _NEEDED:
            return time
        self._last = max(self._last, time)
        return self._last


def _middle(offs: list[float]) -> float:
    """The figure that half of them do not exceed in size."""
    return sorted(offs, key=abs)[(len(offs) - 1) // 2]
