"""Shows people and machines what happens: reporters of the same events.

`rich` draws on a terminal, `plain` writes log lines where there is none, `notebook` shows HTML in Jupyter,
`jsonl` writes for programs, `logs` into Python's logging. People's output goes to stderr, the programs' to
stdout.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from upload_client.core.codes import MessageCode
from upload_client.events import Event, Message, Reporter, Summary

if TYPE_CHECKING:
    from upload_client.ui.ending import Command

__all__ = [
    "CallbackReporter",
    "ReporterGroup",
    "is_terminal",
    "people_reporter",
    "reporter_of",
    "restore_terminal",
]


def people_reporter(
    *, verbosity: int = 0, beside_json: bool = False, command: Command | None = None
) -> Reporter:
    """The reporter for people that fits where stderr leads.

    Args:
        verbosity: -1 for errors alone, 0 as usual, 1 for every file; above that, a log goes to stderr too.
        beside_json: JSON lines are written to stdout as well.
        command: What was typed, for the command to type next.
    """
    # Two writers on one screen would spoil each other's lines: beside JSON or a log on it nothing is drawn.
    if is_terminal() and verbosity < 2 and not (beside_json and sys.stdout.isatty()):
        from upload_client.ui.rich import RichReporter  # noqa: PLC0415 # slow to import

        return RichReporter(verbosity=verbosity, command=command)
    from upload_client.ui.plain import PlainReporter  # noqa: PLC0415 # only where it is needed

    return PlainReporter(verbosity=verbosity, command=command)


def is_terminal() -> bool:
    """Whether stderr is a screen that can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def restore_terminal(last_message: bytes) -> None:
    """Show the cursor again when there is no time to end a reporter in order. Safe in a signal handler.

    Args:
        last_message: What is said in the place of what is drawn, with its line end.
    """
    if is_terminal():
        with contextlib.suppress(OSError):  # it may be the terminal's end that is signalled
            os.write(2, b"\x1b[?7h\x1b[?25h\r \x1b[J\r" + last_message)


class ReporterGroup:
    """Passes each event to several reporters. A fault of one of them ends neither the others nor a delivery.

    Attributes:
        ended: Whether the summary, the last event, was among them.
    """

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = list(reporters)
        self.ended = False

    def handle(self, event: Event) -> None:
        """Show this everywhere."""
        self.ended = self.ended or isinstance(event, Summary)
        for reporter in tuple(self._reporters):
            try:
                reporter.handle(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, ten hours of upload are worth more
                self._replace(reporter, error, event)

    def _replace(self, broken: Reporter, error: Exception, event: Event) -> None:
        """Log lines are all that is left to somebody whose display has failed."""
        from upload_client.ui.plain import PlainReporter  # noqa: PLC0415 # only where it is needed

        self._reporters.remove(broken)
        with contextlib.suppress(Exception):
            broken.close()
        why = f"the display has failed ({type(error).__name__}: {error}); the delivery goes on"
        lines = PlainReporter()
        lines.handle(Message(why, "error", MessageCode.DISPLAY_FAILED))
        if not any(type(one) is PlainReporter for one in self._reporters):
            lines.handle(event)
            self._reporters.append(lines)

    def close(self) -> None:
        """Close each."""
        for reporter in self._reporters:
            reporter.close()


def reporter_of(given: Reporter | Callable[[Event], object]) -> Reporter:
    """A reporter, also of a function that is called with each event.

    Raises:
        UsageError: it is neither.
    """
    if callable(given) and not isinstance(given, type):
        return CallbackReporter(given)
    from upload_client.support.arguments import can  # noqa: PLC0415 # its errors are not for --help

    can("reporter", given, ("handle", "close"), "a reporter, or a function that is called with each event")
    return cast("Reporter", given)


class CallbackReporter:
    """Passes each event to a function.

    Args:
        function: Called with one event, from the thread that runs the delivery.
    """

    def __init__(self, function: Callable[[Event], object]) -> None:
        self._function = function

    def handle(self, event: Event) -> None:
        """Call it."""
        self._function(event)

    def close(self) -> None:
        """Nothing is held back."""
