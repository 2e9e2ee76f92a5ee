"""An object to fetch, what came of it, and why it could not be fetched."""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from upload_client.core.codes import FileCode
from upload_client.errors import DeliveryError
from upload_client.s3.bucket import StoreError
from upload_client.support.secrets import without_secrets

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class FetchTask(NamedTuple):
    """An object to fetch.

    Attributes:
        row: the caller's number for it; comes back in the outcome.
        key: of the object, relative to the bucket's prefix.
        size: bytes, as listed.
        etag: as listed, without quotes.
        path: the absolute path of the file; its folder need not be there.
        folder: where it is written until it is whole, on the same file system; None: beside `path`.
    """

    row: int
    key: str
    size: int
    etag: str
    path: str
    folder: str | None = None


class FetchOutcome(NamedTuple):
    """The result of fetching an object.

    Attributes:
        row: the task's.
        ok: the file is there, whole and checked.
        size: bytes of the file.
        bytes_fetched: bytes that came over the network; less where an earlier try had left some.
        crc32: of the content, base64.
        md5: of the content, hexadecimal, where it was asked for.
        error: why not, for people; None where it is ok.
        code: the same for programs.
        raced: the object is another by now, or gone.
        disk_full: there is no room for it where it is written, nor for what comes after it.
    """

    row: int
    ok: bool
    size: int = 0
    bytes_fetched: int = 0
    crc32: str = ""
    md5: str = ""
    error: str | None = None
    code: FileCode | None = None
    raced: bool = False
    disk_full: bool = False


class FetchFailed(Exception):  # noqa: N818 - not the program's
    """It cannot be fetched; `code` says why."""

    def __init__(self, text: str, code: FileCode, *, raced: bool = False, disk_full: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.raced = raced
        self.disk_full = disk_full


class FetchStopped(FetchFailed):
    """Nobody waits for it any more: what has come of it stays, for the next run."""

    def __init__(self) -> None:
        super().__init__("it was stopped", FileCode.NO_ANSWER)


def is_of_network(error: BaseException) -> bool:
    """Whether asking again may help."""
    if isinstance(error, StoreError):
        return error.meaning.passing or error.status == 0
    return isinstance(error, ConnectionError | TimeoutError)


def success(task: FetchTask, crc32: str, md5: str) -> FetchOutcome:
    """The outcome of an object that is there, whole."""
    return FetchOutcome(task.row, ok=True, size=task.size, bytes_fetched=task.size, crc32=crc32, md5=md5)


def failure(task: FetchTask, error: BaseException) -> FetchOutcome:
    """The outcome of an object that could not be fetched."""
    raced = False
    disk_full = isinstance(error, OSError) and error.errno in DISK_FULL
    if isinstance(error, FetchFailed):
        text, code, raced, disk_full = str(error), error.code, error.raced, error.disk_full
    elif isinstance(error, ConnectionError | TimeoutError):
        text, code = f"no answer from S3: {without_secrets(str(error))}", FileCode.NO_ANSWER
    elif isinstance(error, OSError):
        text, code = reason_here(error)
    elif isinstance(error, UnicodeEncodeError):
        text, code = "no file can have this name", FileCode.UNEXPECTED
    elif isinstance(error, DeliveryError):
        text, code = str(error), FileCode.REFUSED_BY_STORE
    else:
        text, code = f"unexpected: {type(error).__name__}", FileCode.UNEXPECTED
    return FetchOutcome(task.row, ok=False, error=text, code=code, raced=raced, disk_full=disk_full)


def reason_here(error: OSError) -> tuple[str, FileCode]:
    """The reason why a file cannot be written, and its code."""
    scarce = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    code = FileCode.OUT_OF_RESOURCES if scarce else FileCode.UNEXPECTED
    return f"cannot be written here: {error.strerror or error}", code
