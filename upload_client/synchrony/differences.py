"""The differences between two versions of a file, for a person to decide by."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from upload_client.core.text import for_log

LARGEST: Final = 1024 * 1024
"""Bytes up to which two versions are compared line by line."""
MOST: Final = 12
"""Lines that are told."""
_WIDEST: Final = 160
_MOST_LINES: Final = 20_000


def differing(mine: bytes, theirs: bytes, path: str) -> list[str]:
    """The differences, a line each, safe for a terminal: ``-`` is mine, ``+`` is theirs. Nothing for no text.

    Args:
        mine: the version here.
        theirs: the version there.
        path: of both; a table (CSV, TSV) is compared cell by cell where it has the same columns and rows.
    """
    texts = []
    for data in (mine, theirs):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return []
        if "\0" in text:
            return []
        texts.append(text)
    ours, others = texts
    ending = path.rpartition(".")[2].lower()
    if ending in {"csv", "tsv"}:
        cells = _cells(ours, others, "\t" if ending == "tsv" else ",")
        if cells is not None:
            return _first(iter(cells))
    before, after = ours.splitlines(), others.splitlines()
    if before == after:
        return ["only in how lines end"]
    if max(len(before), len(after)) > _MOST_LINES:
        return []
    return _first(_lines(before, after))


def _cells(mine: str, theirs: str, delimiter: str) -> list[str] | None:
    """The cells that differ; None where the tables are not of the same form."""
    tables: list[list[list[str]]] = []
    for text in (mine, theirs):
        try:
            tables.append(list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)))
        except csv.Error:
            return None
    ours, others = tables
    if not ours or not others or ours[0] != others[0] or [*map(len, ours)] != [*map(len, others)]:
        return None
    head = ours[0]
    found = [
        f"row {number}, {for_log(name, 40)}: yours {for_log(old, 60)!r}, theirs {for_log(new, 60)!r}"
        for number, (row, other) in enumerate(zip(ours, others, strict=True), 1)
        if row != other
        for name, old, new in zip(head, row, other, strict=False)
        if old != new
    ]
    return found or None


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for line in difflib.unified_diff(before, after, lineterm="", n=0):
        if not line.startswith(("---", "+++")):
            yield for_log(line, _WIDEST)


def _first(lines: Iterator[str]) -> list[str]:
    first = list(islice(lines, MOST))
    more = sum(1 for _ in lines)
    return [*first, f"and {more:,} more"] if more else first
