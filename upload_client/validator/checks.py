"""Judging one upload: is its object there, as announced, and does it open as what its suffix says.

Everything that comes in is untrusted: the announcement, which a client wrote, and the object's content.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.files import Upload
from upload_client.core.paths import check_relpath
from upload_client.core.records import Found, VerdictStatus
from upload_client.core.text import for_log
from upload_client.core.values import value
from upload_client.expectations.expected import ContentRules, Expected
from upload_client.expectations.findings import Undecided
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    StoreError,
    store_errors,
)
from upload_client.validator.content import TEXT_FORMATS, Unreadable, check_text
from upload_client.validator.readers import LIBRARIES, Openers, is_installed

__all__ = ["Abandoned", "Checker", "Judgement", "Stream", "format_of"]

_SUFFIXES = {
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "geojson": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "fits": "fits",
    "fit": "fits",
    "fts": "fits",
    "asdf": "asdf",
}
_BLOCK = 256 * 1024
_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of the largest file that is fetched whole for a library; of larger ones it gets what it asks for."""
_MAX_MESSAGE = 1000
_METADATA = ("size", "etag", "crc32")


class Abandoned(Exception):  # noqa: N818 — it reads as what it says
    """The validator leaves; this upload is for the next one to judge."""


@value
class Judgement:
    """What came out about one upload; the fields are those of `upload_client.core.records.Verdict`."""

    status: VerdictStatus
    message: str = ""
    found: Found | None = None
    checks: tuple[str, ...] = ()
    code: FileCode | None = None


def format_of(path: str) -> str | None:
    """What a file should open as, by the end of its name; None where that says nothing."""
    name = path.rpartition("/")[2]
    return _SUFFIXES.get(name.rpartition(".")[2].lower()) if "." in name else None


class _Failure(Exception):  # noqa: N818 — it never leaves this module
    """The object is not as it should be; the text says why, and so does the code, for programs."""

    def __init__(self, text: str, code: FileCode) -> None:
        super().__init__(text)
        self.code = code


class Checker:
    """Judges uploads. Safe to share between threads.

    Args:
        landing: the landing bucket, its prefix that of the delivery.
        openers: open what Python alone cannot.
        max_read: text files of more bytes are not read through.
        expected: what belongs in the delivery; None: nobody has said.
        unusable: why that cannot be used, though somebody has said: then nothing can be judged.
    """

    def __init__(
        self,
        landing: Bucket,
        openers: Openers,
        *,
        max_read: int,
        expected: Expected | None = None,
        unusable: str = "",
    ) -> None:
        self._landing = landing
        self._openers = openers
        self._max_read = max_read
        self._expected = expected
        self._unusable = unusable
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let every judgement under way end with `Abandoned` at its next look at content."""
        self._stopping.set()

    def judge(self, path: str, announced: Upload) -> Judgement:
        """Judge one upload.

        Args:
            path: of the file, as announced; it need not be one that may be delivered.
            announced: what its client says it put there.

        Raises:
            Abandoned: after `stop`.
        """
        # The path decides what is looked at, so it is checked here, whoever has checked it before.
        refused = check_relpath(path, self._landing.prefix)
        if refused is not None:
            return Judgement("failure", f"the path {refused}", None, ("path",), FileCode.ILLEGAL_PATH)
        if self._unusable:
            return Judgement("error", _for_record(f"it could not be judged: {self._unusable}"))
        found: Found | None = None
        checks = list(_METADATA)
        try:
            found = _found(self._landing.head(path))
            _compare(found, announced)
            if self._expected is not None:
                checks.append("expected")
                _refuse(self._expected.refusal(path, announced.size))
            return Judgement("ok", "", self._check_content(path, announced, checks, found), tuple(checks))
        except _Failure as failure:
            return Judgement("failure", _for_record(str(failure)), found, tuple(checks), failure.code)
        except (NotFound, PreconditionFailed):
            return self._replaced(path, checks)
        except (StoreError, Undecided) as error:
            return Judgement("error", _for_record(f"it could not be judged: {error}"), found, tuple(checks))

    def _replaced(self, path: str, checks: list[str]) -> Judgement:
        """The object changed between two looks at it: say what is there now."""
        try:
            found = _found(self._landing.head(path))
        except StoreError as error:
            return Judgement("error", _for_record(f"it could not be judged: {error}"), None, tuple(checks))
        if found is None:
            return Judgement("failure", "it is gone", None, tuple(checks), FileCode.OBJECT_GONE)
        message = "another object has taken its place"
        return Judgement("failure", message, found, tuple(checks), FileCode.OBJECT_CHANGED)

    def _check_content(self, path: str, announced: Upload, checks: list[str], found: Found | None) -> Found:
        """Read what has to be read, at most once but for large files that a library opens.

        Returns:
            What was found, with the CRC32, which may have had to be computed.
        """
        assert found is not None  # or it would be a failure already
        rules = None if self._expected is None else self._expected.content(path)
        if rules is not None:
            return self._check_rules(rules, path, announced, checks, found)
        kind = format_of(path)
        if kind is not None:
            skipped = self._why_skipped(kind, announced.size)
            checks.append(f"{kind} not opened: {skipped}" if skipped else kind)
            kind = None if skipped else kind
        whole = bytearray() if kind in LIBRARIES and announced.size <= _IN_MEMORY else None
        if kind in TEXT_FORMATS or whole is not None or found.crc32 is None:
            with self._stream(path, announced) as stream:
                unreadable = None
                if kind in TEXT_FORMATS:
                    try:
                        check_text(kind, cast("BinaryIO", io.BufferedReader(stream, _BLOCK)))
                    except Unreadable as error:
                        unreadable = error
                # Where the store knows no checksum, damage is told from a provider's mistake only by this.
                stream.read_on(whole)
                if stream.crc32 != announced.crc32:
                    raise _Failure(
                        f"its content has CRC32 {stream.crc32} where {announced.crc32} was announced",
                        FileCode.DAMAGED,
                    )
                if unreadable is not None:
                    raise _Failure(f"it does not open as {kind}: {unreadable}", FileCode.CONTENT)
                found = Found(found.size, stream.crc32, found.etag)
        if kind in LIBRARIES:
            try:
                self._openers.open(kind, announced.size, self._blocks(path, announced, whole))
            except Unreadable as error:
                raise _Failure(str(error), FileCode.CONTENT) from None
        return found

    def _check_rules(
        self, rules: ContentRules, path: str, announced: Upload, checks: list[str], found: Found
    ) -> Found:
        """The same where a document says what the content should be."""
        checks.append(f"{rules.format} as expected of {rules.type_name!r}")
        opaque = rules.format == "opaque"
        whole = bytearray() if not opaque and announced.size <= _IN_MEMORY else None
        if whole is not None or found.crc32 is None:
            with self._stream(path, announced) as stream:
                stream.read_on(whole)
                if stream.crc32 != announced.crc32:
                    raise _Failure(
                        f"its content has CRC32 {stream.crc32} where {announced.crc32} was announced",
                        FileCode.DAMAGED,
                    )
                found = Found(found.size, stream.crc32, found.etag)
        if not opaque:
            try:
                self._openers.judge(
                    rules.content, rules.format, announced.size, self._blocks(path, announced, whole)
                )
            except Unreadable as error:
                raise _Failure(str(error), FileCode.CONTENT) from None
        return found

    def _why_skipped(self, kind: str, size: int) -> str | None:
        if kind in TEXT_FORMATS:
            return f"larger than {self._max_read} bytes" if size > self._max_read else None
        return None if is_installed(LIBRARIES[kind]) else f"{LIBRARIES[kind]} is not installed"

    def _stream(self, path: str, announced: Upload) -> Stream:
        with store_errors(f"GET {self._landing.prefix}{path}"):
            answer = self._landing.client.get_object(
                Bucket=self._landing.name, Key=self._landing.prefix + path, IfMatch=f'"{announced.etag}"'
            )
        return Stream(answer["Body"], self._stopping, f"GET {self._landing.prefix}{path}")

    def _blocks(self, path: str, announced: Upload, whole: bytearray | None) -> Callable[[int, int], bytes]:
        """Gives parts of the file: of what is in memory, or from the store."""
        if whole is not None:
            return lambda offset, n: bytes(whole[offset : offset + n])

        def read(offset: int, n: int) -> bytes:
            if self._stopping.is_set():
                raise Abandoned
            doing = f"GET {self._landing.prefix}{path}"
            with store_errors(doing):
                answer = self._landing.client.get_object(
                    Bucket=self._landing.name,
                    Key=self._landing.prefix + path,
                    IfMatch=f'"{announced.etag}"',
                    Range=f"bytes={offset}-{offset + n - 1}",
                )
                with contextlib.closing(answer["Body"]) as body:
                    data: bytes = body.read()
            if len(data) != n:
                raise AnswerLost(f"{doing}: {len(data)} bytes where {n} were asked for")
            return data

        return read


class Stream(io.RawIOBase):
    """An object's content as it comes, and the CRC32 of what has come."""

    def __init__(self, body: Any, stopping: threading.Event, doing: str) -> None:  # noqa: ANN401 — untyped
        self._body = body
        self._stopping = stopping
        self._doing = doing
        self._crc32 = 0

    @property
    def crc32(self) -> str:
        """Of all that was read so far, as base64."""
        return checksums.encode(self._crc32)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        """Read the next bytes."""
        block = self._next(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def read_on(self, keep: bytearray | None = None) -> None:
        """Read to the end; append what comes to `keep`."""
        while block := self._next(_BLOCK):
            if keep is not None:
                keep += block

    def _next(self, n: int) -> bytes:
        if self._stopping.is_set():
            raise Abandoned
        with store_errors(self._doing):
            block: bytes = self._body.read(n)
        self._crc32 = checksums.crc32(block, self._crc32)
        return block

    def close(self) -> None:
        """Do nothing: readers built on this one close it before all has been read."""

    def __exit__(self, *_: object) -> None:
        self._body.close()


def _found(info: ObjectInfo | None) -> Found | None:
    return None if info is None else Found(info.size, info.crc32, info.etag)


def _compare(found: Found | None, announced: Upload) -> None:
    if found is None:
        raise _Failure("it is not there", FileCode.OBJECT_GONE)
    wrong = [
        f"{name} {is_there} where {said} was announced"
        for name, is_there, said in (
            ("size", found.size, announced.size),
            ("CRC32", found.crc32, announced.crc32),
            ("ETag", found.etag, announced.etag),
        )
        if is_there not in (None, said)
    ]
    if wrong:
        raise _Failure(f"it is not what was announced: {', '.join(wrong)}", FileCode.OBJECT_CHANGED)


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise _Failure(reason, FileCode.NOT_EXPECTED)


def _for_record(message: str) -> str:
    return for_log(message, _MAX_MESSAGE)
