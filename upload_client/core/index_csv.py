"""The index in the control bucket, a CSV that a client wrote: read as hostile input, a row at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Final

MAX_FILES: Final = 5_000_000
"""Files of an index that is read: as many as a delivery may have."""
MAX_ROW: Final = 1024 * 1024
"""Bytes of a row: a key of S3 has 1,024, and beside it there are a few columns."""


def rows_of(lines: Iterable[bytes]) -> Iterator[list[str]]:
    """Yield the cells of each row, the header first.

    Args:
        lines: of the file, each with its end; of one that is longer than `MAX_ROW` the beginning is enough.

    Raises:
        ValueError: what comes is no CSV in UTF-8, or more rows, or a longer one, than an index may have.
    """
    n_bytes = 0

    def decoded() -> Iterator[str]:
        nonlocal n_bytes
        for line in lines:
            n_bytes += len(line)
            if n_bytes > MAX_ROW:
                raise ValueError(f"a row of more than {MAX_ROW:,} bytes")
            yield line.decode("utf-8")

    rows = csv.reader(decoded(), strict=True)
    try:
        for n, row in enumerate(rows):
            if n > MAX_FILES:
                raise ValueError(f"it names more than {MAX_FILES:,} files")
            n_bytes = 0
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"line {rows.line_num} cannot be read: {error}") from None


def lines_of(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a file in memory: all of them beside each other would take many times that."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start, start + MAX_ROW + 1) + 1 or min(start + MAX_ROW + 1, len(data))
        yield data[start:end]
        start = end
