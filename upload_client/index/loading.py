"""Loads the index of a delivery: from a list, a table in memory, or the files themselves."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from upload_client.core.manifests import Format
from upload_client.errors import InvalidIndex
from upload_client.index.choosing import IGNORE_FILE, Choice
from upload_client.index.files import Files
from upload_client.index.folder import Folder
from upload_client.index.manifests import Progress, read_manifest
from upload_client.index.scanning import scan_files, scan_listing
from upload_client.index.selecting import select
from upload_client.index.sources import INDEX, naming_the_source
from upload_client.index.tables import is_index, read_files
from upload_client.s3.bucket import Bucket, read_range
from upload_client.support.atomic import naming
from upload_client.support.in_use import note

_MAX_READ = 1024 * 1024


def take(
    source: Path | Bucket,
    index: Path | None,
    choice: Choice,
    *,
    as_format: Format | None = None,
    own: bool = True,
    notify: Callable[[str], object] = lambda _: None,
    on_progress: Progress | None = None,
    listing: Mapping[str, int] | None = None,
) -> Files:
    """The index to deliver: the one named, else the source's own ``index.csv``, else what is found there.

    Args:
        source: where the files are.
        index: a list of any kind that `upload_client.index.manifests` reads.
        choice: which files are wanted.
        as_format: the list's kind; None: that is found out.
        own: take the source's own list, where it has one.
        notify: called with each notice about its reading.
        on_progress: of a list that has to be held against the files.
        listing: size of each file, by path, of a bucket that has been listed.

    Returns:
        The index, by column; what was left out is noted in it (`left_out_of`).

    Raises:
        UsageError: the index or the source cannot be read (`InvalidIndex`: with what is wrong).
    """
    if index is not None:
        files, notes = read_manifest(
            index, source, as_format=as_format, choice=choice, on_progress=on_progress
        )
        for one in notes:
            notify(one)
        return select_from(files, choice, source, listing)
    if isinstance(source, Path):
        there = source / INDEX
        if own and there.is_file() and is_index(there):
            note(there, "the list of files")
            notify(f"the list of files is {there}")
            return _own(there, choice, source)
        # Checksums are computed while the files are sent, in the same read.
        return scan_files(source, choice, checksums=False)
    if listing is None:
        listing = _listed(source)
    if own and INDEX in listing:
        with _copied(source) as copy:
            if is_index(copy):
                notify(f"the list of files is {source}{INDEX}")
                try:
                    return select_from(read_files(copy), choice, source, listing)
                except InvalidIndex as error:
                    raise InvalidIndex(f"{source}{INDEX}", error.problems, error.n_problems) from None
    return list_bucket(source, choice, listing)


def _own(path: Path, choice: Choice, source: Path) -> Files:
    try:
        return select_from(read_files(path), choice, source)
    except InvalidIndex as error:
        error.hint += " Or deliver all files: --no-index."
        raise


def _listed(source: Bucket) -> dict[str, int]:
    with naming_the_source():
        return {found.key: found.size for found in source.list()}


@contextlib.contextmanager
def _copied(source: Bucket) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / INDEX
        content = source.read(INDEX)
        with naming(folder):
            copy.write_bytes(content)
        yield copy


def select_from(
    files: Files, choice: Choice, source: Path | Bucket, listing: Mapping[str, int] | None = None
) -> Files:
    """Leave out of a list what is not wanted of its source; see `upload_client.index.selecting.select`.

    Args:
        files: the list.
        choice: what is wanted.
        source: where the files are.
        listing: as of `take`.
    """
    if isinstance(source, Path):
        if not os.path.isdir(source):  # noqa: PTH112
            return files  # checking the index will show
        return select(files, choice, source, Folder(source, choice).patterns)
    listed = _listed(source) if listing is None else listing

    def read(folder: str) -> bytes | None:
        key = folder + IGNORE_FILE
        return read_range(source, key, 0, _MAX_READ) if key in listed else None

    return select(files, choice, None, read)


def list_bucket(source: Bucket, choice: Choice, listing: Mapping[str, int] | None = None) -> Files:
    """The files of a bucket with their sizes; see `upload_client.index.scan_listing`."""
    listed = _listed(source) if listing is None else listing

    def start_of(key: str) -> bytes:
        return read_range(source, key, 0, _MAX_READ) if listed[key] else b""

    return scan_listing(listed, choice=choice, read=start_of)
