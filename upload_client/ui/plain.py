"""Without a terminal: log lines, few and complete, for a file, a mail or a CI job."""

from __future__ import annotations

from typing import TextIO

from upload_client.clock import SYSTEM, Clock
from upload_client.core.text import for_terminal
from upload_client.core.times import timestamp
from upload_client.events import Connected, Event, FileChanged, Message, Planned, Progress, Summary
from upload_client.ui import figures, headline
from upload_client.ui.lines import Lines

__all__ = ["PlainReporter"]

PROGRESS_SECONDS = 10.0


class PlainReporter:
    """Writes a delivery as lines, each with the time in UTC; how far it is at most every ten seconds.

    Args:
        verbosity: -1 for warnings, errors and the outcome alone, 0 as usual, 1 for every file.
        stream: Where to write, instead of stderr.
        clock: Gives each line its time.
    """

    def __init__(self, *, verbosity: int = 0, stream: TextIO | None = None, clock: Clock = SYSTEM) -> None:
        self._lines = Lines(stream or "stderr")
        self._verbosity = verbosity
        self._clock = clock
        self._pace = figures.Pace()
        self._told = figures.FilesTold(verbosity)
        self._n_files = 0
        self._told_at = 0.0

    def handle(self, event: Event) -> None:
        """Write this, or leave it out."""
        match event:
            case Message(text, mtype):
                level = mtype if mtype in {"warning", "error"} else ""
                self._say(f"{level}: {text}" if level else text, quiet=bool(level))
            case Connected():
                resumed = ", going on where an earlier run stopped" if event.resumed else ""
                self._say(
                    f"{event.dataset}/{event.delivery_id} ({event.transfer_type}){resumed}:"
                    f" from {for_terminal(event.source)} to {for_terminal(event.landing)}"
                )
            case Planned():
                self._n_files = event.n_files
                for reason, n in event.counts.items():
                    if n:
                        self._say(f"{figures.files(n)}, {reason}")
                self._say(figures.plan(event))
            case FileChanged(relpath, state, message):
                if self._told.tell(event):
                    why = f": {for_terminal(message)}" if message else ""
                    self._say(f"{state} {for_terminal(relpath)}{why}", quiet=True)
                elif self._told.left_out:
                    self._say(self._told.MORE, quiet=True)
            case Progress():
                self._progress(event)
            case Summary():
                self._summary(event)

    def close(self) -> None:
        """Nothing is held back."""

    def _progress(self, event: Progress) -> None:
        self._pace.see(event)
        if event.seconds - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = event.seconds
        states = ", ".join(f"{state} {figures.count(n)}" for state, n in figures.counts(event.counts))
        line = (
            f"sent {figures.count(event.files_sent)} of {figures.files(self._n_files)},"
            f" {figures.size(event.bytes_sent)} of {figures.size(event.bytes_total)}"
            f" ({figures.size(self._pace.bytes_per_second)}/s"
        )
        left = self._pace.seconds_left(self._n_files)
        line += f", {figures.duration(left)} left); {states}" if left > 0 else f"); {states}"
        self._say(line)

    def _summary(self, event: Summary) -> None:
        self._say(headline(event), quiet=True)
        states = ", ".join(f"{state} {figures.count(n)}" for state, n in figures.counts(event.counts))
        if states:
            self._say(
                f"{states}; sent {figures.files(event.files_sent)}, {figures.size(event.bytes_sent)}"
                f" in {figures.duration(event.seconds)}",
                quiet=True,
            )
        if event.state_csv is not None:
            self._say(f"state of every file: {event.state_csv}", quiet=True)

    def _say(self, text: str, *, quiet: bool = False) -> None:
        """Write it; with -q only what is said even then. Further lines are indented, so none looks new."""
        if quiet or self._verbosity >= 0:
            # Whole seconds: the date and the time up to the point.
            now = timestamp(self._clock.wall())[:19] + "Z"
            self._lines.write(f"{now} {for_terminal(text, lines=True)}".replace("\n", "\n    "))
