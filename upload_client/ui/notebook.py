"""In a notebook: bars, figures and problems as HTML in a cell's output, which is replaced as things go on.

The HTML loads nothing, runs nothing and needs no widgets. Every text from outside goes through `_safe`.
"""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from upload_client.core.hints import as_html
from upload_client.core.text import for_terminal
from upload_client.events import Event, Health, Message, Phase, Planned, Progress, Summary
from upload_client.support import figures
from upload_client.support.clock import SYSTEM, Clock
from upload_client.ui.ending import ending, problem_lines
from upload_client.ui.run_view import PHASES, RunView

SHOWN_EVERY = 0.5
"""Seconds between two pictures: each is a message to a browser that may be far away."""
_MESSAGES = 5
_FILES = 8
_HINTS = {"next", "receipt"}  # rows of the end that may name a command
_MARKS = {"well": "✅", "todo": "⚠️", "error": "❌"}


class NotebookReporter:
    """Shows a delivery in the output of a notebook's cell.

    Args:
        show: Shows HTML in place of what it showed before; None: as IPython does.
        clock: Counts seconds between events.

    Raises:
        ImportError: There is no IPython here, and no `show` was given.
    """

    def __init__(self, *, show: Callable[[str], object] | None = None, clock: Clock = SYSTEM) -> None:
        self._show = show or _in_place()
        self._view = RunView(clock)
        self._view.room = _FILES
        self._clock = clock
        self._shown_at = float("-inf")
        self._messages: deque[str] = deque(maxlen=_MESSAGES)

    def handle(self, event: Event) -> None:
        """Show this, soon."""
        self._view.take(event)
        match event:
            case Message(text, mtype) if mtype in {"warning", "error"}:
                self._messages.append(f"{mtype}: {text}")
            case Planned():
                self._messages.append(figures.plan(event))
            case Summary():
                self._show("".join(self._ended(event)))
                return
            case _:
                pass
        now = self._clock.monotonic()
        if isinstance(event, Phase) or now - self._shown_at >= SHOWN_EVERY:
            self._shown_at = now
            self._show("".join(self._picture()))

    def close(self) -> None:
        """Keep what is shown."""

    def _picture(self) -> Iterator[str]:
        view, progress = self._view, self._view.progress
        phase = PHASES[view.phase] if view.phase else "starting"
        yield f"<p>{_safe(phase[:1].upper() + phase[1:])} … {figures.duration(view.seconds)}</p>"
        if progress is not None:
            yield from self._figures(progress)
        if view.troubles:
            yield "<ul>"
            for trouble in view.troubles:
                yield f"<li><b>{_safe(trouble.state)}</b> <code>{_safe(trouble.relpath)}</code>: "
                yield f"{_safe(trouble.message)}. <i>{_hint(trouble.todo)}</i></li>"
            yield "</ul>"
        yield from (f"<p>{_safe(message)}</p>" for message in self._messages)
        if view.health is not None and progress is not None:
            yield f"<p><small>{_safe(_health(view.health))}</small></p>"

    def _figures(self, progress: Progress) -> Iterator[str]:
        view = self._view
        total = progress.bytes_before + progress.bytes_total
        done = min(progress.bytes_before + progress.bytes_done, total)
        n_files, n_judged = sum(progress.counts.values()), figures.judged(progress.counts)
        n_left = progress.files_total - progress.files_sent
        pace = figures.pace(view.rate, view.left)
        yield "<table>"
        yield _row(
            "sent",
            figures.sent(done, total, n_left, n_files),
            f"{figures.size(done)} of {figures.size(total)}",
            pace,
        )
        judged = f"{figures.count(n_judged)} of {figures.files(n_files)}"
        yield _row("judged", figures.share(n_judged, n_files), judged, "")
        for file in view.places:
            if file is not None:
                part = f"part {file.parts_done} of {file.parts}" if file.parts else ""
                share = figures.share(file.bytes_done, file.size) if file.size else 0.0
                yield _row(f"<code>{_safe(file.relpath)}</code>", share, figures.size(file.size), part)
        yield "</table>"
        states = ", ".join(f"{state} {figures.count(n)}" for state, n in figures.counts(progress.counts))
        yield f"<p>{states}</p>"

    def _ended(self, summary: Summary) -> Iterator[str]:
        end = ending(summary)
        yield f"<p>{_MARKS[end.kind]} <b>{_safe(end.title)}</b></p><table>"
        rows = (*end.rows, ("details", end.path)) if end.path else end.rows
        for label, text in rows:
            yield f'<tr><td style="text-align:left">{_safe(label)}</td>'
            cell = _hint(text) if label in _HINTS else _safe(text)
            yield f'<td style="text-align:left">{cell}</td></tr>'
        yield "</table>"
        tags = {"name": "code", "more": "span", "todo": "i"}
        for kind, text in problem_lines(summary.problems):
            tag = tags.get(kind, "b")
            yield f"<div><{tag}>{_hint(text) if tag == 'i' else _safe(text)}</{tag}></div>"


def _row(label: str, share: float, figure: str, more: str) -> str:
    return (
        f'<tr><td style="text-align:left">{label}</td>'
        f'<td><progress max="1" value="{share:.3f}"></progress></td>'
        f"<td>{figures.percent(share)}</td><td>{_safe(figure)}</td><td>{_safe(more)}</td></tr>"
    )


def _health(health: Health) -> str:
    lock = "the lock is not held"
    if health.lease_left is not None:
        lock = f"lock is ours for {figures.duration(health.lease_left)}"
    latest = "" if health.validator_heard is None else f", heard {health.validator_heard:.0f} s ago"
    trouble = "" if health.trouble is None else f"; trying again: {health.trouble}"
    return f"{lock}; validator: {health.validator}{latest}{trouble}"


def _hint(text: str) -> str:
    return as_html(for_terminal(text))


def _safe(text: str) -> str:
    return html.escape(for_terminal(text))


def _in_place() -> Callable[[str], object]:
    ipython: Any = import_module("IPython.display")  # in notebooks alone
    handle = ipython.display(ipython.HTML(""), display_id=True)
    return lambda page: handle.update(ipython.HTML(page))
