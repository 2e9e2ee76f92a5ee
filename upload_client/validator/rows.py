"""The rows of an index that a client has written into the control bucket, as they come."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from itertools import islice

from upload_client.core.index_csv import MAX_ROW, rows_of
from upload_client.s3.bucket import Bucket, store_errors
from upload_client.validator.checks import Stream

_BLOCK = 256 * 1024
_MAX_DIGITS = 18
_TOGETHER = 16  # rows, each of which may have a MiB


class MalformedIndex(Exception):  # noqa: N818 — it reads as what it says
    """The index that a client has written is none."""


def index_rows(control: Bucket, key: str) -> Iterator[tuple[str, int | None]]:
    """Path and size of each file of an index, as they come.

    Raises:
        MalformedIndex: it is no index.
        StoreError: the store does not answer, or there is none.
    """
    for header, rows in _read(control, key):
        path_at = header.index("path")
        size_at = header.index("size") if "size" in header else None
        for row in rows:
            size = "" if size_at is None else row[size_at]
            known = size.isascii() and size.isdigit() and len(size) <= _MAX_DIGITS
            yield row[path_at], int(size) if known else None


def index_paths(control: Bucket, key: str) -> Iterator[list[str]]:
    """The paths alone, some at a time; see `index_rows`."""
    for header, rows in _read(control, key):
        path_at = header.index("path")
        yield [row[path_at] for row in rows]


def _read(control: Bucket, key: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    with store_errors(f"GET {control.prefix}{key}"):
        answer = control.client.get_object(Bucket=control.name, Key=control.prefix + key)
    with Stream(answer["Body"], threading.Event(), f"GET {control.prefix}{key}") as stream:
        yield from _rows(stream)


def _rows(stream: Stream) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The header, and some rows at a time: there may be millions, and a provider wrote them."""
    raw = io.BufferedReader(stream, _BLOCK)
    rows = rows_of(iter(lambda: raw.readline(MAX_ROW + 1), b""))
    try:
        header = next(rows, [])
        if "path" not in header:
            raise MalformedIndex("it names no column 'path'")
        first = 2
        while some := list(islice(rows, _TOGETHER)):
            for n, row in enumerate(some, first) if {*map(len, some)} != {len(header)} else ():
                if len(row) != len(header):
                    raise MalformedIndex(f"row {n} has {len(row)} cells instead of {len(header)}")
            yield header, some
            first += len(some)
    except ValueError as error:
        raise MalformedIndex(str(error)) from None
