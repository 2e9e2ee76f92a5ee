"""The index as a table in a file: CSV, and TSV, which differs from it in the delimiter alone."""

from __future__ import annotations

import codecs
import csv
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

import pandas as pd

from upload_client.errors import UsageError
from upload_client.index.frames import (
    COLUMNS,
    MAX_FILES,
    OTHER_CHECKSUMS,
    READ_FROM,
    ROWS,
    TOO_MANY,
    make_frame,
    sizes_of,
)
from upload_client.index.problems import Problems, shown
from upload_client.support.atomic import replacing

__all__ = ["encode_index", "is_index", "read_index", "write_index"]

_WILL_TRANSFER = "will_transfer"
_CHUNK = 1000
_HEADER = 4096  # bytes of a first line that is looked at
_OTHER_KINDS = {
    b"PK\x03\x04": "is a workbook of a spreadsheet, or a ZIP file: save it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is a workbook of an old Excel: save it as CSV in UTF-8",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}
"""First bytes of files that are called CSV and are none."""
_UNCLOSED = ("unexpected end of data", "a cell begins with a quotation mark and never ends")


def read_index(path: Path, *, delimiter: str = ",") -> pd.DataFrame:
    """Read an index file. What it says about files is for `check_index`.

    Args:
        path: a CSV with the columns ``path`` and, as one likes, ``checksum``, ``size`` and checksums of other
            kinds.
        delimiter: what stands between its cells; they are quoted as in any CSV.

    Raises:
        InvalidIndex: it is not such a CSV. Rows are counted as a spreadsheet does: the header is row 1.
        UsageError: it cannot be read.
    """
    problems = Problems(shown(path))
    table = _Table(problems, delimiter)
    try:
        with path.open("rb") as start:
            first = start.read(4)
        for magic, kind in _OTHER_KINDS.items():
            if first.startswith(magic):
                problems.add(None, None, kind)
                problems.raise_them()
        # A name that is not UTF-8 is read anyhow, so that it can be refused with its row.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            table.read(file)
    except OSError as error:
        raise UsageError(f"the index {shown(path)} cannot be read: {error.strerror or error}") from error
    problems.raise_them()
    frame = make_frame(table.paths, table.checksums, table.sizes, table.unknown, table.others)
    frame.attrs |= {READ_FROM: shown(path), ROWS: range(2, len(frame) + 2)}
    return frame


def is_index(path: Path) -> bool:
    """Whether a file is an index by its first line, and not a table of something else.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.readline(_HEADER).removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"the index {shown(path)} cannot be read: {error.strerror or error}") from error
    return _names_columns(next(csv.reader([first]), []))


def _names_columns(header: Sequence[str]) -> bool:
    names = set(header)
    known = {*COLUMNS, *OTHER_CHECKSUMS, _WILL_TRANSFER}
    return "path" in names and len(names) == len(header) and names <= known


class _Table:
    """The rows of an index file, by column. What is no table is a problem."""

    def __init__(self, problems: Problems, delimiter: str) -> None:
        self.paths: list[str] = []
        self.checksums: list[str | None] = []
        self.sizes = array("q")
        self.unknown = bytearray()
        self.others: dict[str, list[str | None]] = {}
        self._problems = problems
        self._delimiter = delimiter

    def read(self, file: TextIO) -> None:
        """Read a file to its end, a thousand rows at a time: that is twice as fast as one by one."""
        reader = csv.reader(file, strict=True, delimiter=self._delimiter)
        rows = _without_blank_end(reader)
        try:
            header = next(rows, [])
            if not self._is_header(header):
                return
            number = 2
            while chunk := list(islice(rows, _CHUNK)):
                if set(map(len, chunk)) != {len(header)}:
                    chunk = [self._whole(row, len(header), at) for at, row in enumerate(chunk, number)]
                self._take(dict(zip(header, zip(*chunk, strict=True), strict=True)), number)
                number += len(chunk)
                if len(self.paths) > MAX_FILES:
                    self._problems.add(None, None, f"it has too many files: {TOO_MANY}")
                    return
        except csv.Error as error:
            self._problems.add(
                None, None, f"line {reader.line_num} cannot be read: {str(error).replace(*_UNCLOSED)}"
            )

    def _is_header(self, header: Sequence[str]) -> bool:
        if _names_columns(header):
            self.others = {name: [] for name in header if name in OTHER_CHECKSUMS}
            return True
        says = f"says {shown(','.join(header))}" if header else "is empty"
        self._problems.add(1, None, f"must name the columns, path[,checksum[,size]], and {says}")
        return False

    def _whole(self, row: list[str], n_columns: int, number: int) -> list[str]:
        if not row:
            self._problems.add(number, None, "is empty")
        elif len(row) != n_columns:
            self._problems.add(number, "".join(row[:1]), f"has {len(row)} cells instead of {n_columns}")
        return [*row, *[""] * n_columns][:n_columns]

    def _take(self, columns: Mapping[str, Sequence[str]], number: int) -> None:
        paths = columns["path"]
        self.paths.extend(paths)
        self.checksums.extend(text or None for text in columns.get("checksum", ()))
        for name, values in self.others.items():
            values.extend(text or None for text in columns[name])
        texts = columns.get("size", [""] * len(paths))
        if _all_sizes(texts):
            self.sizes.extend(map(int, texts))
            self.unknown.extend(bytes(len(texts)))
            return
        for row, text in enumerate(texts):
            is_size = _all_sizes([text])
            self.sizes.append(int(text) if is_size else 0)
            self.unknown.append(not is_size)
            if text and not is_size:
                reason = f"has no number of bytes as size, but {shown(text)}"
                self._problems.add(number + row, paths[row], reason)


def _without_blank_end(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    n_blank = 0
    for row in rows:
        if not row:
            n_blank += 1
            continue
        while n_blank:
            yield []
            n_blank -= 1
        yield row


def _all_sizes(texts: Sequence[str]) -> bool:
    digits = "".join(texts)
    return digits.isascii() and digits.isdigit() and "" not in texts and max(map(len, texts)) <= 18


def encode_index(frame: pd.DataFrame, will_transfer: Sequence[bool] | None = None) -> bytes:
    """An index as CSV in UTF-8.

    Args:
        frame: as `check_index` or `scan` returns it.
        will_transfer: whether this run sends the file, for each row: the column ``will_transfer``.
    """
    return "".join(_lines(frame, will_transfer)).encode()


def write_index(
    frame: pd.DataFrame,
    path: Path,
    *,
    delimiter: str = ",",
    check: Callable[[Path], object] = lambda _: None,
) -> None:
    """Write an index as a CSV file, whole or not at all.

    Args:
        frame: as `check_index` or `scan` returns it.
        path: where.
        delimiter: what to put between the cells.
        check: see `upload_client.support.atomic.replacing`.

    Raises:
        OSError: it cannot be written there.
    """
    with replacing(path, check) as file:
        file.writelines(_lines(frame, delimiter=delimiter))


def _lines(
    frame: pd.DataFrame, will_transfer: Sequence[bool] | None = None, delimiter: str = ","
) -> Iterator[str]:
    sizes, unknown = sizes_of(frame["size"])
    rows = zip(frame["path"].tolist(), frame["checksum"].tolist(), sizes, unknown, strict=True)
    ends = ["\n"] * len(frame)
    header = delimiter.join(COLUMNS)
    if will_transfer is not None:
        header += f",{_WILL_TRANSFER}"
        ends = [",true\n" if will else ",false\n" for will in will_transfer]
    yield header + "\n"
    to_quote = re.compile(rf'["{delimiter}\r\n]').search
    for (path, checksum, size, no_size), end in zip(rows, ends, strict=True):
        if to_quote(path):
            path = '"' + path.replace('"', '""') + '"'  # noqa: PLW2901 - the same, quoted
        yield f"{path}{delimiter}{checksum or ''}{delimiter}{'' if no_size else size}{end}"
