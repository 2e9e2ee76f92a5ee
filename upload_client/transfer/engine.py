"""`TransferEngine`: many files on their way at once.

One queue for everything (`upload_client.transfer.transfer_queue`): whole files, the parts of large ones, and
the requests around them. So one large file uses every worker, a crowd of small ones as many connections as
help, and none is idle while anything is left to do.

Two kinds of threads take from it. Workers (`upload_client.transfer.workers`) carry one request at a time and
may wait: for the disk, for S3, for the lock. The multiplexer (`upload_client.s3.multiplexer`) sends small
files, hundreds at once; only the direct wire has one. What it does not understand becomes a worker's.

The caller submits tasks and polls for what has begun and what is done; it is never called back. A file's
outcome says that S3 acknowledged it, or why not. Nothing here knows of ledgers, logs or locks, but for
`may_write`, asked before each request that changes something.

One lock guards all of it: queue, files on their way, workers, counts, outcomes. Workers sleep on it until
there is work, the caller until there is something to take (`upload_client.transfer.outcomes`). A worker takes
a job under the lock, carries its requests out without it, and has the result dealt with (`job.done`) under it
again: there no request is made and no content read. `submit`, `poll`, `stop` and `close` are for one thread,
the caller's; `progress` and `failed` may be called from any. The multiplexer calls `room`, `take_small`,
`report`, `hand_over` and `notify_caller` from its thread: `room` and `notify_caller` look at numbers without
the lock, which may be a moment old, and are asked again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
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
from upload_client.support.own_limits import connections
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.driver import Driver
from upload_client.transfer.file_steps import FileSteps, Larger
from upload_client.transfer.outcomes import Outcomes
from upload_client.transfer.parted_files import PartedFile, PartedFiles
from upload_client.transfer.task import Engine, TransferOutcome, TransferProgress, TransferTask
from upload_client.transfer.transfer_queue import TransferQueue
from upload_client.transfer.upload import Parted
from upload_client.transfer.workers import Workers

__all__ = ["Engine", "EngineFailed", "TransferEngine", "TransferOutcome", "TransferTask"]

_log = logging.getLogger(__name__)

MIB = 1024**2

DEFAULT_THRESHOLD = DEFAULT_PART
"""Bytes of one part: what would be a single part goes in one request, where three were needed."""
_CLOSING = 0.5  # seconds for all threads together to end
_MOST_WORKERS = 32  # where nobody has said how many
_SMALL_MEMORY = 48 * MIB
_CROWD = 32


class EngineFailed(DeliveryError):  # noqa: N818 - as those in `upload_client.errors`
    """A thread of the engine has met what nobody foresaw: its cause. Nothing more is sent."""


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
        NoRoute: `engine` is "direct", and botocore would send files in a way that is not known here.
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
        self._small_for_one = 1 if n_threads == "auto" else max(1, min(small_for_one, most // n_threads))
        self._rate = None if max_rate is None else RateLimit(max_rate)

        self._part_memory = part_size or DEFAULT_PART
        self._lock = threading.Lock()
        self._outcomes = Outcomes(self._lock)
        self._workers = Workers(self._lock, self._worker, _MOST_WORKERS if n_threads == "auto" else n_threads)
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

        self._parted = PartedFiles(
            self._steps, due=self._put, more=self._wake_for, conclude=self._outcomes.conclude
        )
        self._queue = TransferQueue(
            self._steps,
            self._parted,
            memory=self._memory,
            copies_abreast=isinstance(self._wire, DirectWire),
            begun=self._begun,
        )
        self._flying = 0
        self._bytes_sent = 0  # of whole files
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

        self._multiplexer: Multiplexer | None = None
        if isinstance(self._wire, DirectWire):
            self._multiplexer = Multiplexer(self._wire, self)
            self._multiplexer.start()  # now that its thread finds it here

    # What the caller sees

    @property
    def engine(self) -> Engine:
        """The connections in use: "direct" or "boto3"."""
        return "direct" if isinstance(self._wire, DirectWire) else "boto3"

    @property
    def in_flight(self) -> int:
        """Files submitted whose outcome `poll` has not given yet."""
        return len(self._outcomes)

    @property
    def bytes_sent(self) -> int:
        """Bytes of content that were sent, and that S3 has acknowledged."""
        return self._bytes_sent + self._parted.bytes_sent

    @property
    def requests(self) -> int:
        """Requests that may be under way at once at this moment."""
        return self._pace.limit

    def progress(self, most: int) -> TransferProgress:
        """The progress at this moment, with up to `most` of the files on their way. From any thread."""
        from upload_client.events import InFlight  # noqa: PLC0415 - a third of what the engine takes to load

        with self._lock:
            whole = {job.about for job in self._driven if isinstance(job.about, TransferTask)}
            done, kept = self._outcomes.bytes_landed, self._parted.bytes_kept
            wire = self._wire.on_the_wire() if isinstance(self._wire, DirectWire) else Counter()
            files = [
                InFlight(
                    file.parted.task.relpath,
                    min(file.bytes_done + wire[file.parted.task.key], file.parted.size),
                    file.parted.size,
                    file.parted.n_parts - file.left,
                    file.parted.n_parts,
                )
                for file in self._parted.under_way
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
            self._outcomes.expect(task)
            self._add(task)

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
            if timeout > 0 and not self._outcomes.are_there and self._fault is None:
                self._outcomes.wait(timeout)
            if not self._outcomes.are_there:
                self._check()
            return self._outcomes.take()

    def stop(self, grace: float = 0.0) -> list[int]:
        """Begin nothing new; let what is under way finish for `grace` seconds, then no more than its request.

        Unfinished multipart uploads stay, for the next run to resume.

        Returns:
            Rows of files that will have no outcome. (Outcomes reached are still to be polled.)
        """
        end = self._clock.monotonic() + grace
        with self._lock:
            self._stopping = True
            self._workers.wake_all()
            while self._under_way() and (seconds := end - self._clock.monotonic()) > 0:
                self._outcomes.wait(min(seconds, 0.1))
            self._driver.stop()
            rows = self._outcomes.abandon()
        if self._multiplexer is not None:
            self._multiplexer.stop()
        return rows

    def close(self) -> None:
        """Stop at once and let go of everything but requests under way, whose answers go unread."""
        self.stop()
        end = self._clock.monotonic() + _CLOSING
        threads = list(self._workers.threads)
        if self._multiplexer is not None:
            threads.append(self._multiplexer.thread)
        for thread in threads:
            thread.join(max(end - self._clock.monotonic(), 0.0))
        with self._lock:
            self._parted.close()
        self._wire.close()

    def failed(self, error: BaseException) -> None:
        """A thread ends by this. From that thread, which does not hold the lock."""
        _log.error("a thread of the engine has ended", exc_info=error)
        with self._lock:
            self._fault = self._fault or error
            self._stopping = True
            self._workers.wake_all()
            self._outcomes.notify()

    def _check(self) -> None:
        if (fault := self._fault) is not None:
            raise EngineFailed(f"sending has stopped, by a fault of this program: {fault!r}") from fault

    # The queue; the lock is held in all of these

    def _add(self, task: TransferTask) -> None:
        multiplexer = self._multiplexer
        if (
            self._queue.add(task)
            and multiplexer is not None
            and not multiplexer.asleep
            and not self._helping()
        ):
            return  # it will see for itself
        self._wake()

    def _wake(self) -> None:
        """Wake whoever could do something now."""
        queue, multiplexer = self._queue, self._multiplexer
        if queue.ready:
            self._wake_worker()
        if self._under_way() >= self._pace.limit:
            return
        if queue.small and multiplexer is not None:
            if multiplexer.asleep:
                multiplexer.wake()
            if self._helping():
                self._wake_worker()
        if queue.has_bulk or (queue.small and multiplexer is None):
            self._wake_worker()

    def _wake_for(self, n: int) -> None:
        """Wake as many as so many parts are for."""
        for _ in range(min(n, self._pace.limit)):
            self._wake()

    def _wake_worker(self) -> None:
        self._workers.wake(0 if self._stopping else self._pace.limit)

    def _helping(self) -> bool:
        """Whether workers send small files too: reading them, not sending them, is what takes the time."""
        return self._multiplexer is not None and self._multiplexer.disk_is_slow

    def _take(self) -> Job | None:
        """The next thing for a worker."""
        if self._queue.ready:
            return self._queue.ready.popleft()
        limit = self._pace.limit
        if self._stopping or self._under_way() >= limit:
            return None
        found = self._queue.take(limit, small=self._multiplexer is None or self._helping())
        if found is not None:
            if isinstance(found.about, TransferTask):
                self._outcomes.begin(found.about)
            self._flying += 1
            self._wake()  # each wakes the next, as long as there is something to do
        return found

    def _under_way(self) -> int:
        if self._multiplexer is None:
            return self._flying
        return self._flying + -(-self._multiplexer.flying // self._small_for_one)

    def _memory(self) -> int:
        """Bytes of content that may be held at once: a part for each request that may be under way."""
        return max(2, min(self._pace.limit, self._workers.most)) * self._part_memory

    def _begun(self, task: TransferTask, result: object) -> None:
        if isinstance(result, TransferOutcome):
            self._bytes_sent += result.bytes_sent
            self._outcomes.conclude(task, result)
        elif isinstance(result, Parted):
            self._parted.add(result)
        elif isinstance(result, Larger):
            self._add(task._replace(size=result.size))
        else:
            self._outcomes.conclude(task, result)

    def _put(self, steps: Steps[Any], done: Callable[[PartedFile, object], None], file: PartedFile) -> None:
        """Something that is due at once, whatever else waits."""
        self._flying += 1
        self._queue.put(Job(steps, done, file))
        self._wake_worker()

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
        if self._queue.has_bulk:
            most = min(most, max(1, limit // 4))  # while there is bulk as well, three quarters are for it
        return most * self._small_for_one - multiplexer.flying

    def take_small(self, most: int) -> list[Job]:
        """The next small files."""
        with self._lock:
            if self._stopping:
                return []
            small, job_of = self._queue.small, self._queue.file
            tasks = [small.popleft() for _ in range(min(most, len(small)))]
            if self._steps.copies:
                return [job_of(task) for task in tasks]  # whose bytes do not come here
            if self._rate is not None and tasks:
                self._rate.spend(sum(task.size or 0 for task in tasks), self._clock.monotonic())
            return [job_of(task, task.size or 0) for task in tasks]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Small files have begun, or are done."""
        now = self._clock.monotonic()
        n_bytes = n = 0
        with self._lock:
            for job in begun:
                self._outcomes.begin(job.about)
            for job, result in ended:
                job.done(job.about, result)
                if isinstance(result, TransferOutcome):
                    n += 1
                    n_bytes += result.size
            if n:
                self._driver.last_success = now
                self._pace.answered(n_bytes, now, busy=self._busy(), n=n)
            self._wake()

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """A small file that takes more than one request."""
        with self._lock:
            if answer is not None and answer.throttled:
                self._pace.throttled(self._clock.monotonic())
            self._flying += 1
            self._queue.put(job)
            self._wake_worker()

    def notify_caller(self, *, now: float) -> bool:
        """Wake the caller, if it waits and there is enough to tell, or nothing more to come soon."""
        if not self._outcomes.are_awaited:
            return True
        if not self._outcomes.are_a_crowd(now) and self._under_way():
            return False
        with self._lock:
            self._outcomes.notify()
        return True

    def _busy(self) -> bool:
        return self._under_way() + _CROWD >= self._pace.limit and bool(self._queue)

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
                    self._workers.sleep()
                self._driven.add(job)
            result = self._driver.drive(job)
            with self._lock:
                self._driven.discard(job)
                self._flying -= 1
                self._queue.done(job)
                job.done(job.about, result)
                self._wake()
                if self._stopping and not self._flying:
                    self._workers.wake_all()
                self._outcomes.notify()

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
            if engine == "direct":
                raise
            _log.info("files go through boto3: %s", error)
        else:
            _log.info("files go over direct connections to %s", wire.route.address.host)
            return wire
    return BotoWire(destination, source.bucket, options)
