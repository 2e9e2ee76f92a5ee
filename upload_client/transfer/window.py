"""A bounded number of items under way at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def within_window(
    items: Iterable[T], submit: Callable[[T], object], ended: Callable[[], Iterable[U]], window: int
) -> Iterator[U]:
    """Have items worked on, so many at once, and give the results as they come.

    Args:
        items: any number; taken as there is room for them.
        submit: begins with one.
        ended: waits for some that have ended, and gives the result of each.
        window: how many may be under way.
    """
    left = iter(items)
    under_way, more = 0, True
    while True:
        while more and under_way < window:
            try:
                item = next(left)
            except StopIteration:
                more = False
            else:
                under_way += 1
                submit(item)
        if not under_way:
            return
        for result in ended():
            under_way -= 1
            yield result
