"""The checks of content that the validator makes, made here, on local files, before anything is sent.

They are the validator's own (`upload_client.validator.content`, `upload_client.validator.opening`), so that
what passes here opens there too, provided that the receiver uses the reference validator and has the same
libraries. Reading text is Python's own work: it is spread over processes.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import cast

from upload_client.errors import DeliveryError
from upload_client.transfer.dataroot import DataRoot, FileRefused, LocalFile
from upload_client.validator.checks import format_of
from upload_client.validator.content import TEXT_FORMATS, Unreadable, check_text
from upload_client.validator.opening import LIBRARIES, Openers, is_installed
from upload_client.validator.settings import ValidatorSettings

__all__ = ["MAX_READ", "check_contents", "unopened"]

MAX_READ: int = ValidatorSettings.model_fields["max_read"].default
"""Bytes of the largest text file that the validator reads through."""

_BATCH_FILES = 64
_BATCH_BYTES = 64 * 1024 * 1024
_BLOCK = 256 * 1024


def unopened(path: str, size: int) -> str | None:
    """Why the content of a file is not looked at; None if it is.

    Args:
        path: its name tells what it should open as.
        size: in bytes.
    """
    kind = format_of(path)
    if kind is None:
        return "a format that the validator does not open"
    if kind in TEXT_FORMATS:
        return f"text of more than {MAX_READ:,} bytes" if size > MAX_READ else None
    return None if is_installed(LIBRARIES[kind]) else f"{LIBRARIES[kind]} is not installed here"


def check_contents(
    root: Path,
    files: Iterable[tuple[str, int]],
    *,
    n_processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, str]]:
    """Open files as what their suffixes say.

    Args:
        root: the directory that `files` are relative to.
        files: path and size in bytes of each file for which `unopened` gives None.
        n_processes: None: one for each processor.
        on_progress: called with the number of files looked at since its last call.

    Yields:
        Path and reason of each file that does not open, or cannot be read, in no certain order.

    Raises:
        DeliveryError: a process that reads was killed.
    """
    batches = list(_batches(files))
    n = min(n_processes or os.cpu_count() or 1, len(batches))
    if n <= 1:
        for batch in batches:
            yield from _check(str(root), batch)
            if on_progress:
                on_progress(len(batch))
        return
    # Spawned: a fork would share the connections and locks of this process' threads.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(n, context, initializer=_leave_ctrl_c_to_the_parent)
    try:
        futures = {pool.submit(_check, str(root), batch): len(batch) for batch in batches}
        for future in as_completed(futures):
            yield from future.result()
            if on_progress:
                on_progress(futures[future])
    except BrokenProcessPool as error:
        raise DeliveryError(
            "a process that reads files was killed", hint="Was there too little memory? Try it again."
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


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check(root: str, paths: Sequence[str]) -> list[tuple[str, str]]:
    """What is wrong with these files. Runs in a process of its own."""
    wrong = []
    source = DataRoot(Path(root))
    with Openers(1) as openers:
        for path in paths:
            try:
                with source.open(path) as file:
                    _open(path, file, openers)
            except (Unreadable, FileRefused) as error:
                wrong.append((path, str(error)))
            except OSError as error:
                wrong.append((path, f"cannot be read: {error.strerror or error}"))
    return wrong


def _open(path: str, file: LocalFile, openers: Openers) -> None:
    kind = format_of(path)
    assert kind is not None
    if kind in LIBRARIES:
        openers.open(kind, file.fingerprint.size, lambda offset, n: file.read(n, offset))
        return
    try:
        check_text(kind, cast("io.BufferedReader", io.BufferedReader(_Content(file), _BLOCK)))
    except Unreadable as error:
        raise Unreadable(f"it does not open as {kind}: {error}") from None


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
