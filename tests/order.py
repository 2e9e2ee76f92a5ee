"""The order of the tests: those that take many seconds begin first, and nobody waits for one at the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

Test = TypeVar("Test")


def dealt(heavy: Sequence[Test], light: Sequence[Test], n_workers: int) -> list[Test]:
    """All of them in the order in which each of so many workers begins with its share of the heavy ones.

    pytest-xdist (worksteal) cuts the tests into as many pieces as there are workers, one behind the other.
    Who has done all of its piece takes half of what is left of another's.
    """
    order: list[Test] = []
    rest, total = iter(light), len(heavy) + len(light)
    for worker in range(n_workers):
        size = (total - len(order)) // (n_workers - worker)
        share = heavy[worker::n_workers]
        order += share
        order += islice(rest, max(0, size - len(share)))
    return order
