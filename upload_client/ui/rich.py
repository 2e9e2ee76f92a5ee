"""On a terminal: what happens, drawn in place, with messages above it.

Every text from outside goes through `for_terminal` and into a `Text`, which rich does not search for markup.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from upload_client.core.files import State
from upload_client.core.text import for_terminal
from upload_client.events import Connected, Event, FileChanged, Message, Planned, Progress, Summary
from upload_client.ui import figures, headline

__all__ = ["RichReporter", "shorten"]

STYLES = {
    "warning": "yellow",
    "error": "bold red",
    "info": "",
    "complete": "cyan",
    "success": "bold green",
}
STATE_STYLES: dict[str, str] = {
    "ready": "dim",
    "pending": "dim",
    "failed": "red",
    "transferring": "cyan",
    "done": "blue",
    "valid": "green",
    "invalid": "bold red",
}

DRAWN_A_SECOND = 8
FILES_SHOWN = 4
BAR_WIDTH = 48
NARROW = 60
"""Columns below which bars and what is left are not drawn."""


class RichReporter:
    """Draws a delivery on stderr.

    Args:
        verbosity: -1 for warnings, errors and the outcome alone, 0 as usual, 1 for every file.
        console: Where to draw, instead of stderr.
    """

    def __init__(self, *, verbosity: int = 0, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, emoji=False, markup=False, highlight=False)
        self._verbosity = verbosity
        self._told = figures.FilesTold(verbosity)
        self._screen = _Screen()
        self._live = Live(
            self._screen,
            console=self.console,
            refresh_per_second=DRAWN_A_SECOND,
            transient=True,
            # stdout belongs to --json.
            redirect_stdout=False,
        )

    def handle(self, event: Event) -> None:
        """Draw this."""
        self._screen.take(event)
        match event:
            case Message(text, mtype):
                if self._verbosity >= 0 or mtype in {"warning", "error"}:
                    self._say(text, STYLES[mtype])
            case Connected():
                self._connected(event)
            case Planned():
                self._planned(event)
            case FileChanged():
                self._file(event)
            case Summary():
                self._live.stop()
                self._summary(event)
            case Progress():
                pass

    def close(self) -> None:
        """Give back the terminal as it was."""
        self._live.stop()

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(for_terminal(text, lines=True), style=style))

    def _connected(self, event: Connected) -> None:
        if self._verbosity < 0:
            return
        line = Text()
        line.append(f"{event.dataset}/{event.delivery_id}", style="bold")
        line.append(f"  {event.transfer_type}", style="dim")
        line.append("  going on where an earlier run stopped" if event.resumed else "", style="cyan")
        self.console.print(line)
        self.console.print(
            Text(f"  from {for_terminal(event.source)}\n  to   {for_terminal(event.landing)}", style="dim")
        )

    def _planned(self, event: Planned) -> None:
        if self._verbosity < 0:
            return
        width = max((len(figures.count(n)) for n in event.counts.values()), default=0)
        for reason, n in event.counts.items():
            if n:
                self._say(f"  {figures.count(n):>{width}}  {reason}")
        self._say(figures.plan(event))
        self._live.start()

    def _file(self, event: FileChanged) -> None:
        if not self._told.tell(event):
            if self._told.left_out:
                self._say(self._told.MORE, STYLES["warning"])
            return
        line = Text.assemble((f"{event.state:<8}", STATE_STYLES[event.state]), for_terminal(event.relpath))
        if event.message:
            line.append(f": {for_terminal(event.message)}")
        self.console.print(line)

    def _summary(self, event: Summary) -> None:
        style = (
            "bold green" if event.exit_code == 0 else "bold yellow" if event.exit_code < 10 else "bold red"
        )
        self._say(headline(event), style)
        for line in _states(event.counts, self.console.width):
            self.console.print(line)
        if event.files_sent:
            rate = event.bytes_sent / event.seconds if event.seconds > 0 else 0.0
            self._say(
                f"  sent {figures.files(event.files_sent)}, {figures.size(event.bytes_sent)}"
                f" in {figures.duration(event.seconds)} ({figures.size(rate)}/s)"
            )
        if event.state_csv is not None:
            # Not wrapped: a path is there to be copied.
            self.console.print(
                Text(f"  state of every file: {for_terminal(str(event.state_csv))}"), soft_wrap=True
            )


class _Screen:
    """What is drawn in place. Written by the delivery's thread, read by the one that draws."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pace = figures.Pace()
        self._progress: Progress | None = None
        self._n_files = 0
        self._current: dict[str, None] = {}
        self._rows = 0

    def take(self, event: Event) -> None:
        with self._lock:
            match event:
                case Planned():
                    self._n_files = event.n_files
                case Progress():
                    self._progress = event
                    self._pace.see(event)
                case FileChanged(relpath, state):
                    if state == "transferring":
                        self._current[relpath] = None
                    else:
                        self._current.pop(relpath, None)
                case _:
                    pass

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        with self._lock:
            progress, current = self._progress, list(self._current)
            left = self._pace.seconds_left(self._n_files)
            rate = self._pace.bytes_per_second
        if progress is None:
            yield Text("  waiting for the receiver's validator …", style="dim")
            return
        width = options.max_width
        yield _bars(progress, rate, left, width)
        yield from _states(progress.counts, width)
        # The height never shrinks: lines that come and go make the screen jump.
        self._rows = max(self._rows, min(len(current), FILES_SHOWN, max(console.height - 6, 0)))
        arrow = ">" if options.ascii_only else "↑"
        lines: list[RenderableType] = [
            Text(f"  {arrow} {shorten(for_terminal(relpath), width - 5)}", style="dim", no_wrap=True)
            for relpath in current[: self._rows]
        ]
        more = len(current) - len(lines)
        if lines and more > 0:
            lines[-1] = Text(f"  {arrow} and {figures.files(more + 1)} more", style="dim", no_wrap=True)
        yield Group(*lines, *[Text()] * (self._rows - len(lines)))


def _bars(progress: Progress, rate: float, left: float, width: int) -> Table:
    """Two bars: what is sent, by bytes, and what is judged, by files."""
    total = sum(progress.counts.values())
    judged = progress.counts.get("valid", 0) + progress.counts.get("invalid", 0)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    if width >= NARROW:
        table.add_column(width=min(BAR_WIDTH, width - 56) if width < 104 else BAR_WIDTH)
    table.add_column(justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column(no_wrap=True)
    rows = (
        (
            "  sent",
            "cyan",
            progress.bytes_sent,
            progress.bytes_total,
            f"{figures.size(progress.bytes_sent)} of {figures.size(progress.bytes_total)}",
            f"{figures.size(rate)}/s  {figures.duration(left)} left" if left > 0 else "",
        ),
        (
            "  judged",
            "green",
            judged,
            total,
            f"{figures.count(judged)} of {figures.count(total)} files",
            "",
        ),
    )
    for label, style, done, whole, figure, rest in rows:
        bar = ProgressBar(
            total=max(whole, 1), completed=done if whole else 1, complete_style=style, finished_style=style
        )
        cells: list[RenderableType] = [label, bar, figure, rest] if width >= NARROW else [label, figure]
        table.add_row(*cells)
    return table


def _states(counts: Mapping[State, int], width: int) -> list[Text]:
    """The states that have files, in as many lines as they need: none of them may be cut off."""
    lines: list[Text] = []
    for state, n in figures.counts(counts):
        word = f"  {state} {figures.count(n)}"
        if not lines or len(lines[-1]) + len(word) > width:
            lines.append(Text(no_wrap=True))
        lines[-1].append(word, style=STATE_STYLES[state])
    return lines


def shorten(text: str, width: int) -> str:
    """Leave out the middle of a text that is wider than so many columns; a path's end tells the most."""
    if cell_len(text) <= width:
        return text
    head, tail = "", ""
    room = max(width - 1, 0)
    for one in text:
        if cell_len(head + one) > room // 3:
            break
        head += one
    for one in reversed(text):
        if cell_len(head) + cell_len(one + tail) > room:
            break
        tail = one + tail
    return f"{head}…{tail}"
