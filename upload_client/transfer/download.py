"""Fetching objects into files: small ones hundreds at once, large ones in ranges, each whole or not at all.

What is asked of the store, and asked again, is in `upload_client.transfer.object_reader`. What comes is held
against the CRC32 that the store says, else against the ETag where that is an MD5 or the MD5 of parts. How a
file gets its name is in `upload_client.transfer.temporary_files`.

Small objects are one thread's (`upload_client.transfer.small_objects`), as far as each takes one request.
Larger objects are fetched by threads that may wait: a block is summed and written as soon as it has come, and
while the disk takes a file, the next one comes. Large ones are fetched in ranges, as are others whose answers
are cut each time. Which ranges are there is noted down beside the file, with the CRC32 of each: a later run
reads them, and fetches the others only.

No lock is here: everything that has ended goes through the queue `_ended` from everybody to the caller.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.errors import DeliveryError
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.route import NoRoute
from upload_client.support import failpoints
from upload_client.support.atomic import claim
from upload_client.support.own_limits import connections
from upload_client.transfer import partial_file
from upload_client.transfer.etags import read_etag
from upload_client.transfer.fetch_task import (
    DISK_FULL,
    FetchFailed,
    FetchOutcome,
    FetchStopped,
    FetchTask,
    failure,
    is_of_network,
    success,
)
from upload_client.transfer.object_reader import CHANGED, TRIES, ObjectReader
from upload_client.transfer.partial_file import drop, extent, kept_ranges, open_notes, range_size
from upload_client.transfer.small_objects import SMALL, SmallObjects
from upload_client.transfer.temporary_files import TemporaryFiles
from upload_client.transfer.window import within_window

LARGE: Final = 4 * partial_file.RANGE
"""Bytes from which an object is fetched in ranges, and an interrupted download is resumed."""
_FETCHERS: Final = 8
_FINISHERS: Final = 8
_UNWRITTEN: Final = 16  # files that have come and are not on the disk
_TOGETHER: Final = 4096  # small files that are written, open, and not on the disk
_LARGE: Final = 6  # objects in ranges at once
_TRIES_AT_ONCE: Final = 3
_WINDOW: Final = 2 * _TOGETHER


def fetch_files(
    tasks: Iterable[FetchTask],
    source: Bucket,
    *,
    n_threads: int | None = None,
    not_before: float = 0.0,
    md5: bool = False,
) -> Generator[FetchOutcome]:
    """Fetch objects into files.

    Args:
        tasks: what to fetch.
        source: where from.
        n_threads: requests under way at once; None: found out.
        not_before: Unix seconds; no file is of an earlier time.
        md5: compute the MD5 of each as well, for whoever remembers it.

    Yields:
        One outcome for each, in the order in which they end.

    Raises:
        DeliveryError: a thread has ended as none should.
    """
    fetching = _Fetching(source, n_threads, not_before, md5=md5)
    try:
        yield from within_window(tasks, fetching.submit, fetching.outcomes, _WINDOW)
    finally:
        fetching.close()


class _Fetching:
    """Everything that fetches at once; see the module."""

    def __init__(self, source: Bucket, n_threads: int | None, not_before: float, *, md5: bool) -> None:
        self._wants_md5 = md5
        most = connections(_TOGETHER)
        self._ended: queue.SimpleQueue[list[FetchOutcome] | BaseException] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._unwritten = threading.BoundedSemaphore(min(_UNWRITTEN, most))
        self._finishers = ThreadPoolExecutor(min(_FINISHERS, most), "fetch-finish")
        self._fetchers = ThreadPoolExecutor(min(n_threads or _FETCHERS, _FETCHERS, most), "fetch")
        # Ranges wait behind no object that waits for its ranges.
        self._large = ThreadPoolExecutor(min(_LARGE, -(-most // 2)), "fetch-large")
        self._files = TemporaryFiles(source, not_before, self._stopped)
        self._small: SmallObjects | None = None
        try:
            self._wire: DirectWire | None = DirectWire(source)
        except NoRoute:
            self._wire = None
        else:
            self._small = SmallObjects(
                self._wire,
                self._files,
                n_threads=n_threads,
                most_open=most,
                stopped=self._stopped,
                md5=md5,
                ended=self._ended.put,
                hand_on=self._take_over,
            )
        self._reader = ObjectReader(source, self._wire, self._stopped, md5=md5)

    def submit(self, task: FetchTask) -> None:
        """Queue an object."""
        if task.size >= LARGE:
            self._large.submit(self._do, task, self._fetch_large)
        elif task.size >= SMALL:
            self._fetchers.submit(self._do, task, self._fetch_at_once)
        elif self._small is None:
            self._fetchers.submit(self._do, task, self._fetch_slowly)
        else:
            self._small.submit(task)

    def outcomes(self) -> list[FetchOutcome]:
        """Wait for something to end, and give what has ended since the last call."""
        found = self._ended.get()
        outcomes: list[FetchOutcome] = []
        while True:
            if isinstance(found, BaseException):
                raise DeliveryError(f"fetching has stopped, by a fault of this program: {found!r}") from found
            outcomes += found
            try:
                found = self._ended.get_nowait()
            except queue.Empty:
                return outcomes

    def close(self) -> None:
        """End everything, at once."""
        self._stopped.set()
        if self._small is not None:
            self._small.stop()
        for pool in (self._large, self._fetchers):
            pool.shutdown(wait=True, cancel_futures=True)
        self._finishers.shutdown(wait=True)  # each of them sees that it has been stopped, and lets go
        if self._small is not None:
            self._small.close()
        if self._wire is not None:
            self._wire.close()

    def _take_over(self, task: FetchTask) -> None:
        """Fetch a small object of which something unusual was answered."""
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._fetchers.submit(self._do, task, self._fetch_slowly)

    def _do(self, task: FetchTask, fetch: Callable[[FetchTask], FetchOutcome | None]) -> None:
        """Fetch one; `fetch` gives its outcome, or None where somebody else is going to."""
        try:
            outcome = fetch(task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of this object only
            outcome = failure(task, error)
        if outcome is not None:
            self._ended.put([outcome])

    def _fetch_at_once(self, task: FetchTask) -> None:
        """An object that one request fetches, written while it comes; others bring it to the disk."""
        if task.size > partial_file.RANGE and os.path.exists(self._files.name(task, "ranges")):  # noqa: PTH110 - once a file
            self._large.submit(self._do, task, self._fetch_large)  # an earlier run has had to
            return
        temporary = self._files.name(task)
        self._unwritten.acquire()
        fd = -1
        try:
            fd = self._files.with_room(claim, temporary)
            os.ftruncate(fd, 0)
            tries = _TRIES_AT_ONCE if task.size > partial_file.RANGE else TRIES
            stated, crc32, md5 = self._reader.into_file(task, fd, tries)
            self._check_whole(task, temporary, crc32, stated)
            self._finishers.submit(self._finish, task, temporary, fd, success(task, crc32, md5))
        except BaseException as error:
            self._unwritten.release()
            if fd >= 0:
                drop(temporary, fd)
            if task.size <= partial_file.RANGE or not is_of_network(error):
                raise
            # What cuts long answers lets shorter ones through.
            self._large.submit(self._do, task, self._fetch_large)

    def _finish(self, task: FetchTask, temporary: str, fd: int, outcome: FetchOutcome) -> None:
        """Bring an object that has come to the disk, and under its name."""
        try:
            if self._stopped.is_set():
                drop(temporary, fd)
                return
            self._files.take_place(task, temporary, fd)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            drop(temporary)
            self._ended.put([failure(task, error)] if isinstance(error, Exception) else error)
        else:
            self._ended.put([outcome])
        finally:
            self._unwritten.release()

    def _fetch_slowly(self, task: FetchTask) -> FetchOutcome:
        """A small object through boto3, which knows what to do about unusual answers."""
        body, crc32 = self._reader.whole(task)
        self._write_one(task, body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest() if self._wants_md5 else ""
        return success(task, crc32, md5)

    def _write_one(self, task: FetchTask, body: bytes) -> None:
        temporary = self._files.name(task)
        fd = self._files.with_room(claim, temporary)
        try:
            os.ftruncate(fd, 0)
            partial_file.write_all(fd, body, 0)
        except OSError:
            drop(temporary, fd)
            raise
        try:
            self._files.take_place(task, temporary, fd)
        except OSError:
            drop(temporary)
            raise

    def _fetch_large(self, task: FetchTask) -> FetchOutcome:
        """An object in ranges, each written where it belongs; then the whole is checked."""
        info = self._reader.head(task)
        if info is None or info[0] != task.etag or info[1] != task.size:
            raise FetchFailed(CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
        temporary, notes = self._files.name(task), self._files.name(task, "ranges")
        n_ranges = -(-task.size // range_size(task.size))
        fd = self._files.with_room(claim, temporary)
        done = fetched = 0
        is_open = True
        try:
            crcs = kept_ranges(fd, notes, task.size)
            if not crcs:
                os.ftruncate(fd, 0)
            os.ftruncate(fd, task.size)
            left = [index for index in range(n_ranges) if index not in crcs]
            done = len(crcs)
            with self._files.with_room(open_notes, notes) as noted:

                def bring(index: int) -> tuple[int, int]:
                    crc = self._reader.range(task, fd, index)
                    noted.write(f"{index} {crc}\n")  # one write of a line, below the lock of the stream
                    noted.flush()
                    failpoints.reach("between:fetch:range")
                    return index, crc

                under_way = [self._fetchers.submit(bring, index) for index in left]
                try:
                    for each in under_way:
                        index, crc = each.result()
                        crcs[index] = crc
                        fetched += extent(index, task.size)[1]
                finally:
                    # One has failed: the others write by a number that is another file's after it is closed.
                    for each in under_way:
                        each.cancel()
                    wait(under_way)
            crc = 0
            for index in range(n_ranges):
                crc = checksums.combine(crc, crcs[index], extent(index, task.size)[1])
            crc32 = checksums.encode(crc)
            self._check_whole(task, temporary, crc32, info[2])
            md5 = (self._wants_md5 and read_etag(temporary, max(task.size, 1), "")) or ""
            is_open = False
            self._files.take_place(task, temporary, fd)
        except BaseException as error:
            spent = (isinstance(error, FetchFailed) and not isinstance(error, FetchStopped)) or (
                isinstance(error, OSError) and error.errno in DISK_FULL
            )
            if is_open:
                with contextlib.suppress(OSError):
                    os.close(fd)
            if spent or not (done or fetched):
                drop(temporary)
                drop(notes)
            raise
        drop(notes)
        return success(task, crc32, md5)._replace(bytes_fetched=fetched)

    def _check_whole(self, task: FetchTask, temporary: str, crc32: str, stated: str | None) -> None:
        """Hold a file in ranges against what the store says. What is wrong is not resumed."""
        if stated is None:
            self._reader.check_etag(
                task,
                lambda part_size: self._files.with_room(
                    lambda path: read_etag(path, part_size, task.etag), temporary
                ),
            )
        elif stated != crc32:
            raise FetchFailed(f"what came has CRC32 {crc32}, where S3 says {stated}", FileCode.NO_ANSWER)
