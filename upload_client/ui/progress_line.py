"""One line on stderr that says how far something is: written over, wiped at the end, on a terminal alone.

As `in_place.py` says, it does not wrap, the cursor rests where it begins, and all is wiped from there.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import IO, Self

import click

from upload_client.core.text import for_terminal
from upload_client.ui import is_terminal

SHOWN_EVERY = 0.2  # seconds

WIDE = 80
"""Columns that what is drawn in place should have at most: few terminals are made narrower than that.

Where one is, it breaks longer lines into several rows, and tmux may move as many rows into its history, where
nobody can wipe them.
"""

WRAP, NO_WRAP = "\x1b[?7h", "\x1b[?7l"

WIPE = "\r \x1b[J\r"
"""Wipes all from the beginning of the cursor's line on.

Not from the first column: tmux keeps in its history what is wiped from the upper left corner.
"""


class ProgressLine:
    """Shows a text in the place of the last one.

    Args:
        silent: Show none.
        file: A terminal to show it on; None: stderr, if that is one.
    """

    def __init__(self, *, silent: bool = False, file: IO[str] | None = None) -> None:
        self._silent = silent or (file is None and not is_terminal())
        self._file = file
        self._shown_at = float("-inf")
        self._is_there = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def show(self, text: str) -> None:
        """Show this, unless something else has just been shown."""
        now = time.monotonic()
        if not self._silent and now - self._shown_at >= SHOWN_EVERY:
            self._shown_at, self._is_there = now, True
            click.echo(
                f"{WIPE}{NO_WRAP}{for_terminal(text)[:WIDE]}{WRAP}\r", file=self._file, err=True, nl=False
            )

    def wipe(self) -> None:
        """Leave no trace."""
        if self._is_there:
            self._is_there = False
            self._write(WIPE)

    def _write(self, text: str) -> None:
        click.echo(text, file=self._file, err=True, nl=False)
