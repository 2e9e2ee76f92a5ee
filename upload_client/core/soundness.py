"""Which keys of a delivery no run can have written: the rules that `upload-client receiver repair` goes by.

An owner's epoch is one more than any before, and it writes its first segment before anything that bears its
epoch. So an index or a receipt of an epoch that no client's log has had is nobody's, and so is what follows a
segment whose epoch leaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from upload_client.core.values import value

MAX_LEAP: Final = 1_000_000
"""Runs that a delivery may have had of which nothing is left in its logs."""


@value
class Fault:
    """Something that no run can have written.

    Attributes:
        what: is wrong, a sentence.
        keys: that are set aside to fix it, below the delivery's root; the lock is written anew instead.
        epoch: what the lock is to say from now on, where it is the lock.
    """

    what: str
    keys: tuple[str, ...] = ()
    epoch: int | None = None


def first_leap(epochs: Sequence[int]) -> int | None:
    """The number of the first segment of a log whose epoch is far beyond all before it, or None."""
    highest = 0
    for number, epoch in enumerate(epochs):
        if epoch > highest + MAX_LEAP:
            return number
        highest = max(highest, epoch)
    return None


def backed(logs: Iterable[Sequence[int]], lock: int | None) -> int:
    """The highest epoch that the delivery can have come to.

    Args:
        logs: the epochs of the segments of each client log.
        lock: the epoch that the lock says, where it can be read.
    """
    highest = 0
    for epochs in logs:
        highest = max([highest, *epochs[: first_leap(epochs)]])
    return lock if lock is not None and highest < lock <= highest + MAX_LEAP else highest


def unbacked(numbered: Iterable[tuple[int, str]], highest: int) -> list[tuple[int, str]]:
    """Which epochs that keys are named after are far beyond the highest, each with its key."""
    return sorted((epoch, key) for epoch, key in numbered if epoch > highest + MAX_LEAP)
