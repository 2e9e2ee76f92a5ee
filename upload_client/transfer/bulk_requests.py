"""HEAD or DELETE for each of many objects, with hundreds of requests under way on one thread."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

from upload_client.errors import DeliveryError
from upload_client.s3.bucket import Bucket, ObjectInfo, repeat_while_lost
from upload_client.s3.concurrency import Concurrency
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.route import NoRoute
from upload_client.s3.wire import Answer, DeleteObject, HeadObject
from upload_client.transfer.window import within_window

T = TypeVar("T")
R = TypeVar("R")

_WINDOW: Final = 4096
_THREADS: Final = 16


def head_each(keys: Iterable[str], bucket: Bucket) -> Iterator[tuple[str, ObjectInfo | None]]:
    """Send a HEAD for each object; the answer includes its CRC32.

    Args:
        keys: relative to the bucket's prefix.
        bucket: where.

    Yields:
        Each key, in the order of the answers, and what is there: None where there is nothing.

    Raises:
        StoreError: the store does not say.
    """
    requests: _BulkRequests[str, ObjectInfo | None] = _BulkRequests(
        lambda: DirectWire(bucket), _look, lambda key: repeat_while_lost(lambda: bucket.head(key)), None
    )
    yield from requests.about(keys)


def remove_each(
    objects: Iterable[tuple[str, str]], bucket: Bucket, slowly: Callable[[str, str], bool]
) -> Iterator[tuple[tuple[str, str], bool]]:
    """Delete objects, each if it still is the one with its ETag.

    Args:
        objects: key, relative to the bucket's prefix, and ETag of each.
        bucket: where.
        slowly: does it where the store's answer was not a plain yes, and says what became of it.

    Yields:
        Key and ETag, in the order of the answers, and whether it is gone; else another one is there.

    Raises:
        StoreError: the store does not do it.
    """
    requests: _BulkRequests[tuple[str, str], bool] = _BulkRequests(
        lambda: DirectWire(bucket, deletes=True), _remove, lambda each: slowly(*each), gone=True
    )
    yield from requests.about(objects)


class _BulkRequests(Generic[T, R]):
    """One request for each of many objects; the multiplexer's `Jobs`.

    Args:
        open_wire: whose connections to use; raises `NoRoute` where `slowly` is to do all.
        ask: the request, and what its answer is.
        slowly: the same through boto3, for what was answered in an unusual way.
        gone: what is said where there is no such object.
    """

    def __init__(
        self,
        open_wire: Callable[[], DirectWire],
        ask: Callable[[T], Generator[Any, Answer, R]],
        slowly: Callable[[T], R],
        gone: R,
    ) -> None:
        self._question = ask
        self._slowly = slowly
        self._gone = gone
        self._pace = Concurrency(None, 256)
        self._waiting: deque[T] = deque()
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[list[tuple[T, R]] | BaseException] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(_THREADS, "look")
        self._multiplexer: Multiplexer | None = None
        self._wire: DirectWire | None = None
        with contextlib.suppress(NoRoute):
            self._wire = open_wire()
            self._multiplexer = Multiplexer(self._wire, self)
            self._multiplexer.start()

    def about(self, items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Ask, and give each answer as it comes."""
        try:
            yield from within_window(items, self.submit, self.answers, _WINDOW)
        finally:
            self.close()

    def submit(self, item: T) -> None:
        """Queue a question."""
        if self._multiplexer is None:
            self._pool.submit(self._ask, item)
            return
        with self._lock:
            self._waiting.append(item)
        if self._multiplexer.asleep:
            self._multiplexer.wake()

    def answers(self) -> list[tuple[T, R]]:
        """Wait for answers."""
        found = self._ended.get()
        if isinstance(found, DeliveryError):
            raise found
        if isinstance(found, BaseException):
            raise DeliveryError(f"asking has stopped, by a fault of this program: {found!r}") from found
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
            items = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [Job(self._question(item), _nobody, item) for item in items]

    def report(self, begun: list[Job], ended: list[tuple[Job, object]]) -> None:
        """Some are answered."""
        del begun
        results: list[tuple[T, Any]] = []
        for job, result in ended:
            if isinstance(result, BaseException):
                self._ended.put(result)
                return
            results.append((job.about, result))
        if results:
            self._pace.answered(0, time.monotonic(), busy=bool(self._waiting), n=len(results))
            self._ended.put(results)

    def hand_over(self, job: Job, answer: Answer | None = None) -> None:
        """One that takes more than a question: there is no answer, or another than yes."""
        job.steps.close()
        if answer is not None and answer.status == 404 and answer.code in ("", "NoSuchKey"):
            self._pace.answered(0, time.monotonic(), busy=bool(self._waiting), n=1)
            self._ended.put([(job.about, self._gone)])
            return
        if answer is not None and answer.throttled:
            self._pace.throttled(time.monotonic())
        with contextlib.suppress(RuntimeError):  # it is being closed
            self._pool.submit(self._ask, job.about)

    def may_write(self) -> bool:
        """Whoever asks for a deletion has seen to it that it may be done."""
        return True

    def failed(self, error: BaseException) -> None:
        """The multiplexer has met what nobody foresaw."""
        self._ended.put(error)

    def notify_caller(self, *, now: float) -> bool:
        """Whoever waits is told at once."""
        del now
        return True

    def _ask(self, item: T) -> None:
        try:
            self._ended.put([(item, self._slowly(item))])
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._ended.put(error)


def _look(key: str) -> Generator[Any, Answer, ObjectInfo]:
    answer = yield HeadObject(key)
    return _description(key, answer)


def _description(key: str, answer: Answer) -> ObjectInfo:
    return ObjectInfo(key, answer.size, answer.etag, answer.last_modified, answer.crc32, answer.version_id)


def _remove(each: tuple[str, str]) -> Generator[Any, Answer, bool]:
    yield DeleteObject(*each)
    return True


def _nobody(_about: object, _result: object) -> None:
    """Ignore the result: `report` receives it."""
