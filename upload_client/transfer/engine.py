"""`TransferEngine`: many files on their way at once.

One queue for everything: whole files, the parts of large ones, and the requests around them. So one large
file uses every worker, a crowd of small ones too, and no worker is idle while anything is left to do.
Larger files are begun before smaller ones among those that wait, so that the end is made of small pieces.

The caller submits tasks and polls for what has begun and what is done; it is never called back. A file's
outcome says that S3 acknowledged it, or why not. Nothing here knows of ledgers, logs or locks, but for
`may_write`, asked before each request that changes something.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from upload_client.aws.bucket import Bucket
from upload_client.clock import SYSTEM, Clock
from upload_client.core.parts import MULTIPART_COPY_LIMIT
from upload_client.transfer.copy import PartedCopy, copy_whole, look_up
from upload_client.transfer.dataroot import DataRoot, FileRefused
from upload_client.transfer.task import TransferOutcome, TransferTask, failure
from upload_client.transfer.upload import Parted, PartedUpload, UploadLost, send_whole
from upload_client.transfer.wire import READS, Answer, BotoWire, Pause, Steps, Wire

__all__ = ["TransferEngine", "TransferOutcome", "TransferTask"]

MIB = 1024**2

DEFAULT_THRESHOLD = 64 * MIB
PATIENCE = 60.0
"""Seconds without one successful request after which failing ones are no longer repeated."""
_RESTARTS = 3

Done = Callable[[object], None]
Unit = tuple[Steps[Any], Done]


class _Stopped(Exception):  # noqa: N818 - not an error
    """The engine was stopped before this could be done."""


class _Run:
    """A file whose parts are on their way."""

    __slots__ = ("error", "flying", "left", "next", "parted", "restarts")

    def __init__(self, parted: Parted, restarts: int = 0) -> None:
        self.parted = parted
        self.next = 0
        self.left = parted.n_parts
        self.flying = 0
        self.error: BaseException | None = None
        self.restarts = restarts


class TransferEngine:
    """Transfers files from one source to one destination.

    Args:
        source: Where files come from.
        destination: Where they go. Its client is used as it is: it should keep `n_threads` connections
            and wait for answers as long as a copy of 5 GiB may take.
        n_threads: Requests under way at once; "auto": found out.
        multipart_threshold: Bytes from which a file goes up in parts.
        part_size: Bytes of each part; None: by the file's size.
        may_write: Asked before each request that changes something; while it says no, none is made.
        options: Arguments of boto3 for the objects made (``StorageClass``, ``Tagging``, …).
        wire: What carries requests; None: boto3.
        clock: Time.
    """

    def __init__(
        self,
        source: DataRoot,
        destination: Bucket,
        *,
        n_threads: int | Literal["auto"] = 8,
        multipart_threshold: int = DEFAULT_THRESHOLD,
        part_size: int | None = None,
        may_write: Callable[[], bool] = lambda: True,
        options: Mapping[str, str] | None = None,
        wire: Wire | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._source = source
        self._threshold = multipart_threshold
        self._part_size = part_size
        self._may_write = may_write
        self._clock = clock
        self._wire = wire or BotoWire(destination, source.bucket, options)
        self._transfer = self._upload if source.bucket is None else self._copy

        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._told = threading.Condition(self._lock)
        self._waiting: list[tuple[int, int, TransferTask]] = []
        self._order = itertools.count()
        self._ready: deque[Unit] = deque()
        self._active: deque[_Run] = deque()
        self._rows: dict[int, TransferTask] = {}
        self._left_over: dict[str, str] = {}
        self._flying = 0
        self._started: deque[int] = deque()
        self._outcomes: deque[TransferOutcome] = deque()

        self._bytes_in_flight = 0
        self._bytes_sent = 0
        self._last_success = clock.monotonic()
        self._stopping = threading.Event()
        self._dead = threading.Event()

        n = 16 if n_threads == "auto" else n_threads
        self._threads = [
            threading.Thread(target=self._worker, name=f"transfer-{i}", daemon=True) for i in range(n)
        ]
        for thread in self._threads:
            thread.start()

    # What the caller sees

    @property
    def in_flight(self) -> int:
        """Files submitted whose outcome `poll` has not given yet."""
        return len(self._rows) + len(self._outcomes)

    @property
    def bytes_in_flight(self) -> int:
        """Bytes of the requests under way."""
        return self._bytes_in_flight

    @property
    def bytes_sent(self) -> int:
        """Bytes of content that S3 has acknowledged."""
        return self._bytes_sent

    def submit(self, task: TransferTask) -> None:
        """Queue a file. Returns at once."""
        with self._lock:
            if self._stopping.is_set():
                raise RuntimeError("the transfer engine has been stopped")
            self._rows[task.row] = task
            heapq.heappush(self._waiting, (-(task.size or 0), next(self._order), task))
            self._work.notify()

    def poll(self, timeout: float = 0.0) -> tuple[list[int], list[TransferOutcome]]:
        """Take what has happened since the last call.

        Args:
            timeout: Seconds to wait for something to happen.

        Returns:
            Rows whose transfer has begun, and outcomes. A row's outcome never comes before its beginning.
        """
        with self._lock:
            if timeout > 0 and not self._outcomes and not self._started:
                self._told.wait(timeout)
            started, outcomes = list(self._started), list(self._outcomes)
            self._started.clear()
            self._outcomes.clear()
            return started, outcomes

    def stop(self, grace: float = 0.0) -> list[int]:
        """Begin nothing new; let what is under way finish for `grace` seconds, then no more than its request.

        Unfinished multipart uploads stay, for the next run to resume.

        Returns:
            Rows of files that will have no outcome. (Outcomes reached are still to be polled.)
        """
        with self._lock:
            self._stopping.set()
            self._work.notify_all()
            end = self._clock.monotonic() + grace
            while self._flying and (seconds := end - self._clock.monotonic()) > 0:
                self._told.wait(seconds)
            self._dead.set()
            rows = list(self._rows)
            self._rows.clear()
            return rows

    def close(self) -> None:
        """Stop at once and let go of everything but requests under way, whose answers go unread."""
        self.stop()
        for thread in self._threads:
            thread.join(0.05)
        self._wire.close()

    # The queue

    def _take(self) -> Unit | None:
        """The next thing to do; the lock is held."""
        if self._stopping.is_set():
            return None
        if self._ready:
            return self._ready.popleft()
        if self._active:
            run = self._active[0]
            index = run.next
            run.next += 1
            if run.next == run.parted.n_parts:
                self._active.popleft()
            run.flying += 1
            size = run.parted.extent(index)[1]
            self._bytes_in_flight += size
            return self._part(run, index), lambda result: self._part_done(run, size, result)
        if self._waiting:
            size, _, task = heapq.heappop(self._waiting)
            self._started.append(task.row)
            self._bytes_in_flight -= size  # which is negative, for the heap's sake
            return self._transfer(task), lambda result: self._begun(task, -size, result)
        return None

    def _begun(self, task: TransferTask, size: int, result: object) -> None:
        self._bytes_in_flight -= size
        if isinstance(result, Parted):
            self._activate(_Run(result))
        else:
            self._conclude(task, result)

    def _activate(self, run: _Run) -> None:
        self._active.append(run)
        self._work.notify_all()

    def _part_done(self, run: _Run, size: int, result: object) -> None:
        self._bytes_in_flight -= size
        run.flying -= 1
        run.left -= 1
        if isinstance(result, BaseException) and run.error is None:
            run.error = result
            if run in self._active:
                self._active.remove(run)
        if run.error is not None:
            if not run.flying:
                self._give_up(run, run.error)
        elif not run.left:
            self._put(run.parted.finish(), lambda result: self._finished(run, result))

    def _finished(self, run: _Run, result: object) -> None:
        if isinstance(result, BaseException):
            self._give_up(run, result)
        else:
            run.parted.close()
            self._conclude(run.parted.task, result)

    def _give_up(self, run: _Run, error: BaseException) -> None:
        """Parts cannot become an object: begin anew, throw them away, or leave them for a later try."""
        parted = run.parted
        if isinstance(error, UploadLost) and run.restarts < _RESTARTS:
            parted.upload_id = ""

            def restarted(result: object) -> None:
                if isinstance(result, BaseException):
                    self._give_up(run, result)
                else:
                    self._activate(_Run(parted, run.restarts + 1))

            self._put(parted.begin(), restarted)
        elif isinstance(error, FileRefused) and parted.upload_id:

            def aborted(_: object) -> None:
                parted.close()
                self._conclude(parted.task, error)

            self._put(parted.abort(), aborted)
        else:
            if parted.upload_id:
                self._left_over[parted.task.key] = parted.upload_id
            parted.close()
            self._conclude(parted.task, error)

    def _put(self, steps: Steps[Any], done: Done) -> None:
        self._ready.append((steps, done))
        self._work.notify()

    def _conclude(self, task: TransferTask, result: object) -> None:
        if isinstance(result, _Stopped) or self._rows.pop(task.row, None) is None:
            return
        if isinstance(result, BaseException):
            result = failure(task, result)
        assert isinstance(result, TransferOutcome)
        self._outcomes.append(result)

    # What is done with a file

    def _upload(self, task: TransferTask) -> Steps[TransferOutcome | Parted]:
        file = self._source.open(task.path)
        keep = False
        try:
            if file.fingerprint.size < self._threshold:
                outcome = yield from send_whole(task, file)
                self._bytes_sent += outcome.bytes_sent
                return outcome
            parted = PartedUpload(self._with_left_over(task), file, self._part_size)
            yield from parted.begin()
            keep = True
            return parted
        finally:
            if not keep:
                file.close()

    def _copy(self, task: TransferTask) -> Steps[TransferOutcome | Parted]:
        size, etag = task.size, task.source_etag
        if size is None or etag is None:
            found = yield from look_up(task)
            size, etag = found.size, found.etag
        if size <= MULTIPART_COPY_LIMIT:
            return (yield from copy_whole(task, size, etag))
        parted = PartedCopy(self._with_left_over(task), size, etag)
        yield from parted.begin()
        return parted

    def _part(self, run: _Run, index: int) -> Steps[None]:
        yield from run.parted.send_part(index)
        if self._source.bucket is None:
            self._bytes_sent += run.parted.extent(index)[1]

    def _with_left_over(self, task: TransferTask) -> TransferTask:
        """An upload that an earlier try in this run has left is resumed like those of earlier runs."""
        upload_id = self._left_over.pop(task.key, None)
        if upload_id is None or upload_id in task.leftover:
            return task
        return dataclasses.replace(task, leftover=(upload_id, *task.leftover))

    # Workers

    def _worker(self) -> None:
        while True:
            with self._lock:
                while (unit := self._take()) is None:
                    if self._stopping.is_set():
                        return
                    self._work.wait()
                self._flying += 1
            steps, done = unit
            result = self._drive(steps)
            with self._lock:
                self._flying -= 1
                done(result)
                self._told.notify_all()

    def _drive(self, steps: Steps[Any]) -> object:
        """Carry out the requests of one unit; its result, or the exception it ended with."""
        answer: Any = None
        try:
            while True:
                request = steps.send(answer)
                if isinstance(request, Pause):
                    answer = self._pause(request.seconds)
                    continue
                if not isinstance(request, READS):
                    self._wait_for_leave()
                answer = self._wire.perform(request)
                if answer.ok:
                    self._last_success = self._clock.monotonic()
        except StopIteration as end:
            return end.value
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of this file only
            steps.close()
            return error

    def _pause(self, seconds: float) -> Answer:
        """Wait; no patience is left when nothing has succeeded for long, or nothing more is wanted."""
        silent = self._clock.monotonic() - self._last_success
        if silent > PATIENCE or self._dead.wait(seconds):
            return Answer(0, "GivenUp")
        return Answer(200)

    def _wait_for_leave(self) -> None:
        while not self._may_write():
            if self._dead.wait(0.1):
                raise _Stopped
        if self._dead.is_set():
            raise _Stopped
