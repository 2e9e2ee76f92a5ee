"""Looking at many objects: what the store says of each, hundreds of questions under way on one thread."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from upload_client.errors import DeliveryError
from upload_client.s3.bucket import Bucket, ObjectInfo, repeat_while_lost
from upload_client.s3.concurrency import Concurrency
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.route import NoRoute
from upload_client.s3.wire import Answer, HeadObject
from upload_client.transfer.window import within_window

__all__ = ["look_at"]

_WINDOW: Final = 4096
_THREADS: Final = 16


def look_at(keys: Iterable[str], bucket: Bucket) -> Iterator[tuple[str, ObjectInfo | None]]:
    """Ask what each object is, its CRC32 included.

    Args:
        keys: relative to the bucket's prefix.
        bucket: where.

    Yields:
        Each key, in the order of the answers, and what is there: None where there is nothing. Of what is told
        at once, `last_modified` is 0.

    Raises:
        StoreError: the store does not say.
    """
    looking = _Looking(bucket)
    try:
        yield from within_window(keys, looking.submit, looking.answers, _WINDOW)
    finally:
        looking.close()


_Answered = list[tuple[str, ObjectInfo | None]]


class _Looking:
    """The questions of `look_at`; the multiplexer's `Jobs`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._pace = Concurrency(None, 256)
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[_Answered | BaseException] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(_THREADS, "look")
        self._multiplexer: Multiplexer | None = None
        self._wire: DirectWire | None = None
        with contextlib.suppress(NoRoute):
            self._wire = DirectWire(bucket)
            self._multiplexer = Multiplexer(self._wire, self)
            self._multiplexer.start()

    def submit(self, key: str) -> None:
        """Queue a question."""
        if self._multiplexer is None:
            self._pool.submit(self._ask, key)
            return
        with self._lock:
            self._waiting.append(key)
        if self._multiplexer.asleep:
            self._multiplexer.wake()

    def answers(self) -> _Answered:
        """Wait for answers."""
        found = self._ended.get()
        if isinstance(found, DeliveryError):
            raise found
        if isinstance(found, BaseException):
            raise DeliveryError(f"looking has stopped, by a fault of this program: {found!r}") from found
        return found

    def close(self) -> None:
        """End everything, at once."""
        if self._multiplexer is not None:
            self._multiplexer.stop()
            self._multiplexer.thread.join(1.0)
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._wire is not None:
            self._wire.close()

    def room(self) -> int:
        """Number of further questions that may be under way."""
        multiplexer = self._multiplexer
        return 0 if multiplexer is None else self._pace.limit - multiplexer.flying

    def take_small(self, most: int) -> list[Job]:
        """The next questions."""
        with self._lock:
            keys = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [Job(_question(key), _nobody, key) for key in keys]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Some are answered."""
        del begun
        told: _Answered = []
        for job, result in ended:
            if isinstance(result, BaseException):
                self._ended.put(result)
                return
            assert isinstance(result, ObjectInfo)
            told.append((job.about, result))
        if told:
            self._pace.answered(0, time.monotonic(), busy=bool(self._waiting), n=len(told))
            self._ended.put(told)

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """One that takes more than a question: there is nothing, or no answer."""
        if answer is not None and answer.throttled:
            self._pace.throttled(time.monotonic())
        job.steps.close()
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._pool.submit(self._ask, job.about)

    def may_write(self) -> bool:
        """Nothing is written."""
        return False

    def failed(self, error: BaseException) -> None:
        """The lane has met what nobody foresaw."""
        self._ended.put(error)

    def tell(self, *, now: float) -> bool:
        """Whoever waits is told at once."""
        del now
        return True

    def _ask(self, key: str) -> None:
        try:
            self._ended.put([(key, repeat_while_lost(lambda: self._bucket.head(key)))])
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._ended.put(error)


def _question(key: str) -> Generator[Any, Answer, ObjectInfo]:
    answer = yield HeadObject(key)
    return ObjectInfo(key, answer.size, answer.etag, 0.0, answer.crc32)


def _nobody(_about: object, _result: object) -> None:
    """A lane reports what has ended; nobody besides is told."""
