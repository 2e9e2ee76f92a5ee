"""`SmallObjects`: small objects, hundreds fetched at once, brought to the disk many at a time.

One thread receives them (`upload_client.s3.multiplexer`), writes them, and gives names to those that are on
the disk; another brings all that are written by then to the disk with one call
(`upload_client.support.flushing`), and does nothing else: two that make many calls of the system wait for
each other at each. So many may be written and not on the disk that receiving goes on meanwhile. Where the
file system has no such call, several threads write, and bring each there by itself.

`_lock` guards two counts: of files that are open, and of bytes held in memory. All else goes from one thread
to the next through queues: `_waiting` from the caller to the one thread, `_written` from who writes to who
brings to the disk, `_flushed` back to the one thread, and outcomes from everybody to the caller, by `ended`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.parts import MIB
from upload_client.s3.concurrency import Concurrency
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.wire import Answer, GetObject
from upload_client.support.atomic import claimed
from upload_client.support.flushing import Flusher, flush_one
from upload_client.transfer import partial_file
from upload_client.transfer.etags import etag_of
from upload_client.transfer.fetch_task import (
    FetchFailed,
    FetchOutcome,
    FetchStopped,
    FetchTask,
    failure,
    success,
)
from upload_client.transfer.object_reader import CHANGED
from upload_client.transfer.partial_file import drop
from upload_client.transfer.temporary_files import TemporaryFiles

SMALL: Final = 256 * 1024
"""Bytes below which an object is one of the many for the one thread."""
_HELD: Final = 48 * MIB
_WRITERS: Final = 8
_BATCH: Final = 16
_NAMED_AT_ONCE: Final = 64  # files that get their names before answers are taken again
_CONNECTIONS: Final = 256
_ENOUGH: Final = 512  # files that are written, to bring them to the disk
_GATHERED: Final = 0.05  # seconds: for so long fewer are waited for


class _Unsure(Exception):  # noqa: N818 - not the program's
    """Content that can be held against nothing that the answer says: the store has to be asked more."""


class _Written(NamedTuple):
    """A file that is written beside its final name, and claimed."""

    task: FetchTask
    temporary: str
    crc32: str
    md5: str
    fd: int
    device: int


class SmallObjects:
    """The small ones among the objects that are fetched, from their request to their names.

    Args:
        wire: the connections they come over.
        files: the files they become.
        n_threads: requests under way at once; None: found out.
        most_open: how many files may be written, open, and not on the disk.
        stopped: set when nobody waits for them any more.
        md5: compute the MD5 of each.
        ended: takes outcomes; an exception where a thread has ended as none should. From any thread.
        hand_on: takes what needs more than a request.
    """

    def __init__(
        self,
        wire: DirectWire,
        files: TemporaryFiles,
        *,
        n_threads: int | None,
        most_open: int,
        stopped: threading.Event,
        md5: bool,
        ended: Callable[[list[FetchOutcome] | BaseException], object],
        hand_on: Callable[[FetchTask], object],
    ) -> None:
        self._files = files
        self._wants_md5 = md5
        self._stopped = stopped
        self._put_ended = ended
        self._hand_on = hand_on
        self._pace = Concurrency(n_threads, min(most_open, _CONNECTIONS))
        self._lock = threading.Lock()
        self._waiting: deque[FetchTask] = deque()
        self._written: deque[_Written] = deque()
        self._flushed: deque[tuple[_Written, OSError | None]] = deque()
        self._enough = threading.Event()
        # All writers together hold no more than may be open, so that none waits for another.
        n_writers = min(_WRITERS, most_open)
        self._batch = min(_BATCH, most_open // n_writers)
        self._enough_written = min(_ENOUGH, -(-most_open // 2))
        self._most_open = most_open
        self._n_open = 0  # files that are open, or will be when they have come
        self._device: int | None = None  # of the first file
        self._together = False
        self._held = 0
        self._writers = ThreadPoolExecutor(n_writers, "fetch-write")
        self._flushing = ThreadPoolExecutor(1, "fetch-flush")
        self._flusher = Flusher()
        self._multiplexer = Multiplexer(wire, self)
        self._multiplexer.start()  # now that its thread finds all the rest here

    def submit(self, task: FetchTask) -> None:
        """Queue an object."""
        self._waiting.append(task)
        if self._multiplexer.asleep:
            self._multiplexer.wake()

    def stop(self) -> None:
        """Receive nothing more."""
        self._multiplexer.stop()
        self._multiplexer.thread.join(1.0)

    def close(self) -> None:
        """Let go of what was on its way to the disk, once it is stopped."""
        for pool in (self._writers, self._flushing):
            pool.shutdown(wait=True)  # each of theirs sees that it has been stopped
        for each, _ in self._flushed:
            drop(each.temporary, each.fd)

    # What the multiplexer asks for; see `upload_client.s3.multiplexer.Jobs`

    def room(self) -> int:
        """Number of further objects that may be under way."""
        multiplexer = self._multiplexer
        if multiplexer.memory + self._held > _HELD:
            return 0
        return min(self._pace.limit - multiplexer.flying, self._most_open - self._n_open)

    def take_small(self, most: int) -> list[Job]:
        """The next small objects."""
        n = min(most, len(self._waiting), self._most_open - self._n_open)
        tasks = [self._waiting.popleft() for _ in range(n)]
        with self._lock:
            self._n_open += n
        return [Job(_steps(task), _nobody, task, task.size) for task in tasks]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Some have come: hand them to the writers, some at a time."""
        del begun
        if not ended:
            return
        n_bytes = 0
        failed: list[FetchOutcome] = []
        batch: list[tuple[FetchTask, bytes | bytearray, str]] = []
        for job, result in ended:
            if isinstance(result, tuple):
                n_bytes += job.memory
                batch.append((job.about, *result))
            elif isinstance(result, _Unsure):
                self.hand_over(job)
            else:
                assert isinstance(result, BaseException)
                failed.append(failure(job.about, result))
        if failed:
            self._put_ended(failed)
        with self._lock:
            self._held += n_bytes
            self._n_open -= len(failed)
        self._pace.answered(n_bytes, time.monotonic(), busy=bool(self._waiting), n=len(batch))
        for start in range(0, len(batch), self._batch):
            some = batch[start : start + self._batch]
            if self._together:
                self._write(some)  # two threads that take turns at each call of the system cost more
            else:
                self._writers.submit(self._write, some)

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """One that takes more than a request."""
        if answer is not None and answer.throttled:
            self._pace.throttled(time.monotonic())
        job.steps.close()
        self._closed(1)
        self._hand_on(job.about)

    def may_write(self) -> bool:
        """Nothing is written there."""
        return False

    def failed(self, error: BaseException) -> None:
        """The multiplexer has met what nobody foresaw."""
        self._put_ended(error)

    def notify_caller(self, *, now: float) -> bool:
        """Give some files their names that are on the disk by now.

        That is for this thread, too: two would take turns at the interpreter's lock, call by call.
        """
        del now
        if not self._flushed:
            return True
        self._settle_flushed()
        while self._flushed and not self._multiplexer.flying:
            self._settle_flushed()
        return not self._flushed

    # Writing

    def _write(self, batch: list[tuple[FetchTask, bytes | bytearray, str]]) -> None:
        """Write some small files: first all, then all to the disk, then all under their names."""
        if self._stopped.is_set():
            return
        try:
            written, outcomes = self._put_down(batch)
            self._closed(len(outcomes))
            if self._together:
                self._written.extend(written)
                if not self._multiplexer.flying or len(self._written) >= self._enough_written:
                    self._enough.set()
                self._flushing.submit(self._settle_written)
            else:
                outcomes += self._settle(written, [flush_one(each.fd) for each in written])
            if outcomes:
                self._put_ended(outcomes)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._put_ended(error)
        finally:
            self._let_go(sum(task.size for task, _, _ in batch))

    def _closed(self, n: int) -> None:
        """So many small files are open no more: whoever waited for room goes on."""
        with self._lock:
            full, self._n_open = self._n_open >= self._most_open, self._n_open - n
        if full:
            self._multiplexer.wake()

    def _let_go(self, n_bytes: int) -> None:
        """Content is held in memory no more: whoever waited for room goes on."""
        with self._lock:
            held, self._held = self._held, self._held - n_bytes
        if self._multiplexer.memory + held > _HELD:
            self._multiplexer.wake()

    def _put_down(
        self, batch: list[tuple[FetchTask, bytes | bytearray, str]]
    ) -> tuple[list[_Written], list[FetchOutcome]]:
        """Write small files beside their final names; those that are written, and those that cannot be."""
        written: list[_Written] = []
        outcomes: list[FetchOutcome] = []
        for task, body, crc32 in batch:
            temporary, fd = "", -1
            try:
                temporary = self._files.name(task)
                # This may be the thread that closes files by giving them their names.
                fd, status = self._files.with_room(claimed, temporary, self._settle_flushed)
                if status.st_size:
                    os.ftruncate(fd, 0)
                if self._device is None:
                    self._device = status.st_dev
                    self._together = self._flusher.takes(status.st_dev)
                partial_file.write_all(fd, body, 0)
                self._files.date_late(fd, temporary, status.st_mtime_ns)
            except FetchStopped:
                for each in written:
                    drop(each.temporary, each.fd)
                raise
            except (OSError, UnicodeEncodeError) as error:
                outcomes.append(failure(task, error))
                if fd >= 0:
                    drop(temporary, fd)
            else:
                md5 = hashlib.md5(body, usedforsecurity=False).hexdigest() if self._wants_md5 else ""
                written.append(_Written(task, temporary, crc32, md5, fd, status.st_dev))
        return written, outcomes

    def _settle_written(self) -> None:
        """Bring all that has been written by now to the disk at once, and under its names."""
        written: list[_Written] = []
        if self._written and self._multiplexer.flying:
            self._enough.wait(_GATHERED)
        self._enough.clear()
        with contextlib.suppress(IndexError):
            while True:
                written.append(self._written.popleft())
        if not written:
            return  # those before have taken it along
        try:
            if self._stopped.is_set():
                for each in written:
                    drop(each.temporary, each.fd)
                return
            problems = self._flusher.flush([each.fd for each in written], [each.device for each in written])
            assert self._device is not None
            self._together = self._flusher.takes(self._device)
            self._flushed.extend(zip(written, problems, strict=True))
            self._multiplexer.wake()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._put_ended(error)

    def _settle_flushed(self) -> None:
        """Give names to some of the files that are on the disk by now."""
        some: list[tuple[_Written, OSError | None]] = []
        with contextlib.suppress(IndexError):
            while len(some) < _NAMED_AT_ONCE:
                some.append(self._flushed.popleft())
        if some:
            self._put_ended(self._settle([each for each, _ in some], [problem for _, problem in some]))

    def _settle(self, written: list[_Written], problems: list[OSError | None]) -> list[FetchOutcome]:
        """Give small files their names, as far as they are on the disk."""
        outcomes: list[FetchOutcome] = []
        for (task, temporary, crc32, md5, fd, _), problem in zip(written, problems, strict=True):
            try:
                self._files.rename(task, temporary, fd, problem)
            except OSError as error:
                drop(temporary)
                outcomes.append(failure(task, error))
            else:
                outcomes.append(success(task, crc32, md5))
        self._closed(len(written))
        return outcomes


def _steps(task: FetchTask) -> Generator[Any, Answer, tuple[bytes | bytearray, str]]:
    """The one request that an object takes, and how its answer is checked; the content, and its CRC32."""
    answer = yield GetObject(task.key, task.etag, task.size)
    if answer.etag != task.etag or answer.size != task.size or len(answer.body) != task.size:
        raise FetchFailed(CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
    crc32 = answer.crc32 or checksums.encode(checksums.crc32(answer.body))
    if answer.crc32 is None:
        part_size = task.size if task.etag.endswith("-1") or "-" not in task.etag else None
        if etag_of(answer.body, part_size, task.etag) != task.etag:
            raise _Unsure
    return answer.body, crc32


def _nobody(_about: object, _result: object) -> None:
    """Ignore the result: `report` receives it."""
