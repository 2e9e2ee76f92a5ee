"""`NoticeLimit`: of notices that may come by the million, the first few are shown and the rest counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

MAX_NAMED: Final = 10
"""Notices of each kind that are shown."""


class NoticeLimit:
    """Limits notices of each kind that the other side can cause any number of times."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def admits(self, kind: str) -> bool:
        """Count one more of its kind; whether it is one of the first."""
        self._counts[kind] += 1
        return self._counts[kind] <= MAX_NAMED

    def rest(self) -> Iterator[tuple[str, int]]:
        """Each kind of which more came than were named, and how many more."""
        for kind, n in self._counts.items():
            if n > MAX_NAMED:
                yield kind, n - MAX_NAMED
