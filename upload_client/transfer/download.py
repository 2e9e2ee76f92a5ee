"""Fetching objects into files: small ones hundreds at once, large ones in ranges, each whole or not at all.

Every request names the ETag that was listed, so that an object which is replaced meanwhile is noticed. What
comes is held against the CRC32 that the store says, else against the ETag where that is an MD5 or the MD5 of
parts. It is written beside its final name (or in a folder of the same file system), is on disk before it gets
that name, and takes it in one step.

One thread receives small objects (`upload_client.s3.multiplexer`), writes them, and gives names to those that
are on the disk; another brings all that are written by then to the disk with one call
(`upload_client.support.flushing`), and does nothing else: two that make many calls of the system wait for
each other at each. So many may be written and not on the disk that receiving goes on meanwhile. Where the
file system has no such call, several threads write, and bring each there by itself. Larger objects are
fetched by threads that may wait: a block is summed and written as soon as it has come, and while the disk
takes a file, the next one comes. Large ones are fetched in ranges, as are others whose answers are cut each
time. Which ranges are there is noted down beside the file, with the CRC32 of each: a later run reads them,
and fetches the others only.

`_lock` guards two counts: of small files that are open, and of bytes held in memory. All else goes from
one thread to the next through queues: `_small` from the caller to the one thread, `_written` from who
writes to who brings to the disk, `_flushed` back to the one thread, `_ended` from everybody to the
caller.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.data_sync import md5_of
from upload_client.core.own_files import LEFT_OVER
from upload_client.core.parts import MIB
from upload_client.errors import DeliveryError
from upload_client.s3.bucket import Bucket, StoreError, store_errors
from upload_client.s3.concurrency import Concurrency
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.route import NoRoute
from upload_client.s3.wire import Answer, GetObject, GetRange
from upload_client.support import failpoints
from upload_client.support.atomic import claim, claimed, in_folder
from upload_client.support.file_names import on_disk
from upload_client.support.flushing import Flusher, flush_one
from upload_client.support.own_limits import connections, is_scarce
from upload_client.transfer import partial_file
from upload_client.transfer.etags import etag_of, part_size_of, read_etag
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
from upload_client.transfer.partial_file import (
    FileSink,
    drop,
    extent,
    kept_ranges,
    open_notes,
    range_size,
)
from upload_client.transfer.window import within_window

T = TypeVar("T")

SMALL: Final = 256 * 1024
"""Bytes below which an object is one of the many for the one thread."""
LARGE: Final = 4 * partial_file.RANGE
"""Bytes from which an object is fetched in ranges, and an interrupted download is gone on with."""
_HELD: Final = 48 * MIB
_BATCH: Final = 16
_NAMED_AT_ONCE: Final = 64  # files that get their names before answers are taken again
_WRITERS: Final = 8
_FETCHERS: Final = 8
_BLOCK: Final = 256 * 1024
_UNWRITTEN: Final = 16  # files that have come and are not on the disk
_CONNECTIONS: Final = 256
_TOGETHER: Final = 4096  # small files that are written, open, and not on the disk
_ENOUGH: Final = 512  # of these, to bring them there
_GATHERED: Final = 0.05  # seconds: for so long fewer are waited for
_LOOK: Final = 0.2  # seconds between two looks whether it was stopped, or there is room
_ROOM: Final = 60.0  # seconds for which a file waits until others are closed
_LARGE: Final = 6  # objects in ranges at once
_TRIES: Final = 8
_TRIES_AT_ONCE: Final = 3
_WINDOW: Final = 2 * _TOGETHER
_OPAQUE: Final = ("aws:kms", "aws:kms:dsse")
_CHANGED: Final = "the object has been replaced since it was listed"


class _Unsure(Exception):  # noqa: N818 - not the program's
    """Content that can be held against nothing that the answer says: the store has to be asked more."""


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


class _Written(NamedTuple):
    """A small file that is written beside its final name, and claimed."""

    task: FetchTask
    temporary: str
    crc32: str
    md5: str
    fd: int
    device: int


class _Fetching:
    """Everything that fetches at once; see the module."""

    def __init__(
        self, source: Bucket, n_threads: int | None, not_before: float, *, md5: bool = False
    ) -> None:
        self._source = source
        self._wants_md5 = md5
        self._not_before_ns = int(not_before * 1e9)
        most = connections(_TOGETHER)
        self._pace = Concurrency(n_threads, min(most, _CONNECTIONS))
        self._lock = threading.Lock()
        self._small: deque[FetchTask] = deque()
        self._written: deque[_Written] = deque()
        self._flushed: deque[tuple[_Written, OSError | None]] = deque()
        self._enough = threading.Event()
        # All writers together hold no more than may be open, so that none waits for another.
        writers = min(_WRITERS, most)
        self._batch = min(_BATCH, most // writers)
        self._enough_written = min(_ENOUGH, -(-most // 2))
        self._most_open = most
        self._n_open = 0  # small files that are open, or will be when they have come
        self._device: int | None = None  # of the first small file
        self._together = False
        self._held = 0
        self._ended: queue.SimpleQueue[list[FetchOutcome] | BaseException] = queue.SimpleQueue()
        self._folders: set[str] = set()
        self._stopped = threading.Event()
        self._unwritten = threading.BoundedSemaphore(min(_UNWRITTEN, most))
        self._blocks = threading.local()
        self._writers = ThreadPoolExecutor(writers, "fetch-write")
        self._flushing = ThreadPoolExecutor(1, "fetch-flush")
        self._flusher = Flusher()
        self._fetchers = ThreadPoolExecutor(min(n_threads or _FETCHERS, _FETCHERS, most), "fetch")
        # Ranges wait behind no object that waits for its ranges.
        self._large = ThreadPoolExecutor(min(_LARGE, -(-most // 2)), "fetch-large")
        self._multiplexer: Multiplexer | None = None
        try:
            self._wire: DirectWire | None = DirectWire(source)
        except NoRoute:
            self._wire = None
        else:
            self._multiplexer = Multiplexer(self._wire, self)
            self._multiplexer.start()

    def submit(self, task: FetchTask) -> None:
        """Queue an object."""
        if task.size >= LARGE:
            self._large.submit(self._do, task, self._fetch_large)
        elif task.size >= SMALL:
            self._fetchers.submit(self._do, task, self._fetch_at_once)
        elif self._multiplexer is None:
            self._fetchers.submit(self._do, task, self._fetch_slowly)
        else:
            self._small.append(task)
            if self._multiplexer.asleep:
                self._multiplexer.wake()

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
        if self._multiplexer is not None:
            self._multiplexer.stop()
            self._multiplexer.thread.join(1.0)
        for pool in (self._large, self._fetchers):
            pool.shutdown(wait=True, cancel_futures=True)
        for pool in (self._writers, self._flushing):
            pool.shutdown(wait=True)  # each of theirs sees that it has been stopped, and lets go
        for each, _ in self._flushed:
            drop(each.temporary, each.fd)
        if self._wire is not None:
            self._wire.close()

    # What the multiplexer asks for; see `upload_client.s3.multiplexer.Jobs`

    def room(self) -> int:
        """Number of further objects that may be under way."""
        multiplexer = self._multiplexer
        if multiplexer is None or multiplexer.memory + self._held > _HELD:
            return 0
        return min(self._pace.limit - multiplexer.flying, self._most_open - self._n_open)

    def take_small(self, most: int) -> list[Job]:
        """The next small objects."""
        n = min(most, len(self._small), self._most_open - self._n_open)
        tasks = [self._small.popleft() for _ in range(n)]
        with self._lock:
            self._n_open += n
        return [Job(self._steps(task), _nobody, task, task.size) for task in tasks]

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
            self._ended.put(failed)
        with self._lock:
            self._held += n_bytes
            self._n_open -= len(failed)
        self._pace.answered(n_bytes, time.monotonic(), busy=bool(self._small), n=len(batch))
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
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._fetchers.submit(self._do, job.about, self._fetch_slowly)

    def may_write(self) -> bool:
        """Nothing is written there."""
        return False

    def failed(self, error: BaseException) -> None:
        """The multiplexer has met what nobody foresaw."""
        self._ended.put(error)

    def notify_caller(self, *, now: float) -> bool:
        """Give some files their names that are on the disk by now.

        That is for this thread, too: two would take turns at the interpreter's lock, call by call.
        """
        del now
        if not self._flushed:
            return True
        multiplexer = self._multiplexer
        self._settle_flushed()
        while self._flushed and multiplexer is not None and not multiplexer.flying:
            self._settle_flushed()
        return not self._flushed

    def _steps(self, task: FetchTask) -> Generator[Any, Answer, tuple[bytes | bytearray, str]]:
        answer = yield GetObject(task.key, task.etag, task.size)
        if answer.etag != task.etag or answer.size != task.size or len(answer.body) != task.size:
            raise FetchFailed(_CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
        crc32 = answer.crc32 or checksums.encode(checksums.crc32(answer.body))
        if answer.crc32 is None:
            part_size = task.size if task.etag.endswith("-1") or "-" not in task.etag else None
            if etag_of(answer.body, part_size, task.etag) != task.etag:
                raise _Unsure
        return answer.body, crc32

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
                last = self._multiplexer is None or not self._multiplexer.flying
                if last or len(self._written) >= self._enough_written:
                    self._enough.set()
                self._flushing.submit(self._settle_written)
            else:
                outcomes += self._settle(written, [flush_one(each.fd) for each in written])
            if outcomes:
                self._ended.put(outcomes)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._ended.put(error)
        finally:
            self._let_go(sum(task.size for task, _, _ in batch))

    def _closed(self, n: int) -> None:
        """So many small files are open no more: whoever waited for room goes on."""
        with self._lock:
            full, self._n_open = self._n_open >= self._most_open, self._n_open - n
        if full and self._multiplexer is not None:
            self._multiplexer.wake()

    def _let_go(self, n_bytes: int) -> None:
        """Content is held in memory no more: whoever waited for room goes on."""
        with self._lock:
            held, self._held = self._held, self._held - n_bytes
        if self._multiplexer is not None and self._multiplexer.memory + held > _HELD:
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
                temporary = self._temporary(task)
                fd, status = self._with_room(claimed, temporary)
                if status.st_size:
                    os.ftruncate(fd, 0)
                if self._device is None:
                    self._device = status.st_dev
                    self._together = self._flusher.takes(status.st_dev)
                partial_file.write_all(fd, body, 0)
                if not self._not_before_ns <= status.st_mtime_ns <= time.time_ns():
                    self._date(fd, temporary)  # else it was made just now, and written after that
            except FetchStopped:
                for each in written:
                    drop(each.temporary, each.fd)
                raise
            except (OSError, UnicodeEncodeError) as error:
                outcomes.append(failure(task, error))
                if fd >= 0:
                    drop(temporary, fd)
            else:
                written.append(_Written(task, temporary, crc32, self._md5_of(body), fd, status.st_dev))
        return written, outcomes

    def _settle_written(self) -> None:
        """Bring all that has been written by now to the disk at once, and under its names."""
        written: list[_Written] = []
        if self._written and self._multiplexer is not None and self._multiplexer.flying:
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
            assert self._multiplexer is not None
            self._multiplexer.wake()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._ended.put(error)

    def _settle_flushed(self) -> None:
        """Give names to some of the files that are on the disk by now."""
        some: list[tuple[_Written, OSError | None]] = []
        with contextlib.suppress(IndexError):
            while len(some) < _NAMED_AT_ONCE:
                some.append(self._flushed.popleft())
        if some:
            self._ended.put(self._settle([each for each, _ in some], [problem for _, problem in some]))

    def _settle(self, written: list[_Written], problems: list[OSError | None]) -> list[FetchOutcome]:
        """Give small files their names, as far as they are on the disk."""
        outcomes: list[FetchOutcome] = []
        for (task, temporary, crc32, md5, fd, _), problem in zip(written, problems, strict=True):
            try:
                self._rename(task, temporary, fd, problem)
            except OSError as error:
                drop(temporary)
                outcomes.append(failure(task, error))
            else:
                outcomes.append(success(task, crc32, md5))
        self._closed(len(written))
        return outcomes

    def _with_room(self, open_file: Callable[[str], T], path: str) -> T:
        """Open a file; while this process has too many open, wait until others are closed."""
        until = time.monotonic() + _ROOM
        while True:
            try:
                return in_folder(open_file, path)
            except OSError as error:
                if not is_scarce(error) or time.monotonic() >= until:
                    raise
            self._settle_flushed()  # where this is the thread that would do it
            if self._stopped.wait(_LOOK):
                raise FetchStopped

    def _take_place(self, task: FetchTask, temporary: str, fd: int) -> None:
        """Bring a file that is whole to the disk, and under its name; it is closed, whatever happens."""
        problem = None
        try:
            self._date(fd, temporary)
        except OSError as error:
            problem = error
        self._rename(task, temporary, fd, problem or flush_one(fd))

    def _date(self, fd: int, temporary: str) -> None:
        now = max(time.time_ns(), self._not_before_ns)
        os.utime(fd if os.utime in os.supports_fd else temporary, ns=(now, now))

    def _rename(self, task: FetchTask, temporary: str, fd: int, problem: OSError | None) -> None:
        """Give a file that is on the disk its name, unless there is a problem; it is closed in any case."""
        try:
            if problem is not None:
                raise problem
            failpoints.reach("between:fetch:file")
            if os.name == "posix":  # as long as it is claimed: who claims it next finds another name
                in_folder(partial(os.replace, temporary), on_disk(task.path))
        finally:
            os.close(fd)
        if os.name != "posix":
            in_folder(partial(os.replace, temporary), on_disk(task.path))

    def _temporary(self, task: FetchTask, what: str = "") -> str:
        """The name of a file until it is whole: the same one in each run, for the same object."""
        own = on_disk(task.path).rpartition(os.sep)[0] or os.sep
        folder = task.folder or own
        for one in (folder, own):
            if one not in self._folders:
                os.makedirs(one, exist_ok=True)  # noqa: PTH103
                self._folders.add(one)
        name = f"{self._source}\0{task.key}\0{task.etag}\0{task.size}\0{task.path}\0{what}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return os.path.join(folder, LEFT_OVER.format(digest))  # noqa: PTH118

    # Larger objects, and small ones of which something unusual was answered

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
        if task.size > partial_file.RANGE and os.path.exists(self._temporary(task, "ranges")):  # noqa: PTH110 - once a file
            self._large.submit(self._do, task, self._fetch_large)  # an earlier run has had to
            return
        temporary = self._temporary(task)
        self._unwritten.acquire()
        fd = -1
        try:
            fd = self._with_room(claim, temporary)
            os.ftruncate(fd, 0)
            tries = _TRIES_AT_ONCE if task.size > partial_file.RANGE else _TRIES
            stated, crc32, md5 = self._repeated(
                lambda: self._poured(task, self._sink(fd, 0, md5=self._wants_md5)), tries
            )
            self._check_whole(task, temporary, crc32, stated)
            self._writers.submit(self._finish, task, temporary, fd, success(task, crc32, md5))
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
            self._take_place(task, temporary, fd)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            drop(temporary)
            self._ended.put([failure(task, error)] if isinstance(error, Exception) else error)
        else:
            self._ended.put([outcome])
        finally:
            self._unwritten.release()

    def _poured(self, task: FetchTask, sink: FileSink) -> tuple[str | None, str, str]:
        """Have an object's content written; the CRC32 that the store says of it, the one it has, its MD5."""
        if self._wire is not None:
            answer = self._wire.fetch(GetObject(task.key, task.etag, task.size, sink))
            if answer.ok:
                if answer.etag != task.etag or answer.size != task.size or sink.size != task.size:
                    raise FetchFailed(_CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
                return answer.crc32, checksums.encode(sink.crc32), sink.md5
            if answer.passing:
                raise ConnectionError(answer.message or answer.code)
        head = self._read(task, sink, task.size, ChecksumMode="ENABLED")
        stated = head.get("ChecksumCRC32") if head.get("ChecksumType") != "COMPOSITE" else None
        return stated, checksums.encode(sink.crc32), sink.md5

    def _read(self, task: FetchTask, sink: FileSink, size: int, **asked: str) -> dict[str, Any]:
        """The same through boto3, which knows what to do about unusual answers."""
        client: Any = self._source.client
        answer: dict[str, Any] = client.get_object(
            Bucket=self._source.name,
            Key=self._source.prefix + task.key,
            IfMatch=f'"{task.etag}"',
            **asked,
        )
        sink.begin()
        with contextlib.closing(answer["Body"]) as stream:
            while block := stream.read(len(sink.buffer)):
                if sink.size + len(block) > size:
                    raise ConnectionError("the answer is too long")
                sink.buffer[: len(block)] = block
                sink.came(len(block))
        if sink.size != size:
            raise ConnectionError("the answer was cut")
        return answer

    def _md5_of(self, body: bytes | bytearray) -> str:
        return hashlib.md5(body, usedforsecurity=False).hexdigest() if self._wants_md5 else ""

    def _sink(self, fd: int, offset: int, *, md5: bool = False) -> FileSink:
        """Where content goes that comes on this thread."""
        try:
            block = self._blocks.view
        except AttributeError:
            block = self._blocks.view = memoryview(bytearray(_BLOCK))
        return FileSink(fd, offset, block, self._stopped, md5=md5)

    def _fetch_slowly(self, task: FetchTask) -> FetchOutcome:
        """A small object through boto3, which knows what to do about unusual answers."""
        body, crc32 = self._repeated(lambda: self._whole(task))
        self._write_one(task, body)
        return success(task, crc32, self._md5_of(body))

    def _write_one(self, task: FetchTask, body: bytes) -> None:
        temporary = self._temporary(task)
        fd = self._with_room(claim, temporary)
        try:
            os.ftruncate(fd, 0)
            partial_file.write_all(fd, body, 0)
        except OSError:
            drop(temporary, fd)
            raise
        try:
            self._take_place(task, temporary, fd)
        except OSError:
            drop(temporary)
            raise

    def _whole(self, task: FetchTask) -> tuple[bytes, str]:
        client: Any = self._source.client
        answer = client.get_object(
            Bucket=self._source.name,
            Key=self._source.prefix + task.key,
            IfMatch=f'"{task.etag}"',
            ChecksumMode="ENABLED",
        )
        with contextlib.closing(answer["Body"]) as stream:
            body: bytes = stream.read(task.size + 1)
        if len(body) != task.size:
            raise ConnectionError("the answer was cut, or is too long")
        crc32 = checksums.encode(checksums.crc32(body))
        stated = answer.get("ChecksumCRC32") if answer.get("ChecksumType") != "COMPOSITE" else None
        if stated not in (None, crc32):
            raise ConnectionError(f"what came has CRC32 {crc32}, where S3 says {stated}")
        if stated is None:
            self._check_etag(task, lambda part_size: etag_of(body, part_size, task.etag))
        return body, crc32

    def _fetch_large(self, task: FetchTask) -> FetchOutcome:
        """An object in ranges, each written where it belongs; then the whole is checked."""
        info = self._head(task)
        if info is None or info[0] != task.etag or info[1] != task.size:
            raise FetchFailed(_CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
        temporary, notes = self._temporary(task), self._temporary(task, "ranges")
        n_ranges = -(-task.size // range_size(task.size))
        fd = self._with_room(claim, temporary)
        done = fetched = 0
        is_open = True
        try:
            crcs = kept_ranges(fd, notes, task.size)
            if not crcs:
                os.ftruncate(fd, 0)
            os.ftruncate(fd, task.size)
            left = [index for index in range(n_ranges) if index not in crcs]
            done = len(crcs)
            with self._with_room(open_notes, notes) as noted:

                def bring(index: int) -> tuple[int, int]:
                    crc = self._repeated(lambda: self._range(task, fd, index))
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
            self._take_place(task, temporary, fd)
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
        """Hold a file in ranges against what the store says. What is wrong is not gone on with."""
        if stated is None:
            self._repeated(
                lambda: self._check_etag(
                    task,
                    lambda part_size: self._with_room(
                        lambda path: read_etag(path, part_size, task.etag), temporary
                    ),
                )
            )
        elif stated != crc32:
            raise FetchFailed(f"what came has CRC32 {crc32}, where S3 says {stated}", FileCode.NO_ANSWER)

    def _range(self, task: FetchTask, fd: int, index: int) -> int:
        """Fetch a range, and write it; its CRC32."""
        offset, size = extent(index, task.size)
        sink = self._sink(fd, offset)
        if self._wire is not None:
            answer = self._wire.fetch(GetRange(task.key, task.etag, offset, size, sink))
            if answer.ok:
                return sink.crc32
            if answer.passing:
                raise ConnectionError(answer.message or answer.code)
        self._read(task, sink, size, Range=f"bytes={offset}-{offset + size - 1}")
        return sink.crc32

    def _head(self, task: FetchTask) -> tuple[str, int, str | None] | None:
        def ask() -> tuple[str, int, str | None] | None:
            found = self._source.head(task.key)
            return None if found is None else (found.etag, found.size, found.crc32)

        head: tuple[str, int, str | None] | None = self._repeated(ask)
        return head

    def _check_etag(self, task: FetchTask, found: Callable[[int | None], str | None]) -> None:
        """Hold content against an ETag, where the store says no CRC32; `found` is told the part size."""
        if (md5_of(task.etag) is None and "-" not in task.etag) or self._source.name.endswith("--x-s3"):
            return  # in directory buckets it never is an MD5
        part_size = part_size_of(self._source, task.key, task.etag, task.size)
        if found(part_size) in (task.etag, None):
            return
        client: Any = self._source.client
        answer = client.head_object(Bucket=self._source.name, Key=self._source.prefix + task.key)
        if answer.get("ServerSideEncryption") in _OPAQUE or "SSECustomerAlgorithm" in answer:
            return  # then the ETag is none of the content
        raise FetchFailed("what came has another MD5 than its ETag says", FileCode.NO_ANSWER)

    def _repeated(self, ask: Callable[[], Any], tries: int = _TRIES) -> Any:  # noqa: ANN401 - whatever it gives
        """Ask, and ask again while that may help."""
        longest = 0.2
        for left in range(tries - 1, -1, -1):
            if self._stopped.is_set():
                raise FetchStopped
            try:
                with store_errors("GET"):
                    return ask()
            except (StoreError, ConnectionError, TimeoutError) as error:
                status = getattr(error, "status", 0)
                if status in (404, 412):
                    raise FetchFailed(_CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True) from None
                if not left or not is_of_network(error):
                    raise
                self._stopped.wait(random.uniform(longest / 2, longest))  # noqa: S311 - spreads load
                longest = min(10.0, 2 * longest)
        raise AssertionError


def _nobody(_about: object, _result: object) -> None:
    """A multiplexer reports what has ended; nobody besides is told."""
