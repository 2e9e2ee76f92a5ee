"""On a terminal: what happens, drawn in place, with messages above it, and the end below.

Every text from outside goes through `for_terminal` and into a `Text`, which rich does not search for markup.
"""

from __future__ import annotations

import threading

from rich.console import Console
from rich.text import Text

from upload_client.core.text import for_terminal
from upload_client.events import (
    Connected,
    Event,
    FileChanged,
    Health,
    Message,
    Phase,
    Planned,
    Progress,
    Summary,
)
from upload_client.support import figures
from upload_client.support.clock import SYSTEM, Clock
from upload_client.ui.ending import Command, ending, problem_lines
from upload_client.ui.in_place import InPlace
from upload_client.ui.run_view import PHASES, RunView
from upload_client.ui.screen import STATE_STYLES, Screen, shorten

__all__ = ["RichReporter", "shorten"]

STYLES = {
    "warning": "yellow",
    "error": "bold red",
    "info": "",
    "complete": "cyan",
    "success": "bold green",
}
ENDS = {"well": ("✓", "bold green"), "todo": ("!", "bold yellow"), "error": ("✗", "bold red")}

DRAWN_A_SECOND = 4


class RichReporter:
    """Draws a delivery on stderr.

    Args:
        verbosity: -1 for errors alone, 0 as usual, 1 for every file.
        console: Where to draw, instead of stderr.
        command: What was typed, for the command to type next.
        clock: Counts seconds between events.
    """

    def __init__(
        self,
        *,
        verbosity: int = 0,
        console: Console | None = None,
        command: Command | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.console = console or Console(stderr=True, emoji=False, markup=False, highlight=False)
        self._verbosity = verbosity
        self._command = command
        self._lock = threading.Lock()
        self._view = RunView(clock)
        ascii_only = self.console.options.ascii_only or self.console.legacy_windows
        self._ascii = ascii_only
        self._screen = Screen(self._view, ascii_only=ascii_only)
        self._drawing = InPlace(self._lines, self.console, every=1 / DRAWN_A_SECOND)

    def handle(self, event: Event) -> None:
        """Draw this."""
        with self._lock:
            self._view.take(event)
        match event:
            case FileChanged():  # first: there are millions of them
                if self._verbosity > 0:
                    self._file(event)
            case Message(text, mtype):
                if self._verbosity >= 0 or mtype == "error":
                    self._print(text, STYLES[mtype])
            case Phase(name):
                self._phase(name)
            case Connected() if self._verbosity >= 0:
                self._connected(event)
            case Planned() if self._verbosity >= 0:
                self._planned(event)
            case Progress() | Health() if self._verbosity >= 0:
                self._drawing.start()
            case Summary():
                self._drawing.stop()
                if self._verbosity >= 0 or event.exit_code:
                    self._summary(event)
            case _:
                pass

    def close(self) -> None:
        """Give back the terminal as it was."""
        self._drawing.stop()

    def _lines(self, width: int, height: int) -> list[Text]:
        with self._lock:
            return self._screen.lines(width, height)

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(for_terminal(text, lines=True), style=style))

    def _phase(self, name: str) -> None:
        if self._verbosity < 0:
            return
        if name == "connecting":
            # Nothing is drawn in place yet: the person may be asked for a password.
            self._print(f"{PHASES['connecting'].capitalize()} {'...' if self._ascii else '…'}", "dim")
        else:
            self._drawing.start()

    def _connected(self, event: Connected) -> None:
        line = Text()
        line.append(f"{for_terminal(event.dataset)}/{for_terminal(event.delivery_id)}", style="bold")
        line.append(f"  {event.transfer_type}", style="dim")
        line.append("  going on where an earlier run stopped" if event.resumed else "", style="cyan")
        self.console.print(line)
        self.console.print(
            Text(f"  from {for_terminal(event.source)}\n  to   {for_terminal(event.landing)}", style="dim")
        )

    def _planned(self, event: Planned) -> None:
        width = max((len(figures.count(n)) for n in event.counts.values()), default=0)
        for reason, n in event.counts.items():
            if n:
                self._print(f"  {figures.count(n):>{width}}  {figures.reason(reason)}")
        self._print(figures.plan(event))

    def _file(self, event: FileChanged) -> None:
        if event.state in {"done", "valid", "failed", "invalid"}:
            line = Text.assemble(
                (f"{event.state:<8}", STATE_STYLES[event.state]), for_terminal(event.relpath)
            )
            if event.message:
                line.append(f": {for_terminal(event.message)}")
            self.console.print(line)

    def _summary(self, event: Summary) -> None:
        for kind, text in problem_lines(event.problems):
            safe = for_terminal(text)
            if kind == "name":
                self.console.print(Text(f"    {safe}"))
            elif kind == "more":
                self.console.print(Text(f"    {safe}", style="dim"))
            elif kind == "todo":
                self.console.print(Text(f"  {'->' if self._ascii else '→'} {safe}\n"))
            else:
                self.console.print(Text(safe, style=STATE_STYLES[kind]))
        end = ending(event, self._command)
        mark, style = ENDS[end.kind]
        if self._ascii:
            mark = {"✓": "+", "✗": "x"}.get(mark, mark)
        self.console.print(Text(f"{mark} {for_terminal(end.title, lines=True)}", style=style))
        for label, text in end.rows:
            self._row(label, text, wrap=True)
        # Not broken into lines: a path or a command is there to be copied.
        if end.path:
            self._row("details", end.path, wrap=False)
        if end.command:
            self._row("command", end.command, wrap=False)

    def _row(self, label: str, text: str, *, wrap: bool) -> None:
        head, body = Text(f"  {label:<9}", style="dim"), Text(for_terminal(text))
        if not wrap:
            self.console.print(Text.assemble(head, body), soft_wrap=True)
            return
        for part in body.wrap(self.console, max(self.console.width - len(head), 8)):
            part.rstrip()
            self.console.print(Text.assemble(head, part))
            head = Text(" " * len(head))
