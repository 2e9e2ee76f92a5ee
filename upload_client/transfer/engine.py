"""`TransferEngine`: many files on their way at once.

One queue for everything: whole files, the parts of large ones, and the requests around them. So one large
file uses every worker, a crowd of small ones as many connections as help, and none is idle while anything is
left to do. Larger files are begun before smaller ones among those that wait, so that the end is made of
small pieces.

Two kinds of threads take from it. Workers carry one request at a time and may wait: for the disk, for S3, for
the lock. The multiplexer (`upload_client.s3.multiplexer`) sends small files, hundreds at once; only the
direct wire has one. What it does not understand becomes a worker's.

The caller submits tasks and polls for what has begun and what is done; it is never called back. A file's
outcome says that S3 acknowledged it, or why not. Nothing here knows of ledgers, logs or locks, but for
`may_write`, asked before each request that changes something.

One lock guards all of it: queues, files on their way, counts, outcomes. Workers wait on it for work
(`_work`), the caller for outcomes (`_notified`). A worker takes a job under the lock, carries its requests
out without it, and has the result dealt with (`job.done`) under it again: there no request is made and no
content read. `submit`, `poll`, `stop` and `close` are for one thread, the caller's; `progress` and
`failed` may be called from any. The multiplexer calls `room`, `take_small`, `report`, `hand_over` and
`tell` from its thread: `room` and `tell` look at numbers without the lock, which may be a moment old, and
are asked again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from upload_client.core.parts import DEFAULT_PART
from upload_client.core.rate import RateLimit
from upload_client.errors import DeliveryError
from upload_client.s3 import etag_form
from upload_client.s3.bucket import Bucket
from upload_client.s3.concurrency import MOST, Concurrency
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.route import NoRoute
from upload_client.s3.wire import Answer, BotoWire, Steps, Wire
from upload_client.support.clock import SYSTEM, Clock
from upload_client.support.local_file import FileRefused
from upload_client.support.own_limits import connections
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.driver import Driver, Stopped
from upload_client.transfer.file_steps import SMALL, FileSteps, Larger
from upload_client.transfer.task import Engine, TransferOutcome, TransferProgress, TransferTask, failure
from upload_client.transfer.upload import Parted, UploadLost

__all__ = ["Engine", "EngineFailed", "TransferEngine", "TransferOutcome", "TransferTask"]

_log = logging.getLogger(__name__)

MIB = 1024**2

DEFAULT_THRESHOLD = DEFAULT_PART
"""Bytes of one part: what would be a single part goes in one request, where three were needed."""
_RESTARTS = 3
_CLOSING = 0.5  # seconds for all threads together to end
_MOST_WORKERS = 32  # where nobody has said how many
_SMALL_MEMORY = 48 * MIB
_NOTIFY_OUTCOMES = 64
_CROWD = 32
_NOTIFY_SECONDS = 0.01


class EngineFailed(DeliveryError):  # noqa: N818 - as those in `upload_client.errors`
    """A thread of the engine has met what nobody foresaw: its cause. Nothing more is sent."""


class _Run:
    """A file whose parts are on their way."""

    __slots__ = ("bytes_done", "error", "flying", "left", "next", "parted", "restarts")

    def __init__(self, parted: Parted, restarts: int = 0) -> None:
        self.parted = parted
        self.next = 0
        self.left = parted.n_parts
        self.flying = 0
        self.bytes_done = 0
        self.error: BaseException | None = None
        self.restarts = restarts


class TransferEngine:
    """Transfers files from one source to one destination.

    Args:
        source: Where files come from.
        destination: Where they go. Its client is used as it is: it should keep `n_threads` connections
            and wait for answers as long as a copy of 5 GiB may take.
        n_threads: Requests under way at once, as far as this process may have open files; "auto": found out.
        small_for_one: Small files that may be under way in place of each of these. One thread carries them
            all, so that more cost no memory to speak of, and both it and the store deal with more at a time.
            Of no effect with "auto", which finds out how many they are.
        engine: Whose connections carry the content of files; see `Engine`.
        multipart_threshold: Bytes above which a file goes up in parts.
        part_size: Bytes of each part; None: by the file's size.
        may_write: Asked before each request that changes something; while it says no, none is made.
        options: Arguments of boto3 for the objects made (``StorageClass``, ``Tagging``, …).
        unsigned_payload: Over plain HTTP, too, sign no content; see `Route`.
        max_rate: Bytes a second, over all connections together; None: no cap.
        no_parts: Why files go in one request each, of 5 GiB at the most; empty: large ones go in parts.
        bare_etags: Name ETags in conditions without quotes, as the store wants it.
        md5_proves: Take a copy for proven whose ETag is the MD5 that its source's is, and do not ask for the
            CRC32 that the store has not said: the outcome has none then.
        md5: Have the store verify the MD5 of what arrives, in place of the CRC32, which it does not look at.
        read_back: Read each file back that goes in one request, as the store verifies neither.
        wire: What carries requests, in place of the one `engine` names.
        clock: Time.

    Raises:
        NoRoute: `engine` is "lean", and botocore would send files in a way that is not known here.
    """

    def __init__(
        self,
        source: DataRoot,
        destination: Bucket,
        *,
        n_threads: int | Literal["auto"] = "auto",
        small_for_one: int = 1,
        engine: Engine = "auto",
        multipart_threshold: int = DEFAULT_THRESHOLD,
        part_size: int | None = None,
        may_write: Callable[[], bool] = lambda: True,
        options: Mapping[str, str] | None = None,
        unsigned_payload: bool = False,
        max_rate: float | None = None,
        no_parts: str = "",
        md5: bool = False,
        read_back: bool = False,
        bare_etags: bool = False,
        md5_proves: bool = False,
        wire: Wire | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.may_write = may_write
        self._clock = clock
        if bare_etags:
            etag_form.use_bare(destination.client)
        self._wire = wire or _wire(source, destination, engine, options, unsigned_payload=unsigned_payload)
        most = connections(MOST)
        self._pace = Concurrency(None if n_threads == "auto" else min(n_threads, most), most)
        self._most_workers = _MOST_WORKERS if n_threads == "auto" else n_threads
        self._small_for_one = 1 if n_threads == "auto" else max(1, min(small_for_one, most // n_threads))
        self._rate = None if max_rate is None else RateLimit(max_rate)

        self._part_memory = part_size or DEFAULT_PART
        self._memory_used = 0
        self._steps = FileSteps(
            source,
            self._wire,
            threshold=multipart_threshold,
            part_size=part_size,
            no_parts=no_parts,
            md5=md5,
            read_back=read_back,
            md5_proves=md5_proves,
            memory=self._memory,
            scarce=self._throttled,
        )

        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._notified = threading.Condition(self._lock)
        self._order = itertools.count()
        self._small: deque[TransferTask] = deque()
        self._bulk: list[tuple[int, int, TransferTask]] = []
        self._ready: deque[Job] = deque()
        self._active: deque[_Run] = deque()
        self._runs: set[_Run] = set()
        self._beginning = 0
        self._rows: dict[int, TransferTask] = {}
        self._flying = 0
        self._started: deque[int] = deque()
        self._outcomes: deque[TransferOutcome] = deque()
        self._polling = False
        self._notified_at = 0.0

        self._bytes_sent = 0
        self._bytes_kept = 0
        self._bytes_landed = 0
        self._driven: set[Job] = set()
        self._stopping = False
        self._fault: BaseException | None = None
        self._driver = Driver(
            self._wire,
            may_write=may_write,
            rate=self._rate,
            lock=self._lock,
            answered=self._note,
            clock=clock,
        )

        self._idle = 0
        self._workers: list[threading.Thread] = []
        self._multiplexer: Multiplexer | None = None
        if isinstance(self._wire, DirectWire):
            self._multiplexer = Multiplexer(self._wire, self)
            self._multiplexer.start()  # now that its thread finds it here

    # What the caller sees

    @property
    def engine(self) -> Engine:
        """The connections in use: "lean" or "boto3"."""
        return "lean" if isinstance(self._wire, DirectWire) else "boto3"

    @property
    def in_flight(self) -> int:
        """Files submitted whose outcome `poll` has not given yet."""
        return len(self._rows) + len(self._outcomes)

    @property
    def bytes_sent(self) -> int:
        """Bytes of content that were sent, and that S3 has acknowledged."""
        return self._bytes_sent

    @property
    def requests(self) -> int:
        """Requests that may be under way at once at this moment."""
        return self._pace.limit

    def progress(self, most: int) -> TransferProgress:
        """The progress at this moment, with up to `most` of the files on their way. From any thread."""
        from upload_client.events import InFlight  # noqa: PLC0415 - a third of what the engine takes to load

        with self._lock:
            runs = list(self._runs)
            whole = {job.about for job in self._driven if isinstance(job.about, TransferTask)}
            done, kept = self._bytes_landed, self._bytes_kept
            wire = self._wire.on_the_wire() if isinstance(self._wire, DirectWire) else Counter()
            files = [
                InFlight(
                    run.parted.task.relpath,
                    min(run.bytes_done + wire[run.parted.task.key], run.parted.size),
                    run.parted.size,
                    run.parted.n_parts - run.left,
                    run.parted.n_parts,
                )
                for run in runs
            ]
            files += (
                InFlight(task.relpath, min(wire[task.key], task.size or 0), task.size or 0) for task in whole
            )
        done += sum(file.bytes_done for file in files)
        if self._multiplexer is not None and len(files) < most:
            files += (
                InFlight(task.relpath, 0, task.size or 0)
                for task in self._multiplexer.some(most - len(files))
            )
        files.sort(key=lambda file: -file.size)
        return TransferProgress(done, kept, tuple(files[:most]))

    def submit(self, task: TransferTask) -> None:
        """Queue a file. Returns at once.

        Raises:
            EngineFailed: A thread has ended as none should.
        """
        with self._lock:
            self._check()
            if self._stopping:
                raise RuntimeError("the transfer engine has been stopped")
            self._rows[task.row] = task
            self._queue(task)

    def poll(self, timeout: float = 0.0) -> tuple[list[int], list[TransferOutcome]]:
        """Take what has happened since the last call.

        Args:
            timeout: Seconds to wait for something to happen. What happens in a crowd is told in a crowd, at
                most 10 ms late.

        Returns:
            Rows whose transfer has begun, and outcomes. A row's outcome never comes before its beginning.

        Raises:
            EngineFailed: A thread has ended as none should, and all that was reached before has been told.
        """
        with self._lock:
            if timeout > 0 and not self._outcomes and not self._started and self._fault is None:
                self._polling = True
                self._notified.wait(timeout)
                self._polling = False
            started, outcomes = list(self._started), list(self._outcomes)
            if not started and not outcomes:
                self._check()
            self._started.clear()
            self._outcomes.clear()
            return started, outcomes

    def stop(self, grace: float = 0.0) -> list[int]:
        """Begin nothing new; let what is under way finish for `grace` seconds, then no more than its request.

        Unfinished multipart uploads stay, for the next run to resume.

        Returns:
            Rows of files that will have no outcome. (Outcomes reached are still to be polled.)
        """
        end = self._clock.monotonic() + grace
        with self._lock:
            self._stopping = True
            self._release_workers()
            self._polling = True
            while self._under_way() and (seconds := end - self._clock.monotonic()) > 0:
                self._notified.wait(min(seconds, 0.1))
            self._polling = False
            self._driver.stop()
            rows = list(self._rows)
            self._rows.clear()
        if self._multiplexer is not None:
            self._multiplexer.stop()
        return rows

    def close(self) -> None:
        """Stop at once and let go of everything but requests under way, whose answers go unread."""
        self.stop()
        end = self._clock.monotonic() + _CLOSING
        threads = list(self._workers)
        if self._multiplexer is not None:
            threads.append(self._multiplexer.thread)
        for thread in threads:
            thread.join(max(end - self._clock.monotonic(), 0.0))
        with self._lock:
            for run in self._runs:
                if not run.flying:
                    run.parted.close()
        self._wire.close()

    def failed(self, error: BaseException) -> None:
        """A thread ends by this. From that thread, which does not hold the lock."""
        _log.error("a thread of the engine has ended", exc_info=error)
        with self._lock:
            self._fault = self._fault or error
            self._stopping = True
            self._release_workers()
            self._notified.notify_all()

    def _check(self) -> None:
        if (fault := self._fault) is not None:
            raise EngineFailed(f"sending has stopped, by a fault of this program: {fault!r}") from fault

    # The queue; the lock is held in all of these

    def _queue(self, task: TransferTask) -> None:
        if (task.size or 0) < SMALL and (not self._steps.copies or self._is_known(task)):
            self._small.append(task)
            if self._multiplexer is not None and not self._multiplexer.asleep and not self._helping():
                return  # it will see for itself
        else:
            heapq.heappush(self._bulk, (-(task.size or 0), next(self._order), task))
        self._wake_multiplexer()

    def _is_known(self, task: TransferTask) -> bool:
        """Whether a copy takes one request, as far as can be told, and a multiplexer is there to make it."""
        known = task.size is not None and task.source_etag is not None and not task.digests
        return known and self._multiplexer is not None

    def _wake_multiplexer(self) -> None:
        """Wake whoever could do something now."""
        if self._ready:
            self._wake_worker()
        if self._under_way() >= self._pace.limit:
            return
        if self._small and self._multiplexer is not None:
            if self._multiplexer.asleep:
                self._multiplexer.wake()
            if self._helping():
                self._wake_worker()
        if self._active or self._bulk or (self._small and self._multiplexer is None):
            self._wake_worker()

    def _wake_worker(self) -> None:
        if self._idle:
            self._idle -= 1  # here, so that the next call wakes another one
            self._work.notify()
        elif len(self._workers) < min(self._pace.limit, self._most_workers) and not self._stopping:
            thread = threading.Thread(target=self._worker, name=f"transfer-{len(self._workers)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine: those that are there go on
                if not self._workers:
                    raise
                self._most_workers = len(self._workers)
            else:
                self._workers.append(thread)

    def _release_workers(self) -> None:
        self._idle = 0
        self._work.notify_all()

    def _helping(self) -> bool:
        """Whether workers send small files too: reading them, not sending them, is what takes the time."""
        return self._multiplexer is not None and self._multiplexer.disk_is_slow

    def _take(self) -> Job | None:
        """The next thing for a worker."""
        if self._ready:
            return self._ready.popleft()
        if self._stopping or self._under_way() >= self._pace.limit:
            return None
        found = self._take_part() if not self._early() else None
        found = found or self._take_bulk()
        if found is None and self._small and (self._multiplexer is None or self._helping()):
            found = self._file(self._small.popleft())
        if found is not None:
            if isinstance(found.about, TransferTask):
                self._note_begun(found.about)
            self._flying += 1
            self._memory_used += found.memory
            self._wake_multiplexer()  # each wakes the next, as long as there is something to do
        return found

    def _under_way(self) -> int:
        if self._multiplexer is None:
            return self._flying
        return self._flying + -(-self._multiplexer.flying // self._small_for_one)

    def _early(self) -> bool:
        """Whether to begin the next large file already, so that parts are at hand when this one's run out."""
        left = sum(run.parted.n_parts - run.next for run in self._active)
        return left < self._pace.limit and not self._beginning and bool(self._bulk)

    def _fits(self, size: int) -> bool:
        return self._memory_used + size <= self._memory() or not self._memory_used

    def _memory(self) -> int:
        """Bytes of content that may be held at once: a part for each request that may be under way."""
        return max(2, min(self._pace.limit, self._most_workers)) * self._part_memory

    def _take_part(self) -> Job | None:
        if not self._active:
            return None
        run = self._active[0]
        index = run.next
        size = self._steps.held(run.parted.extent(index)[1])
        if not self._fits(size):
            return None
        run.next += 1
        run.flying += 1
        if run.next == run.parted.n_parts:
            self._active.popleft()
        return Job(self._steps.part(run.parted, index), self._part_done, run, size)

    def _take_bulk(self) -> Job | None:
        if not self._bulk:
            return self._take_part()
        size = -self._bulk[0][0]
        parted = size > self._steps.threshold
        size = 0 if parted else self._steps.held(size)
        if not self._fits(size):
            return None
        task = heapq.heappop(self._bulk)[2]
        return self._file(task, size, parted=parted)

    def _file(self, task: TransferTask, memory: int = 0, *, parted: bool = False) -> Job:
        self._beginning += parted
        return Job(self._steps.of(task), self._parted_begun if parted else self._begun, task, memory)

    def _note_begun(self, task: TransferTask) -> None:
        # One that turned out to be larger than it was said to be begins twice, and is told of once.
        if task is self._rows.get(task.row):
            self._started.append(task.row)

    def _begun(self, task: TransferTask, result: object) -> None:
        if isinstance(result, TransferOutcome):
            self._bytes_sent += result.bytes_sent
            self._conclude(task, result)
        elif isinstance(result, Parted):
            self._activate(_Run(result))
        elif isinstance(result, Larger):
            self._queue(task._replace(size=result.size))
        else:
            self._conclude(task, result)

    def _parted_begun(self, task: TransferTask, result: object) -> None:
        self._beginning -= 1
        self._begun(task, result)

    def _activate(self, run: _Run) -> None:
        self._runs.add(run)
        self._active.append(run)
        for _ in range(min(run.left, self._pace.limit)):
            self._wake_multiplexer()

    def _part_done(self, run: _Run, result: object) -> None:
        run.flying -= 1
        run.left -= 1
        if isinstance(result, tuple):
            size, kept = result
            run.bytes_done += size
            if kept:
                self._bytes_kept += size
            elif not self._steps.copies:
                self._bytes_sent += size
        elif isinstance(result, BaseException) and run.error is None:
            run.error = result
            if run in self._active:
                self._active.remove(run)
        if run.error is not None:
            if not run.flying:
                self._give_up(run, run.error)
        elif not run.left:
            self._put(run.parted.finish(), self._finished, run)

    def _finished(self, run: _Run, result: object) -> None:
        if isinstance(result, BaseException):
            self._give_up(run, result)
        else:
            self._close(run)
            self._conclude(run.parted.task, result)

    def _give_up(self, run: _Run, error: BaseException) -> None:
        """Parts cannot become an object: begin anew, throw them away, or leave them for a later try."""
        parted = run.parted
        if isinstance(error, UploadLost) and run.restarts < _RESTARTS:
            parted.upload_id = ""

            self._runs.discard(run)
            self._put(parted.begin(), self._restarted, _Run(parted, run.restarts + 1))
        elif isinstance(error, FileRefused) and parted.upload_id:
            run.error = error
            self._put(parted.abort(), self._aborted, run)
        else:
            self._steps.abandon(parted)
            self._close(run)
            self._conclude(parted.task, error)

    def _restarted(self, run: _Run, result: object) -> None:
        if isinstance(result, BaseException):
            self._give_up(run, result)
        else:
            self._activate(run)

    def _aborted(self, run: _Run, _: object) -> None:
        self._close(run)
        self._conclude(run.parted.task, run.error)

    def _close(self, run: _Run) -> None:
        self._runs.discard(run)
        run.parted.close()

    def _put(self, steps: Steps[Any], done: Callable[[Any, object], None], run: _Run) -> None:
        """Something that is due at once, whatever else waits."""
        self._flying += 1
        self._ready.append(Job(steps, done, run))
        self._wake_worker()

    def _conclude(self, task: TransferTask, result: object) -> None:
        if isinstance(result, Stopped) or task.row not in self._rows:
            return
        if isinstance(result, BaseException):
            result = failure(task, result)
        assert isinstance(result, TransferOutcome)
        if result.ok:
            self._bytes_landed += result.size
        self._outcomes.append(result)
        del self._rows[task.row]  # in this order: whoever counts them meanwhile finds one too many, not none

    # What the multiplexer asks for; see `upload_client.s3.multiplexer.Jobs`

    def room(self) -> int:
        """Number of further small files that may be on their way."""
        multiplexer = self._multiplexer
        if multiplexer is None or self._stopping or multiplexer.memory > _SMALL_MEMORY:
            return 0
        if self._rate is not None and self._rate.wait(self._clock.monotonic()) > 0:
            return 0
        limit = self._pace.limit
        most = limit - self._flying
        if self._bulk or self._active:
            most = min(most, max(1, limit // 4))  # while there is bulk as well, three quarters are for it
        return most * self._small_for_one - multiplexer.flying

    def take_small(self, most: int) -> list[Job]:
        """The next small files."""
        with self._lock:
            if self._stopping:
                return []
            tasks = [self._small.popleft() for _ in range(min(most, len(self._small)))]
            if self._steps.copies:
                return [self._file(task) for task in tasks]  # whose bytes do not come here
            if self._rate is not None and tasks:
                self._rate.spend(sum(task.size or 0 for task in tasks), self._clock.monotonic())
            return [self._file(task, task.size or 0) for task in tasks]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Small files have begun, or are done."""
        now = self._clock.monotonic()
        n_bytes = n = 0
        with self._lock:
            for job in begun:
                self._note_begun(job.about)
            for job, result in ended:
                job.done(job.about, result)
                if isinstance(result, TransferOutcome):
                    n += 1
                    n_bytes += result.size
            if n:
                self._driver.last_success = now
                self._pace.answered(n_bytes, now, busy=self._busy(), n=n)
            self._wake_multiplexer()

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """A small file that takes more than one request."""
        with self._lock:
            if answer is not None and answer.throttled:
                self._pace.throttled(self._clock.monotonic())
            self._flying += 1
            self._memory_used += job.memory
            self._ready.append(job)
            self._wake_worker()

    def notify_caller(self, *, now: float) -> bool:
        """Wake the caller, if it waits and there is enough to tell, or nothing more to come soon."""
        if not self._outcomes or not self._polling:
            return True
        if (
            len(self._outcomes) < _NOTIFY_OUTCOMES
            and self._under_way()
            and now - self._notified_at < _NOTIFY_SECONDS
        ):
            return False
        self._notified_at = now
        with self._lock:
            self._notified.notify_all()
        return True

    def _busy(self) -> bool:
        return self._under_way() + _CROWD >= self._pace.limit and bool(
            self._small or self._bulk or self._active
        )

    # Workers

    def _worker(self) -> None:
        try:
            self._work_on()
        except BaseException as error:  # noqa: BLE001 - `poll` raises it
            self.failed(error)

    def _work_on(self) -> None:
        while True:
            with self._lock:
                while (job := self._take()) is None:
                    if self._stopping and not self._flying:
                        return
                    self._idle += 1
                    self._work.wait()
                self._driven.add(job)
            result = self._driver.drive(job)
            with self._lock:
                self._driven.discard(job)
                self._flying -= 1
                self._memory_used -= job.memory
                job.done(job.about, result)
                self._wake_multiplexer()
                if self._stopping and not self._flying:
                    self._release_workers()
                if self._polling:
                    self._notified.notify_all()

    def _note(self, answer: Answer) -> None:
        if answer.ok:
            now = self._clock.monotonic()
            with self._lock:
                self._pace.answered(answer.size, now, busy=self._busy())
        elif answer.throttled:
            self._throttled()

    def _throttled(self) -> None:
        with self._lock:
            self._pace.throttled(self._clock.monotonic())


def _wire(
    source: DataRoot,
    destination: Bucket,
    engine: Engine,
    options: Mapping[str, str] | None,
    *,
    unsigned_payload: bool,
) -> Wire:
    """The wire of that name."""
    if engine != "boto3":
        try:
            wire = DirectWire(destination, options, source=source.bucket, unsigned_payload=unsigned_payload)
        except NoRoute as error:
            if engine == "lean":
                raise
            _log.info("files go through boto3: %s", error)
        else:
            _log.info("files go over direct connections to %s", wire.route.address.host)
            return wire
    return BotoWire(destination, source.bucket, options)
