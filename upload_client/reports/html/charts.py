"""Charts as inline SVG: bars alone, stretched to whatever room there is; all words stand around them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

from upload_client.core.timeline import Interval, Timeline
from upload_client.core.times import timestamp

_HEIGHT = 100


def share(parts: Mapping[str, int], label: str) -> str:
    """A bar of parts, each with a class ``f-{name}``.

    Args:
        parts: their sizes, by name.
        label: what it says, for whoever cannot see it.
    """
    total = max(sum(parts.values()), 1)
    x, bars = 0.0, []
    for name, n in parts.items():
        width = 1000 * n / total
        if n:
            # A few of a million must still be seen.
            bars.append(f'<rect class="f-{name}" x="{x:.2f}" y="0" width="{max(width, 3):.2f}" height="10"/>')
        x += width
    return (
        f'<svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"'
        f' aria-label="{html.escape(label)}">{"".join(bars)}</svg>'
    )


def swatch(name: str) -> str:
    """The colour of a name, for a legend."""
    return (
        f'<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="f-{name}" width="10" height="10"/></svg>'
    )


def widths(time: Timeline) -> str:
    """Style rules for the widths of the intervals: they share the room by their lengths."""
    return "".join(f".s{n}{{flex-grow:{len(interval)}}}" for n, interval in enumerate(time.intervals))


def chart(
    time: Timeline,
    layers: Sequence[tuple[str, Callable[[Interval], Sequence[int]]]],
    *,
    label: str,
    scale: Callable[[float], str],
    tip: Callable[[Interval, int], str],
) -> str:
    """Bars over time, one svg for each interval.

    Args:
        time: the steps.
        layers: what is stacked: a class ``f-{name}``, and the heights in a interval; the first at the bottom.
        label: what it says, for whoever cannot see it.
        scale: a height in words.
        tip: a step in words.
    """
    highest = max(
        (sum(column) for interval in time.intervals for column in _columns(interval, layers)), default=0
    )
    plots, times = [], []
    for number, interval in enumerate(time.intervals):
        bars = []
        for n, column in enumerate(_columns(interval, layers)):
            if not any(column):
                continue
            y, rects = float(_HEIGHT), []
            for (name, _), value in zip(layers, column, strict=True):
                height = max(_HEIGHT * value / highest, 1.5) if value else 0.0
                y -= height
                place = f'x="{n + 0.08:.2f}" y="{y:.2f}" width=".84" height="{height:.2f}"'
                rects.append(f'<rect class="f-{name}" {place}/>')
            bars.append(f"<g><title>{html.escape(tip(interval, n))}</title>{''.join(rects)}</g>")
        plots.append(
            f'<svg class="s{number}" viewBox="0 0 {len(interval)} {_HEIGHT}" preserveAspectRatio="none"'
            f' aria-hidden="true">{"".join(bars)}</svg>'
        )
        shown = 19 if time.step < 60 else 16  # seconds where they matter
        first = clock(interval.start)[:shown]
        last = clock(interval.start + len(interval) * time.step)[:shown]
        ends = f"<i>{last[11:]}</i>" if number == len(time.intervals) - 1 else ""
        times.append(f'<span class="s{number}"><i>{first}</i>{ends}</span>')
    return (
        f'<div class="chart" role="img" aria-label="{html.escape(label)}">'
        f'<div class="scale"><span>{html.escape(scale(highest))}</span>'
        f"<span>{html.escape(scale(highest / 2))}</span><span>0</span></div>"
        f'<div class="plot">{"".join(plots)}</div><div class="times">{"".join(times)}</div></div>'
    )


def clock(seconds: float) -> str:
    """A moment to the second: ``2026-01-02 03:04:05``; what has no name is the nearest that has."""
    return timestamp(min(max(seconds, -62_135_596_800), 253_402_300_799))[:19].replace("T", " ")


def _columns(
    interval: Interval, layers: Sequence[tuple[str, Callable[[Interval], Sequence[int]]]]
) -> list[tuple[int, ...]]:
    return list(zip(*(values(interval) for _, values in layers), strict=True))
