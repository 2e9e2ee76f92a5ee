"""`FileSteps`: the requests that a file takes on its way: whole, in parts, by copy.

Rules as generators: see `upload_client.s3.wire`. Nothing here waits, or knows of queues. The engine decides
when a step is taken, and on which of its threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from upload_client.core.codes import FileCode
from upload_client.core.parts import MULTIPART_COPY_LIMIT
from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import Pause, Steps, Wire
from upload_client.support.local_file import FileRefused, LocalFile
from upload_client.support.own_limits import is_scarce
from upload_client.transfer.buffers import Buffers
from upload_client.transfer.copy import LONG_COPY, PartedCopy, copy_whole, look_up
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.task import NotTaken, TransferOutcome, TransferTask
from upload_client.transfer.upload import SCRATCH, TRIES, Memory, Parted, PartedUpload, Scratch, send_whole

SMALL = 256 * 1024
"""Bytes below which a file is one of the many for the multiplexer."""
_SCARCE = 0.5  # seconds until a file is opened again where too many are open


class Larger(Exception):  # noqa: N818 - not an error
    """A file has turned out to be larger than its task said, and is not this thread's business."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class FileSteps:
    """The steps of each file between one source and one destination.

    Args:
        source: Where files come from.
        wire: What will carry the requests.
        threshold: Bytes above which a file goes up in parts.
        part_size: Bytes of each part; None: by the file's size.
        no_parts: Why files go in one request each; empty: large ones go in parts.
        md5: Have the store verify the MD5 of what arrives.
        read_back: Read each file back that goes in one request.
        md5_proves: Do not ask for the CRC32 of a copy that its ETag proves.
        memory: Says how many bytes of content may be held at once.
        scarce: Called when a file cannot be opened for now, as this process has too many open.
    """

    def __init__(
        self,
        source: DataRoot,
        wire: Wire,
        *,
        threshold: int,
        part_size: int | None,
        no_parts: str,
        md5: bool,
        read_back: bool,
        md5_proves: bool,
        memory: Callable[[], int],
        scarce: Callable[[], None],
    ) -> None:
        self._source = source
        self._wire = wire
        self.threshold = MULTIPART_COPY_LIMIT if no_parts else threshold
        """Bytes above which a file goes up in parts."""
        self._part_size = part_size
        self._no_parts = no_parts
        self._md5 = md5
        self._read_back = read_back
        self._md5_proves = md5_proves
        self._buffers = Buffers(memory)
        self._scarce = scarce
        self._left_over: dict[str, str] = {}
        self.copies = source.bucket is not None
        """Whether files are copied within S3, and none of their bytes comes here."""
        self.of = self._copy if self.copies else self._upload
        """The steps of a task: to its outcome, or until its parts can be sent; `Larger`: not a small file."""

    def part(self, parted: Parted, index: int) -> Steps[tuple[int, bool]]:
        """Bring a part over; its bytes, and whether they were there already."""
        size = parted.extent(index)[1]
        if self.copies:
            yield from parted.send_part(index)
            return size, False
        with self._borrowed(size) as memory:
            yield from parted.send_part(index, memory)
        return size, not parted.was_sent(index)

    def held(self, size: int) -> int:
        """Bytes of memory that so many bytes of content take while they are on their way."""
        if self.copies:
            return 0
        return SCRATCH if isinstance(self._wire, DirectWire) and self._wire.sends_files else size

    def abandon(self, parted: Parted) -> None:
        """Keep in mind an upload that was not ended: a later try resumes it, like those of earlier runs."""
        if parted.upload_id:
            self._left_over[parted.task.key] = parted.upload_id

    def _upload(self, task: TransferTask) -> Steps[TransferOutcome | Parted]:
        file = yield from self._opened(task)
        keep = False
        try:
            size = file.fingerprint.size
            if task.size_to_be not in (None, size):
                raise FileRefused(
                    f"the file has {size} bytes, {task.size_to_be} is its size in the index",
                    FileCode.NOT_AS_INDEXED,
                )
            if size > max(task.size or 0, SMALL - 1):
                raise Larger(size)
            if size <= self.threshold:
                send = partial(send_whole, task, file, md5=self._md5, read_back=self._read_back)
                if size < SMALL:
                    return (yield from send())
                with self._borrowed(size) as memory:
                    return (yield from send(memory))
            self._check_parts()
            parted = PartedUpload(self._with_left_over(task), file, self._part_size)
            yield from parted.begin()
            keep = True
            return parted
        finally:
            if not keep:
                file.close()

    def _copy(self, task: TransferTask) -> Steps[TransferOutcome | Parted]:
        size, etag = task.size, task.source_etag
        sha256 = None
        if size is None or etag is None or task.digests or task.sha256:
            found = yield from look_up(task)
            size, etag = found.size, found.etag
            unproven = tuple(each for each in task.digests if each[0] not in found.digests)
            if task.sha256 and (stated := found.digests.get("sha256")) is not None:
                sha256 = stated.hex()
            task = task._replace(digests=unproven)
        if size <= MULTIPART_COPY_LIMIT:
            is_long = size >= LONG_COPY and not self._no_parts
            tries = 1 if is_long else TRIES
            try:
                return (
                    yield from copy_whole(task, size, etag, sha256, md5_proves=self._md5_proves, tries=tries)
                )
            except NotTaken as refused:
                if not (is_long and refused.answer.passing):
                    raise
        self._check_parts()
        parted = PartedCopy(self._with_left_over(task), size, etag, sha256=sha256)
        yield from parted.begin()
        return parted

    def _check_parts(self) -> None:
        """Raise FileRefused where no file may go in parts."""
        if self._no_parts:
            why = f"is larger than 5 GiB, which the receiver's store does not take: {self._no_parts}"
            raise FileRefused(why, FileCode.TOO_LARGE)

    def _opened(self, task: TransferTask) -> Steps[LocalFile]:
        """Open a file; wait where this process has too many open, which is no fault of the file's."""
        while True:
            try:
                return self._source.open(task.path)
            except OSError as error:
                if not is_scarce(error):
                    raise
                self._scarce()
                if not (yield Pause(_SCARCE)).ok:
                    raise

    @contextlib.contextmanager
    def _borrowed(self, size: int) -> Iterator[Memory]:
        """Memory to read so many bytes into, or to pass them through."""
        wire = self._wire
        if not isinstance(wire, DirectWire):
            yield None  # botocore wants bytes of its own
            return
        buffer = self._buffers.take(SCRATCH if wire.sends_files else size)
        try:
            yield Scratch(buffer, wire.route.sign_payload) if wire.sends_files else buffer
        finally:
            self._buffers.give_back(buffer)

    def _with_left_over(self, task: TransferTask) -> TransferTask:
        upload_id = self._left_over.pop(task.key, None)
        if upload_id is None or upload_id in task.unfinished:
            return task
        return task._replace(unfinished=(upload_id, *task.unfinished))
