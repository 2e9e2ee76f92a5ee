"""The tables in ``.S3``: who has written which version of a file, and which were deleted.

CSV in UTF-8 with the columns ``File,Edited By,Time Edited,Checksum``, as others have written them before:
paths with ``/``, times in UTC, MD5 in hexadecimal. Paths stand in them as they are, for other programs read
them. No cell is ever empty: to readers that are made with pandas a row with an empty cell is no row.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from upload_client.core.paths import check_relpath
from upload_client.errors import UsageError

MOST_BOOK: Final = 1024**3
"""Bytes of a table that are read."""
BOOKS: Final = ".S3"
"""The folder of the books, on both sides."""
VERSIONS: Final = "versions.csv"
HELD: Final = "versionsLocal.csv"
DELETED: Final = "deletedS3.csv"
DELETED_HERE: Final = "deletedLocal.csv"
COLUMNS: Final = ("File", "Edited By", "Time Edited", "Checksum")
UNKNOWN: Final = "unknown"
"""The people who have edited files that somebody put there without the books."""

_BOOKS = re.compile(r"\.s3[. ]*(:.*)?|s3~[0-9]+")
_MD5 = re.compile("[0-9a-f]{32}")
_FORMAT = "%Y-%m-%d %H:%M:%S"
_MAX_CELL = 128 * 1024  # characters; a path has no more than 1,024 bytes


class Row(NamedTuple):
    """A version of a file: who has made it, when (UTC, as it is written down), and its MD5."""

    by: str
    when: str
    md5: str


def is_md5(text: str) -> bool:
    """Whether a text has the form of an MD5."""
    return _MD5.fullmatch(text) is not None


def is_data(path: str) -> bool:
    """Whether a path can be a file that is shared: one that leads nowhere else, and not into the books."""
    return not leads_into_books(path) and check_relpath(path) is None


def leads_into_books(path: str) -> bool:
    """Whether a path leads into a folder of books, also where the file system takes other spellings for it.

    Case is one on most disks of Windows and macOS; Windows passes over points and blanks at the end of a
    name, and has a short one for it; HFS+ passes over what is invisible. One rule for all: others share it.
    """
    if path.isascii() and "s3" not in path.lower():  # nearly all paths
        return False
    return any(_BOOKS.fullmatch(_shown(part)) for part in path.split("/"))


def _shown(name: str) -> str:
    return "".join(one for one in name.casefold() if unicodedata.category(one) != "Cf")


def moment(seconds: float) -> str:
    """A moment (seconds since 1970) as it is written down: UTC, in whole seconds."""
    return datetime.fromtimestamp(max(0.0, seconds), UTC).strftime(_FORMAT)


def read(data: bytes, where: str) -> Iterator[tuple[str, Row]]:
    """The rows of a table, in order; what is no path of a file that can be shared is passed over.

    Columns are found by their names, so that others may stand beside them.

    Args:
        data: all of it.
        where: which one, for the message.

    Raises:
        UsageError: it is no such table.
    """
    try:
        lines = csv.reader(_lines(data))
        head = next(lines, None)
        if head is None:
            return
        try:
            file, by, when, md5 = (head.index(name) for name in COLUMNS)
        except ValueError:
            raise UsageError(
                f"{where} has no columns {', '.join(COLUMNS)}",
                hint="It is a table of a shared folder: bring it back, or delete it to have it made anew.",
            ) from None
        least = max(file, by, when, md5)
        names: dict[str, str] = {}
        for cells in map(_bounded, lines):
            if len(cells) <= least:
                continue
            path = cells[file]
            if is_data(path):
                who, digest = cells[by], cells[md5].strip().lower()
                yield path, Row(names.setdefault(who, who), cells[when], digest)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{where} cannot be read as a table in UTF-8: {error}",
            hint="Save it as CSV in UTF-8, or delete it to have it made anew.",
        ) from None


def _bounded(cells: list[str]) -> list[str]:
    """The same cells. `csv` has a limit of its own, but one for the whole process, which others may raise."""
    if max(map(len, cells), default=0) > _MAX_CELL:
        raise csv.Error("a cell of it has no end")
    return cells


def _lines(data: bytes) -> Iterator[str]:
    """The lines of a text, one at a time: as a whole it would take four bytes a character."""
    start = data.startswith(codecs.BOM_UTF8) * len(codecs.BOM_UTF8)
    return (line.decode() for line in io.BytesIO(data[start:] if start else data))


def table(data: bytes | None, where: str) -> dict[str, Row]:
    """The same by path; of several rows of one path the last counts. None: there is no such table yet."""
    return {} if data is None else dict(read(data, where))


def dump(rows: Mapping[str, Row] | Iterable[tuple[str, Row]]) -> bytes:
    """A table as it is written; by path where a mapping is given."""
    out = io.StringIO(newline="")
    write = csv.writer(out, lineterminator="\n")
    write.writerow(COLUMNS)
    items = sorted(rows.items()) if isinstance(rows, Mapping) else rows
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)  # else a lone \r is not
    for path, row in items:
        cells = (path, row.by or UNKNOWN, row.when or UNKNOWN, row.md5 or UNKNOWN)
        (quoted if "\r" in path or "\r" in row.by or "\r" in row.when else write).writerow(cells)
    return out.getvalue().encode("utf-8", "surrogatepass")
