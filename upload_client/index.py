"""The file index: which files a delivery has, with their checksums and sizes.

As CSV it is ``path[,checksum[,size]]`` with a header, in UTF-8; as a DataFrame it has the columns

- ``path`` (object): str, relative to the source, components separated by ``/``;
- ``checksum`` (object): CRC32 as base64 of its four big-endian bytes, None where there is none;
- ``size`` (Int64): bytes, `pandas.NA` where it is not known.

An index is refused as a whole, and with all that is wrong in it: what is delivered must be what was meant.
Its paths are exact; unlike the cells of a state dump they are not defused for spreadsheets.
"""

from __future__ import annotations

import csv
import os
import re
import stat
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import pandas as pd

from upload_client.atomic import replacing
from upload_client.core import checksums as crc
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpath, check_relpaths, collisions
from upload_client.core.receipt import is_receipt
from upload_client.core.text import for_terminal
from upload_client.errors import InvalidIndex, UsageError
from upload_client.report import is_dump, is_page

__all__ = [
    "MAX_FILES",
    "CheckedIndex",
    "check_index",
    "encode_index",
    "known_sizes",
    "read_index",
    "scan",
    "scan_listing",
    "write_index",
]

MAX_FILES = 5_000_000
"""Files of one delivery."""
_TOO_MANY = f"split what has more than {MAX_FILES:,} files into several deliveries"

_COLUMNS = ("path", "checksum", "size")
_WILL_TRANSFER = "will_transfer"
_READ_FROM = "upload_client.read_from"
_SHOWN = 20
_CRC32 = re.compile(r"[A-Za-z0-9+/]{5}[AQgw]==")  # what `crc.decode` reads
_CRC32S = re.compile(rf"(?:{_CRC32.pattern},)+")  # many at once
_BLOCK = 1024 * 1024
_BATCH = 64
_CHUNK = 1000


class CheckedIndex(NamedTuple):
    """An index that can be delivered.

    Attributes:
        frame: columns ``path``, ``checksum``, ``size`` as the head of this module says, rows from 0.
        warnings: a sentence each, safe to show in a terminal.
    """

    frame: pd.DataFrame
    warnings: tuple[str, ...]


# ---------------------------------------------------------------------------------------- reading, writing


def read_index(path: Path) -> pd.DataFrame:
    """Read an index file. What it says about files is for `check_index`.

    Args:
        path: a CSV with the columns ``path`` and, as one likes, ``checksum`` and ``size``.

    Raises:
        InvalidIndex: it is not such a CSV. Rows are counted as a spreadsheet does: the header is row 1.
        UsageError: it cannot be read.
    """
    problems = _Problems(_shown(path))
    table = _Table(problems)
    try:
        # A name that is not UTF-8 is read anyhow, so that it can be refused with its row.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            table.read(file)
    except OSError as error:
        raise UsageError(f"the index {_shown(path)} cannot be read: {error.strerror or error}") from error
    problems.raise_them()
    frame = _frame(table.paths, table.checksums, table.sizes, table.unknown)
    frame.attrs[_READ_FROM] = _shown(path)
    return frame


class _Table:
    """The rows of an index file, by column. What is no table is a problem."""

    def __init__(self, problems: _Problems) -> None:
        self.paths: list[str] = []
        self.checksums: list[str | None] = []
        self.sizes = array("q")
        self.unknown = bytearray()
        self._problems = problems

    def read(self, file: TextIO) -> None:
        """Read a file to its end, a thousand rows at a time: that is twice as fast as one by one."""
        reader = csv.reader(file, strict=True)
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
                    self._problems.add(None, None, f"it has too many files: {_TOO_MANY}")
                    return
        except csv.Error as error:
            self._problems.add(None, None, f"line {reader.line_num} cannot be read: {error}")

    def _is_header(self, header: Sequence[str]) -> bool:
        names = set(header)
        if "path" in names and len(names) == len(header) and names <= {*_COLUMNS, _WILL_TRANSFER}:
            return True
        says = _shown(",".join(header))
        self._problems.add(1, None, f"must name the columns, path[,checksum[,size]], and says {says}")
        return False

    def _whole(self, row: list[str], n_columns: int, number: int) -> list[str]:
        if len(row) != n_columns:
            self._problems.add(number, "".join(row[:1]), f"has {len(row)} cells instead of {n_columns}")
        return [*row, *[""] * n_columns][:n_columns]

    def _take(self, columns: Mapping[str, Sequence[str]], number: int) -> None:
        paths = columns["path"]
        self.paths.extend(paths)
        self.checksums.extend(text or None for text in columns.get("checksum", ()))
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
                reason = f"has no number of bytes as size, but {_shown(text)}"
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


def write_index(frame: pd.DataFrame, path: Path) -> None:
    """Write an index as a CSV file, whole or not at all.

    Raises:
        OSError: it cannot be written there.
    """
    with replacing(path) as file:
        file.writelines(_lines(frame))


def _lines(frame: pd.DataFrame, will_transfer: Sequence[bool] | None = None) -> Iterator[str]:
    sizes, unknown = _sizes(frame["size"])
    rows = zip(frame["path"].tolist(), frame["checksum"].tolist(), sizes, unknown, strict=True)
    ends = ["\n"] * len(frame)
    header = ",".join(_COLUMNS)
    if will_transfer is not None:
        header += f",{_WILL_TRANSFER}"
        ends = [",true\n" if will else ",false\n" for will in will_transfer]
    yield header + "\n"
    to_quote = re.compile(r'[",\r\n]').search
    for (path, checksum, size, no_size), end in zip(rows, ends, strict=True):
        if to_quote(path):
            path = '"' + path.replace('"', '""') + '"'  # noqa: PLW2901 - the same, quoted
        yield f"{path},{checksum or ''},{'' if no_size else size}{end}"


def _frame(
    paths: Sequence[str], checksums: Sequence[str | None], sizes: array[int], unknown: bytearray
) -> pd.DataFrame:
    n = len(paths)
    numbers = pd.arrays.IntegerArray(
        np.frombuffer(sizes, dtype=np.int64).copy(), np.frombuffer(unknown, dtype=np.bool_).copy()
    )
    return pd.DataFrame(
        {
            "path": pd.Series(paths, dtype=object, index=range(n)),
            "checksum": pd.Series(list(checksums) or [None] * n, dtype=object, index=range(n)),
            "size": pd.Series(numbers, index=range(n)),
        }
    )


# ------------------------------------------------------------------------------------------------ checking


def check_index(
    index: pd.DataFrame, source: str | Path | Mapping[str, int], *, prefix: str = ""
) -> CheckedIndex:
    """Make sure that an index can be delivered: each path legal and unique, each file there.

    A file may be there through symlinks, as long as these stay inside the source. Files are not opened, and
    their sizes not compared; that is done when they are sent.

    Rows are counted from 0, as in ``iloc``; those `read_index` has read as a spreadsheet does: the header is
    row 1.

    Args:
        index: the column ``path`` and, as one likes, ``checksum`` and ``size``, of any dtype; other columns
            are left out.
        source: the directory the paths are relative to; or, where it is not a directory, the size in bytes of
            each file that is there, by its path.
        prefix: what stands before the path in the S3 key.

    Raises:
        InvalidIndex: it cannot; with all that is wrong, by row.
        UsageError: the source is no directory.
    """
    problems = _Problems(index.attrs.get(_READ_FROM, "the file index"))
    first_row = 2 if _READ_FROM in index.attrs else 0
    if "path" not in index.columns:
        problems.add(None, None, "has no column 'path'")
        problems.raise_them()
    if not 0 < len(index) <= MAX_FILES:
        problems.add(None, None, f"has {len(index):,} files" + f": {_TOO_MANY}" * (len(index) > 0))
        problems.raise_them()
    paths: list[str] = index["path"].tolist()
    checksums = _checked_checksums(index, paths, first_row, problems)
    sizes, unknown = _checked_sizes(index, paths, first_row, problems)
    legal = array("I", _legal(paths, prefix, first_row, problems))
    if isinstance(source, Mapping):
        refused = _not_listed(paths, legal, source, sizes, unknown)
    else:
        refused = _Source(source).refuses(paths, legal)
    for row, reason in refused:
        problems.add(first_row + row, paths[row], reason)
    problems.raise_them()
    return CheckedIndex(_frame(paths, checksums, sizes, unknown), _collision_warnings(paths, first_row))


def _legal(paths: Sequence[object], prefix: str, first_row: int, problems: _Problems) -> Iterator[int]:
    """Rows whose path may be delivered, each path once."""
    texts = [path if isinstance(path, str) else "" for path in paths]
    refused = dict(check_relpaths(texts, prefix))
    # Nearly always there are no twins, and then nobody needs to know where they are.
    first: dict[str, int] | None = {} if len(set(texts)) < len(texts) else None
    for row, text in enumerate(texts):
        if row in refused:
            is_text = isinstance(paths[row], str)
            reason = refused[row] if is_text else "is not text; read paths as text (dtype=str)"
            problems.add(first_row + row, str(paths[row]), reason)
        elif first is not None and (other := first.setdefault(text, row)) != row:
            problems.add(first_row + row, text, f"is there twice, first in row {first_row + other}")
        else:
            yield row


def _checked_checksums(
    index: pd.DataFrame, paths: Sequence[str], first_row: int, problems: _Problems
) -> list[str | None]:
    if "checksum" not in index.columns:
        return [None] * len(paths)
    column = index["checksum"].astype(object)
    checksums: list[str | None] = column.mask(column.isna(), None).tolist()
    for start in range(0, len(checksums), _CHUNK):
        chunk = checksums[start : start + _CHUNK]
        joined = ",".join(map(str, chunk)) + ","
        if len(joined) == 9 * len(chunk) and _CRC32S.fullmatch(joined):
            continue
        for row, checksum in enumerate(chunk, start):
            if checksum is None or checksum == "":
                checksums[row] = None
            elif not _CRC32.fullmatch(str(checksum)):
                shown = _shown(checksum)
                reason = f"has no CRC32 as checksum (base64 of 4 bytes, such as yH2GHg==), but {shown}"
                problems.add(first_row + row, paths[row], reason)
    return checksums


def _checked_sizes(
    index: pd.DataFrame, paths: Sequence[str], first_row: int, problems: _Problems
) -> tuple[array[int], bytearray]:
    n = len(paths)
    if "size" not in index.columns:
        return array("q", bytes(8 * n)), bytearray(b"\1" * n)
    column = index["size"].mask(index["size"].isin([""]), None)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    unknown = column.isna().to_numpy(dtype=np.bool_)
    # Sizes are below 2**53: a float holds them exactly.
    with np.errstate(invalid="ignore"):
        wrong = ~unknown & ~((numbers >= 0) & (numbers <= MAX_OBJECT) & (numbers == np.floor(numbers)))
    for row in np.flatnonzero(wrong).tolist():
        reason = f"has no number of bytes as size, but {_shown(column.iloc[row])}"
        problems.add(first_row + row, paths[row], reason)
    numbers[unknown | wrong] = 0
    return array("q", numbers.astype(np.int64).tobytes()), bytearray(unknown.tobytes())


def _sizes(column: pd.Series[int]) -> tuple[list[int], list[bool]]:
    unknown = column.isna().to_numpy(dtype=np.bool_)
    return column.fillna(0).to_numpy(dtype=np.int64).tolist(), unknown.tolist()


def known_sizes(frame: pd.DataFrame) -> Sequence[int | None]:
    """The column ``size`` of a checked index; None where it is not known."""
    sizes, unknown = _sizes(frame["size"])
    if not any(unknown):
        return array("q", sizes)
    return [None if no_size else size for size, no_size in zip(sizes, unknown, strict=True)]


def _not_listed(
    paths: Sequence[str],
    rows: Iterable[int],
    listing: Mapping[str, int],
    sizes: array[int],
    unknown: bytearray,
) -> Iterator[tuple[int, str]]:
    """Rows that are not listed, or with another size. Sizes that are not known are filled in."""
    for row in rows:
        size = listing.get(paths[row])
        if size is None:
            yield row, "is not there"
        elif unknown[row]:
            sizes[row] = size
            unknown[row] = 0
        elif sizes[row] != size:
            yield row, f"has {size} bytes, and the index says {sizes[row]}"


def _collision_warnings(paths: Sequence[str], first_row: int) -> tuple[str, ...]:
    how = {"case": "in case", "unicode": "in Unicode form"}
    found = collisions(paths)
    shown = [
        f"row {first_row + row}: {_shown(paths[row])} differs only {how[kind]} from row {first_row + other}, "
        f"{_shown(paths[other])}: some file systems take both for one"
        for row, other, kind in found[:_SHOWN]
    ]
    if more := len(found) - len(shown):
        shown.append(f"and {more} more pairs of this kind")
    return tuple(shown)


# ---------------------------------------------------------------------------------------- the source folder


class _Source:
    """A directory, and what in it is inside it."""

    def __init__(self, path: str | Path) -> None:
        self.root = os.path.realpath(path)
        if not os.path.isdir(self.root):  # noqa: PTH112 - os.path throughout: there are a million of them
            raise UsageError(f"the source {_shown(path)} is not a directory")
        self._base = self.root.rstrip("/" + os.sep)
        self._inside = os.path.normcase(self._base + os.sep)
        self._folders: dict[str, str | None] = {"": None}

    def path(self, relpath: str) -> str:
        return f"{self._base}/{relpath}"

    def target(self, path: str) -> str | None:
        """Where a symlink leads; None if out of the source."""
        real = os.path.realpath(path)
        return real if os.path.normcase(real + os.sep).startswith(self._inside) else None

    def refuses(self, paths: Sequence[str], rows: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Rows whose file is not there, or is no file to deliver, with the reason.

        A folder is listed once, which tells what its entries are; that is far cheaper than to ask for each.
        """
        folders: dict[str, array[int]] = {}
        for row in rows:
            folder = paths[row].rpartition("/")[0]
            try:
                folders[folder].append(row)
            except KeyError:
                folders[folder] = array("I", [row])
        for folder, its_rows in folders.items():
            if reason := self._folder(folder):
                yield from ((row, reason) for row in its_rows)
                continue
            files = self._files(folder)
            start = len(folder) + 1 if folder else 0
            for row in its_rows:
                # A listed name may be spelled another way where the file system takes both for one.
                if paths[row][start:] not in files and (reason := self._file(paths[row])):
                    yield row, reason

    def _files(self, folder: str) -> set[str]:
        """Names of the regular files in a folder; none if it may not be listed."""
        try:
            with os.scandir(self.path(folder)) as entries:
                return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        except OSError:
            return set()

    def _folder(self, folder: str) -> str | None:
        """Why nothing in a folder can be delivered; None if it can."""
        known = self._folders
        if folder in known:
            return known[folder]
        reason: str | None = None
        for end in [*(found.start() for found in re.finditer("/", folder)), len(folder)]:
            part = folder[:end]
            if part not in known:
                wrong = reason is None and self._examine(part, stat.S_ISDIR)
                known[part] = f"cannot be reached: its folder {_shown(part)} {wrong}" if wrong else reason
            reason = known[part]
        return reason

    def _file(self, relpath: str) -> str | None:
        """Why a file cannot be delivered; None if it can."""
        return self._examine(relpath, stat.S_ISREG)

    def _examine(self, relpath: str, is_right: Callable[[int], bool]) -> str | None:
        """Why a path is not the right thing."""
        path = self.path(relpath)
        try:
            status = os.lstat(path)
            if _leads_on(status):
                real = self.target(path)
                if real is None:
                    return "leads out of the source, through a symlink"
                if not os.path.lexists(real):
                    return "is a symlink that leads nowhere"
                status = os.stat(real)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return "is not there"
        except (OSError, ValueError) as error:
            return f"cannot be looked at: {getattr(error, 'strerror', None) or error}"
        if is_right(status.st_mode):
            return None
        right = "regular file" if is_right is stat.S_ISREG else "folder"
        return f"is not a {right} but {_kind(status.st_mode)}"

    def walk(
        self, wants: Callable[[str], bool], leaves_out: Callable[[str], bool], problems: _Problems
    ) -> Iterator[str]:
        """Paths of all regular files that are wanted, in no certain order."""
        # With each folder, where it really is, and from where symlinks led to it.
        folders: list[tuple[str, str, tuple[str, ...]]] = [("", self.root, ())]
        while folders:
            folder, real, came_from = folders.pop()
            try:
                with os.scandir(real) as scanned:
                    entries = list(scanned)
            except OSError as error:
                problems.add(None, folder or ".", f"cannot be listed: {error.strerror or error}")
                continue
            for entry in entries:
                relpath = f"{folder}/{entry.name}" if folder else entry.name
                if leaves_out(relpath):
                    continue
                there, on_the_way = os.path.join(real, entry.name), came_from  # noqa: PTH118
                if linked := _is_link(entry):
                    target = self.target(entry.path)
                    if target is None:
                        problems.add(None, relpath, "leads out of the source, through a symlink")
                        continue
                    there, on_the_way = target, (*came_from, real)
                if os.path.isdir(there) if linked else entry.is_dir():  # noqa: PTH112
                    if linked and any((place + os.sep).startswith(there + os.sep) for place in on_the_way):
                        problems.add(None, relpath, "leads back to a folder it lies in, through a symlink")
                    else:
                        folders.append((relpath, there, on_the_way))
                elif not wants(relpath):
                    continue
                elif reason := check_relpath(relpath):
                    problems.add(None, relpath, reason)
                elif not linked and entry.is_file():
                    yield relpath
                elif reason := self._file(relpath):
                    problems.add(None, relpath, reason)
                else:
                    yield relpath


def _is_link(entry: os.DirEntry[str]) -> bool:
    # On Windows a listing tells everything; elsewhere it tells this, and the rest costs a call.
    return entry.is_symlink() or (os.name == "nt" and _leads_on(entry.stat(follow_symlinks=False)))


def _leads_on(status: os.stat_result) -> bool:
    """Whether it is a symlink, or a junction of Windows."""
    attributes = getattr(status, "st_file_attributes", 0)
    return stat.S_ISLNK(status.st_mode) or bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


# ------------------------------------------------------------------------------------------------ scanning


def scan(
    source: str | Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    checksums: bool = True,
    n_threads: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Make an index of all files below a directory, sorted by path.

    Left out are state dumps and receipts of this program, and ``index.csv`` at the top.

    Patterns: ``*`` and ``?`` stand for characters of one name, ``[a-z]`` for one of them, ``**`` for any
    number of folders. One without ``/`` means names anywhere, one with it the path from the top; one that
    means a folder means all in it.

    Args:
        source: the directory.
        include: patterns; where there are any, other files are left out.
        exclude: patterns of what is left out, even if it is included.
        checksums: whether to read all files for their CRC32.
        n_threads: files looked at at the same time.
        on_progress: called now and then with the numbers of files and of bytes done.

    Returns:
        A DataFrame as the head of this module says.

    Raises:
        InvalidIndex: something in it cannot be delivered; with all there is.
        UsageError: the source is no directory, or a pattern no pattern.
    """
    folder = _Source(source)
    problems = _Problems(_shown(source))
    wants, leaves_out = _wanted(include), _unwanted(exclude)
    paths = sorted(folder.walk(wants, leaves_out, problems))
    measure = _crc32_and_size if checksums else _size
    sizes, crcs, n_bytes = array("q"), array("L"), 0

    def measured(batch: Sequence[str]) -> list[tuple[int, int] | str]:
        return [measure(folder.path(path)) for path in batch]

    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(n_threads, "scan") as pool:
        try:
            for batch, results in zip(batches, pool.map(measured, batches), strict=True):
                for path, result in zip(batch, results, strict=True):
                    if isinstance(result, str):
                        problems.add(None, path, result)
                        continue
                    sizes.append(result[0])
                    crcs.append(result[1])
                    n_bytes += result[0]
                if on_progress:
                    on_progress(len(sizes), n_bytes)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
            raise
    problems.raise_them()
    texts: list[str | None] = [crc.encode(value) for value in crcs] if checksums else []
    return _frame(paths, texts, sizes, bytearray(len(sizes)))


def scan_listing(
    listing: Mapping[str, int], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> pd.DataFrame:
    """Make an index of a listing, such as that of a bucket, as `scan` does of a directory.

    Args:
        listing: size in bytes of each file, by its path. Empty ones that end in ``/`` stand for folders.
        include: as in `scan`.
        exclude: as in `scan`.
    """
    wants, leaves_out = _wanted(include), _unwanted(exclude)
    paths = sorted(
        path
        for path, size in listing.items()
        if not (path.endswith("/") and size == 0) and wants(path) and not leaves_out(path)
    )
    sizes = array("q", (listing[path] for path in paths))
    return _frame(paths, [], sizes, bytearray(len(paths)))


_buffers = threading.local()


def _crc32_and_size(path: str) -> tuple[int, int] | str:
    """Size and CRC32 of a file, or why there is none. Reads into one buffer a thread."""
    try:
        buffer: memoryview = _buffers.view
    except AttributeError:
        buffer = _buffers.view = memoryview(bytearray(_BLOCK))
    size = value = 0
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - once per file
            while n := file.readinto(buffer):
                value = crc.crc32(buffer[:n], value)
                size += n
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return size, value


def _size(path: str) -> tuple[int, int] | str:
    try:
        return os.stat(path).st_size, 0  # noqa: PTH116
    except OSError as error:
        return f"cannot be looked at: {error.strerror or error}"


def _wanted(include: Sequence[str]) -> Callable[[str], bool]:
    if not include:
        return lambda _: True
    matches = _patterns(include).fullmatch
    return lambda path: matches(path) is not None


def _unwanted(exclude: Sequence[str]) -> Callable[[str], bool]:
    matches = _patterns([*exclude, "/index.csv"]).fullmatch

    def leaves_out(path: str) -> bool:
        name = path.rpartition("/")[2]
        return matches(path) is not None or is_dump(name) or is_page(name) or is_receipt(name)

    return leaves_out


_TOKEN = re.compile(
    r"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<class>!?\]?[^\]]*)\]|.", re.DOTALL
)


def _patterns(globs: Iterable[str]) -> re.Pattern[str]:
    try:
        return re.compile("|".join(map(_regex, globs)), re.DOTALL)
    except re.error as error:
        raise UsageError(f"a pattern of files to include or exclude is wrong: {error}") from error


def _regex(glob: str) -> str:
    names = glob.strip("/")
    start = "" if "/" in glob.rstrip("/") else "(?:.*/)?"
    return start + _TOKEN.sub(_translated, names) + ("/.*" if glob.endswith("/") else "(?:/.*)?")


def _translated(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "folders":
            return "(?:.*/)?"
        case "all":
            return ".*"
        case "some":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "class":
            body = token["class"]
            negated = body.startswith("!")
            names = re.sub(r"([^A-Za-z0-9-])", r"\\\1", body[negated:])
            return f"[{'^/' * negated}{names}]"
        case _:
            return re.escape(token.group())


# ---------------------------------------------------------------------------------------- what is wrong


class _Problems:
    """All that is wrong with an index; the first ones are kept."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._n = 0
        self._first: list[tuple[int, int, str | None, str]] = []

    def add(self, row: int | None, path: str | None, reason: str) -> None:
        self._first.append((-1 if row is None else row, self._n, path, reason))
        self._n += 1
        if len(self._first) > 50 * _SHOWN:
            self._first = self._kept()

    def _kept(self) -> list[tuple[int, int, str | None, str]]:
        return sorted(self._first)[:_SHOWN]

    def raise_them(self) -> None:
        if not self._n:
            return
        lines = []
        for row, _, path, reason in self._kept():
            what = [] if row < 0 else [f"row {row}:" if path is not None else f"row {row}"]
            lines.append(" ".join([*what, *([] if path is None else [_shown(path)]), reason]))
        raise InvalidIndex(self._where, lines, self._n)


def _shown(name: object) -> str:
    """A name or value in quotes, safe for a terminal, not too long."""
    text = str(name)
    if len(text) > 120:
        text = f"{text[:80]}…{text[-30:]}"
    return f"'{for_terminal(text)}'"
