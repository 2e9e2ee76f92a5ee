"""Files to transfer, and their outcomes: plain values that can be pickled to another machine.

Named tuples, as one of each is made for every file: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

from upload_client.core.answers import Meaning
from upload_client.core.codes import FileCode
from upload_client.errors import LoginRefused
from upload_client.s3.request_log import with_request_id
from upload_client.s3.skew import clock_and_hint
from upload_client.s3.wire import Answer
from upload_client.support.local_file import FileRefused
from upload_client.support.secrets import without_secrets

if TYPE_CHECKING:
    from upload_client.events import InFlight

Engine = Literal["auto", "direct", "boto3"]
"""Connections to use: direct ones where possible; only direct ones; boto3's."""

_MAX_TEXT = 500
_MAX_MESSAGE, _MAX_ID = 300, 100  # so that the request's id is not cut off


class TransferOptions(TypedDict, total=False):
    """Options of a `TransferEngine` that any machine can be told; its docstring says what each means."""

    n_threads: int | Literal["auto"]
    small_for_one: int
    engine: Engine
    multipart_threshold: int
    part_size: int | None
    options: Mapping[str, str] | None
    unsigned_payload: bool
    max_rate: float | None
    no_parts: str
    md5: bool
    read_back: bool
    bare_etags: bool
    md5_proves: bool


class TransferTask(NamedTuple):
    """One file to bring into the destination.

    Attributes:
        row: The caller's number for it; comes back in the outcome.
        relpath: Its name, for people and records.
        path: Where it is: an absolute local path, or a key relative to the source bucket's prefix.
        key: Where it goes, relative to the destination's prefix.
        size: Bytes, as far as known; decides the order. What is sent is what is found.
        checksum: CRC32 it must have (base64 of 4 big-endian bytes); None: computed while sending.
        expect_etag: ETag (without quotes) of the object it replaces; None: nothing may be there.
        source_etag: ETag a source object must have; None: asked for.
        unfinished: Upload ids of unfinished multipart uploads to this key, as a listing found them.
        size_to_be: Bytes a local file must have; None: as many as are found.
        digests: Checksums of other kinds that it must have: algorithm and bytes of each.
        strict: Replace nothing but what `expect_etag` names: a file that somebody else has written meanwhile
            stays, and this one fails. (Of copies it says nothing.)
        sha256: Compute SHA-256, too, in the reading that makes the CRC32. Of a copy, no byte of which is read
            here, it is what the source's store says.
    """

    row: int
    relpath: str
    path: str
    key: str
    size: int | None = None
    checksum: str | None = None
    expect_etag: str | None = None
    source_etag: str | None = None
    unfinished: tuple[str, ...] = ()
    size_to_be: int | None = None
    digests: tuple[tuple[str, bytes], ...] = ()
    strict: bool = False
    sha256: bool = False


class TransferOutcome(NamedTuple):
    """The outcome of a file's transfer.

    Attributes:
        ok: S3 has acknowledged the whole of it, checksum included.
        size: Bytes of the object.
        crc32: Of the whole object, base64; empty where a copy's ETag has proven it.
        etag: Of the object, without quotes.
        mtime_ns: Of the local file as it was sent.
        source_etag: Of the source object as it was copied (without quotes); `source_version` likewise.
        bytes_sent: Bytes of content that went over the network for it; less than `size` where parts were
            kept, 0 for copies.
        error: Why not, for people.
        again: Whether a later try may succeed; False: the file itself is at fault.
        credentials: Whether the credentials were refused, so that nothing else can succeed either.
        code: Why not, for programs; None where it is ok.
        unproven: Checksums that the index has, and that could not be compared: their algorithms.
        sha256: Of the whole object, hex, where the task asked for it, or the index has it, and it is certain.
        status: HTTP status with which S3 has refused it; 0: it has not.
    """

    row: int
    relpath: str
    ok: bool
    size: int = 0
    crc32: str = ""
    etag: str = ""
    version_id: str | None = None
    mtime_ns: int | None = None
    source_etag: str | None = None
    source_version: str | None = None
    bytes_sent: int = 0
    error: str | None = None
    again: bool = False
    credentials: bool = False
    code: FileCode | None = None
    unproven: tuple[str, ...] = ()
    sha256: str | None = None
    status: int = 0


class TransferProgress(NamedTuple):
    """The progress of an engine at this moment.

    Attributes:
        bytes_done: Of content that is at the destination or on the wire to it; less than before where a file
            has to be sent again.
        bytes_kept: Of these, bytes of parts that an earlier try had left there, and that were not sent again.
        files: Some of those on their way, the largest first.
    """

    bytes_done: int
    bytes_kept: int
    files: tuple[InFlight, ...]


class NotTaken(Exception):  # noqa: N818 - reads as what it says
    """S3 did not take it; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(_sentence(answer))
        self.answer = answer


def failure(task: TransferTask, error: BaseException) -> TransferOutcome:
    """The outcome of a file that could not be transferred for this reason."""
    again, credentials, code, status = False, False, FileCode.UNEXPECTED, 0
    if isinstance(error, FileRefused):
        text, code = str(error), error.code
    elif isinstance(error, NotTaken):
        text, again = str(error), error.answer.passing or error.answer.conflict
        credentials, code = error.answer.credentials_refused, _code(error.answer)
        status = error.answer.status
    elif isinstance(error, LoginRefused):  # out of botocore, which wanted to renew the credentials
        text, again, credentials, code = str(error), True, True, FileCode.CREDENTIALS
    elif isinstance(error, OSError):
        text = error.strerror or str(error)
        again = error.errno not in (errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL)
        scarce = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
        code = FileCode.OUT_OF_RESOURCES if scarce else FileCode.READ_ERROR
    elif isinstance(error, MemoryError):
        text, again, code = "not enough memory", True, FileCode.OUT_OF_RESOURCES
    else:
        text = f"unexpected: {type(error).__name__}: {without_secrets(str(error))}"
    return TransferOutcome(
        task.row,
        task.relpath,
        ok=False,
        error=text[:_MAX_TEXT],
        again=again or credentials,
        credentials=credentials,
        code=code,
        status=status,
    )


def _code(answer: Answer) -> FileCode:
    if answer.credentials_refused:
        return FileCode.CREDENTIALS
    if answer.meaning in _CODES:
        return _CODES[answer.meaning]
    return FileCode.NO_ANSWER if answer.status == 0 else FileCode.REFUSED_BY_STORE


_CODES = {
    Meaning.CLOCK: FileCode.CLOCK_WRONG,
    Meaning.DENIED: FileCode.ACCESS_DENIED,
    Meaning.OWN_LIMIT: FileCode.OUT_OF_RESOURCES,
}


def _sentence(answer: Answer) -> str:
    if answer.meaning is Meaning.CLOCK:
        return f"S3 refuses the time of the request: {clock_and_hint(answer.date)[0]}"
    if answer.code == "NoCredentials":
        return f"no valid credentials: {answer.message}"
    if answer.status == 0:
        return f"no answer from S3: {answer.code}: {answer.message}"
    code = (
        "" if answer.code == str(answer.status) else answer.code
    )  # of a HEAD, which has no body to say more
    text = f"S3 refuses it: {answer.status} {code}".rstrip()
    if answer.message:
        text = f"{text}: {answer.message[:_MAX_MESSAGE]}"
    return with_request_id(text, answer.request_id[:_MAX_ID])
