"""CSV and TSV, by pyarrow: a block at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from upload_client.expectations.delimiters import comments, csv_rows, likely_delimiter
from upload_client.expectations.file_tail import FileTail
from upload_client.expectations.findings import Findings
from upload_client.expectations.formats.parquet import TWICE
from upload_client.expectations.formats.text_values import TextColumn, feed_text
from upload_client.expectations.model import Csv
from upload_client.expectations.values import (
    TableJudge,
    row_place,
)

BLOCK = 4 * 1024 * 1024
"""Bytes of CSV that are read at once; no row may be longer."""
_HEADER = 1024 * 1024
_MAX_COMMENTS = 256 * 1024
_MAX_INVALID = 1000
_END = "\x1e"  # a row of our own behind the last: within an open quote it is none


def judge_csv(content: Csv, file: BinaryIO, _size: int, findings: Findings) -> None:
    """Judge a CSV or TSV file: its header, the number of fields in each row, the values."""
    file = _behind_comments(file)
    delimiter = content.delimiter or ("\t" if content.format == "tsv" else csv_delimiter(file))
    quoted = content.format == "csv" or _is_quoted(file, delimiter)
    names = _header(file, delimiter, quoted=quoted)
    if names is None:
        findings.add("", "it is empty, and should have a header")
        return
    table = TableJudge(content, findings)
    n_before = findings.n
    there = table.take_schema([(name, None, "") for name in names])
    if findings.n > n_before and len(set(names)) < len(names):
        return
    wrong_rows = _WrongRows()
    counted = _Quotes(file)
    reader = _reader(counted, delimiter, names, content.missing, wrong_rows, quoted=quoted)
    typed = {column.name: column for column in there if column.type != "any" or column.judges_values}
    for column in typed.values():
        table.watch(column)
    try:
        for batch in reader:
            for name, column in typed.items():
                if table.watches(name):
                    feed_text(table, column, batch.column(name))
            table.rows(batch.num_rows)
            if content.rows.max is not None and table.n_rows > content.rows.max:
                break  # what follows changes nothing
        else:
            if quoted and counted.n % 2:
                _check_quotes(file, delimiter)
    except pa.ArrowInvalid:
        if not wrong_rows.too_many:
            raise
    wrong_rows.report_to(findings)
    table.close()


def _behind_comments(file: BinaryIO) -> BinaryIO:
    """The table in a file, without the comments that it begins with."""
    file.seek(0)
    n = comments(file.read(_MAX_COMMENTS))
    return cast("BinaryIO", io.BufferedReader(FileTail(file, n))) if n else file


def _is_quoted(file: BinaryIO, delimiter: str) -> bool:
    """Whether quotes of TSV stand around fields; where its rows fit without alone, they are a part of these.

    https://www.iana.org/assignments/media-types/text/tab-separated-values
    """
    file.seek(0)
    if not any(b'"' in block for block in iter(lambda: file.read(BLOCK), b"")):
        return True
    return _fits(file, delimiter, quoted=True) or not _fits(file, delimiter, quoted=False)


def _fits(file: BinaryIO, delimiter: str, *, quoted: bool) -> bool:
    """Whether each row has as many fields as the header."""
    wrong_rows, counted = _WrongRows(), _Quotes(file)
    try:
        names = _header(file, delimiter, quoted=quoted)
        for _ in _reader(counted, delimiter, names or [], (), wrong_rows, quoted=quoted):
            pass
        if quoted and counted.n % 2:
            _check_quotes(file, delimiter)
    except (ValueError, csv.Error):
        return False
    return not wrong_rows.n


class _Quotes(io.RawIOBase):
    """A file, and how many quotes were read of it: pyarrow takes the file's end for the end of a quote."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.n += data.count(b'"')
        return len(data)


def _check_quotes(file: BinaryIO, delimiter: str) -> None:
    """Whether the last quote is closed. Only asked where their number is odd: it may stand within a field."""
    file.seek(0)
    again = cast("BinaryIO", io.BufferedReader(_Quotes(file)))
    lines = io.TextIOWrapper(again, "utf-8-sig", "replace", newline="")
    row: list[str] = []
    try:
        # Not strictly, which would end at the first quote within a field: behind it may be one that is open.
        for row in csv_rows(chain(lines, [_END]), delimiter, strict=False):  # noqa: B007 - the last one
            pass
    except csv.Error:  # a longer field than a row may be: it goes on to the end
        row = []
    if row != [_END]:
        raise ValueError("a quote is not closed at its end")


def _reader(
    file: BinaryIO | _Quotes,
    delimiter: str,
    names: Sequence[str],
    missing: Sequence[str],
    wrong_rows: _WrongRows,
    *,
    quoted: bool = True,
) -> Iterable[pa.RecordBatch]:
    """The rows as text, in batches."""
    file.seek(0)
    try:
        yield from pa_csv.open_csv(
            file,
            pa_csv.ReadOptions(use_threads=False, block_size=BLOCK),
            pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=True,
                invalid_row_handler=wrong_rows,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(missing),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            raise ValueError(f"a row has more than {BLOCK:,} bytes, or a quote is not closed") from None
        raise


def csv_delimiter(file: BinaryIO) -> str:
    """The delimiter of the fields, by the beginning of the file."""
    file = _behind_comments(file)
    file.seek(0)
    text, whole = _head(file)
    file.seek(0)
    return likely_delimiter(text, whole=whole)


def _head(file: BinaryIO) -> tuple[str, bool]:
    """The beginning, and whether it is all of the file."""
    head = file.read(_HEADER)
    # Cut within a character is no fault of the file.
    return head.decode("utf-8-sig", "strict" if len(head) < _HEADER else "ignore"), len(head) < _HEADER


def _header(file: BinaryIO, delimiter: str, *, quoted: bool = True) -> list[str] | None:
    file.seek(0)
    text, _ = _head(file)
    lines = io.StringIO(text, newline="")
    if not quoted:
        return next(csv_rows(lines, delimiter, quoting=csv.QUOTE_NONE), None)
    return next(csv_rows(lines, delimiter), None)


class _WrongRows:
    """Rows with another number of fields than the header; pyarrow calls it for each.

    Attributes:
        n: how many there were.
    """

    def __init__(self) -> None:
        self.n = 0
        self._first = ""

    def __call__(self, row: Any) -> str:  # noqa: ANN401 — pyarrow.csv.InvalidRow
        if not self.n:
            where = "a row" if row.number is None else row_place(row.number - 2)
            self._first = f"{where}: {row.actual_columns} fields where the header has {row.expected_columns}"
        self.n += 1
        return "skip" if self.n < _MAX_INVALID else "error"

    @property
    def too_many(self) -> bool:
        """Whether reading was ended for them."""
        return self.n >= _MAX_INVALID

    def report_to(self, findings: Findings) -> None:
        """Say what is wrong."""
        if self.n:
            many = "at least " if self.too_many else ""
            findings.add("", self._first + (f" ({many}{self.n:,} such rows)" if self.n > 1 else ""))


def learn_csv(
    file: BinaryIO,
    delimiter: str,
    columns: Callable[[str], TextColumn],
    take: Callable[[str, Any, Any], None],
    *,
    tsv: bool = False,
) -> tuple[list[str], int]:
    """Learn from a CSV file.

    Args:
        file: seekable.
        delimiter: between fields.
        columns: gives a column by its name.
        take: gets the values of a piece of a column, and where they are missing (None, None: all of them).
        tsv: it is TSV, of which quotes may be a part of fields.

    Returns:
        The columns' names, and the number of rows.

    Raises:
        ValueError: it is no table.
    """
    file = _behind_comments(file)
    quoted = _is_quoted(file, delimiter) if tsv else True
    names = _header(file, delimiter, quoted=quoted)
    if names is None or len(set(names)) < len(names):
        raise ValueError("it has no header" if names is None else TWICE)
    wrong_rows, findings = _WrongRows(), Findings()
    n_rows = 0
    for batch in _reader(file, delimiter, names, ("",), wrong_rows, quoted=quoted):
        for name in names:
            values = columns(name).learn(batch.column(name))
            if batch.num_rows:
                take(name, *(values or (None, None)))
        n_rows += batch.num_rows
    wrong_rows.report_to(findings)
    if findings.n:
        raise ValueError(str(findings))
    return names, n_rows
