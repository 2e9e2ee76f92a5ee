"""Without a terminal: log lines, few and complete, for a file, a mail or a CI job."""

from __future__ import annotations

from typing import Literal, TextIO, TypeAlias

from upload_client.core.text import counted, for_terminal
from upload_client.core.times import timestamp
from upload_client.events import (
    Connected,
    Event,
    FileChanged,
    Health,
    Message,
    MessageType,
    Phase,
    Planned,
    Progress,
    Summary,
)
from upload_client.support import figures
from upload_client.support.clock import SYSTEM, Clock
from upload_client.ui.ending import Command, ending, problem_lines
from upload_client.ui.lines import Lines
from upload_client.ui.run_view import PHASES

PROGRESS_SECONDS = 30.0

Level: TypeAlias = Literal["info", "warning", "error"]
"""The severity of a line, for a log."""


_LEVELS: dict[str, Level] = {"well": "info", "todo": "warning", "error": "error"}


class PlainReporter:
    """Writes a delivery as lines, each with the time in UTC; how far it is every 30 seconds.

    Args:
        verbosity: -1 for errors alone, 0 as usual, 1 for every file.
        stream: Where to write, instead of stderr.
        command: What was typed, for the command to type next.
        clock: Gives each line its time.
    """

    def __init__(
        self,
        *,
        verbosity: int = 0,
        stream: TextIO | None = None,
        command: Command | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._lines = Lines(stream or "stderr")
        self._verbosity = verbosity
        self._command = command
        self._clock = clock
        self.progress_seconds = PROGRESS_SECONDS
        self._pace = figures.Rates()
        self._notices = figures.FileNotices(verbosity)
        self._progress_at = 0.0
        self._well = ("", "")

    def handle(self, event: Event) -> None:
        """Write this event, or ignore it."""
        match event:
            case FileChanged():  # first: there are millions of them
                if self._notices.announces(event):
                    why = f": {for_terminal(event.message)}" if event.message else ""
                    again = " (it is tried again by itself)" if event.again else ""
                    level: Level = "warning" if event.state in {"failed", "invalid"} else "info"
                    self._print(f"{event.state} {for_terminal(event.relpath)}{why}{again}", level)
                elif self._notices.left_out:
                    self._print(self._notices.MORE, "warning")
            case Message(text, mtype):
                if mtype in {"warning", "error"}:
                    self._warn(text, mtype)
                else:
                    self._print(text)
            case Phase(name):
                self._print(PHASES[name])
            case Connected():
                resumed = ", going on where an earlier run stopped" if event.resumed else ""
                self._print(
                    f"{event.dataset}/{event.delivery_id} ({event.transfer_type}){resumed}:"
                    f" from {for_terminal(event.source)} to {for_terminal(event.landing)}"
                )
            case Planned():
                for reason, n in event.counts.items():
                    if n:
                        self._print(f"{figures.files(n)}, {figures.reason(reason)}")
                self._print(figures.plan(event))
            case Progress():
                self._progress(event)
            case Health():
                self._health(event)
            case Summary():
                self._summary(event)

    def close(self) -> None:
        """Nothing is held back."""

    def _progress(self, event: Progress) -> None:
        self._pace.see(event)
        if event.seconds - self._progress_at < self.progress_seconds:
            return
        self._progress_at = event.seconds
        total = event.bytes_before + event.bytes_total
        done = min(event.bytes_before + event.bytes_done, total)
        n_files = sum(event.counts.values())
        share = figures.sent(done, total, event.files_total - event.files_sent, n_files)
        pace = figures.pace(self._pace.bytes_per_second, self._pace.seconds_left)
        line = (
            f"{figures.percent(share).strip()} sent: {figures.size(done)} of {figures.size(total)}"
            f"{f' ({pace})' if pace else ''}"
        )
        line += f"; judged {figures.count(figures.judged(event.counts))} of {figures.files(n_files)}"
        states = ", ".join(f"{state} {figures.count(n)}" for state, n in figures.counts(event.counts))
        if self._verbosity > 0 and event.requests:
            line += f"; {counted(event.requests, 'request')} at once"
        self._print(f"{line}; {states}" if states else line)

    def _health(self, event: Health) -> None:
        """Say when it gets better or worse, and nothing in between."""
        before = self._well
        validator = {"starting": before[0], "working": ""}.get(event.validator, event.validator)
        self._well = (validator, event.trouble or "")
        if validator != before[0]:
            texts = {"silent": "the validator is silent", "left": "the validator has left"}
            if validator:
                self._warn(texts[validator])
            else:
                self._print("the validator is at work again")
        if bool(event.trouble) != bool(before[1]):
            if event.trouble:
                self._warn(f"trying again: {event.trouble}")
            else:
                self._print("it goes on again")

    def _summary(self, event: Summary) -> None:
        if self._verbosity < 0 and event.exit_code == 0:
            return
        end = ending(event, self._command)
        level = _LEVELS[end.kind]
        for kind, text in problem_lines(event.problems):
            indent = {"name": "    ", "more": "    ", "todo": "  -> "}.get(kind, "")
            self._print(f"{indent}{for_terminal(text)}", level, quiet=True)
        self._print(end.title, level, quiet=True)
        for label, text in (*end.rows, ("details", end.path), ("command", end.command)):
            if text:
                self._print(f"{label}: {text}", level, quiet=True)

    def _print(self, text: str, level: Level = "info", *, quiet: bool = False) -> None:
        """Write it; with -q only what is said even then."""
        if quiet or self._verbosity >= 0:
            # Further lines are indented, so that none looks like a new one.
            self._write(for_terminal(text, lines=True).replace("\n", "\n    "), level)

    def _warn(self, text: str, level: MessageType = "warning") -> None:
        """Write what is a warning or an error by itself."""
        self._print(f"{level}: {text}", "error" if level == "error" else "warning", quiet=level == "error")

    def _write(self, text: str, level: Level) -> None:  # noqa: ARG002 # a line shows it in words
        """Write a line, or several; safe for a terminal."""
        # Whole seconds: the date and the time up to the point.
        self._lines.write(f"{timestamp(self._clock.wall())[:19]}Z {text}")
