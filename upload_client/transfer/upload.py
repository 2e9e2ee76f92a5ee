"""Uploading a local file: in one request, or in parts.

Rules as generators: see `upload_client.s3.wire`. A file is read once; its CRC32 is computed over the
very bytes that are sent, and S3 refuses what does not have it. Nothing becomes an object whose content
differs from the index's checksum, or whose file changed meanwhile.

What is there already is never overwritten unseen: each write that makes an object says what it expects to
be there (`write`).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from upload_client.core import checksums, digests
from upload_client.core.codes import FileCode
from upload_client.core.digests import CRCS, Digests
from upload_client.core.parts import (
    ListedPart,
    Part,
    TooLarge,
    crc32_of_parts,
    is_kept,
    part_size_for,
    part_size_of,
)
from upload_client.core.uploads import settled_mtime
from upload_client.s3.wire import (
    AbortUpload,
    Answer,
    Body,
    CompleteUpload,
    CopyObject,
    CreateUpload,
    HeadObject,
    ListParts,
    Pause,
    PutObject,
    ReadObject,
    Request,
    Steps,
    UploadPart,
)
from upload_client.support.local_file import CHANGED, FileRange, FileRefused, LocalFile
from upload_client.transfer.task import NotTaken, TransferOutcome, TransferTask

MISMATCH = "the file's content does not match the checksum in the index"
OTHER_MISMATCH = "the file's content does not match the {} checksum in the index or a manifest"

TRIES = 10
_CONFLICTS = 5
_BLOCK = SCRATCH = 512 * 1024

Fenced = TypeVar("Fenced", PutObject, CompleteUpload, CopyObject)


class Scratch(NamedTuple):
    """Memory to read files block by block, when they need not stay in it: the system sends them itself.

    Attributes:
        buffer: `SCRATCH` bytes.
        sha256: Whether to compute the SHA-256 as well, for the signature.
    """

    buffer: memoryview
    sha256: bool


Memory = memoryview | Scratch | None


class UploadLost(Exception):  # noqa: N818 - reads as what it says
    """A multipart upload is no longer there or cannot be completed: the file is to be sent anew."""


_OF_THE_PARTS = frozenset({"BadDigest", "XAmzContentChecksumMismatch"})
"""Said by Complete of parts that are not those of this file: repeating it changes nothing."""


def _pauses(tries: int = TRIES) -> Iterator[float]:
    """Seconds before each repetition: exponential to 10 s, with full jitter so that workers spread out."""
    longest = 0.2
    for _ in range(tries - 1):
        yield random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, guards nothing
        longest = min(10.0, longest * 2)


def persist(request: Request, unchanged: Callable[[], None] = lambda: None) -> Steps[Answer]:
    """Make a request; repeat it with pauses while the fault may pass, and `unchanged` does not raise."""
    answer = yield request
    for seconds in _pauses():
        if not answer.passing:
            return answer
        if not (yield Pause(seconds)).ok:
            return answer
        unchanged()
        answer = yield request
    return answer


def write(
    request: Fenced, size: int, crc32: str | None, *, strict: bool = False, tries: int = TRIES
) -> Steps[Answer]:
    """Make a request that makes an object, and find out what became of it.

    After a conflict or a lost answer, the object that is there is looked at: if it has our size and CRC32,
    the write has succeeded. Otherwise the request is made again, on the ETag found. So it is, too, after an
    answer that says yes and names no ETag, as of some stores' Complete, and of what only looks like a store.

    Args:
        request: What to make; fenced by what is expected to be there.
        size: Bytes of the object.
        crc32: Of the whole object, base64; None: not known.
        strict: Replace nothing but what is expected: whatever else is there stays, and the answer is 412.
        tries: How often it is made while the fault may pass.

    Returns:
        The answer to the write, or to the HEAD that shows it has been carried out; else the error.
    """
    pauses: Iterator[float] | None = None
    conflicts = 0
    while True:
        answer = yield request
        if (answer.ok and answer.etag) or not (answer.ok or answer.conflict or answer.passing):
            return answer
        if isinstance(request, CompleteUpload) and answer.code in _OF_THE_PARTS:
            return answer
        is_ok, crc32_stated = answer.ok, answer.crc32 if answer.ok else None
        if is_ok:
            answer = Answer(0, "MalformedAnswer", "the store accepted it, and names no ETag that can be used")
        if answer.conflict or answer.lost:
            found = yield from persist(HeadObject(request.key))
            if is_ok and found.ok and not found.etag:
                return answer
            if is_ok and found.ok and found.size == size:
                acknowledged = crc32_stated or crc32
                if found.crc32 is not None and found.crc32 == acknowledged:
                    return found
                # A store that keeps no checksums, or a copy of which nobody knows it yet.
                if (found.crc32 is None or acknowledged is None) and found.etag != request.expect:
                    found.crc32 = found.crc32 or acknowledged
                    return found
            if found.ok and found.etag and crc32 is not None and (found.size, found.crc32) == (size, crc32):
                return found
            if not found.ok and found.status != 404:
                return answer if answer.lost else found
            there = (found.etag or request.expect) if found.ok else None
            if answer.conflict:
                conflicts += 1
                if conflicts > _CONFLICTS or (answer.status != 409 and there == request.expect):
                    return answer  # it is not what is there that S3 objects to
                if answer.status == 409 and isinstance(request, CompleteUpload):
                    return answer
            if strict and there != request.expect:
                return Answer(412, "PreconditionFailed", "something else is there by now")
            request = request._replace(expect=there)
            if answer.status == 412:
                continue
        if pauses is None:
            pauses = _pauses(tries)
        seconds = next(pauses, None)
        if seconds is None or not (yield Pause(seconds)).ok:
            return answer
        if isinstance(request, PutObject) and request.unchanged is not None:
            request.unchanged()


def send_whole(
    task: TransferTask,
    file: LocalFile,
    memory: Memory = None,
    *,
    md5: bool = False,
    read_back: bool = False,
) -> Steps[TransferOutcome]:
    """Send a file in one request.

    Args:
        task: What to send, and where.
        file: The open file; closed by the caller.
        memory: Where to read it into, at least as long as the file; or `Scratch`; None: memory is taken.
        md5: Send its MD5 for the store to verify, and hold the ETag against it.
        read_back: Read the object back, on the ETag that the store has named, and hold it against what was
            sent.

    Raises:
        FileRefused: The file changed, or is not what the index says.
        NotTaken: S3 did not take it.
        OSError: It cannot be read.
    """
    size = file.fingerprint.size
    names = {*_computed(task), *(["md5"] if md5 else [])}
    found = Digests(names) if names else None
    if isinstance(memory, Scratch) and "sha256" in names:
        memory = memory._replace(sha256=False)  # it is the same as the signature's, and computed once
    body, crc = _load(file, 0, size, memory, found)
    crc32 = checksums.encode(crc)
    mismatch = _mismatch(task, crc32, found.digest if found is not None else None)
    file.check_content(crc)  # the likelier explanation is the better message
    if mismatch is not None:
        raise FileRefused(mismatch, FileCode.NOT_AS_INDEXED)
    sha256 = found.digest("sha256").hex() if found is not None and "sha256" in names else None
    request = PutObject(task.key, body, crc32, task.expect_etag, file.check_unchanged)
    if found is not None:
        # What S3 checks beside CRC32, the one checksum that it takes of an object.
        known = found.digest("md5") if md5 else dict(task.digests).get("md5")
        request = request._replace(md5=None if known is None else digests.encode(known), sha256=sha256)
    answer = yield from write(request, size, crc32, strict=task.strict)
    if not answer.ok:
        raise NotTaken(answer)
    if read_back and (yield from _damage(task.key, answer.etag, size, crc32)) is not None:
        # It is replaced: else the next try would take it for its own, by what it says of itself.
        answer = yield from write(request._replace(expect=answer.etag), size, crc32, strict=True)
        if not answer.ok:
            raise NotTaken(answer)
        if why := (yield from _damage(task.key, answer.etag, size, crc32)):
            raise NotTaken(Answer(0, "MalformedAnswer", why))
    if md5 and found is not None and answer.etag != found.digest("md5").hex():
        raise NotTaken(Answer(0, "MalformedAnswer", "the store's ETag is not the MD5 of what was sent"))
    return TransferOutcome(
        task.row,
        task.relpath,
        ok=True,
        size=size,
        crc32=crc32,
        etag=answer.etag,
        version_id=answer.version_id,
        mtime_ns=settled_mtime(file.fingerprint.mtime_ns, file.seen_ns),
        bytes_sent=size,
        sha256=sha256,
    )


def _damage(key: str, etag: str, size: int, crc32: str) -> Steps[str | None]:
    """Read an object, pinned by its ETag; in what it differs from what was sent, None: in nothing.

    Raises:
        NotTaken: it cannot be read.
    """
    read = yield from persist(ReadObject(key, etag))
    if not read.ok:
        raise NotTaken(read)
    if (read.size, read.crc32) == (size, crc32):
        return None
    return f"read back, it has {read.size:,} bytes and the CRC32 {read.crc32}; sent were {size:,} and {crc32}"


def _computed(task: TransferTask) -> tuple[str, ...]:
    """The checksums beside CRC32 that are computed when a file is read."""
    names = tuple(name for name, _ in task.digests)
    return (*names, "sha256") if task.sha256 and "sha256" not in names else names


def _mismatch(task: TransferTask, crc32: str, found: Callable[[str], bytes] | None) -> str | None:
    """Compare the content with the checksums of the index; the complaint, or None where they fit."""
    if task.checksum is not None and task.checksum != crc32:
        return MISMATCH
    if found is None:
        return None
    for name, digest in task.digests:
        if found(name) != digest:
            return OTHER_MISMATCH.format(name)
    return None


class Parted:
    """A file that goes up in parts: begin, then every part in any order and at once, then finish.

    Its methods are rules as generators. Only `send_part` may run several times at once.

    Args:
        task: What to send, and where.
        size: Bytes in all.
        part_size: Of each part but the last; a resumed upload keeps its own.
    """

    resumes = True
    """Whether parts that an earlier run has sent can be recognised."""

    def __init__(self, task: TransferTask, size: int, part_size: int | None = None) -> None:
        self.task = task
        self.size = size
        self.upload_id = ""
        self._kept: dict[int, ListedPart] = {}
        self._like: str | None = None  # the object of the source whose type, metadata and tags this one gets
        try:
            self._cut(part_size_for(size, wanted=part_size))
        except TooLarge as error:
            raise FileRefused(f"is too large: {error}", FileCode.TOO_LARGE) from None

    def _cut(self, part_size: int) -> None:
        self.part_size = part_size
        self.n_parts = max(1, -(-self.size // part_size))
        self._etags = [""] * self.n_parts
        self._crcs = [0] * self.n_parts
        self._sent_now = bytearray(self.n_parts)

    @property
    def bytes_sent(self) -> int:
        """Bytes of the parts that this run has sent; not of those an earlier one had."""
        return sum(self.extent(index)[1] for index, sent in enumerate(self._sent_now) if sent)

    def was_sent(self, index: int) -> bool:
        """Whether this run has sent that part; it may have been there already."""
        return bool(self._sent_now[index])

    def extent(self, index: int) -> tuple[int, int]:
        """Offset and size in bytes of a part, counted from 0."""
        offset = index * self.part_size
        return offset, min(self.part_size, self.size - offset)

    def begin(self) -> Steps[None]:
        """Find an unfinished upload to go on with, or create one.

        Raises:
            NotTaken: S3 refuses.
        """
        self._kept = {}
        found: list[Answer] = []
        for upload_id in (
            self.task.unfinished if not self.upload_id else (self.upload_id, *self.task.unfinished)
        ):
            answer = yield from persist(ListParts(self.task.key, upload_id))
            if answer.ok:
                found.append(answer)
            elif answer.passing or answer.credentials_refused:
                raise NotTaken(answer)
        found.sort(key=lambda answer: sum(part.size for part in answer.parts) if answer.full_object else -1)
        usable = self.resumes and found and found[-1].full_object and found[-1].parts
        best = found.pop() if usable else None
        for other in found:
            yield from persist(AbortUpload(self.task.key, other.upload_id))
        if best is not None:
            self._resume(best)
            return
        answer = yield from persist(CreateUpload(self.task.key, self._like))
        if not answer.ok:
            raise NotTaken(answer)
        self.upload_id = answer.upload_id

    def _resume(self, found: Answer) -> None:
        """Go on with an upload, with its own part size. Which parts are good is for the bytes to say."""
        self.upload_id = found.upload_id
        self._kept = {part.number: part for part in found.parts}
        part_size = part_size_of(found.parts, self.size)
        if part_size is not None:
            self._cut(part_size)

    def send_part(self, index: int, memory: Memory = None) -> Steps[None]:
        """Bring one part over.

        Raises:
            UploadLost: The upload is gone.
            NotTaken: S3 refuses.
            FileRefused: The file has changed.
        """
        raise NotImplementedError

    def _sent(self, index: int, answer: Answer, crc: int) -> None:
        if answer.code == "NoSuchUpload":
            raise UploadLost
        if not answer.ok:
            raise NotTaken(answer)
        self._etags[index] = answer.etag
        self._crcs[index] = crc

    def finish(self) -> Steps[TransferOutcome]:
        """Make the object.

        Raises:
            UploadLost: It has to be sent anew.
            FileRefused: The file has changed, or is not what the index says.
            NotTaken: S3 refuses.
        """
        sizes = (self.extent(index)[1] for index in range(self.n_parts))
        crc32 = checksums.encode(crc32_of_parts(zip(sizes, self._crcs, strict=True)))
        self._check(crc32)
        request = CompleteUpload(
            self.task.key,
            self.upload_id,
            tuple(zip(self._etags, map(checksums.encode, self._crcs), strict=True)),
            crc32,
            self.size,
            self.task.expect_etag,
        )
        answer = yield from write(request, self.size, crc32, strict=self.task.strict)
        if answer.code == "NoSuchUpload":
            # Completed by a request whose answer was lost, or thrown away by someone.
            found = yield from persist(HeadObject(self.task.key))
            if not (found.ok and found.etag) or (found.size, found.crc32) != (self.size, crc32):
                raise UploadLost
            answer = found
        if answer.status == 409 or (self._kept and answer.status == 400):
            yield from self.abort()
            raise UploadLost
        if not answer.ok:
            raise NotTaken(answer)
        return self._outcome(answer, crc32)

    def _check(self, crc32: str) -> None:
        """Raise FileRefused where the object must not be made."""
        if mismatch := _mismatch(self.task, crc32, None):
            raise FileRefused(mismatch, FileCode.NOT_AS_INDEXED)

    def _outcome(self, answer: Answer, crc32: str) -> TransferOutcome:
        raise NotImplementedError

    def abort(self) -> Steps[None]:
        """Throw the upload away; if that fails, it is left for the next run to find."""
        if self.upload_id:
            upload_id, self.upload_id = self.upload_id, ""
            yield from persist(AbortUpload(self.task.key, upload_id))

    def close(self) -> None:
        """Let go of what is open."""


class PartedUpload(Parted):
    """A local file in parts."""

    def __init__(self, task: TransferTask, file: LocalFile, part_size: int | None = None) -> None:
        self._file = file
        super().__init__(task, file.fingerprint.size, part_size)

    def _cut(self, part_size: int) -> None:
        super()._cut(part_size)
        names = _computed(self.task)
        self._part_crcs = {name: [0] * self.n_parts for name in names if name in CRCS}
        self._hashes = _InOrder(self._file, [name for name in names if name not in CRCS], self)

    def send_part(self, index: int, memory: Memory = None) -> Steps[None]:
        """Read a part, and send it unless S3 has it already; see `Parted.send_part`."""
        offset, size = self.extent(index)
        found = Digests(self._part_crcs) if self._part_crcs else None
        body, crc = _load(self._file, offset, size, memory, found)
        for name, crcs in self._part_crcs.items():
            assert found is not None
            crcs[index] = found.crc(name)
        self._hashes.was_read(index, crc)
        self._file.check_unchanged()
        crc32 = checksums.encode(crc)
        kept = self._kept.get(index + 1)
        if kept is not None and is_kept(kept, Part(index + 1, offset, size), crc32, lambda: _md5(body)):
            self._sent(index, Answer(200, etag=kept.etag), crc)
            return
        request = UploadPart(self.task.key, self.upload_id, index + 1, body, crc32)
        self._sent(index, (yield from persist(request, self._file.check_unchanged)), crc)
        self._sent_now[index] = 1

    def _check(self, crc32: str) -> None:
        self._hashes.finish()
        self._file.check_content(checksums.decode(crc32))
        if mismatch := _mismatch(self.task, crc32, self._digest):
            raise FileRefused(mismatch, FileCode.NOT_AS_INDEXED)

    def _digest(self, name: str) -> bytes:
        if name not in CRCS:
            return self._hashes.digest(name)
        sizes = (self.extent(index)[1] for index in range(self.n_parts))
        return digests.combine(name, zip(sizes, self._part_crcs[name], strict=True))

    def _outcome(self, answer: Answer, crc32: str) -> TransferOutcome:
        return TransferOutcome(
            self.task.row,
            self.task.relpath,
            ok=True,
            size=self.size,
            crc32=crc32,
            etag=answer.etag,
            version_id=answer.version_id,
            mtime_ns=settled_mtime(self._file.fingerprint.mtime_ns, self._file.seen_ns),
            bytes_sent=self.bytes_sent,
            sha256=self._hashes.digest("sha256").hex() if "sha256" in _computed(self.task) else None,
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _InOrder:
    """Checksums for which a file has to be read from its beginning to its end, while its parts are sent.

    Parts are read in any order, by several threads. Whoever has read one goes on with these, as far as what
    was read has no gap: the system still has it in memory. So they cost no second read from the disk. What is
    read here has the CRC32 of what was sent: else the file has changed, whatever its time says.

    Args:
        file: to read.
        algorithms: which; there may be none.
        parts: where each part begins and ends.
    """

    def __init__(self, file: LocalFile, algorithms: Sequence[str], parts: Parted) -> None:
        self._file = file
        self._digests = Digests(algorithms)
        self._wanted = bool(algorithms)
        self._parts = parts
        self._read = bytearray(parts.n_parts)
        self._crcs = [0] * parts.n_parts
        self._next = 0
        self._going_on = threading.Lock()  # whoever has it may move `_next`

    def was_read(self, index: int, crc: int) -> None:
        """A part has just been read, and had this CRC32.

        Raises:
            FileRefused: The file has changed since then; also of another part.
        """
        if self._wanted and self._read[index] and self._crcs[index] != crc:  # an upload that was begun anew
            raise FileRefused(CHANGED, FileCode.CHANGED)
        self._crcs[index] = crc
        self._read[index] = 1
        # Looked at again when the lock has been given back: else what came meanwhile would be left lying.
        while self._wanted and self._ready() and self._going_on.acquire(blocking=False):
            try:
                while self._ready():
                    self._go_on()
            finally:
                self._going_on.release()

    def finish(self) -> None:
        """Go on to the end of the file."""
        with self._going_on:
            while self._wanted and self._next < self._parts.n_parts:
                self._go_on()

    def digest(self, algorithm: str) -> bytes:
        """A checksum of the whole file, when it is finished."""
        return self._digests.digest(algorithm)

    def _ready(self) -> bool:
        return self._next < len(self._read) and bool(self._read[self._next])

    def _go_on(self) -> None:
        offset, size = self._parts.extent(self._next)
        crc = 0
        for start in range(0, size, _BLOCK):
            block = self._file.read(min(_BLOCK, size - start), offset + start)
            self._digests.update(block)
            crc = checksums.crc32(block, crc)
        if crc != self._crcs[self._next]:
            raise FileRefused(CHANGED, FileCode.CHANGED)
        self._next += 1


def _load(
    file: LocalFile, offset: int, size: int, memory: Memory, also: Digests | None = None
) -> tuple[Body, int]:
    """A stretch of a file as a body to send, and its CRC32.

    Each block's checksums are computed while the processor still has it at hand, those of `also` too.
    """
    if memory is None:
        data = file.read(size, offset)
        if also is not None:
            also.update(data)
        return data, checksums.crc32(data)
    crc = 0
    if isinstance(memory, Scratch):
        digest = hashlib.sha256() if memory.sha256 else None
        for start in range(0, size, _BLOCK):
            block = memory.buffer[: min(_BLOCK, size - start)]
            file.read_into(block, offset + start)
            crc = checksums.crc32(block, crc)
            if also is not None:
                also.update(block)
            if digest is not None:
                digest.update(block)
        return FileRange(file, offset, size, None if digest is None else digest.hexdigest()), crc
    body = memory[:size]
    for start in range(0, size, _BLOCK):
        block = body[start : start + _BLOCK]
        file.read_into(block, offset + start)
        crc = checksums.crc32(block, crc)
        if also is not None:
            also.update(block)
    return body, crc


def _md5(body: Body) -> str:
    data = body.read() if isinstance(body, FileRange) else body
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
