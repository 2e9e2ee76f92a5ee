"""Checks that an index can be delivered."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upload_client.core import digests
from upload_client.core.columns import ChecksumColumn
from upload_client.core.left_out import sentence
from upload_client.core.lists import size_of
from upload_client.core.parts import MAX_OBJECT
from upload_client.core.paths import check_relpaths, collisions
from upload_client.core.text import is_whole
from upload_client.errors import InvalidIndex
from upload_client.index.choosing import Choice
from upload_client.index.files import (
    LEFT_OUT,
    MAX_FILES,
    READ_FROM,
    ROWS,
    TOO_MANY,
    CheckedIndex,
    Files,
    files_of,
)
from upload_client.index.folder import Folder
from upload_client.index.problems import SHOWN, Fix, Problems, shown
from upload_client.index.selecting import left_out_of

if TYPE_CHECKING:
    import pandas as pd

_CRC32 = re.compile(r"[A-Za-z0-9+/]{5}[AQgw]==")  # what `crc.decode` reads
_CRC32S = re.compile(rf"(?:{_CRC32.pattern},)+")  # many at once
_CHUNK = 1000
_EVERYTHING = Choice()


def check_index(
    index: pd.DataFrame | Files,
    source: str | Path | Mapping[str, int],
    *,
    prefix: str = "",
    choice: Choice = _EVERYTHING,
) -> CheckedIndex:
    """Make sure that an index can be delivered: each path legal and unique, each file there.

    A file may be there through symlinks, as long as these stay inside the source (or are followed). Files
    are not opened, and their sizes not compared; that is done when they are sent (`Source.size_to_be`).

    Rows are counted from 0, as in ``iloc``; those that were read from a file, as they are counted there: the
    header of a CSV is row 1.

    Args:
        index: the column ``path`` and, as one likes, ``checksum``, ``size`` and checksums of other kinds
            (`OTHER_CHECKSUMS`: text in hexadecimal or base64, or bytes), of any dtype; further columns are
            left out.
        source: the directory the paths are relative to; or, where it is not a directory, the size in bytes of
            each file that is there, by its path.
        prefix: what stands before the path in the S3 key.
        choice: what becomes of symlinks, and which files are in use: these cannot be delivered.

    Raises:
        InvalidIndex: it cannot; with all that is wrong, by row.
        UsageError: the source is no directory.
    """
    given = files_of(index)
    scanned = _is_scan(given)
    problems = Problems(_where(given, source), has_rows=not scanned)
    at: Sequence[int] = given.attrs.get(ROWS, ())
    if given.paths is None:
        problems.add(None, None, "has no column 'path'")
        problems.raise_them()
    n = len(index)
    if len(at) != n:  # somebody has cut it out of what was read, or put it together
        at = range(n)
    if not n:
        raise _nothing(given, source)
    if n > MAX_FILES:
        problems.add(None, None, f"has {n:,} files: {TOO_MANY}")
        problems.raise_them()
    paths: Sequence[str] = given.paths or ()
    checksums = _checked_checksums(given.checksums, paths, at, problems)
    others = {
        name: _checked_others(values, name, paths, at, problems) for name, values in given.others.items()
    }
    checksums = _merge(checksums, others.pop("crc32", []), paths, at, problems)
    sizes = _checked_sizes(given.sizes, paths, at, problems)
    legal = array("I", _legal(paths, prefix, at, problems))
    if isinstance(source, Mapping):
        sizes = list(sizes)
        refused = _not_listed(paths, legal, source, sizes)
    else:
        refused = Folder(source, choice).refuses(paths, legal)
    for row, reason in refused:
        problems.add(at[row], paths[row], reason)
    hint = f"{Fix} Nothing was sent." if scanned else _not_utf8(paths) if READ_FROM in given.attrs else None
    problems.raise_them(hint=hint)
    if not isinstance(checksums, ChecksumColumn):
        checksums = ChecksumColumn(checksums)
    return CheckedIndex(paths, checksums, sizes, others, _collision_warnings(paths, () if scanned else at))


def _is_scan(index: Files) -> bool:
    """Whether it is nobody's list, but all that was found at the source."""
    attrs = index.attrs
    return LEFT_OUT in attrs and READ_FROM not in attrs and ROWS not in attrs


def _where(index: Files, source: str | Path | Mapping[str, int]) -> str:
    """The place of what is wrong, for people."""
    if _is_scan(index):
        return "the source" if isinstance(source, Mapping) else shown(source)
    return str(index.attrs.get(READ_FROM, "the file index"))


def _nothing(index: Files, source: str | Path | Mapping[str, int]) -> InvalidIndex:
    """The refusal of an index without files."""
    where, problem, scanned = _where(index, source), "has no files", _is_scan(index)
    left = left_out_of(index)
    error = InvalidIndex(where, (f"{problem} to deliver; {sentence(left.counts)}" if left.n else problem,))
    if scanned and isinstance(source, Mapping) and not left.n:
        error.hint = (
            "Look at --source: nothing lies below it; one object is chosen by its prefix, and --include."
        )
    elif scanned or left.n:
        patterns = ", and at --include, --exclude, --exclude-from, .uploadignore and the setting `exclude`"
        error.hint = f"Look at --source{patterns if left.n else ''}; nothing was sent."
    return error


def _not_utf8(paths: Sequence[object]) -> str | None:
    """The advice about a list that is saved in another encoding."""
    if any(isinstance(path, str) and not is_whole(path) for path in paths):
        return (
            "Save the list in UTF-8 (in Excel as 'CSV UTF-8', in Notepad by 'Encoding'); a file whose own"
            " name is not UTF-8 has to be renamed. Nothing was sent."
        )
    return None


def _legal(paths: Sequence[object], prefix: str, at: Sequence[int], problems: Problems) -> Iterator[int]:
    """Rows whose path may be delivered, each path once."""
    texts = [path if isinstance(path, str) else "" for path in paths]
    refused = dict(check_relpaths(texts, prefix))
    # Nearly always there are no twins, and then nobody needs to know where they are.
    first: dict[str, int] | None = {} if len(set(texts)) < len(texts) else None
    for row, text in enumerate(texts):
        if row in refused:
            is_text = isinstance(paths[row], str)
            reason = refused[row] if is_text else "is not text; read paths as text (dtype=str)"
            problems.add(at[row], str(paths[row]), reason)
        elif first is not None and (other := first.setdefault(text, row)) != row:
            problems.add(at[row], text, f"is there twice, first in row {at[other]}")
        else:
            yield row


def _checked_checksums(
    given: Sequence[Any] | None, paths: Sequence[str], at: Sequence[int], problems: Problems
) -> Sequence[str | None]:
    if isinstance(given, ChecksumColumn):
        return given
    if given is None:
        found = ChecksumColumn()
        found.extend(len(paths))
        return found
    checksums = list(given)
    for start in range(0, len(checksums), _CHUNK):
        chunk = checksums[start : start + _CHUNK]
        joined = ",".join(map(str, chunk)) + ","
        if len(joined) == 9 * len(chunk) and _CRC32S.fullmatch(joined):
            continue
        for row, checksum in enumerate(chunk, start):
            if checksum is None or checksum == "":
                checksums[row] = None
            elif not _CRC32.fullmatch(str(checksum)):
                stated = shown(checksum)
                reason = f"has no CRC32 as checksum (base64 of 4 bytes, such as yH2GHg==), but {stated}"
                problems.add(at[row], paths[row], reason)
    return checksums


def _checked_others(
    given: Sequence[Any], name: str, paths: Sequence[str], at: Sequence[int], problems: Problems
) -> list[str | None]:
    """Checksums of another kind, in base64."""
    found = list(given)
    for row, value in enumerate(found):
        if value is None or value == "":
            found[row] = None
            continue
        try:
            found[row] = digests.encode(digests.parse(name, value))
        except ValueError as error:
            problems.add(at[row], paths[row], f"has {shown(value)} as {name}, {error}")
    return found


def _merge(
    checksums: Sequence[str | None],
    crc32s: Sequence[str | None],
    paths: Sequence[str],
    at: Sequence[int],
    problems: Problems,
) -> Sequence[str | None]:
    """Take over the column ``crc32``: it is ``checksum`` by another name."""
    if not crc32s:
        return checksums
    merged = list(checksums)
    for row, crc32 in enumerate(crc32s):
        if crc32 is None:
            continue
        if merged[row] not in (None, crc32):
            problems.add(at[row], paths[row], f"has {merged[row]} as checksum, and {crc32} as crc32")
        merged[row] = crc32
    return merged


def _checked_sizes(
    given: Sequence[Any] | None, paths: Sequence[str], at: Sequence[int], problems: Problems
) -> Sequence[int | None]:
    if given is None:
        return [None] * len(paths)
    if isinstance(given, array) and min(given) >= 0 and max(given) <= MAX_OBJECT:
        return given  # as it was seen on a disk, or listed
    sizes: list[int | None] = []
    for row, value in enumerate(given):
        try:
            sizes.append(_size(value))
        except ValueError:
            problems.add(at[row], paths[row], f"has no number of bytes as size, but {shown(value)}")
            sizes.append(None)
    return sizes


def _size(value: object) -> int | None:
    """A size of any type in bytes, None where it says nothing.

    Raises:
        ValueError: it is no number of bytes that a file may have.
    """
    if value is None or type(value) is int:
        size = value
    elif isinstance(value, str):
        size = size_of(value)
    else:  # of numpy, of the decimals, …: whatever is as large as a whole number
        try:
            size = int(value)  # type: ignore[call-overload]
            if size != value:
                raise ValueError
        except (TypeError, OverflowError):
            raise ValueError from None
    if size is not None and not 0 <= size <= MAX_OBJECT:
        raise ValueError
    return size


def _not_listed(
    paths: Sequence[str], rows: Iterable[int], listing: Mapping[str, int], sizes: list[int | None]
) -> Iterator[tuple[int, str]]:
    """Rows that are not listed, or with another size. Sizes that are not known are filled in."""
    for row in rows:
        size = listing.get(paths[row])
        if size is None:
            yield row, "is not there"
        elif sizes[row] is None:
            sizes[row] = size
        elif sizes[row] != size:
            yield row, f"has {size} bytes, and the index says {sizes[row]}"


def _collision_warnings(paths: Sequence[str], at: Sequence[int]) -> tuple[str, ...]:
    """Names that some file systems take for one.

    Args:
        paths: all of them.
        at: the rows as a person counts them; empty: there is no list that has rows.
    """
    how = {"case": "in case", "unicode": "in Unicode form"}
    found = collisions(paths)
    warnings = [
        (f"row {at[row]}: " if at else "")
        + f"{shown(paths[row])} differs only {how[kind]} from "
        + (f"row {at[other]}, " if at else "")
        + f"{shown(paths[other])}: some file systems take both for one"
        for row, other, kind in found[:SHOWN]
    ]
    if more := len(found) - len(warnings):
        warnings.append(f"and {more:,} more pairs of this kind")
    return tuple(warnings)
