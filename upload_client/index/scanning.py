"""Makes an index of the files of a folder or a bucket."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from upload_client.core import checksums as crc
from upload_client.core.accidents import is_recent
from upload_client.core.codes import FileCode
from upload_client.core.columns import ChecksumColumn
from upload_client.index.accidents import Recent
from upload_client.index.choosing import IGNORE_FILE, Choice, Chooser, LeftOut, Symlinks
from upload_client.index.files import LEFT_OUT, RECENT, SIZES_SEEN, Files
from upload_client.index.folder import Folder
from upload_client.index.own_files import MARK, named
from upload_client.index.problems import Fix, Problems, shown
from upload_client.support.clock import SYSTEM, Clock
from upload_client.support.in_use import files_in_use

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

_OF_LINKS = " Of symlinks, --symlinks skip leaves out all, and --symlinks follow delivers what they lead to."

_BLOCK = 1024 * 1024
_BATCH = 64
_ENCODED = 1000  # checksums at once
_NAMED = 3
_QUICK = 100e-6  # seconds in which a file is looked at where nothing is waited for; a network disk takes more


def scan(
    source: str | Path,
    *,
    include: Sequence[str] | str = (),
    exclude: Sequence[str] | str = (),
    symlinks: Symlinks = "refuse",
    choice: Choice | None = None,
    checksums: bool = True,
    n_threads: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
    clock: Clock = SYSTEM,
) -> pd.DataFrame:
    """Make an index of all files below a directory, sorted by path.

    Left out are files that this program has written, known by their content, and those that it reads or
    writes just now (its profile, what standard output goes to, …); folders ``.S3``; FIFOs, sockets and
    devices; what the patterns in an ``.uploadignore`` say, in the folder where it lies.

    Patterns are those of a .gitignore: ``*`` and ``?`` stand for characters of one name, ``[a-z]`` for one of
    them, ``**`` for any number of folders. One without ``/``, or with one at its end, means names anywhere;
    any other the path from the top. One that means a folder means all in it.

    Args:
        source: the directory.
        include: patterns; where there are any, other files are left out.
        exclude: patterns of what is left out, even if it is included.
        symlinks: ``refuse`` those that lead out of the directory, or nowhere; ``follow`` those that lead out
            too; ``skip`` all.
        choice: all of that in one, in place of the three.
        checksums: whether to read all files for their CRC32.
        n_threads: files looked at at the same time.
        on_progress: called now and then with the numbers of files and of bytes done.
        clock: time.

    Returns:
        A DataFrame as the head of `upload_client.index` says. What was left out is in its ``attrs``, see
        `upload_client.index.left_out_of`.

    Raises:
        InvalidIndex: something in it cannot be delivered; with all there is.
        UsageError: the source is no directory, or a pattern no pattern.
    """
    if choice is None:
        choice = Choice.of(include, exclude, symlinks=symlinks, in_use=files_in_use())
    files = scan_files(
        source, choice, checksums=checksums, n_threads=n_threads, on_progress=on_progress, clock=clock
    )
    return files.frame()


def scan_files(
    source: str | Path,
    choice: Choice,
    *,
    checksums: bool = True,
    n_threads: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
    clock: Clock = SYSTEM,
) -> Files:
    """Make an index of all files below a directory, by column; see `scan`."""
    folder = Folder(source, choice)
    problems = Problems(shown(source))
    left = LeftOut()
    paths, linked = [], False
    for path, reason in folder.walk(left):
        if reason is None:
            paths.append(path)
        else:
            linked = linked or reason.code is FileCode.OUTSIDE_SOURCE
            problems.add(None, path, reason.text)
    paths.sort()
    measure = _crc32_and_size if checksums else _size
    sizes, crcs, n_bytes = array("q"), array("L"), 0
    n_recent, named, now = 0, [], clock.wall()

    def measured(batch: Sequence[str]) -> list[tuple[int, int, float] | str]:
        return [measure(folder.path(path)) for path in batch]

    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with contextlib.closing(_each(measured, batches, n_threads, alone=not checksums)) as each:
        for batch, results in zip(batches, each, strict=True):
            for path, result in zip(batch, results, strict=True):
                if isinstance(result, str):
                    problems.add(None, path, result)
                    continue
                sizes.append(result[0])
                crcs.append(result[1])
                n_bytes += result[0]
                if is_recent(result[2], now):
                    n_recent += 1
                    named += [path] * (n_recent <= _NAMED)
            if on_progress:
                on_progress(len(sizes), n_bytes)
    problems.raise_them(hint=Fix + _OF_LINKS * linked + " Nothing was sent.")
    attrs = {LEFT_OUT: left, RECENT: Recent(n_recent, tuple(named))}
    if not checksums:  # as with their content: it is what is found when they are sent
        attrs[SIZES_SEEN] = True
    column = ChecksumColumn()
    for start in range(0, len(crcs) if checksums else 0, _ENCODED):
        column.add(list(map(crc.encode, crcs[start : start + _ENCODED])))
    return Files(paths, column if checksums else None, sizes, attrs=attrs)


def _each(
    measured: Callable[[Sequence[str]], T], batches: Sequence[Sequence[str]], n_threads: int, *, alone: bool
) -> Generator[T, None, None]:
    """Measure batches, in order: in threads, whose reading and waiting is done beside each other.

    Args:
        measured: measures one.
        batches: of paths.
        n_threads: how many at once.
        alone: nothing is read. Then this thread does it by itself for as long as that is quick: on a disk of
            its own, threads that take turns at the interpreter take more than twice as long.
    """
    n = 0
    while alone and n < len(batches):
        began = time.perf_counter()
        results = measured(batches[n])
        alone = time.perf_counter() - began < _QUICK * len(batches[n])
        n += 1
        yield results
    if n == len(batches):
        return
    with ThreadPoolExecutor(n_threads, "scan") as pool:
        try:
            yield from pool.map(measured, batches[n:])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
            raise


def scan_listing(
    listing: Mapping[str, int],
    *,
    include: Sequence[str] | str = (),
    exclude: Sequence[str] | str = (),
    choice: Choice | None = None,
    read: Callable[[str], bytes] = lambda _: b"",
) -> Files:
    """Make an index of a listing, such as that of a bucket, as `scan` does of a directory.

    Args:
        listing: size in bytes of each file, by its path. Empty ones that end in ``/`` stand for folders.
        include: as in `scan`.
        exclude: as in `scan`.
        choice: as in `scan`.
        read: the first bytes of one of these files, `upload_client.core.own_files.LOOKED_AT` or more: asked
            of those called ``.uploadignore``, and of those that this program may have written.
    """
    choice = choice or Choice.of(include, exclude)
    left = LeftOut()
    patterns = {path for path in listing if path.rpartition("/")[2] == IGNORE_FILE}

    def read_patterns(folder: str) -> bytes | None:
        return read(folder + IGNORE_FILE) if folder + IGNORE_FILE in patterns else None

    chooser = Chooser(choice, read_patterns, left)
    paths = []
    for path, size in sorted(listing.items()):
        if (path.endswith("/") and size == 0) or chooser.leaves_out(path):
            continue
        name = path.rpartition("/")[2].lower()
        if (MARK in name or path == "index.csv") and (ours := named(read(path))):
            left.add(path, "ours", ours)
        else:
            paths.append(path)
    return Files(paths, None, array("q", (listing[path] for path in paths)), attrs={LEFT_OUT: left})


_buffers = threading.local()


def _crc32_and_size(path: str) -> tuple[int, int, float] | str:
    """Size, CRC32 and time of modification of a file, or why there are none. One buffer a thread."""
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
            modified = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return size, value, modified


def _size(path: str) -> tuple[int, int, float] | str:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return f"cannot be looked at: {error.strerror or error}"
    return status.st_size, 0, status.st_mtime
