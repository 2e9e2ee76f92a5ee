"""`ObjectReader`: asks a store for content, and asks again where that may help.

Every request names the ETag that was listed, so that an object which is replaced meanwhile is noticed. The
usual answer comes over the direct wire; boto3 knows what to do about the others. Any number of threads may be
in here at once: each waits for its own answer, and content comes through a block of memory that is its own.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any, Final

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.data_sync import md5_of
from upload_client.s3.bucket import Bucket, StoreError, store_errors
from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import GetObject, GetRange
from upload_client.transfer.etags import etag_of, part_size_of
from upload_client.transfer.fetch_task import FetchFailed, FetchStopped, FetchTask, is_of_network
from upload_client.transfer.partial_file import FileSink, extent

TRIES: Final = 8
"""How often a store is asked the same."""
CHANGED: Final = "the object has been replaced since it was listed"
_BLOCK: Final = 256 * 1024
_OPAQUE: Final = ("aws:kms", "aws:kms:dsse")


class ObjectReader:
    """Reads the objects of a bucket.

    Args:
        source: the bucket.
        wire: its direct connections; None: there are none.
        stopped: set when nobody waits for content any more.
        md5: compute the MD5 of what is read in one piece as well.
    """

    def __init__(
        self, source: Bucket, wire: DirectWire | None, stopped: threading.Event, *, md5: bool
    ) -> None:
        self._source = source
        self._wire = wire
        self._stopped = stopped
        self._wants_md5 = md5
        self._blocks = threading.local()

    def into_file(self, task: FetchTask, fd: int, tries: int) -> tuple[str | None, str, str]:
        """Have an object's content written; the CRC32 that the store says of it, the one it has, its MD5."""
        stated, crc32, md5 = self._repeated(lambda: self._poured(task, fd), tries)
        return stated, crc32, md5

    def range(self, task: FetchTask, fd: int, index: int) -> int:
        """Have a range of an object written where it belongs; its CRC32."""
        crc: int = self._repeated(lambda: self._range(task, fd, index))
        return crc

    def whole(self, task: FetchTask) -> tuple[bytes, str]:
        """The content of a small object, checked, and its CRC32; through boto3."""
        body, crc32 = self._repeated(lambda: self._whole(task))
        return body, crc32

    def head(self, task: FetchTask) -> tuple[str, int, str | None] | None:
        """The ETag of an object, its bytes, and the CRC32 that the store says of it; None: it is gone."""

        def ask() -> tuple[str, int, str | None] | None:
            found = self._source.head(task.key)
            return None if found is None else (found.etag, found.size, found.crc32)

        head: tuple[str, int, str | None] | None = self._repeated(ask)
        return head

    def check_etag(self, task: FetchTask, found: Callable[[int | None], str | None]) -> None:
        """Hold content against an ETag, where the store says no CRC32.

        Args:
            task: the object.
            found: the ETag that the content would have; it is told the part size.

        Raises:
            FetchFailed: the content is another one.
        """
        self._repeated(lambda: self._check_etag(task, found))

    def _poured(self, task: FetchTask, fd: int) -> tuple[str | None, str, str]:
        sink = self._sink(fd, 0, md5=self._wants_md5)
        if self._wire is not None:
            answer = self._wire.fetch(GetObject(task.key, task.etag, task.size, sink))
            if answer.ok:
                if answer.etag != task.etag or answer.size != task.size or sink.size != task.size:
                    raise FetchFailed(CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True)
                return answer.crc32, checksums.encode(sink.crc32), sink.md5
            if answer.passing:
                raise ConnectionError(answer.message or answer.code)
        head = self._read(task, sink, task.size, ChecksumMode="ENABLED")
        return _stated(head), checksums.encode(sink.crc32), sink.md5

    def _range(self, task: FetchTask, fd: int, index: int) -> int:
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

    def _read(self, task: FetchTask, sink: FileSink, size: int, **asked: str) -> dict[str, Any]:
        """Have so many bytes of an object written, through boto3; what the store says of it."""
        answer = self._get(task, **asked)
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

    def _whole(self, task: FetchTask) -> tuple[bytes, str]:
        answer = self._get(task, ChecksumMode="ENABLED")
        with contextlib.closing(answer["Body"]) as stream:
            body: bytes = stream.read(task.size + 1)
        if len(body) != task.size:
            raise ConnectionError("the answer was cut, or is too long")
        crc32 = checksums.encode(checksums.crc32(body))
        stated = _stated(answer)
        if stated not in (None, crc32):
            raise ConnectionError(f"what came has CRC32 {crc32}, where S3 says {stated}")
        if stated is None:
            self._check_etag(task, lambda part_size: etag_of(body, part_size, task.etag))
        return body, crc32

    def _get(self, task: FetchTask, **asked: str) -> dict[str, Any]:
        client: Any = self._source.client
        answer: dict[str, Any] = client.get_object(
            Bucket=self._source.name,
            Key=self._source.prefix + task.key,
            IfMatch=f'"{task.etag}"',
            **asked,
        )
        return answer

    def _check_etag(self, task: FetchTask, found: Callable[[int | None], str | None]) -> None:
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

    def _sink(self, fd: int, offset: int, *, md5: bool = False) -> FileSink:
        """Where content goes that comes on this thread."""
        try:
            block = self._blocks.view
        except AttributeError:
            block = self._blocks.view = memoryview(bytearray(_BLOCK))
        return FileSink(fd, offset, block, self._stopped, md5=md5)

    def _repeated(self, ask: Callable[[], Any], tries: int = TRIES) -> Any:  # noqa: ANN401 - whatever it gives
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
                    raise FetchFailed(CHANGED, FileCode.CHANGED_SINCE_INDEXED, raced=True) from None
                if not left or not is_of_network(error):
                    raise
                self._stopped.wait(random.uniform(longest / 2, longest))  # noqa: S311 - spreads load
                longest = min(10.0, 2 * longest)
        raise AssertionError


def _stated(answer: dict[str, Any]) -> str | None:
    """The CRC32 of the whole object that the store says."""
    return answer.get("ChecksumCRC32") if answer.get("ChecksumType") != "COMPOSITE" else None
