"""The faults of an index."""

from __future__ import annotations

from pathlib import Path

from upload_client.core.text import for_terminal
from upload_client.errors import InvalidIndex, UsageError
from upload_client.support.file_names import from_disk

Fix = "Fix or rename them, or leave them out with --exclude."
"""The advice about files that were found."""
SHOWN = 20
"""Problems that are told one by one."""


class Problems:
    """All that is wrong with an index; the first ones are kept.

    Args:
        where: the index: a file, or the folder that was scanned.
        has_rows: whether a person finds a row by its number.
    """

    def __init__(self, where: str, *, has_rows: bool = True) -> None:
        self._where = where
        self._has_rows = has_rows
        self._n = 0
        self._first: list[tuple[int, int, str | None, str]] = []

    def add(self, row: int | None, path: str | None, reason: str) -> None:
        """Note one, of a row (or of the whole) and a path (or of no certain one)."""
        self._first.append((-1 if row is None else row, self._n, path, reason))
        self._n += 1
        if len(self._first) > 50 * SHOWN:
            self._first = self._kept()

    def _kept(self) -> list[tuple[int, int, str | None, str]]:
        return sorted(self._first)[:SHOWN]

    def raise_them(self, *, hint: str | None = None) -> None:
        """Raise `InvalidIndex` if there are any.

        Args:
            hint: what to do about them, where it is another thing than to correct rows.
        """
        if not self._n:
            return
        lines = []
        for row, _, path, reason in self._kept():
            what = (
                [] if row < 0 or not self._has_rows else [f"row {row}:" if path is not None else f"row {row}"]
            )
            lines.append(" ".join([*what, *([] if path is None else [shown(path)]), reason]))
        error = InvalidIndex(self._where, lines, self._n)
        if hint is not None:
            error.hint = hint
        raise error


def shown(name: object) -> str:
    """A name or value in quotes, safe for a terminal, not too long."""
    text = from_disk(str(name)) if isinstance(name, Path) else str(name)
    if len(text) > 120:
        text = f"{text[:80]}…{text[-30:]}"
    return f"'{for_terminal(text)}'"


def unreadable(where: str, error: OSError) -> UsageError:
    """The refusal of an index that cannot be read.

    Args:
        where: how to name it.
        error: why.
    """
    hint = "Check the path of the list." if isinstance(error, FileNotFoundError) else None
    return UsageError(f"the index {where} cannot be read: {error.strerror or error}", hint=hint)
