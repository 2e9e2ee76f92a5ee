"""`ExecutorEngine`: transfers on other processes or machines that see the same files.

Files go out in batches, packed by size, to any `concurrent.futures.Executor` (Dask's `get_executor()` is
one). Each batch runs a `TransferEngine` of its own there. Only the coordinator holds the lock and writes the
log. What the workers may do is limited by short-lived credentials, by conditional writes in the landing
bucket, and by checking the lock themselves (`CoordinatorLock`). A batch whose worker was lost is sent again
by another one: objects it had written are found and count.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any, ClassVar, Unpack
from urllib.parse import urlsplit

import boto3

from upload_client.core.codes import FileCode
from upload_client.core.lease import LockBody
from upload_client.core.partitions import is_below_aws
from upload_client.core.parts import MIN_PART
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, NotFound, StoreError
from upload_client.s3.sigv4 import Keys
from upload_client.s3.unfinished import unfinished_uploads
from upload_client.support.file_names import from_disk, on_disk
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine
from upload_client.transfer.task import TransferOptions, TransferOutcome, TransferProgress, TransferTask

MIB = 1024**2

_MIN_BATCH, _MAX_BATCH = 8 * MIB, 256 * MIB
_MIN_FILES, _MAX_FILES = 16, 500
_TRIES = 3
_LOOKED_AT_EVERY = 15.0
_WAITS_TO_WRITE = 60.0
_READ_TIMEOUT = 300.0


@dataclasses.dataclass(frozen=True)
class BucketAddress:
    """A bucket as another process can open it: everything but the credentials.

    Attributes:
        name: The bucket's name; `prefix` is what its keys begin with.
        endpoint_url: Where it is, when not at AWS.
        region: Its region.
        config: Arguments of `botocore.config.Config` that decide how it is reached, as JSON.
        options: Names and values of options for every request to it.
    """

    name: str
    prefix: str
    endpoint_url: str | None
    region: str | None
    config: str
    options: tuple[tuple[str, str], ...] = ()

    endpoints: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, bucket: Bucket) -> BucketAddress:
        """The place of a bucket."""
        meta: Any = bucket.client.meta
        host = urlsplit(meta.endpoint_url).hostname or ""
        config = meta.config
        names = ("s3", "use_dualstack_endpoint", "use_fips_endpoint")
        given = {name: value for name in names if (value := getattr(config, name, None)) is not None}
        url = None if is_below_aws(host) else meta.endpoint_url
        options = tuple(sorted(bucket.options.items()))
        return cls(
            bucket.name, bucket.prefix, url, meta.region_name, json.dumps(given, sort_keys=True), options
        )

    def bucket(self, keys: Keys | None, n_threads: int = 10) -> Bucket:
        """A handle on it, with these credentials or, without any, those found on this machine."""
        session = boto3.Session(region_name=self.region)
        if keys is not None:
            session = boto3.Session(keys.access_key, keys.secret_key, keys.token, region_name=self.region)
        client = clients.s3_client(
            session, self, pool=n_threads + 4, read_timeout=_READ_TIMEOUT, **json.loads(self.config)
        )
        return Bucket(self.name, prefix=self.prefix, client=client, options=dict(self.options))


@functools.lru_cache(maxsize=4)  # making a client takes longer than sending a small batch
def _bucket(place: BucketAddress, keys: Keys | None, n_threads: int) -> Bucket:
    return place.bucket(keys, n_threads)


@dataclasses.dataclass(frozen=True)
class CoordinatorLock:
    """The coordinator's lock of a delivery, as a worker on another machine checks it.

    The lock counts for half its lease by the store's own clock, as it does for the coordinator itself: so
    that no clocks have to agree, and a file of any size can be sent for as long as the lock is refreshed.

    Attributes:
        control: Where the lock is, below this place's prefix at `key`.
        agent_id: Who holds it, at `epoch`.
    """

    control: BucketAddress
    key: str
    agent_id: str
    epoch: int

    def held(self, bucket: Bucket) -> bool:
        """Whether writes may begin now."""
        return self.held_for(bucket) > 0

    def held_for(self, bucket: Bucket) -> float:
        """For how many seconds, from before this is called, writes may begin; 0 or less: not now."""
        try:
            found = bucket.get(self.key, limit=4096)
        except NotFound:
            return 0.0
        body = LockBody.decode(found.body)
        if body is None or (body.agent_id, body.epoch, body.state) != (self.agent_id, self.epoch, "held"):
            return 0.0
        return body.lease_seconds / 2 - (found.date - found.last_modified)


@dataclasses.dataclass(frozen=True)
class Batch:
    """Files for one worker: where from, where to, and what it may do."""

    source: str | BucketAddress
    destination: BucketAddress
    tasks: tuple[TransferTask, ...]
    keys: Keys | None
    lock: CoordinatorLock | None
    options: tuple[tuple[str, Any], ...]
    follow: bool = False


class _WritePermission:
    """`may_write` for a worker: what `CoordinatorLock` said when it was last looked at."""

    def __init__(self, lock: CoordinatorLock, keys: Keys | None) -> None:
        self._lock = lock
        self._bucket = _bucket(lock.control, keys, 10)
        self._mutex = threading.Lock()
        self._until = self._look_at = float("-inf")

    def __call__(self) -> bool:
        with self._mutex:
            now = time.monotonic()
            if now >= self._look_at:
                try:
                    held_for = self._lock.held_for(self._bucket)
                except StoreError:
                    held_for = self._until - now  # not known; asked again in a second
                    self._look_at = now + 1.0
                else:
                    self._look_at = now + min(max(1.0, held_for / 2), _LOOKED_AT_EVERY)
                self._until = now + held_for
            return time.monotonic() < self._until


def send_batch(batch: Batch) -> list[TransferOutcome]:
    """Send a batch, on whatever machine this is. One outcome for each of its tasks."""
    options = dict(batch.options)
    n_threads = options.get("n_threads", 8)
    n = n_threads if isinstance(n_threads, int) else 32
    if isinstance(batch.source, BucketAddress):
        source = DataRoot(_bucket(batch.source, batch.keys, n))
    else:
        source = DataRoot(Path(on_disk(batch.source)), follow=batch.follow)
    permission = None if batch.lock is None else _WritePermission(batch.lock, batch.keys)
    if permission is not None:
        options["may_write"] = permission
    engine = TransferEngine(source, _bucket(batch.destination, batch.keys, n), **options)
    outcomes: list[TransferOutcome] = []
    try:
        for task in batch.tasks:
            engine.submit(task)
        allowed = time.monotonic()
        while engine.in_flight:
            outcomes += engine.poll(1.0)[1]
            now = time.monotonic()
            if permission is None or permission():
                allowed = now
            elif now - allowed > _WAITS_TO_WRITE:
                break
        rest = set(engine.stop())
        outcomes += engine.poll()[1]
    finally:
        engine.close()
    return outcomes + [
        _not_sent(task, "the delivery's lock was not held") for task in batch.tasks if task.row in rest
    ]


def _not_sent(task: TransferTask, why: str) -> TransferOutcome:
    return TransferOutcome(task.row, task.relpath, ok=False, error=why, again=True, code=FileCode.UNEXPECTED)


class ExecutorEngine:
    """Transfers files on an executor's workers; to its caller it is like a `TransferEngine`.

    Args:
        executor: Where to run. Its workers see the source at the same path, and have this package.
        source: Where files come from.
        destination: Where they go.
        session: Whose credentials the workers get, if they are temporary ones; long-term keys are never
            handed out, and workers then use those they find on their own machine.
        lock: What the workers look at before they write; None: nothing.
        n_batches: Batches handed out at once.
        **options: Of the workers' `TransferEngine`.
    """

    engine = "executor"

    def __init__(
        self,
        executor: Executor,
        source: DataRoot,
        destination: Bucket,
        *,
        session: boto3.Session | None = None,
        lock: CoordinatorLock | None = None,
        n_batches: int = 16,
        **options: Unpack[TransferOptions],
    ) -> None:
        self._executor = executor
        self._bucket = destination
        self._source: str | BucketAddress = (
            BucketAddress.of(source.bucket)
            if source.bucket is not None
            else from_disk(str(Path(source.path or ".").resolve()))
        )
        self._follow = source.follow
        self._destination = BucketAddress.of(destination)
        self._session = session
        self._lock_seen = lock
        self._n_batches = n_batches
        self._options = tuple(sorted(options.items()))

        self._mutex = threading.Lock()
        self._notified = threading.Condition(self._mutex)
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, TransferTask]] = []
        self._waiting_bytes = 0
        self._again: deque[tuple[tuple[TransferTask, ...], int]] = deque()
        self._out: dict[Future[list[TransferOutcome]], tuple[tuple[TransferTask, ...], int]] = {}
        self._rows: dict[int, TransferTask] = {}
        self._begun: set[int] = set()  # rows of files that may go up in parts
        self._started: list[int] = []
        self._outcomes: list[TransferOutcome] = []
        self._bytes_sent = 0
        self._bytes_landed = 0
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Files submitted whose outcome `poll` has not given yet."""
        return len(self._rows) + len(self._outcomes)

    @property
    def bytes_sent(self) -> int:
        """Bytes of content that S3 has acknowledged, of batches that have ended."""
        return self._bytes_sent

    @property
    def requests(self) -> int:
        """Nothing is known of the workers' requests: 0."""
        return 0

    def progress(self, most: int) -> TransferProgress:  # noqa: ARG002 - the same question as `TransferEngine`'s
        """The progress of the batches that have ended; of those that are out, nothing is known."""
        return TransferProgress(self._bytes_landed, 0, ())

    @property
    def n_threads(self) -> int:
        """Batches that may be out at once."""
        return self._n_batches

    def submit(self, task: TransferTask) -> None:
        """Queue a file. Returns at once; batches are packed at the next `poll`."""
        with self._mutex:
            if self._stopping:
                raise RuntimeError("the transfer engine has been stopped")
            self._rows[task.row] = task
            heapq.heappush(self._waiting, (-(task.size or 0), next(self._order), task))
            self._waiting_bytes += task.size or 0

    def poll(self, timeout: float = 0.0) -> tuple[list[int], list[TransferOutcome]]:
        """Hand out what waits, and take what has happened since the last call; see `TransferEngine.poll`."""
        self._hand_out()
        with self._mutex:
            if timeout > 0 and not self._outcomes and not self._started:
                self._notified.wait(timeout)
            started, outcomes = self._started, self._outcomes
            self._started, self._outcomes = [], []
        self._hand_out()
        return started, outcomes

    def stop(self, grace: float = 0.0) -> list[int]:
        """Hand out nothing new, take back what no worker has begun, and wait for the others a little.

        Returns:
            Rows of files that will have no outcome.
        """
        end = time.monotonic() + grace
        with self._mutex:
            self._stopping = True
            out = list(self._out)
        for future in out:
            future.cancel()
        with self._mutex:
            while self._out and (seconds := end - time.monotonic()) > 0:
                self._notified.wait(seconds)
            rows = list(self._rows)
            self._rows.clear()
            return rows

    def close(self) -> None:
        """Stop at once. The executor is its maker's to shut down."""
        self.stop()

    def _hand_out(self) -> None:
        while True:
            with self._mutex:
                if self._stopping or len(self._out) >= self._n_batches:
                    return
                if self._again:
                    tasks, tries = self._again.popleft()
                elif self._waiting:
                    tasks, tries = self._pack(), 0
                    self._started += [task.row for task in tasks]
                else:
                    return
            tasks = tuple(self._with_left_over(task) for task in tasks)
            batch = Batch(
                self._source,
                self._destination,
                tasks,
                self._keys(),
                self._lock_seen,
                self._options,
                self._follow,
            )
            try:
                future = self._executor.submit(send_batch, batch)
            except RuntimeError as error:  # a broken or closed pool: concurrent.futures.BrokenExecutor
                with self._mutex:
                    self._lost(tasks, error)
                continue
            with self._mutex:
                self._out[future] = (tasks, tries + 1)
            future.add_done_callback(self._done)

    def _with_left_over(self, task: TransferTask) -> TransferTask:
        """A file that was begun elsewhere before goes on with the parts that are in the bucket already."""
        if task.size is None or task.size < MIN_PART:
            return task
        if task.row not in self._begun:
            self._begun.add(task.row)
            return task
        there = Bucket(self._bucket.name, prefix=self._bucket.prefix + task.key, client=self._bucket.client)
        try:
            found = tuple(each.upload_id for each in unfinished_uploads(there) if not each.key)
        except StoreError:
            return task
        return task._replace(unfinished=found)

    def _pack(self) -> tuple[TransferTask, ...]:
        """The next batch: large enough to be worth a message, small enough that all workers have one."""
        share = 2 * self._n_batches
        n_bytes = min(_MAX_BATCH, max(_MIN_BATCH, self._waiting_bytes // share))
        n_files = min(_MAX_FILES, max(_MIN_FILES, len(self._waiting) // share))
        tasks: list[TransferTask] = []
        size = 0
        while self._waiting and len(tasks) < n_files:
            following = -self._waiting[0][0]
            if tasks and size + following > n_bytes:
                break
            tasks.append(heapq.heappop(self._waiting)[2])
            size += following
        self._waiting_bytes -= size
        return tuple(tasks)

    def _keys(self) -> Keys | None:
        credentials = (self._session or boto3.Session()).get_credentials()
        if credentials is None:
            return None
        frozen = credentials.get_frozen_credentials()
        if not frozen.token or frozen.access_key is None or frozen.secret_key is None:
            return None
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def _done(self, future: Future[list[TransferOutcome]]) -> None:
        try:
            outcomes: list[TransferOutcome] | BaseException = future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever took the worker away
            outcomes = error
        with self._mutex:
            tasks, tries = self._out.pop(future)
            if isinstance(outcomes, BaseException):
                if tries < _TRIES and not self._stopping:
                    self._again.append((tasks, tries))
                elif not self._stopping:
                    self._lost(tasks, outcomes)
            else:
                expired = {outcome.row for outcome in outcomes if outcome.credentials}
                if expired and tries < _TRIES and not self._stopping:
                    # The batch may have waited longer than its credentials lasted: once more, with new ones.
                    self._again.append((tuple(task for task in tasks if task.row in expired), tries))
                    outcomes = [outcome for outcome in outcomes if outcome.row not in expired]
                for outcome in outcomes:
                    self._conclude(outcome)
            self._notified.notify_all()

    def _lost(self, tasks: tuple[TransferTask, ...], error: BaseException) -> None:
        for task in tasks:
            self._conclude(_not_sent(task, f"its worker was lost: {type(error).__name__}: {error}"[:500]))
        self._notified.notify_all()

    def _conclude(self, outcome: TransferOutcome) -> None:
        if self._rows.pop(outcome.row, None) is not None:
            self._bytes_sent += outcome.bytes_sent
            self._bytes_landed += outcome.size if outcome.ok else 0
            self._outcomes.append(outcome)
