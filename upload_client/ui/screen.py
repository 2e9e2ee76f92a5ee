"""The drawing in place on a terminal: lines of text that fit, whatever the events hold.

Two bars, figures, counts, the files on their way, the last problems, and how lock and validator are. Every
line is cut to the width, and there are fewer of them than the terminal is high. Places do not jump: a file
keeps its line until it has arrived, and what was high once stays as high.

Only problems take more than `WIDE` columns.

Every text from outside goes through `for_terminal` and into a `Text`, which rich does not search for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.text import Text

from upload_client.core.text import for_terminal
from upload_client.events import Health, InFlight, Progress
from upload_client.support import figures
from upload_client.ui.progress_line import WIDE
from upload_client.ui.run_view import PHASES, RunView, ShownProblem

STATE_STYLES: dict[str, str] = {
    "ready": "dim",
    "pending": "dim",
    "failed": "red",
    "transferring": "cyan",
    "done": "blue",
    "valid": "green",
    "invalid": "bold red",
}

WIDEST = 140
"""Columns that a problem may take, if the terminal is `HIGH`: there are few, and what they say matters."""
HIGH = 40
"""Rows that hold all lines there can be, also if problems are broken into two rows each."""
NARROW = 60
"""Columns below which there are figures instead of bars."""
_FILES, _PROBLEMS = 16, 3
_LABEL = 9
_LATE = 15.0  # seconds of a validator's silence that are worth a colour


class Screen:
    """Draws the reported figures in a given number of columns and rows.

    Args:
        view: what has been reported.
        ascii_only: whether the terminal shows ASCII alone.
    """

    def __init__(self, view: RunView, *, ascii_only: bool = False) -> None:
        self.view = view
        self._ascii = ascii_only
        self._files = self._problems = 0

    def lines(self, width: int, height: int) -> list[Text]:
        """The lines to be seen now: none wider than `width`, and fewer than `height`."""
        view, progress = self.view, self.view.progress
        widest = min(width, WIDEST if height >= HIGH else WIDE)
        width, room = min(width, WIDE), max(height - 1, 1)
        lines = [Text()] if room > 12 else []
        if progress is None:
            lines.append(self._waiting())
        else:
            lines += self._bars(progress, width)
        end = self._health(width)
        room -= len(lines) + len(end)
        if progress is not None and room > 0:
            busy = view.phase not in ("judging", "finishing")
            problems = self._troubles(widest, room - min(room // 2, 3) if busy else room)
            self._problems = min(max(self._problems, len(problems)), room)
            self._files = min(self._files, room - self._problems) if busy else 0
            lines += self._on_their_way(width, room - self._problems) if busy else []
            lines += self._fill(problems, self._problems)
        lines = (lines + end)[: max(height - 1, 1)]
        for line in lines:
            line.no_wrap = True
            line.truncate(widest, overflow="crop" if self._ascii else "ellipsis")
        return lines

    def _shorten(self, text: str, width: int) -> str:
        return shorten(for_terminal(text), width, "~" if self._ascii else "…")

    def _waiting(self) -> Text:
        view = self.view
        what = PHASES.get(view.phase, "") if view.phase else ""
        text = f"{(what or 'starting')[:1].upper()}{(what or 'starting')[1:]} {self._dots()}"
        return Text(f" {text}  {figures.duration(view.seconds)}", style="cyan")

    def _dots(self) -> str:
        return "..." if self._ascii else "…"

    # bars and figures

    def _bars(self, progress: Progress, width: int) -> Iterator[Text]:
        counts = progress.counts
        n_files, n_judged = sum(counts.values()), figures.judged(counts)
        total = progress.bytes_before + progress.bytes_total
        done = min(progress.bytes_before + progress.bytes_done, total)
        n_left = progress.files_total - progress.files_sent
        sent = figures.sent(done, total, n_left, n_files)
        rows = (
            ("sent", sent, "cyan", f"{figures.size(done)} of {figures.size(total)}"),
            (
                "judged",
                figures.share(n_judged, n_files),
                "green",
                f"{figures.count(n_judged)} of {figures.files(n_files)}",
            ),
        )
        room = max(len(row[3]) for row in rows)
        widest = min(width - _LABEL - room - 9, 72)
        for label, share, style, figure in rows:
            line = Text(f" {label:<{_LABEL - 1}}")
            if width >= NARROW:
                line.append_text(bar(share, widest, style, ascii_only=self._ascii)).append("  ")
            line.append(figures.percent(share), style="bold").append(f"  {figure}")
            yield line
            if label == "sent":
                yield self._pace(progress, n_files - n_judged, width)
        yield from states(progress, width)

    def _pace(self, progress: Progress, n_unjudged: int, width: int) -> Text:
        view = self.view
        parts: list[str | tuple[str, str]] = []
        idle = view.idle + view.since
        if view.phase == "judging":
            parts.append(f"all is sent; {figures.files(n_unjudged)} to be judged")
        elif view.phase == "finishing":
            parts.append(PHASES["finishing"])
        if idle >= figures.STALLED and view.phase in ("sending", "judging"):
            parts.append((f"nothing has moved for {figures.duration(idle)}", "yellow"))
        elif view.phase == "judging":
            if view.verdicts_a_second >= 0.1:
                parts.append(f"{_per_second(view.verdicts_a_second)} verdicts/s")
        elif view.phase != "finishing":
            if view.rate >= 1:
                parts.append((f"{figures.size(view.rate)}/s", "bold"))
            if view.files_a_second >= 1 and width >= 70:
                parts.append(f"{_per_second(view.files_a_second)} files/s")
        if view.phase != "finishing" and 0 < view.left < float("inf"):
            parts.append(f"{figures.duration(max(view.left - view.since, 0.0))} left")
        parts.append(f"{figures.duration(view.seconds)} so far")
        if progress.bytes_before:
            parts.append(f"{figures.size(progress.bytes_before)} were there before")
        between = ", " if self._ascii else " · "
        line = Text(" " * _LABEL if width >= NARROW else " ")
        for number, part in enumerate(parts):
            text, style = (part, "") if isinstance(part, str) else part
            if number and line.cell_len + len(between) + len(text) > width:
                break  # the last ones matter least
            line.append(between if number else "", style="dim").append(text, style=style)
        return line

    # files on their way

    def _on_their_way(self, width: int, room: int) -> list[Text]:
        view = self.view
        view.room = max(min(_FILES, room - 2), 0)
        shown = view.places[: view.room]
        while shown and shown[-1] is None:
            shown.pop()
        lines = list(self._files_in_flight(shown, width))
        if lines or self._files:
            lines.insert(0, Text())
        more = view.on_the_way - sum(one is not None for one in shown)
        if lines and more > 0:
            lines.append(Text(f"   and {figures.count(more)} more on their way", style="dim"))
        self._files = min(max(self._files, len(lines)), room)
        return self._fill(lines[: self._files], self._files)

    def _files_in_flight(self, files: Sequence[InFlight | None], width: int) -> Iterator[Text]:
        arrow = ">" if self._ascii else "↑"
        parts = [f"part {one.parts_done} of {one.parts}" if one and one.parts else "" for one in files]
        for_parts = max(map(len, parts), default=0) if width >= NARROW else 0
        for_bar = 0 if width < NARROW else 12
        # Arrow and blanks, percent, size.
        for_name = width - 4 - 6 - (for_bar + 2 if for_bar else 0) - (11 if width >= 40 else 0)
        for_name = min(for_name - (for_parts + 2 if for_parts else 0), 64)
        for file, part in zip(files, parts, strict=True):
            if file is None:
                yield Text()
                continue
            name = self._shorten(file.relpath, max(for_name, 1))
            share = figures.share(file.bytes_done, file.size) if file.size else 0.0
            line = Text(f" {arrow} ", style="cyan").append(
                name + " " * max(for_name - cell_len(name), 0), style="not dim default"
            )
            if for_bar:
                line.append("  ").append_text(bar(share, for_bar, "cyan", ascii_only=self._ascii))
            line.append(f"  {figures.percent(min(share, 0.99))}", style="default")
            if width >= 40:
                line.append(f"  {figures.size(file.size):>9}", style="default")
            if for_parts:
                line.append(f"  {part}", style="default")
            yield line

    # problems

    def _troubles(self, width: int, room: int) -> list[Text]:
        """The last problems, as many as there is room for."""
        for n in range(_PROBLEMS, 0, -1):
            if len(lines := list(self._lines_about(self.view.troubles[-n:], width))) <= room:
                return lines
        return []

    def _lines_about(self, troubles: Sequence[ShownProblem], width: int) -> Iterator[Text]:
        if troubles:
            yield Text()
        arrow = "->" if self._ascii else "→"
        for todo, same in groupby(troubles, key=lambda one: one.todo):
            for one in same:
                line = Text(f" {one.state:<8}", style=STATE_STYLES.get(one.state, ""))
                rest = width - 10
                message = for_terminal(one.message)
                name = self._shorten(one.relpath, max(rest // 2, rest - cell_len(message) - 2))
                line.append(f"{name}: {message}", style="not bold default")
                yield line
            yield Text(f"   {arrow} {todo}")

    # health

    def _health(self, width: int) -> list[Text]:
        view, health = self.view, self.view.health
        if health is None or view.progress is None:
            return []
        line = Text(" ")
        left = None if health.lease_left is None else max(health.lease_left - view.since, 0.0)
        between = ", " if self._ascii else " · "
        if left is None:
            line.append("the lock is not held", style="bold red")
        else:
            line.append("lock is ours", style="yellow" if left < 60 else "dim")
            line.append(f" for {figures.duration(left)}", style="yellow" if left < 60 else "dim")
        line.append(between, style="dim").append(*_validator(health, view.since))
        lines = [Text(), line]
        if health.trouble is not None:
            trouble = self._shorten(f"trying again: {health.trouble}", width - 1)
            lines.append(Text(f" {trouble}", style="yellow"))
        return lines

    @staticmethod
    def _fill(lines: list[Text], n: int) -> list[Text]:
        return [*lines, *(Text() for _ in range(n - len(lines)))]


def _validator(health: Health, since: float) -> tuple[str, str]:
    if health.validator_heard is None or health.validator == "starting":
        return "validator is being started", "dim"
    latest = health.validator_heard + since
    ago = f"{latest:.0f} s" if latest < 60 else figures.duration(latest)
    if health.validator == "left":
        return f"validator has left, {ago} ago", "yellow"
    if health.validator == "silent":
        return f"validator is silent for {ago}", "yellow"
    return f"validator at work, heard {ago} ago", "yellow" if latest > _LATE * 2 else "dim"


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def states(progress: Progress, width: int) -> list[Text]:
    """The states that have files, in as many lines as they need: none of them may be cut off."""
    lines: list[Text] = []
    for state, n in figures.counts(progress.counts):
        label = f"{state} {figures.count(n)}"
        if not lines or cell_len(lines[-1].plain) + len(label) + 2 > width:
            lines.append(Text(" " * _LABEL if width >= NARROW else " "))
        elif lines[-1].plain.strip():
            lines[-1].append("  ")
        lines[-1].append(label, style=STATE_STYLES[state])
    return lines


def bar(share: float, width: int, style: str, *, ascii_only: bool = False) -> Text:
    """A bar of so many columns, filled from 0 to 1; it can be read without colours too."""
    full, half, rest = ("#", "", "-") if ascii_only else ("━", "╸", "─")
    halves = int(min(max(share, 0.0), 1.0) * width * 2)
    filled = full * (halves // 2) + (half if halves % 2 else "")
    return Text.assemble((filled, style), (rest * (width - len(filled)), "dim"))


def shorten(text: str, width: int, mark: str = "…") -> str:
    """Leave out the middle of a text that is wider than so many columns; a path's end tells the most."""
    if len(text) > 4 * width + 8:
        # No need to measure all of it. (A character of no width would be lost here; nothing is shown of it.)
        text = text[: 2 * width + 4] + text[-2 * width - 4 :]
    elif cell_len(text) <= width:
        return text
    head, tail, room = "", "", max(width - 1, 0)
    used = 0
    for one in text:
        if used + cell_len(one) > room // 3:
            break
        head, used = head + one, used + cell_len(one)
    for one in reversed(text):
        if used + cell_len(one) > room:
            break
        tail, used = one + tail, used + cell_len(one)
    while tail and cell_len(f"{head}{mark}{tail}") > width:  # characters that widen each other
        tail = tail[1:]
    while head and cell_len(f"{head}{mark}{tail}") > width:
        head = head[:-1]
    return f"{head}{mark}{tail}" if width > 0 else ""
