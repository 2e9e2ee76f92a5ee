"""The index as a table in a file: CSV, and TSV, which differs from it in the delimiter alone."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

from upload_client.core.columns import ChecksumColumn
from upload_client.core.lists import DELIMITERS, NO_PATH, boolean, columns_of, plain_path, size_of
from upload_client.core.manifests import header_of, is_above_header, is_directive, text_coding
from upload_client.core.text import counted
from upload_client.errors import UsageError
from upload_client.index.choosing import LeftOut
from upload_client.index.files import (
    COLUMNS,
    LEFT_OUT,
    MAX_FILES,
    OTHER_CHECKSUMS,
    READ_FROM,
    ROWS,
    TOO_MANY,
    Files,
    files_of,
    sizes_known,
)
from upload_client.index.problems import Problems, shown, unreadable
from upload_client.s3.bucket import Bucket
from upload_client.support.atomic import replacing
from upload_client.support.file_names import from_disk, on_disk

if TYPE_CHECKING:
    import pandas as pd

_WILL_TRANSFER = "will_transfer"
_CHUNK = 1000
_HEADER = 4096  # bytes of a first line that is looked at
_OTHER_KINDS = {
    b"PK\x03\x04": "is a workbook of a spreadsheet, or a ZIP file: save it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is a workbook of an old Excel: save it as CSV in UTF-8",
}
"""First bytes of files that are called CSV and are none."""
_HINT = (
    "Put a line above the list that names its columns, such as path,checksum,size; or say by --index-format"
    " what kind of list it is."
)
_HINT_NAMES = (
    "If row 1 names the columns, in another language or otherwise, change the name of that with the paths"
    " to path there, and of those with checksums (CRC32) and sizes, if there are any, to checksum and size."
)
_UNCLOSED = ("unexpected end of data", "a cell begins with a quotation mark and never ends")


class Table(NamedTuple):
    """An index that was read from a table.

    Attributes:
        files: the index.
        notes: what a person should know about the reading, a sentence each; safe for a terminal.
    """

    files: Files
    notes: tuple[str, ...]


def read_index(path: Path, *, delimiter: str | None = None) -> pd.DataFrame:
    """Read an index file as a DataFrame. What it says about files is for `check_index`.

    Args:
        path: a CSV with the columns ``path`` and, as one likes, ``checksum``, ``size``, ``will_transfer`` and
            checksums of other kinds. What people and spreadsheets write in place of these names is taken too.
        delimiter: what stands between its cells, which are quoted as in any CSV; None: that is found out.

    Raises:
        InvalidIndex: it is not such a CSV. Rows are counted as a spreadsheet does: the header is row 1.
        UsageError: it cannot be read.
    """
    return read_files(path, delimiter=delimiter).frame()


def read_files(path: Path, *, delimiter: str | None = None) -> Files:
    """Read an index file, by column; see `read_index`."""
    try:
        with path.open("rb") as file:
            return read_table(file, shown(path), delimiter=delimiter).files
    except OSError as error:
        raise unreadable(shown(path), error) from error


def read_table(
    file: BinaryIO, where: str, *, delimiter: str | None = None, plain: Callable[[str], str] = plain_path
) -> Table:
    """Read an index from a table; see `read_index`.

    Args:
        file: its bytes, from the beginning; it can be read again.
        where: how to name it.
        delimiter: as of `read_index`.
        plain: makes a path of the source of what stands there, see `upload_client.core.lists.plain_path`.

    Raises:
        InvalidIndex: it is no such table.
        OSError: it cannot be read.
    """
    problems = Problems(where)
    first = file.read(4)
    for magic, kind in _OTHER_KINDS.items():
        if first.startswith(magic):
            problems.add(None, None, kind)
            problems.raise_them()
    file.seek(0)
    coding = text_coding(first)
    table = _Table(problems, delimiter, plain)
    # A name that is not UTF-8 is read anyhow, so that it can be refused with its row.
    errors = "strict" if coding == "utf-16" else "surrogateescape"
    text = io.TextIOWrapper(file, encoding=coding, errors=errors, newline="")
    try:
        table.read(text)
    except UnicodeDecodeError as error:
        problems.add(None, None, f"is no sound UTF-16 ({error.reason}): save it as UTF-8")
    finally:
        text.detach()
    problems.raise_them(hint=table.hint)
    attrs: dict[str, Any] = {READ_FROM: where, ROWS: range(table.first, len(table.paths) + table.first)}
    if table.left.n:
        attrs |= {ROWS: table.rows, LEFT_OUT: table.left}
    sizes = sizes_known(table.sizes, table.unknown)
    files = Files(table.paths, table.checksums or None, sizes, table.others, attrs)
    notes = []
    if table.ignored:
        notes.append(f"not used of {where}: {', '.join(map(shown, table.ignored))}")
    return Table(files, tuple(notes))


def is_index(path: Path) -> bool:
    """Whether a file is an index by its first line: one that this program could have written.

    Raises:
        UsageError: it cannot be read, or it is not clear whether it is a list of the files or one of them.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER)
    except OSError as error:
        raise unreadable(shown(path), error) from error
    lines = start.decode(text_coding(start), "replace").splitlines()[:1]
    header = next(csv.reader(lines), [])
    names = set(header)
    known = {*COLUMNS, *OTHER_CHECKSUMS, _WILL_TRANSFER}
    if "path" in names and len(names) == len(header) and names <= known:
        return True
    for delimiter in DELIMITERS:
        try:
            columns_of(next(csv.reader(lines, delimiter=delimiter), []), OTHER_CHECKSUMS)
        except (ValueError, csv.Error):
            continue
        raise UsageError(
            f"{shown(path)} may be a list of the files, or one of them",
            hint=f"Name it as the list, --index {shown(path)}, or deliver all files with it: --no-index.",
        )
    return False


class _Table:
    """The rows of an index file, by column. What is no table is a problem.

    Attributes:
        first: number of the first row below the header.
        rows: number of each row that was taken, where some were not.
        hint: how it becomes an index, where its header says that it is none.
        ignored: columns that are not used.
        left: what is not to be transferred.
    """

    def __init__(self, problems: Problems, delimiter: str | None, plain: Callable[[str], str]) -> None:
        self.paths: list[str] = []
        self.checksums: ChecksumColumn | list[str | None] = ChecksumColumn()
        self.sizes = array("q")
        self.unknown = bytearray()
        self.others: dict[str, list[str | None]] = {}
        self.first = 2
        self.rows = array("L")
        self.hint: str | None = None
        self.ignored: tuple[str, ...] = ()
        self.left = LeftOut()
        self._places: Mapping[str, int] = {}
        self._problems = problems
        self._delimiter = delimiter
        self._plain = plain

    def read(self, file: TextIO) -> None:
        """Read a file to its end, a thousand rows at a time: that is twice as fast as one by one."""
        line = file.readline()
        if is_directive(line):
            self._delimiter = line.rstrip("\r\n")[-1]
            self.first += 1
            line = file.readline()
        while line and is_above_header(line):
            self.first += 1
            line = file.readline()
        line = header_of(line)
        lines = chain([line], file)
        self._delimiter = self._delimiter or _delimiter(line)
        reader = csv.reader(lines, strict=True, delimiter=self._delimiter)
        rows = _without_blank_end(reader)
        try:
            header = next(rows, [])
            if not self._is_header(header):
                return
            number = self.first
            while chunk := list(islice(rows, _CHUNK)):
                if set(map(len, chunk)) != {len(header)}:
                    chunk = [self._whole(row, len(header), at) for at, row in enumerate(chunk, number)]
                columns = list(zip(*chunk, strict=True))
                self._take({name: columns[place] for name, place in self._places.items()}, number)
                number += len(chunk)
                if len(self.paths) > MAX_FILES:
                    self._problems.add(None, None, f"it has too many files: {TOO_MANY}")
                    return
        except csv.Error as error:
            self._problems.add(
                None,
                None,
                f"line {reader.line_num + self.first - 2} cannot be read: {str(error).replace(*_UNCLOSED)}",
            )

    def _is_header(self, header: Sequence[str]) -> bool:
        try:
            self._places, self.ignored = columns_of(header, OTHER_CHECKSUMS)
        except ValueError as error:
            found = f"says {shown((self._delimiter or ',').join(header))}" if header else "is empty"
            reason = f"must name the columns, path[,checksum[,size]], and {found}"
            if str(error) != NO_PATH:
                reason += f": it {error}"
            elif len(header) > 1 and not any(set(cell) & set("./\\") or cell.isdecimal() for cell in header):
                self.hint = _HINT_NAMES
            else:
                self.hint = _HINT
            self._problems.add(self.first - 1, None, reason)
            return False
        self.others = {name: [] for name in self._places if name in OTHER_CHECKSUMS}
        return True

    def _whole(self, row: list[str], n_columns: int, number: int) -> list[str]:
        """A row with all its cells: spreadsheets and scripts leave out empty ones at its end, or add some."""
        if len(row) > n_columns and not any(row[n_columns:]):  # trailing delimiters of a spreadsheet
            return row[:n_columns]
        if not row:
            self._problems.add(number, None, "is empty")
        elif len(row) > n_columns or len(row) <= self._places["path"]:
            has = f"has {counted(len(row), 'cell')} instead of {n_columns}"
            self._problems.add(number, "".join(row[:1]), has)
        return [*row, *[""] * n_columns][:n_columns]

    def _take(self, columns: dict[str, Sequence[str]], number: int) -> None:
        n = len(columns["path"])
        at: Sequence[int] = range(number, number + n)
        paths = columns["path"] = plain_paths(columns["path"], self._plain)
        if _WILL_TRANSFER in columns:
            wanted = self._wanted(columns[_WILL_TRANSFER], paths, number)
            if len(wanted) < n:
                columns = {name: [values[row] for row in wanted] for name, values in columns.items()}
                paths, at = columns["path"], [number + row for row in wanted]
        self.rows.extend(at)
        self.paths.extend(paths)
        self._take_checksums([text.strip() or None for text in columns.get("checksum", ())])
        for name, values in self.others.items():
            values.extend(text.strip() or None for text in columns[name])
        texts = columns.get("size", [""] * len(paths))
        if _all_sizes(texts):
            self.sizes.extend(map(int, texts))
            self.unknown.extend(bytes(len(texts)))
            return
        for row, text in enumerate(texts):
            size = None
            try:
                size = size_of(text)
            except ValueError as error:
                self._problems.add(at[row], paths[row], str(error))
            self.sizes.append(size or 0)
            self.unknown.append(size is None)

    def _take_checksums(self, checksums: Sequence[str | None]) -> None:
        """Add them in few bytes; as they stand there, where one is none: checking the index will show."""
        if isinstance(self.checksums, ChecksumColumn):
            with contextlib.suppress(ValueError):
                self.checksums.add(checksums)
                return
            self.checksums = list(self.checksums)
        self.checksums.extend(checksums)

    def _wanted(self, cells: Sequence[str], paths: Sequence[str], number: int) -> list[int]:
        """Rows of a column ``will_transfer`` that say yes, counted from 0."""
        wanted = []
        for row, cell in enumerate(cells):
            try:
                if boolean(cell):
                    wanted.append(row)
                else:
                    self.left.add(paths[row], "not_to_transfer")
            except ValueError as error:
                self._problems.add(number + row, paths[row], str(error))
        return wanted


def _delimiter(line: str) -> str:
    """The delimiter of a table's cells, by its first line."""
    for delimiter in DELIMITERS:
        with contextlib.suppress(ValueError, csv.Error):
            columns_of(next(csv.reader([line], delimiter=delimiter), []), OTHER_CHECKSUMS)
            return delimiter
    return max(DELIMITERS, key=line.count)  # the first of them, if there is none


def plain_paths(paths: Sequence[str], plain: Callable[[str], str]) -> Sequence[str]:
    """Paths as the index has them; nearly always as they stand there, which is seen of all at once."""
    joined = "\n" + "\n".join(paths)
    if "\\" not in joined and "\n./" not in joined and "\n/" not in joined and ":/" not in joined:
        return paths
    return list(map(plain, paths))


def spelling(source: Path | Bucket) -> tuple[Callable[[str], str], Callable[[str], bool]]:
    """The rule that makes a path of this source of what people write, and what says whether it is there."""
    if not isinstance(source, Path):
        root = str(source).rstrip("/")
        return partial(plain_path, roots=(root,)), lambda _: False
    real, absolute = os.path.realpath(source), os.path.abspath(source)  # noqa: PTH100
    roots = [from_disk(one).replace(os.sep, "/").rstrip("/") for one in (absolute, real)]

    def lies(path: str) -> bool:
        try:
            return os.path.isfile(os.path.join(real, on_disk(path)))  # noqa: PTH113, PTH118
        except (ValueError, UnicodeEncodeError):
            return False

    literally = lies if os.sep == "/" else (lambda _: False)  # elsewhere it is what separates folders
    plain = partial(plain_path, roots=roots, is_there=literally)
    return plain, lambda path: bool(path) and lies(plain(path))


def _without_blank_end(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    blank = array("L")  # cells of each row that was held back; a spreadsheet may have a million of them
    for row in rows:
        if not any(row):
            blank.append(len(row))
            continue
        yield from ([""] * n_cells for n_cells in blank)
        del blank[:]
        yield row


def _all_sizes(texts: Sequence[str]) -> bool:
    digits = "".join(texts)
    return digits.isascii() and digits.isdigit() and "" not in texts and max(map(len, texts)) <= 18


def encode_index(index: pd.DataFrame | Files, will_transfer: Sequence[bool] | None = None) -> bytes:
    """An index as CSV in UTF-8.

    Args:
        index: as `check_index` or `scan` returns it.
        will_transfer: whether this run sends the file, for each row: the column ``will_transfer``.
    """
    body = io.BytesIO()
    lines = _lines(index, will_transfer)
    while some := "".join(islice(lines, _CHUNK)):
        body.write(some.encode())
    return body.getvalue()


def write_index(
    index: pd.DataFrame | Files,
    path: Path,
    *,
    delimiter: str = ",",
    check: Callable[[Path], object] = lambda _: None,
) -> None:
    """Write an index as a CSV file, whole or not at all.

    Args:
        index: as `check_index` or `scan` returns it.
        path: where.
        delimiter: what to put between the cells.
        check: see `upload_client.support.atomic.replacing`.

    Raises:
        OSError: it cannot be written there.
    """
    with replacing(path, check) as file:
        file.writelines(_lines(index, delimiter=delimiter))


def _lines(
    index: pd.DataFrame | Files,
    will_transfer: Sequence[bool] | None = None,
    delimiter: str = ",",
) -> Iterator[str]:
    files = files_of(index)
    paths = files.paths or ()
    nothing: Sequence[None] = [None] * len(paths)
    rows = zip(paths, files.checksums or nothing, files.sizes or nothing, strict=True)
    header, ends = [*COLUMNS, *files.others], [""] * len(paths)
    for column in files.others.values():
        ends = [f"{end}{delimiter}{digest or ''}" for end, digest in zip(ends, column, strict=True)]
    if will_transfer is not None:
        header.append(_WILL_TRANSFER)
        ends = [
            f"{end}{delimiter}{'true' if will else 'false'}"
            for end, will in zip(ends, will_transfer, strict=True)
        ]
    yield delimiter.join(header) + "\n"
    to_quote = re.compile(rf'["{delimiter}\r\n]').search
    for (path, checksum, size), end in zip(rows, ends, strict=True):
        if to_quote(path):
            path = '"' + path.replace('"', '""') + '"'  # noqa: PLW2901 - the same, quoted
        yield f"{path}{delimiter}{checksum or ''}{delimiter}{'' if size is None else size}{end}\n"
