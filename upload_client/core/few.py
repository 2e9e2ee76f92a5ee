"""Things that may come by the million: the first few are told, the rest are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

MAX_NAMED: Final = 10
"""As many of each kind are named."""


class Few:
    """Counts what somebody else may bring about as often as they like."""

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
