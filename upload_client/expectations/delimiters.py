"""Which character stands between the fields of a CSV file, where nobody has said it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

BOM = codecs.BOM_UTF8
"""The mark that some programs begin UTF-8 with."""

_DELIMITERS = ",;\t|"
_MAX_FIELD = 4 * 1024 * 1024  # characters; no row that is read may have more bytes
_MAX_ROWS = 1000


def csv_rows(
    lines: Iterable[str], delimiter: str, *, strict: bool = True, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
) -> Iterator[list[str]]:
    """The rows of a table, as Python's csv reads them: with fields of up to 4 Mi characters.

    The limit is one for the whole process, and other libraries set it, too: it is set anew each time.
    """
    csv.field_size_limit(_MAX_FIELD)
    return csv.reader(lines, delimiter=delimiter, strict=strict, quoting=quoting)


def comments(head: bytes) -> int:
    """Bytes of the lines of comment (``# …``) that a table begins with, as instruments and archives write it.

    The last such line is none where it has as many fields as the first other one, or ends within quotes: it
    is the header.

    Args:
        head: the beginning of the file.
    """
    last = at = len(BOM) if head.startswith(BOM) else 0
    while head.startswith(b"#", at) and (end := head.find(b"\n", at) + 1):
        last, at = at, end
    first = head[at:].partition(b"\n")[0].decode("latin-1")
    if not first.strip():
        return 0
    comment, delimiter = head[last:at].decode("latin-1"), delimiters(first)[0]
    is_header = _width(comment, delimiter) == _width(first, delimiter) or is_open(comment)
    n = last if is_header else at
    return n if n > len(BOM) or not head.startswith(BOM) else 0


def is_open(line: str) -> bool:
    """Whether a line may end within quotes, which stand at the beginning of a field and nowhere else."""
    return any(_is_open(line, one) for one in _DELIMITERS)


def _is_open(line: str, delimiter: str) -> bool:
    rows = csv.reader((line, ""), delimiter=delimiter)
    try:
        next(rows)
    except csv.Error:
        return False
    return rows.line_num > 1


def delimiters(first: str) -> str:
    """Those that may be, by the first row: the likely ones first, and a comma where none is there."""
    widths = {one: _width(first, one) for one in _DELIMITERS}
    # Of those that are there as often, the first: the comma.
    there = [one for one in _DELIMITERS if widths[one] > 1]
    if "," in there:
        there.remove(",")
        return "," + "".join(sorted(there, key=lambda one: -widths[one]))
    return "".join(sorted(there, key=lambda one: -widths[one])) or ","


def _width(first: str, delimiter: str) -> int:
    """Fields of a row; 0 where it is none with this delimiter."""
    lines = io.StringIO(first, newline="")
    try:
        return len(next(csv_rows(lines, delimiter), ()))
    except csv.Error as error:
        is_cut = str(error) == "unexpected end of data"  # a name may have several lines
        return first.count(delimiter) + 1 if is_cut else 0


def likely_delimiter(head: str, *, whole: bool) -> str:
    """The first that is between the same number of fields in each row of a file's beginning.

    Args:
        head: the beginning of the file.
        whole: it is all of it; else the last row may be cut.
    """
    candidates = delimiters(head.partition("\n")[0])
    return next((one for one in candidates if _is_even(head, one, whole=whole)), candidates[0])


def _is_even(head: str, delimiter: str, *, whole: bool) -> bool:
    widths: list[int] = []
    try:
        for row in csv_rows(io.StringIO(head, newline=""), delimiter):
            if row:
                widths.append(len(row))
            if len(widths) > _MAX_ROWS:
                break
    except csv.Error:
        if whole:
            return False
    return len(set(widths if whole or len(widths) > _MAX_ROWS else widths[:-1])) <= 1
