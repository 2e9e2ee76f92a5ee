"""The checks of content that the validator makes, made here, on local files, before anything is sent.

They are the validator's own (`upload_client.validator.content`, `upload_client.validator.readers`), so that
what passes here opens there too, provided that the receiver uses the reference validator and has the same
libraries. Where the receiver has said what belongs in the delivery (`upload_client.expectations`), the files
are judged by that. Reading text is Python's own work: it is spread over processes.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import cast

from upload_client.errors import DeliveryError
from upload_client.expectations.expected import Expected
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.model import Expectations
from upload_client.expectations.packaging import MAX_METADATA, is_chunk, metadata_places, part_of
from upload_client.support.local_file import FileRefused, LocalFile
from upload_client.transfer.dataroot import DataRoot
from upload_client.validator.content import TEXT_FORMATS, Unreadable, check_text
from upload_client.validator.opening import CHUNK, CHUNKS, format_of, missing_library
from upload_client.validator.readers import ReaderWorkers, Undecided
from upload_client.validator.settings import ValidatorSettings

MAX_READ: int = ValidatorSettings.model_fields["max_read"].default
"""Bytes of the largest text file that the validator reads through."""

_BATCH_FILES = 64
_BATCH_BYTES = 64 * 1024 * 1024
_BLOCK = 256 * 1024


def unopened(path: str, size: int, expected: Expected | None = None) -> str | None:
    """Why the content of a file is not looked at; None if it is.

    Args:
        path: its name tells what it should open as.
        size: in bytes.
        expected: what belongs in the delivery.
    """
    if expected is not None:
        if expected.refusal(path, size) is not None:
            return None  # that is said of it
        rules = expected.content(path)
        if rules is not None:
            return "expected to hold anything" if rules.format == "opaque" else None
    kind = format_of(path)
    if kind is None:
        return "a format that the validator does not open"
    if kind in TEXT_FORMATS:
        return f"text of more than {MAX_READ:,} bytes" if size > MAX_READ else None
    package = missing_library(kind)
    return None if package is None else f"{package} is not installed here"


def check_contents(
    root: Path,
    files: Iterable[tuple[str, int]],
    *,
    expectations: Expectations | None = None,
    follow: bool = False,
    n_processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_undecided: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[str, str]]:
    """Open files as what their suffixes say, or judge them by what is expected of them.

    Args:
        root: the directory that `files` are relative to.
        files: path and size in bytes of each file for which `unopened` gives None.
        expectations: what belongs in the delivery.
        follow: files may lie outside of `root`, wherever symlinks lead.
        n_processes: None: one for each processor.
        on_progress: called with the number of files looked at since its last call.
        on_undecided: called with path and reason of a file that cannot be judged here, for example because a
            library is missing; without it, such a file is among those that are wrong.

    Yields:
        Path and reason of each file that is not as it should be, or cannot be read, in no certain order.

    Raises:
        DeliveryError: a process that reads was killed.
    """
    batches = list(_batches(files))

    def describe(looked_at: Sequence[_Wrong]) -> Iterator[tuple[str, str]]:
        for path, reason, undecided in looked_at:
            if undecided and on_undecided:
                on_undecided(path, reason)
            else:
                yield path, reason

    n = min(n_processes or os.cpu_count() or 1, len(batches))
    if n <= 1:
        with ReaderWorkers(1) as reader_workers:
            for batch in batches:
                yield from describe(
                    _look(DataRoot(root, follow=follow), batch, _ready(expectations), reader_workers)
                )
                if on_progress:
                    on_progress(len(batch))
        return
    # Spawned: a fork would share the connections and locks of this process' threads.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(n, context, initializer=_Process.begin, initargs=(root, expectations, follow))
    try:
        futures = {pool.submit(_Process.look, batch): len(batch) for batch in batches}
        for future in as_completed(futures):
            yield from describe(future.result())
            if on_progress:
                on_progress(futures[future])
    except BrokenProcessPool as error:
        raise DeliveryError(
            "a process that reads files was killed", hint="It may have had too little memory: try it again."
        ) from error
    except BaseException:
        # Nobody waits for what a person has stopped: one file may take minutes.
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(files: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    batch: list[str] = []
    n_bytes = 0
    for path, size in files:
        batch.append(path)
        n_bytes += size
        if len(batch) == _BATCH_FILES or n_bytes >= _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


_Wrong = tuple[str, str, bool]
"""Path, reason, and whether it is undecided."""


def _ready(expectations: Expectations | None) -> Expected | None:
    return None if expectations is None else Expected(expectations)


class _Process:
    """State that a process which looks at files keeps from one batch to the next."""

    source: DataRoot
    expected: Expected | None
    reader_workers: ReaderWorkers

    @classmethod
    def begin(cls, root: Path, expectations: Expectations | None, follow: bool) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, which ends this process
        threading.Thread(target=cls._end_with_parent, daemon=True).start()
        cls.source, cls.expected, cls.reader_workers = (
            DataRoot(root, follow=follow),
            _ready(expectations),
            ReaderWorkers(1),
        )

    @staticmethod
    def _end_with_parent() -> None:
        """End when the process is gone that has started this one: killed, it leaves nobody to be waited for.

        Else this one would wait for its next batch for ever: it holds the other end of that pipe itself.
        """
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    @classmethod
    def look(cls, paths: Sequence[str]) -> list[_Wrong]:
        return _look(cls.source, paths, cls.expected, cls.reader_workers)


def _look(
    source: DataRoot, paths: Sequence[str], expected: Expected | None, reader_workers: ReaderWorkers
) -> list[_Wrong]:
    """The faults of these files."""
    wrong = []
    for path in paths:
        try:
            with source.open(path) as file:
                _judge(path, file, expected, reader_workers, source)
        except (Unreadable, FileRefused) as error:
            wrong.append((path, str(error), False))
        except Undecided as error:
            wrong.append((path, f"it could not be judged: {error}", True))
        except OSError as error:
            wrong.append((path, f"cannot be read: {error.strerror or error}", False))
    return wrong


def _judge(
    path: str, file: LocalFile, expected: Expected | None, reader_workers: ReaderWorkers, source: DataRoot
) -> None:
    size = file.fingerprint.size
    rules = None
    if expected is not None:
        unexpected = expected.refusal(path, size)
        if unexpected is not None:
            raise Unreadable(unexpected)
        rules = expected.content(path)
    if rules is not None:
        if rules.format != "opaque":
            part = None
            if rules.format == CHUNK:
                place, metadata = (_metadata(source, path) or ("", b"")) if is_chunk(path) else ("", b"")
                part = part_of(path, place, metadata)
            reader_workers.judge(
                rules.content, rules.format, size, lambda offset, n: file.read(n, offset), part
            )
        return
    kind = format_of(path)
    if kind is None:
        return
    if kind not in TEXT_FORMATS:
        if missing_library(kind) is None:
            found = _metadata(source, path) if kind in CHUNKS else ("", b"")
            if found is not None:
                reader_workers.open(kind, size, lambda offset, n: file.read(n, offset), found[1])
    else:
        try:
            check_text(kind, cast("io.BufferedReader", io.BufferedReader(_Content(file), _BLOCK)))
        except NotOpened:
            return
        except Unreadable as error:
            raise Unreadable(f"it does not open as {kind}: {error}") from None


def _metadata(source: DataRoot, chunk: str) -> tuple[str, bytes] | None:
    """The metadata of the array that a file is a chunk of, its path and itself; None: there is none."""
    for place in metadata_places(chunk):
        try:
            with source.open(place) as file:
                size = file.fingerprint.size
                return (place, file.read(size, 0)) if 0 < size <= MAX_METADATA else None
        except (OSError, FileRefused):
            continue
    return None


class _Content(io.RawIOBase):
    """A file's content from its start to its end."""

    def __init__(self, file: LocalFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # as it is called
        n = min(len(buffer), self._file.fingerprint.size - self._at)
        if n:
            self._file.read_into(memoryview(buffer)[:n], self._at)
            self._at += n
        return n
