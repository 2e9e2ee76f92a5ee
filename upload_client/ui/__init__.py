"""Telling people and machines what happens: three reporters of the same events.

`rich` draws on a terminal, `plain` writes log lines where there is none, `jsonl` writes for programs.
People's output goes to stderr, the programs' to stdout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from upload_client.events import Event, Reporter, Summary

__all__ = ["Several", "headline", "is_terminal", "people_reporter", "restore_terminal"]


def people_reporter(*, verbosity: int = 0, beside_json: bool = False) -> Reporter:
    """The reporter for people that fits where stderr leads.

    Args:
        verbosity: -1 for warnings, errors and the outcome alone, 0 as usual, 1 for every file.
        beside_json: JSON lines are written to stdout as well.
    """
    # Two writers on one screen would spoil each other's lines: beside JSON on a terminal nothing is drawn.
    if is_terminal() and not (beside_json and sys.stdout.isatty()):
        from upload_client.ui.rich import RichReporter  # noqa: PLC0415 # slow to import

        return RichReporter(verbosity=verbosity)
    from upload_client.ui.plain import PlainReporter  # noqa: PLC0415 # only where it is needed

    return PlainReporter(verbosity=verbosity)


def is_terminal() -> bool:
    """Whether stderr is a screen that can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def restore_terminal() -> None:
    """Show the cursor again when there is no time to end a reporter in order. Safe in a signal handler."""
    if is_terminal():
        os.write(2, b"\x1b[?25h\r\n")


class Several:
    """Hands each event to several reporters.

    Attributes:
        ended: Whether the summary, the last event, was among them.
    """

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)
        self.ended = False

    def handle(self, event: Event) -> None:
        """Show this everywhere."""
        self.ended = self.ended or isinstance(event, Summary)
        for reporter in self._reporters:
            reporter.handle(event)

    def close(self) -> None:
        """Close each."""
        for reporter in self._reporters:
            reporter.close()


def headline(summary: Summary) -> str:
    """The outcome for a person: what kept a delivery from coming to its own end is an error."""
    return (
        f"error: {summary.headline}"
        if summary.exit_code in {1, 2} or summary.exit_code >= 10
        else summary.headline
    )
