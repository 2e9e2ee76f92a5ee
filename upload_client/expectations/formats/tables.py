"""CSV, TSV and Parquet, by pyarrow: a block or a row group at a time."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import decimal
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from upload_client.expectations.delimiters import comments, csv_rows, likely_delimiter
from upload_client.expectations.findings import Findings, Undecided, shown
from upload_client.expectations.formats.scalars import check_scalar
from upload_client.expectations.model import Column, Csv, Parquet
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import (
    DIGEST,
    UNROUNDED,
    TableJudge,
    digests,
    limits_of,
    no_fault_of_theirs,
    row_place,
)

__all__ = [
    "TextColumn",
    "check_pages",
    "csv_delimiter",
    "judge_csv",
    "judge_parquet",
    "learn_csv",
    "learn_parquet",
    "open_pages",
    "open_parquet",
    "plain_type",
]

BLOCK = 4 * 1024 * 1024
"""Bytes of CSV that are read at once; no row may be longer."""
_HEADER = 1024 * 1024
_MAX_COMMENTS = 256 * 1024
_READ_WHOLE = 64 * 1024 * 1024
"""Bytes of the largest file whose pages are decoded although nobody has said what is in them."""
_SIGNATURE = 28
"""Bytes behind a plain footer of a file with encrypted columns:
https://parquet.apache.org/docs/file-format/data-pages/encryption/, 5.4"""
_BATCH_ROWS = 8192  # small: a value that stands in a dictionary once may be in each row
_MAX_INVALID = 1000
_MAX_WHY = 300
_END = "\x1e"  # a row of our own behind the last: within an open quote it is none
_TWICE = "two of its columns have one name"

_PLAIN = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "date32[day]": "date",
    "date64[ms]": "date",
}


def plain_type(arrow: pa.DataType) -> str:
    """The plain name of a type of Arrow's."""
    if pa.types.is_dictionary(arrow):
        return plain_type(arrow.value_type)
    for plain, is_it in (
        ("timestamp", pa.types.is_timestamp),
        ("time", pa.types.is_time),
        ("duration", pa.types.is_duration),
        ("decimal", pa.types.is_decimal),
    ):
        if is_it(arrow):
            return plain
    return _PLAIN.get(str(arrow), str(arrow))


@contextlib.contextmanager
def open_parquet(file: BinaryIO, size: int) -> Iterator[pq.ParquetFile]:
    """A Parquet file whose column chunks are where its footer says; pages with a CRC are held against it.

    INT96 moments are read as microseconds: as nanoseconds, as is usual, years before 1677 and after 2262
    become others without a word.

    Raises:
        ValueError: data that the footer speaks of is not there.
        Undecided: it may be sound, and pyarrow cannot read it.
    """
    file.seek(max(size - 8, 0))
    tail = file.read(8)
    if tail[4:] == b"PARE":
        raise Undecided("it is encrypted")
    file.seek(0)
    if file.read(4) != b"PAR1":
        raise ValueError("it does not begin as Parquet does")
    file.seek(0)
    try:
        with pq.ParquetFile(
            file, coerce_int96_timestamp_unit="us", page_checksum_verification=True
        ) as parquet:
            length = int.from_bytes(tail[:4], "little")
            if parquet.metadata.serialized_size + _SIGNATURE == length:
                # Columns are encrypted under a plain footer: pyarrow must not be asked where these are.
                raise Undecided("it is encrypted, though its footer is not")
            _check_extents(parquet.metadata, size - 8 - length)
            assert parquet.schema_arrow is not None
            yield parquet
    except pa.ArrowNotImplementedError as error:
        raise Undecided(f"pyarrow cannot read it: {error}"[:_MAX_WHY]) from error


def _check_extents(metadata: pq.FileMetaData, end: int) -> None:
    """Hold the place of each column chunk against that of the footer."""
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for number in range(rows.num_columns):
            chunk = rows.column(number)
            if chunk.file_path:
                raise Undecided("its data is in other files")
            # Of a table without rows there may be a dictionary alone, or nothing at all: then a place is 0.
            places = [
                chunk.data_page_offset,
                chunk.dictionary_page_offset if chunk.has_dictionary_page else 0,
            ]
            start = min((place for place in places if place), default=0)
            if not start and not chunk.total_compressed_size and not chunk.num_values:
                continue
            if start < len(b"PAR1") or start + chunk.total_compressed_size > end:
                name = chunk.path_in_schema
                raise ValueError(f"column {name!r} in row group {group} is not where the footer says")


def check_pages(parquet: pq.ParquetFile) -> None:
    """Decode every page: what is damaged in one, its CRC or its codec notices."""
    for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        assert batch.num_rows >= 0


def judge_parquet(content: Parquet, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge a Parquet file: its schema, its pages, and of columns with rules for values, the values."""
    with open_parquet(file, size) as parquet:
        table = TableJudge(content, findings)
        _judge_metadata(content, parquet.metadata.metadata or {}, findings)
        schema = parquet.schema_arrow
        found = [(field.name, plain_type(field.type), str(field.type)) for field in schema]
        there = table.take_schema(found)
        # What the footer says about rows is said before any is read: there may be billions.
        if not table.check_rows(parquet.metadata.num_rows):
            return
        watched = [column for column in there if column.judges_values]
        for column in watched:
            table.watch(column)
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
            for column in watched:
                values = batch.column(column.name)
                if not _is_flat(values.type):
                    _feed_nested(table, column, values)
                elif table.watches(column.name):
                    _feed_flat(table, column, values)
            table.rows(batch.num_rows)
        table.close(parquet.metadata.num_rows)


def _judge_metadata(content: Parquet, there: Mapping[bytes, bytes], findings: Findings) -> None:
    """Judge the keys and values of the footer."""
    for rule in content.metadata:
        where = f"metadata {shown(rule.key)}"
        raw = there.get(rule.key.encode())
        if raw is None:
            if rule.required:
                findings.add(where, "it is missing")
            continue
        text = raw.decode("utf-8", "backslashreplace")
        value = _read_as(rule.type, text)
        if value is None:
            findings.add(where, f"{shown(text)} is no {rule.type}")
        else:
            check_scalar(findings, where, value, rule, rule.type)


def _read_as(kind: str, text: str) -> str | int | float | bool | None:
    """A text as a value of a kind; None: it is none."""
    if kind == "bool":
        return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}.get(text.lower())
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else text
    except ValueError:
        return None


_TRUE = ("true", "t", "1", "yes", "on")
_FALSE = ("false", "f", "0", "no", "off")
_OF_ANY_COLUMN = frozenset(
    {"name", "type", "nulls", "required", "unit", "shape"}
    | {"title", "description", "example", "rdf_type", "format", "constraints"}
)


def _feed_flat(table: TableJudge, column: Column, values: pa.Array) -> None:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    keys = _keys_of_decimals(values) if column.unique and pa.types.is_decimal(values.type) else None
    with no_fault_of_theirs(f"column {column.name!r}"):
        # As what they are, decimals cost much more.
        table.feed(column.name, *as_numpy(values, exact=column.compares_values), keys)


def _feed_nested(table: TableJudge, column: Column, values: pa.Array) -> None:
    """Judge whether anything within lists, structs and maps is missing; no other rule applies to them."""
    rules = column.model_dump(exclude_defaults=True).keys() - _OF_ANY_COLUMN
    if rules:
        named = ", ".join(sorted(rules))
        raise Undecided(f"column {column.name!r}: of nested values only nulls can be judged, not {named}")
    if table.watches(column.name):
        with no_fault_of_theirs(f"column {column.name!r}"):
            where = _nulls_within(values)
        if where is not None:
            table.note(column.name, f"a value is missing in {row_place(table.n_rows + where)}")


def _nulls_within(values: pa.Array) -> int | None:
    """The first row in which something is missing, the value itself or anything inside of it."""
    rows = np.flatnonzero(_holds_null(values))
    return int(rows[0]) if len(rows) else None


def _holds_null(values: pa.Array) -> np.ndarray[Any, Any]:
    """Whether something is missing in each row. No value is made an object: not each can be one."""
    arrow = values.type
    missing = _flags(values.is_null())
    if pa.types.is_map(arrow):
        pair = pa.struct([arrow.key_field, arrow.item_field])
        return _holds_null(values.cast(pa.list_(pair)))
    if pa.types.is_struct(arrow):
        for number in range(arrow.num_fields):
            missing = missing | _holds_null(values.field(number))
    elif pa.types.is_union(arrow):
        raise Undecided("whether values of a union are missing cannot be told")
    elif _is_list(arrow):
        inside = _holds_null(values.flatten())
        lengths, _ = as_numpy(pc.list_value_length(values))
        missing = missing.copy()
        missing[np.repeat(np.arange(len(values)), lengths)[inside]] = True
    return missing


def _is_list(arrow: pa.DataType) -> bool:
    kinds = pa.types
    return any(
        is_it(arrow)
        for is_it in (
            kinds.is_list,
            kinds.is_large_list,
            kinds.is_fixed_size_list,
            kinds.is_list_view,
            kinds.is_large_list_view,
        )
    )


def _is_flat(arrow: pa.DataType) -> bool:
    return not pa.types.is_nested(arrow)


def as_numpy(
    array: pa.Array, *, exact: bool = False
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """The values and where they are missing.

    Moments are of their own unit. Decimals are floating-point numbers; where they are to be exact, those of
    more digits than such have are Python's. Arrow's own way to numpy, and whatever makes an array or a scalar
    of Python's values, loads pandas, which takes longer than all else in a small file: it is left for what
    is rare.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    arrow, kinds = array.type, pa.types
    missing = _flags(array.is_null()) if array.null_count else None
    if kinds.is_date(arrow) or kinds.is_timestamp(arrow):
        return _moments(array), missing
    if kinds.is_time(arrow):
        return _times(array), missing
    if kinds.is_decimal(arrow):
        if exact and arrow.precision > _EXACT_DIGITS:
            nothing = decimal.Decimal(0)
            return _objects(nothing if one is None else one for one in array.to_pylist()), missing
        array = array.cast(pa.float64())
    elif kinds.is_boolean(arrow):
        return _flags(array), missing
    elif any(is_it(arrow) for is_it in _TEXTS):
        return _objects(array.to_pylist()), missing
    elif not (kinds.is_integer(arrow) or kinds.is_floating(arrow)):
        return array.to_numpy(zero_copy_only=False), missing
    values = _numbers(array)
    if missing is not None:
        values = np.where(missing, values.dtype.type("nan" if values.dtype.kind == "f" else 0), values)
    return values, missing


_TEXTS = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_null),
)


def _objects(values: Iterable[object]) -> np.ndarray[Any, Any]:
    return np.array([*values, None], object)[:-1]  # else numpy looks into them


def _numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    """Numbers as they stand in memory; where one is missing there may be any."""
    data = array.buffers()[1]
    dtype = np.dtype(array.type.to_pandas_dtype())
    if data is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, array.offset + len(array))[array.offset :]


def _flags(array: pa.Array) -> np.ndarray[Any, Any]:
    """Booleans; what is missing is false."""
    flags = _numbers(array.cast(pa.uint8())).astype(bool)
    return flags & ~_flags(array.is_null()) if array.null_count else flags


_EXACT_DIGITS = 15
"""Digits of a decimal of which no two become one floating-point number of 64 bits."""


def _moments(array: pa.Array) -> np.ndarray[Any, Any]:
    """Moments as numpy's, of the unit they have: converted, those of far years became others."""
    if pa.types.is_date32(array.type):
        unit, array = "D", array.cast(pa.int32())
    else:
        unit = "ms" if pa.types.is_date64(array.type) else array.type.unit
    numbers = _numbers(array.cast(pa.int64()))
    if array.null_count:
        numbers = np.where(_flags(array.is_null()), np.iinfo(np.int64).min, numbers)  # NaT
    return numbers.view(f"M8[{unit}]")


def _times(array: pa.Array) -> np.ndarray[Any, Any]:
    """Times of a day, as texts: Python's have no nanoseconds."""
    numbers = array.cast(pa.time64("ns")).cast(pa.int64()).to_pylist()
    return _objects(map(_time_of, numbers))


def _time_of(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not rest:
        return text
    return f"{text}.{rest:09}" if rest % 1000 else f"{text}.{rest // 1000:06}"


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
                    _feed_text(table, column, batch.column(name))
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


class _Behind(io.RawIOBase):
    """A file from a place on."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset + self._start * (whence == io.SEEK_SET), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _behind_comments(file: BinaryIO) -> BinaryIO:
    """The table in a file, without the comments that it begins with."""
    file.seek(0)
    n = comments(file.read(_MAX_COMMENTS))
    return cast("BinaryIO", io.BufferedReader(_Behind(file, n))) if n else file


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


_INTEGERS: dict[str, pa.DataType] = {
    name: getattr(pa, name)()
    for name in (f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
}
_MOMENTS = tuple(pa.timestamp(unit, zone) for unit in ("us", "ns") for zone in (None, "UTC"))
_TARGETS: dict[str, tuple[pa.DataType, ...]] = {
    **{name: (arrow,) for name, arrow in _INTEGERS.items()},
    "integer": (pa.int64(), pa.uint64()),
    "number": (pa.float64(),),
    "float64": (pa.float64(),),
    "float32": (pa.float32(),),
    "float16": (pa.float32(),),  # pyarrow reads no text as one
    "bool": (pa.bool_(),),
    "date": (pa.date32(),),
    "timestamp": _MOMENTS,
    "decimal": (pa.float64(),),
    "null": (pa.null(),),
    **dict.fromkeys(("any", "string", "binary"), (pa.string(),)),
}
_INTEGER = r"^[+-]?[0-9]{1,76}$"
_ZONED = r"[T ].*(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_TIME = r"^[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?$"
_DURATION = (  # of ISO 8601, as in XML Schema: https://www.w3.org/TR/xmlschema11-2/#duration
    r"^-?P(?:[0-9]+W|(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?)$"
)
_DURATION_ENDS = r"[0-9][WYMDHS]$"


def _feed_text(table: TableJudge, column: Column, texts: pa.Array) -> None:
    kind = _kind(column)
    if kind not in _TARGETS and kind not in ("time", "duration"):
        raise Undecided(f"column {column.name!r}: whether a text is a {kind} cannot be judged")
    with no_fault_of_theirs(f"column {column.name!r}"):
        values = _read(texts, kind)
        if values is None:
            at = _first_not(texts, kind)
            value = shown(texts[at].as_py())
            table.note(column.name, f"{value} in {row_place(table.n_rows + at)} is no {kind}")
        elif kind in ("decimal", "number") and column.judges_values:
            keys = _keys_of_texts(texts, as_numpy(values)[0]) if column.unique else None
            table.feed(column.name, *_exactly(texts, values, column), keys)
        else:
            table.feed(column.name, *as_numpy(values, exact=True))


def _kind(column: Column) -> str:
    """The type of a column of text: where only limits are named, that of the limits."""
    limit = next((limit for limit, *_ in limits_of(column)), None)
    if column.type != "any" or limit is None:
        return column.type
    return "timestamp" if isinstance(limit, dt.date) else "number"


def _exactly(
    texts: pa.Array, numbers: pa.Array, column: Column
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Numbers; as decimals where it matters that their texts have more digits than floating-point numbers."""
    values, missing = as_numpy(numbers)
    lengths, _ = as_numpy(pc.utf8_length(texts))
    if not (lengths > _EXACT_DIGITS).any():
        return values, missing
    if column.pattern is None:
        # A number that is rounded passes none that is not: only one that becomes a limit may lie beyond.
        given = (*(limit for limit, *_ in limits_of(column)), *(column.values or ()))
        rounded = [float(one) for one in given if isinstance(one, (int, float))]
        if not np.isin(values, rounded).any():
            return values, missing
    missing = np.isnan(values)  # NaN, too, which no decimal can be compared with
    nothing = decimal.Decimal(0)
    return (
        _objects(
            nothing if gone else decimal.Decimal(text).normalize(UNROUNDED)
            for text, gone in zip(texts.to_pylist(), missing.tolist(), strict=True)
        ),
        missing,
    )


_CHUNK = 18
"""Digits that a number of 64 bits has room for."""
_MAX_DIGITS = 4 * _CHUNK
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of a product is lost
_NO_DIGITS = "+-0aAfFiInNtTyY"  # signs, zeros, and what NaN and Infinity are made of


def _keys_of_texts(texts: pa.Array, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Sixteen bytes for each text, the same for all texts of one number, and for no two numbers.

    They are the floating-point number, and its digits without zeros at either end: of two numbers with the
    same digits one is ten times the other or more, so they are not rounded to the same one. Of up to 18
    digits it is these, of more a hash.
    """
    digits = texts
    if any(pc.match_substring(texts, letter).true_count for letter in "eE"):
        digits = pc.replace_substring_regex(texts, pattern="[eE].*$", replacement="")
    digits = pc.ascii_trim(pc.replace_substring(digits, pattern=".", replacement=""), characters=_NO_DIGITS)
    lengths, _ = as_numpy(pc.utf8_length(digits))
    # Beyond what such numbers can be, or too long to be looked at beside others.
    slow = np.isinf(values) | ((values == 0) & (lengths > 0)) | (lengths > _MAX_DIGITS)
    most = int(np.where(slow, 0, lengths).max(initial=1))
    padded = pc.ascii_rpad(digits, width=-(-most // _CHUNK) * _CHUNK, padding="0")
    hashed = np.zeros(len(texts), np.uint64)
    for start in range(0, _MAX_DIGITS, _CHUNK):
        hashed *= _FACTOR
        if start < most:
            chunk = pc.utf8_slice_codeunits(padded, start=start, stop=start + _CHUNK)
            hashed += as_numpy(chunk.cast(pa.uint64()))[0]
    keys = np.column_stack(((values + 0.0).view(np.uint64), hashed)).view(DIGEST).ravel()
    for at in np.flatnonzero(slow).tolist():
        keys[at : at + 1] = digests(_objects([decimal.Decimal(texts[at].as_py())]))
    return keys


def _keys_of_decimals(array: pa.Array) -> np.ndarray[Any, Any]:
    """The decimals of one type as they stand in memory."""
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), f"S{width}")
    return np.frombuffer(data, f"S{width}", array.offset + len(array))[array.offset :]


def _read(texts: pa.Array, kind: str) -> pa.Array | None:
    """Texts as values of a kind; None: not all of them can be."""
    values = _cast(texts, _TARGETS.get(kind, ()))
    if values is not None:
        return values
    if kind == "integer" and _all_match(texts, _INTEGER):
        return texts.cast(pa.decimal256(76, 0))
    if kind == "timestamp":
        return _mixed_moments(texts)
    if kind == "time" and _all_match(texts, _TIME):
        days = pc.binary_join_element_wise("1970-01-01 ", texts, "")
        return None if _cast(days, (pa.timestamp("ns"),)) is None else texts
    if kind == "duration" and _all_match(texts, _DURATION) and _all_match(texts, _DURATION_ENDS):
        return texts
    return None


def _all_match(texts: pa.Array, pattern: str) -> bool:
    matches = pc.match_substring_regex(texts, pattern)
    return bool(matches.true_count + matches.null_count == len(texts))


def _mixed_moments(texts: pa.Array) -> pa.Array | None:
    """Moments of which some name a zone and some do not: these are in UTC."""
    zoned = pc.match_substring_regex(texts, _ZONED)
    nothing = pa.nulls(len(texts), pa.string())
    of_zone = _cast(pc.if_else(zoned, texts, nothing), (pa.timestamp("us", "UTC"),))
    of_none = _cast(pc.if_else(zoned, nothing, texts), (pa.timestamp("us"),))
    if of_zone is None or of_none is None:
        return None
    return pc.coalesce(of_zone.cast(pa.timestamp("us")), of_none)


def _cast(texts: pa.Array, targets: Sequence[pa.DataType]) -> pa.Array | None:
    for target in targets:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if not pa.types.is_null(target):
                return texts.cast(target)
            if texts.null_count == len(texts):
                return pa.nulls(len(texts))
    return None


def _first_not(texts: pa.Array, kind: str) -> int:
    """The first of them that cannot be read as such; there is one."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _read(texts.slice(low, middle - low), kind) is None:
            high = middle
        else:
            low = middle
    return low


class TextColumn:
    """Learns what the texts of a column are, of many files.

    Attributes:
        type: ``integer``, ``number``, ``bool``, ``date``, ``timestamp``, ``string``; empty: nothing so far.
    """

    _NEXT: Final[dict[str, tuple[str, ...]]] = {
        "": ("integer", "number", "bool", "date", "timestamp", "string"),
        "integer": ("integer", "number", "string"),
    }

    def __init__(self) -> None:
        self.type = ""

    def learn(self, texts: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None] | None:
        """Take a batch; give its values, or None where nothing is there."""
        if texts.null_count == len(texts):
            return None
        for kind in self._NEXT.get(self.type, (self.type, "string")):
            targets = _TARGETS.get(kind, (pa.string(),))
            values = _cast(texts, targets[:1] if kind == "integer" else targets)
            if values is not None:
                self.type = kind
                return as_numpy(values)
        raise AssertionError("every text is a text")


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
        raise ValueError("it has no header" if names is None else _TWICE)
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


def learn_parquet(file: BinaryIO, take: Callable[[str, str, Any, Any], None]) -> int:
    """Learn from a Parquet file.

    Args:
        file: seekable.
        take: gets name and type of a column, and of each piece of it the values and where they are missing
            (None, None: there are none that can be judged).

    Returns:
        The number of rows.
    """
    size = file.seek(0, io.SEEK_END)
    with open_parquet(file, size) as parquet:
        schema = parquet.schema_arrow
        types = {field.name: plain_type(field.type) for field in schema}
        if len(types) < len(schema):
            raise ValueError(_TWICE)
        flat = [field.name for field in schema if _is_flat(field.type)]
        for name, plain in types.items():
            take(name, plain, None, None)
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=flat, use_threads=False):
            for name in flat:
                take(name, types[name], *as_numpy(batch.column(name)))
        n_rows: int = parquet.metadata.num_rows
        return n_rows


def open_pages(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a Parquet file: the places of its column chunks, and up to 64 MiB every page."""
    with open_parquet(file, size) as parquet:
        if size <= _READ_WHOLE:
            check_pages(parquet)
