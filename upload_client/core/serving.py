"""The decisions of a process that serves all deliveries of a receiver: when to look, and to tell, again."""

from __future__ import annotations

import hashlib
import hmac

__all__ = [
    "MOST_OUTCOMES",
    "OLDEST_OUTCOME",
    "list_again_after",
    "look_again_after",
    "retry_after",
    "signature",
]

_OFTEN = 600.0
"""For so many seconds after something was new in a delivery it is looked at each time."""
_SELDOM = 45.0
"""Seconds between two looks at one where nothing has been new for long: less than a client's patience."""

OLDEST_OUTCOME = 24 * 3600.0
"""Seconds for which an outcome is told again where nobody took it."""

_LISTED_AT_ONCE = 4
"""Quiet data sets that are listed at each look, as long as each has its turn within `_SELDOM`."""

MOST_OUTCOMES = 10_000
"""Outcomes that wait to be told on one way, and as many that were given up: beyond that the oldest go."""
_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0


def look_again_after(quiet: float, every: float) -> float:
    """Seconds until a delivery's lock is looked at again.

    Args:
        quiet: seconds since it was new.
        every: seconds between two looks at those where something happens.
    """
    return every if quiet < _OFTEN else max(every, _SELDOM)


def list_again_after(quiet: float, every: float, n_datasets: int) -> float:
    """Seconds until the deliveries of a data set are listed again.

    Args:
        quiet: seconds since something was new in one of them.
        every: seconds between two looks at those where something happens.
        n_datasets: of the receiver: the quiet ones take turns, some at each look.
    """
    turns = every * max(1.0, n_datasets / _LISTED_AT_ONCE)
    return every if quiet < _OFTEN else min(turns, max(every, _SELDOM))


def retry_after(n_tries: int) -> float:
    """Seconds until an outcome that was not taken is told again, after so many times."""
    return min(_FIRST_RETRY * 2.0 ** min(n_tries - 1, 30), _LAST_RETRY)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The signature of a message: HMAC-SHA256 of ``timestamp.body``, in hexadecimal, after ``sha256=``.

    With the moment in it, a message that somebody has overheard is of no use for long.
    """
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
