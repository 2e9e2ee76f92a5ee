"""The progress of reading many files, on a terminal."""

from __future__ import annotations

import sys
import time

import click

__all__ = ["Told"]

TOLD_EVERY = 0.2  # seconds


class Told:
    """Says on a terminal how far reading is."""

    def __init__(self) -> None:
        self._at = 0.0
        self._wide = 0

    def __call__(self, n_files: int, n_bytes: int) -> None:
        """Take note of what is read so far."""
        from upload_client.support import figures  # noqa: PLC0415 # not for --help

        now = time.monotonic()
        if sys.stderr.isatty() and now - self._at >= TOLD_EVERY:
            self._at = now
            line = f"{figures.files(n_files)}, {figures.size(n_bytes)} read"
            click.echo("\r" + line.ljust(self._wide), err=True, nl=False)
            self._wide = len(line)

    def wipe(self) -> None:
        """Leave no trace."""
        if self._wide:
            click.echo("\r" + " " * self._wide + "\r", err=True, nl=False)
