"""CSV and TSV: as many fields in each row as in the first."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import IO, Any, BinaryIO

from upload_client.expectations.delimiters import delimiters, is_open
from upload_client.validator.unreadable import BLOCK, BOM, MAX_TEXT, Unreadable, is_utf8

__all__ = ["check_csv", "check_tsv"]

# It is one number for the whole process, and nothing else here reads CSV.
csv.field_size_limit(MAX_TEXT)


_MAX_LINES = 100  # of a first row


def check_csv(stream: BinaryIO) -> None:
    """RFC 4180: quoted as it says, and as many fields in each row as in the first.

    Fields may stand apart by semicolons, tabs or bars as well, where the rows say so.
    """
    rest = _pass_over(stream, quotes=True)
    if rest is None:
        return
    lines = rest.lines()
    if rest.width:
        _same_width(csv.reader(lines, delimiter=rest.delimiter, strict=True), rest.width, rest.n_lines)
        return
    first = lines.readline()
    for _ in range(_MAX_LINES if is_open(first) else 0):
        if first.count('"') % 2 == 0:  # a name may have several lines
            break
        first += lines.readline()
    delimiter = rest.delimiter or delimiters(first)[0]
    _same_width(csv.reader(chain(io.StringIO(first, newline=""), lines), delimiter=delimiter, strict=True))


def check_tsv(stream: BinaryIO) -> None:
    """As many fields in each row as in the first: read with quotes, as spreadsheets write them, or without.

    Without: https://www.iana.org/assignments/media-types/text/tab-separated-values
    """
    rest = _pass_over(stream, quotes=False, delimiter="\t")
    if rest is None:
        return
    widths = {rest.width - 1} if rest.width else set()

    def counted(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if not line.isspace():
                widths.add(line.count("\t"))
            yield line

    lines = counted(rest.lines())
    try:
        _same_width(csv.reader(lines, delimiter="\t", strict=True), rest.width, rest.n_lines)
    except _Ragged:
        for _ in lines:
            pass  # for the count
        if len(widths) > 1:
            raise


class _Ragged(Unreadable):
    """The rows do not have the same number of fields, or quotes are not as they should be."""


def _same_width(rows: Any, width: int = 0, n_lines: int = 0) -> None:  # noqa: ANN401 — csv has no name for its readers
    """Read rows to their end.

    Args:
        rows: a `csv.reader`.
        width: fields in each row; 0: as many as in the first that there is.
        n_lines: lines before the first of these.
    """
    try:
        for row in rows:
            if len(row) != width and row:  # an empty line is no row
                if width:
                    where = f"line {n_lines + rows.line_num}"
                    raise _Ragged(f"{where}: {len(row)} fields, where the first row has {width}")
                width = len(row)
    except csv.Error as error:
        raise _Ragged(f"line {n_lines + rows.line_num}: {error}") from None


class _Guard(io.RawIOBase):
    """A stream that ends with `Unreadable` where a line is too long or holds a NUL character.

    It looks at whole blocks, so that the lines themselves may be taken apart by C code.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._since_end = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        block = self._stream.read(len(buffer))
        end = block.rfind(b"\n")
        if end < 0:
            end = block.rfind(b"\r")
        self._since_end = len(block) - 1 - end if end >= 0 else self._since_end + len(block)
        if self._since_end > MAX_TEXT:
            raise Unreadable(f"a line of more than {MAX_TEXT:,} bytes")
        if b"\0" in block:
            raise Unreadable("it contains a NUL character")
        buffer[: len(block)] = block
        return len(block)


class _Chained(io.RawIOBase):
    """Bytes that were read already, and what comes behind them."""

    def __init__(self, data: bytes, stream: BinaryIO) -> None:
        self._data = data
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        n = len(buffer)
        block, self._data = self._data[:n], self._data[n:]
        block = block or self._stream.read(n)
        buffer[: len(block)] = block
        return len(block)


class _Rest:
    """The part that is left for the careful way.

    Attributes:
        delimiter: between the fields; empty where the first line has to say it.
        width: fields in each of the rows before; 0: there are none.
        n_lines: lines before.
    """

    def __init__(
        self, data: bytes, stream: BinaryIO, looks: _Shape | None, shape: _Shape | None, n_lines: int
    ) -> None:
        self._from = io.BufferedReader(_Chained(data, stream), BLOCK)
        self.delimiter = "" if looks is None else looks.delimiter
        self.width = 0 if shape is None else shape.width
        self.n_lines = n_lines

    def lines(self) -> IO[str]:
        """The lines, of UTF-8, none of them too long."""
        guarded = io.BufferedReader(_Guard(self._from), BLOCK)
        encoding = "utf-8" if self.width else "utf-8-sig"
        return io.TextIOWrapper(guarded, encoding=encoding, errors="strict", newline="")


def _pass_over(stream: BinaryIO, *, quotes: bool, delimiter: str = "") -> _Rest | None:
    """The quick way: read on as long as all rows are seen to have the same number of fields.

    Args:
        stream: the file.
        quotes: whether what stands in quotes is looked at too.
        delimiter: what stands between fields; none: as the first line has it.

    Returns:
        What is left; None where nothing is.
    """
    shape = None
    n_lines = 0
    data = b""
    while True:
        block = stream.read(BLOCK)
        data += block
        end = len(data) if not block else _last_row(data)
        piece = data[:end]
        if not data:
            return None
        content = piece.removeprefix(BOM) if shape is None else piece
        looks = shape or _Shape.of(content, delimiter)
        if not piece or looks is None or not looks.fits(content, quotes=quotes):
            return _Rest(data, stream, shape or (looks if piece else None), shape, n_lines)
        shape = looks
        n_lines += piece.count(b"\n")
        data = data[end:]


def _last_row(data: bytes) -> int:
    """Where the last row ends that is all there, as far as quotes in pairs say so."""
    end = data.rfind(b"\n") + 1
    if data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
    return end


def _first_row(data: bytes) -> bytes:
    """The first row: names in quotes may have several lines."""
    end = data.find(b"\n") + 1
    for _ in range(_MAX_LINES if is_open(data[:end].decode(errors="replace")) else 0):
        if not end or data.count(b'"', 0, end) % 2 == 0:
            break
        end = data.find(b"\n", end) + 1
    return data[:end] or data


class _Shape:
    """The rows of a table as delimiters and ends of lines alone.

    Attributes:
        delimiter: between the fields.
        width: fields in each row.
    """

    def __init__(self, delimiter: str, width: int) -> None:
        self.delimiter = delimiter
        self.width = width
        self._row = delimiter.encode() * (width - 1) + b"\n"
        self._others = _others(delimiter)
        self._needs_quotes = False

    @classmethod
    def of(cls, data: bytes, delimiter: str) -> _Shape | None:
        """The shape of a table that begins so; None where that takes a closer look."""
        first = _first_row(data)
        if first.isspace() or not is_utf8(first):
            return None
        text = first.decode()
        candidates = delimiter or delimiters(text)
        shapes = []
        for one in candidates:
            row = csv.reader(io.StringIO(text, newline=""), delimiter=one, strict=True)
            try:
                shapes.append(cls(one, len(next(row, ()))))
            except csv.Error:
                continue
        if len(shapes) > 1:
            return next((shape for shape in shapes if shape.is_in(data)), shapes[0])
        return shapes[0] if shapes else None

    def fits(self, data: bytes, *, quotes: bool) -> bool:
        """Whether all rows are seen to be of this shape. False: that takes a closer look."""
        lone = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
        if lone or b"\0" in data or not is_utf8(data):
            return False
        return (quotes or b'"' not in data) and self.is_in(data)

    def is_in(self, data: bytes) -> bool:
        """Whether all rows of a text are of this shape."""
        if b'"' not in data or self._quotes_are_plain(data):
            rows = data.translate(None, self._others)
            if not data.endswith(b"\n"):
                rows += b"\n"
            if rows == self._row * rows.count(b"\n"):
                return True
        text = data.decode(errors="replace")
        rows_read = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True)
        try:
            return {0, self.width}.issuperset(map(len, rows_read))  # 0: an empty line is no row
        except csv.Error:
            return False

    def _quotes_are_plain(self, data: bytes) -> bool:
        """Whether quotes stand around whole fields only, none of which would need them.

        Then the rows have the shape that they would have without quotes. Where that is not so once, the table
        is one that needs its quotes, and is not looked at in this way again.
        """
        if self._needs_quotes:
            return False
        between, plain = _plain_fields(self.delimiter)
        one_line = b"".join((between[10:11], data.translate(between), between[10:11]))
        self._needs_quotes = 2 * len(plain(one_line)) != data.count(b'"')
        return not self._needs_quotes


@lru_cache
def _plain_fields(delimiter: str) -> tuple[bytes, Callable[[bytes], list[bytes]]]:
    """A table that makes delimiters of ends of lines; and what finds the fields in plain quotes then."""
    one = delimiter.encode()
    between = bytes.maketrans(b"\r\n", 2 * one)
    d = re.escape(one)
    return between, re.compile(rb'%b"[^"%b]*"(?=%b)' % (d, d, d)).findall


@lru_cache
def _others(delimiter: str) -> bytes:
    """All that is neither the delimiter nor the end of a line."""
    return bytes(set(range(256)) - set(delimiter.encode() + b"\n"))
