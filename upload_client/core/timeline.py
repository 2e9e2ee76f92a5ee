"""A delivery over time: what was sent and judged, in steps of equal length, with long pauses left out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from upload_client.core.observed import FileState
from upload_client.core.values import value

MAX_STEPS: Final = 120
"""Steps that activity is cut into, about."""
MAX_INTERVALS: Final = 6
"""Stretches at most: of more pauses the longest are left out."""
SHORT: Final = 600.0
"""Seconds of silence that are no pause."""

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@value
class Interval:
    """A time without a long pause, in steps. All lists are equally long.

    Attributes:
        start: of the first step, seconds since 1970.
        sent_bytes: that were announced in each step.
        sent: files, the same.
        valid: files that were judged so.
        invalid: the same.
    """

    start: int
    sent_bytes: list[int]
    sent: list[int]
    valid: list[int]
    invalid: list[int]

    def __len__(self) -> int:
        return len(self.sent)


@value
class Timeline:
    """A delivery over time.

    Attributes:
        step: length of each step in seconds.
        intervals: in order; what lies between them is pause.
        active: seconds from the first to the last moment of each interval, together.
    """

    step: int
    intervals: tuple[Interval, ...]
    active: float


def timeline(files: Iterable[FileState]) -> Timeline:
    """Put what happened to files into steps."""
    sent, sizes, valid, invalid = array("q"), array("q"), array("q"), array("q")
    for file in files:
        if file.state in ("done", "valid", "invalid") and file.sent is not None:
            sent.append(file.sent)
            sizes.append(file.size or 0)
            if file.state != "done" and file.judged is not None:
                (valid if file.state == "valid" else invalid).append(file.judged)
    spans = _active(sorted([*sent, *valid, *invalid]))
    active = sum(last - first for first, last in spans) / 1000
    step = _step(active)
    intervals = [_empty(first, last, step) for first, last in spans]
    starts = [interval.start for interval in intervals]
    for moment, size in zip(sent, sizes, strict=True):
        at, n = _place(moment, starts, step)
        intervals[at].sent[n] += 1
        intervals[at].sent_bytes[n] += size
    for moment in valid:
        at, n = _place(moment, starts, step)
        intervals[at].valid[n] += 1
    for moment in invalid:
        at, n = _place(moment, starts, step)
        intervals[at].invalid[n] += 1
    return Timeline(step, tuple(intervals), active)


def _active(moments: list[int]) -> list[tuple[int, int]]:
    """First and last moment of each interval. A pause is long in itself and beside all the rest."""
    if not moments:
        return []
    silences = [
        (later - moment, n)
        for n, (moment, later) in enumerate(pairwise(moments))
        if later - moment > SHORT * 1000
    ]
    at_work = moments[-1] - moments[0] - sum(silence for silence, _ in silences)
    pauses = sorted(pause for pause in silences if pause[0] > at_work / 10)[-(MAX_INTERVALS - 1) :]
    ends = sorted(n for _, n in pauses)
    firsts, lasts = [0, *(n + 1 for n in ends)], [*ends, len(moments) - 1]
    return [(moments[first], moments[last]) for first, last in zip(firsts, lasts, strict=True)]


def _step(active: float) -> int:
    return next(
        (step for step in _STEPS if step * MAX_STEPS >= active),
        86400 * math.ceil(active / 86400 / MAX_STEPS),
    )


def _empty(first: int, last: int, step: int) -> Interval:
    start = first // 1000 // step * step
    n = (last // 1000 - start) // step + 1
    return Interval(start, [0] * n, [0] * n, [0] * n, [0] * n)


def _place(moment: int, starts: list[int], step: int) -> tuple[int, int]:
    """The interval of a moment, and the step in it."""
    at = len(starts) - 1
    while at and starts[at] > moment // 1000:
        at -= 1
    return at, (moment // 1000 - starts[at]) // step
