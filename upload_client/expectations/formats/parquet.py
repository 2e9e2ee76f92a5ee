"""Parquet: opened, its columns as arrays of numpy, held against a document, learned from."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from upload_client.expectations.findings import Findings, Undecided, shown
from upload_client.expectations.formats.arrow_arrays import _flags, as_numpy
from upload_client.expectations.formats.scalars import check_scalar
from upload_client.expectations.formats.text_values import keys_of_decimals
from upload_client.expectations.model import Column, Parquet
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import (
    TableJudge,
    no_fault_of_theirs,
    row_place,
)

_READ_WHOLE = 64 * 1024 * 1024
"""Bytes of the largest file whose pages are decoded although nobody has said what is in them."""
_SIGNATURE = 28
"""Bytes behind a plain footer of a file with encrypted columns:
https://parquet.apache.org/docs/file-format/data-pages/encryption/, 5.4"""
_BATCH_ROWS = 8192  # small: a value that stands in a dictionary once may be in each row
_MAX_WHY = 300
TWICE = "two of its columns have one name"

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
                    feed_flat(table, column, values)
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


def feed_flat(table: TableJudge, column: Column, values: pa.Array) -> None:
    """Judge one piece of a column that holds no lists or structures."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    keys = keys_of_decimals(values) if column.unique and pa.types.is_decimal(values.type) else None
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
            raise ValueError(TWICE)
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
