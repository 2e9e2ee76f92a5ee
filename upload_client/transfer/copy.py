"""Copying an object of another bucket to the destination: S3 copies it, no byte comes here.

S3 computes the CRC32 of what it writes, and that is compared with the index's. Up to 5 GiB in one request;
above, in parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
"""

from __future__ import annotations

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.data_sync import md5_of
from upload_client.core.forms import is_etag
from upload_client.core.parts import MIB
from upload_client.s3.wire import (
    Answer,
    CopyObject,
    CopyPart,
    HeadObject,
    ReadObject,
    SourceObject,
    Steps,
)
from upload_client.support.local_file import FileRefused
from upload_client.transfer.task import NotTaken, TransferOutcome, TransferTask
from upload_client.transfer.upload import TRIES, Memory, Parted, persist, write

MISMATCH = "the object's content does not match the checksum in the index"
OTHER_MISMATCH = "the object's content does not match the {} checksum in the index"
STAYS = "; the copy stays in the landing bucket, not announced"
CHANGED = "the source object has changed since it was listed"


def look_up(task: TransferTask) -> Steps[Answer]:
    """Ask what the source object is; only needed where the listing has not said it, or says too little.

    Raises:
        FileRefused: It is not there, or not the one that was indexed.
        NotTaken: S3 does not say.
    """
    found = yield from persist(SourceObject(task.path))
    if found.status == 404:
        raise FileRefused("is not there", FileCode.MISSING)
    if not found.ok:
        raise NotTaken(found)
    if not found.etag:
        raise FileRefused("cannot be copied: its store names no ETag for it", FileCode.REFUSED_BY_STORE)
    if task.source_etag is not None and task.source_etag != found.etag:
        raise FileRefused(CHANGED, FileCode.CHANGED_SINCE_INDEXED)
    for algorithm, digest in task.digests:
        if found.digests.get(algorithm, digest) != digest:
            raise FileRefused(OTHER_MISMATCH.format(algorithm), FileCode.NOT_AS_INDEXED)
    return found


def copy_whole(
    task: TransferTask,
    size: int,
    source_etag: str,
    sha256: str | None = None,
    *,
    md5_proves: bool = False,
    tries: int = TRIES,
) -> Steps[TransferOutcome]:
    """Copy an object of at most 5 GiB in one request.

    Args:
        task: which.
        size: bytes of the source.
        source_etag: of it.
        sha256: what the store says of it.
        md5_proves: the same MD5 as ETag at both ends proves the copy; see `TransferEngine`.
        tries: how often the request is made while the fault may pass.

    Raises:
        FileRefused: It has changed, or is not what the index says.
        NotTaken: S3 did not do it.
    """
    request = CopyObject(task.path, source_etag, task.key, task.expect_etag)
    answer = yield from write(request, size, task.checksum, tries=tries)
    if answer.status in (404, 412):
        # It was not the destination that S3 objected to, so it was the source.
        yield from look_up(task)
        raise FileRefused(CHANGED, FileCode.CHANGED_SINCE_INDEXED)
    if not answer.ok:
        raise NotTaken(answer)
    crc32 = answer.crc32
    if crc32 is None and md5_proves and task.checksum is None and answer.etag == md5_of(source_etag):
        crc32 = ""
    elif crc32 is None:
        crc32 = yield from _checksum(task.key, answer.etag)
    if task.checksum is not None and task.checksum != crc32:
        # It is not taken back: a provider may hold no right to delete, and a delete that is carried out late
        # would hit whatever a later owner has put there.
        raise FileRefused(MISMATCH + STAYS, FileCode.NOT_AS_INDEXED)
    return _outcome(task, size, crc32, source_etag, answer, sha256)


def _checksum(key: str, etag: str) -> Steps[str]:
    """The CRC32 of an object, from a store that did not say it when it made the object."""
    found = yield from persist(HeadObject(key))
    if not found.ok:
        raise NotTaken(found)
    if found.etag == etag and found.crc32 is not None:
        return found.crc32
    read = yield from persist(ReadObject(key, etag))
    if not read.ok or read.crc32 is None:
        raise NotTaken(read)
    return read.crc32


class PartedCopy(Parted):
    """An object above 5 GiB, copied in parts.

    What an earlier run left is thrown away: whose bytes its parts are could only be told by reading them.
    """

    resumes = False

    def __init__(
        self,
        task: TransferTask,
        size: int,
        source_etag: str,
        part_size: int | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__(task, size, part_size or _COPY_PART)
        self._like = task.path
        self._sha256 = sha256
        self._source_etag = source_etag
        self._source_version: str | None = None

    def send_part(self, index: int, memory: Memory = None) -> Steps[None]:  # noqa: ARG002
        """Have S3 copy a part; see `Parted.send_part`."""
        offset, size = self.extent(index)
        request = CopyPart(
            self.task.path, self._source_etag, self.task.key, self.upload_id, index + 1, offset, size
        )
        answer = yield from persist(request)
        if answer.status == 412 or answer.code == "NoSuchKey":
            raise FileRefused(CHANGED, FileCode.CHANGED_SINCE_INDEXED)
        if answer.ok and answer.crc32 is None:
            raise FileRefused(
                "is too large to copy in a store that computes no CRC32 of parts", FileCode.TOO_LARGE
            )
        self._sent(index, answer, checksums.decode(answer.crc32) if answer.crc32 else 0)
        self._source_version = answer.source_version

    def _outcome(self, answer: Answer, crc32: str) -> TransferOutcome:
        answer.source_version = self._source_version
        return _outcome(self.task, self.size, crc32, self._source_etag, answer, self._sha256)


LONG_COPY = 64 * MIB
"""Bytes from which a copy that fails in one request is tried in parts.

Nothing passes over a connection until a copy is done, and stores, or what stands before them, end one that is
silent for too long: SeaweedFS 4.48 after 120 seconds, each time. Many are copied at once, and each so slowly.
"""
_COPY_PART = 16 * MIB


def _outcome(
    task: TransferTask, size: int, crc32: str, source_etag: str, answer: Answer, sha256: str | None
) -> TransferOutcome:
    return TransferOutcome(
        task.row,
        task.relpath,
        ok=True,
        size=size,
        crc32=crc32,
        etag=answer.etag,
        version_id=answer.version_id,
        source_etag=source_etag if is_etag(source_etag) else None,
        source_version=answer.source_version,
        unproven=tuple(name for name, _ in task.digests),
        sha256=sha256,
    )
