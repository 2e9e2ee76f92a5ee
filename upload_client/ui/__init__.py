"""Telling people and machines what happens: three reporters of the same events.

`rich` draws on a terminal, `plain` writes log lines where there is none, `jsonl` writes for programs.
People's output goes to stderr, the programs' to stdout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from upload_client.events import Event, Reporter

__all__ = ["Several", "is_terminal", "make_reporter", "restore_terminal"]


def make_reporter(*, json: bool = False, verbosity: int = 0) -> Reporter:
    """The reporter that fits where the output goes.

    Args:
        json: Write JSON lines to stdout as well.
        verbosity: -1 for warnings, errors and the outcome alone, 0 as usual, 1 for every file.
    """
    people: Reporter
    # Two writers on one screen would spoil each other's lines, so beside JSON on a terminal nothing is drawn.
    if is_terminal() and not (json and sys.stdout.isatty()):
        from upload_client.ui.rich import RichReporter  # noqa: PLC0415 # slow to import

        people = RichReporter(verbosity=verbosity)
    else:
        from upload_client.ui.plain import PlainReporter  # noqa: PLC0415 # only where it is needed

        people = PlainReporter(verbosity=verbosity)
    if not json:
        return people
    from upload_client.ui.jsonl import JsonlReporter  # noqa: PLC0415 # only where it is needed

    return Several([people, JsonlReporter()])


def is_terminal() -> bool:
    """Whether stderr is a screen that can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def restore_terminal() -> None:
    """Show the cursor again when there is no time to end a reporter in order. Safe in a signal handler."""
    if is_terminal():
        os.write(2, b"\x1b[?25h\r\n")


class Several:
    """Hands each event to several reporters."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def handle(self, event: Event) -> None:
        """Show this everywhere."""
        for reporter in self._reporters:
            reporter.handle(event)

    def close(self) -> None:
        """Close each."""
        for reporter in self._reporters:
            reporter.close()
