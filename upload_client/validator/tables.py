"""CSV and TSV: as many fields in each row as in the first."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import chain
from typing import IO, Any, BinaryIO, NamedTuple

from upload_client.expectations.delimiters import comments, csv_rows, delimiters, is_open
from upload_client.validator.unreadable import BLOCK, BOM, MAX_TEXT, Unreadable, is_utf8

# One number for the whole process: indexes, and quotes of tables held against rules, are read by it too.
csv.field_size_limit(MAX_TEXT)

_LARGE = 64 * 1024
"""Bytes of a text from which on arrays are quicker."""
_WORTH = 16 * 1024 * 1024
_MAX_LINES = 100  # of a first row
_MAX_COMMENTS = 256 * 1024  # bytes in which they are looked for
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s|html[\s>]|\?xml\s)", re.IGNORECASE)


def check_csv(stream: BinaryIO) -> None:
    """RFC 4180: quoted as it says, and as many fields in each row as in the first.

    Fields may stand apart by semicolons, tabs or bars as well, where the rows say so.
    """
    rest = _pass_over(stream, _begin(stream), quotes=True)
    if rest is None:
        return
    lines = rest.lines()
    if rest.width:
        _same_width(csv_rows(lines, rest.delimiter), rest.width, rest.n_lines)
        return
    first = lines.readline()
    for _ in range(_MAX_LINES if is_open(first) else 0):
        if first.count('"') % 2 == 0:  # a name may have several lines
            break
        first += lines.readline()
    delimiter = rest.delimiter or delimiters(first)[0]
    rows = csv_rows(chain(io.StringIO(first, newline=""), lines), delimiter)
    _same_width(rows, n_lines=rest.n_lines)


def check_tsv(stream: BinaryIO) -> None:
    """As many fields in each row as in the first: read with quotes, as spreadsheets write them, or without.

    Without: https://www.iana.org/assignments/media-types/text/tab-separated-values
    """
    rest = _pass_over(stream, _begin(stream), quotes=False, delimiter="\t")
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
        _same_width(csv_rows(lines, "\t"), rest.width, rest.n_lines)
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
    began = 1
    try:
        for row in rows:
            began = rows.line_num + 1
            if len(row) != width and row:  # an empty line is no row
                if width:
                    where = f"line {n_lines + rows.line_num}"
                    raise _Ragged(f"{where}: {len(row)} fields, where the first row has {width}")
                width = len(row)
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            where = f"line {n_lines + began}"
            raise _Ragged(f"{where}: a quote that opens in this row is never closed") from None
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


class _Head(NamedTuple):
    """The beginning of a table without its comments, which had so many lines."""

    data: bytes
    n_lines: int = 0


def _begin(stream: BinaryIO) -> _Head:
    """Read the beginning of a table, and pass over comments.

    Raises:
        Unreadable: it is something else by the name of a table.
    """
    data = stream.read(BLOCK)
    while len(data) <= len(BOM) and (more := stream.read(BLOCK)):
        data += more
    if _MARKUP.match(data):
        raise Unreadable("it is a page of HTML or XML, such as a server gives instead of a file")
    if not data.removeprefix(BOM).startswith(b"#"):
        return _Head(data)
    while len(data) < _MAX_COMMENTS and (more := stream.read(_MAX_COMMENTS - len(data))):
        data += more
    n = comments(data)
    return _Head(data[n:], data.count(b"\n", 0, n))


def _pass_over(stream: BinaryIO, head: _Head, *, quotes: bool, delimiter: str = "") -> _Rest | None:
    """The quick way: read on as long as all rows are seen to have the same number of fields.

    Args:
        stream: the file.
        head: its beginning, read already.
        quotes: whether what stands in quotes is looked at too.
        delimiter: what stands between fields; none: as the first line has it.

    Returns:
        What is left; None where nothing is.
    """
    shape = None
    block = data = head.data
    n_lines = head.n_lines
    while data:
        content = data.removeprefix(BOM) if shape is None else data
        looks = shape or _Shape.of(content, delimiter, whole=not block)
        rows = None if looks is None else looks.rows_at_beginning(content, whole=not block, quotes=quotes)
        if rows is None:
            is_known = not block or _last_row(content) > 0  # the first row is all there
            return _Rest(data, stream, shape or (looks if is_known else None), shape, n_lines)
        shape = looks
        n_lines += rows.n_lines
        block = stream.read(BLOCK)
        data = content[rows.end :] + block
    return None


def _last_row(data: bytes) -> int:
    """Where the last row ends that is all there, as far as quotes in pairs say so."""
    end = data.rfind(b"\n") + 1
    if data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, data.rfind(b'"', 0, end)) + 1
    return end


def _first_row(data: bytes) -> bytes:
    """The first row: names in quotes may have several lines."""
    end = data.find(b"\n") + 1
    opens = b'"' in data[:end] and is_open(data[:end].decode(errors="replace"))
    for _ in range(_MAX_LINES if opens else 0):
        if not end or data.count(b'"', 0, end) % 2 == 0:
            break
        end = data.find(b"\n", end) + 1
    return data[:end] or data


@lru_cache(16)
def _readings(first: bytes, delimiter: str) -> tuple[tuple[str, int], ...]:
    """The delimiters by which a first row may be read, each with the number of fields; none: look closer.

    The files of a delivery mostly begin alike.
    """
    if first.isspace() or not is_utf8(first):
        return ()
    text = first.decode()
    found = []
    for one in delimiter or delimiters(text):
        row = csv_rows(io.StringIO(text, newline=""), one)
        try:
            found.append((one, len(next(row, ()))))
        except csv.Error:
            continue
    return tuple(found)


class Rows(NamedTuple):
    """The rows that a text begins with.

    Attributes:
        end: bytes of them.
        n_lines: ends of lines in them, also within quotes.
    """

    end: int
    n_lines: int


class _Arrays:
    """The look at large tables with quotes that needs numpy."""

    def __init__(self) -> None:
        self._n_bytes = 0

    def worth(self, data: bytes) -> Callable[..., tuple[int, int] | None] | None:
        """Give that look, for a text of which there is enough; None: it is not worth it, or not to be had.

        numpy is loaded in the time in which 10 to 100 MB are read otherwise.
        """
        if len(data) < _LARGE or b'"' not in data:
            return None
        self._n_bytes += len(data)
        return _rows_by_arrays() if self._n_bytes > _WORTH or "numpy" in sys.modules else None


_arrays = _Arrays()


@cache
def _rows_by_arrays() -> Callable[..., tuple[int, int] | None] | None:
    try:
        from upload_client.validator.quoted_rows import rows_at_beginning  # noqa: PLC0415 — slow
    except ImportError:  # Lambda functions have no numpy
        return None
    return rows_at_beginning


class _Shape:
    """The rows of a table as delimiters and ends of lines alone.

    Attributes:
        delimiter: between the fields.
        width: fields in each row.
        needs_quotes: whether a field was met that is not one without its quotes.
    """

    def __init__(self, delimiter: str, width: int) -> None:
        self.delimiter = delimiter
        self.width = width
        self._row = delimiter.encode() * (width - 1) + b"\n"
        self._others = _others(delimiter)
        self._ends = _ends(delimiter)
        self.needs_quotes = False
        self._is_odd = False  # a block was met whose quotes are not as RFC 4180 has them, or with empty rows

    @classmethod
    def of(cls, data: bytes, delimiter: str, *, whole: bool) -> _Shape | None:
        """The shape of a table that begins so; None where that takes a closer look."""
        shapes = [cls(one, width) for one, width in _readings(_first_row(data), delimiter)]
        if len(shapes) > 1:
            rows = data if whole else data[: _last_row(data)]
            return next((shape for shape in shapes if shape.is_in(rows)), shapes[0])
        return shapes[0] if shapes else None

    def rows_at_beginning(self, data: bytes, *, whole: bool, quotes: bool) -> Rows | None:
        """The rows that a text begins with, as many as are all there; None: look closer.

        Args:
            data: the text.
            whole: nothing follows.
            quotes: whether what stands in quotes is looked at too.
        """
        look = _arrays.worth(data) if quotes and not self._is_odd else None
        if look is not None:
            rows = look(data, self.delimiter, self.width, whole=whole)
            if rows is not None:
                piece = data[: rows[0]]
                return Rows(*rows) if is_utf8(piece) and b"\0" not in piece else None
            self._is_odd = True
        if not whole and not self.needs_quotes:
            end = data.rfind(b"\n") + 1
            n_lines = self.rows_in(data[:end], quotes=quotes) if end else None
            if n_lines is not None:
                return Rows(end, n_lines)
        end = len(data) if whole else _last_row(data)
        n_lines = self.rows_in(data[:end], quotes=quotes) if whole or end else None
        return None if n_lines is None else Rows(end, n_lines)

    def rows_in(self, data: bytes, *, quotes: bool) -> int | None:
        """The number of ends of lines in a text all rows of which have this shape. None: look closer.

        Args:
            data: the text.
            quotes: whether what stands in quotes is looked at too.
        """
        if _has_strange_ends(data) or not is_utf8(data) or (not quotes and b'"' in data):
            return None
        return self._rows_in(data)

    def is_in(self, data: bytes) -> bool:
        """Whether all rows of a text have this shape."""
        return self._rows_in(data) is not None

    def _rows_in(self, data: bytes) -> int | None:
        seen = data.translate(None, self._others)
        if b'"' not in seen or self._quotes_are_plain(data, seen):
            rows = seen.translate(None, b'"')
            n_rows = rows.count(b"\n")
            if not data.endswith(b"\n"):  # a last line cut in its first field leaves nothing
                rows += b"\n"
            if rows == self._row * rows.count(b"\n"):
                return n_rows
        text = data.decode(errors="replace")
        rows_read = csv_rows(io.StringIO(text, newline=""), self.delimiter)
        try:
            is_shape = {0, self.width}.issuperset(map(len, rows_read))  # 0: an empty line is no row
        except csv.Error:
            return None
        return data.count(b"\n") if is_shape else None

    def _quotes_are_plain(self, data: bytes, seen: bytes) -> bool:
        """Whether quotes stand around whole fields only, none of which would need them.

        Then the rows have the shape that they would have without quotes. Where that is not so once, the table
        is one that needs its quotes, and is not looked at in this way again.

        Args:
            data: the text.
            seen: its quotes, delimiters and ends of lines alone.
        """
        if self.needs_quotes:
            return False
        n_quotes = seen.count(b'"')
        # Split at every delimiter, within quotes too, each field has an even number of quotes; and only the
        # first and the last byte of a field are beside a delimiter. So where all are, it has two or none.
        in_pairs = 2 * seen.count(b'""') == n_quotes
        self.needs_quotes = not (in_pairs and _n_at_ends(data, self._ends) == n_quotes)
        return not self.needs_quotes


_QUOTE, _END = 0b010, 0b101


def _n_at_ends(data: bytes, ends: bytes) -> int:
    """Count the quotes that begin a field, and those that end one.

    All bytes are looked at together, as one number, which is quicker than any pattern: a quote is one bit of
    its byte, an end of a field the bits before and behind that one. Moved by a byte and a bit, the bit of a
    quote meets one of the end before it, and one of the end behind it meets the bit of the quote.

    Args:
        data: the text.
        ends: table that makes `_QUOTE` of a quote, `_END` of what ends a field, and nothing of all else.
    """
    number = int.from_bytes(data.translate(ends), "little")
    return (number & number >> 9).bit_count() + data.startswith(b'"') + data.endswith(b'"')


def _has_strange_ends(data: bytes) -> bool:
    """Whether it holds NUL characters, or carriage returns alone."""
    return b"\0" in data or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n"))


@lru_cache
def _others(delimiter: str) -> bytes:
    """All that is neither the delimiter nor the end of a line nor a quote."""
    return bytes(set(range(256)) - set(delimiter.encode() + b'\n"'))


@lru_cache
def _ends(delimiter: str) -> bytes:
    """A table for `_n_at_ends`."""
    table = bytearray(256)
    for end in delimiter.encode() + b"\r\n":
        table[end] = _END
    table[ord('"')] = _QUOTE
    return bytes(table)
