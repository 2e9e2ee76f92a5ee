"""Judges one upload: whether its object is there as announced, and opens as the format of its suffix.

All input is untrusted: the announcement, which a client wrote, and the object's content.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.digests import Digests
from upload_client.core.opened import NOT_OPENED, opened_as
from upload_client.core.paths import check_relpath
from upload_client.core.records import Found, VerdictStatus
from upload_client.core.text import for_log
from upload_client.core.uploads import Upload
from upload_client.core.values import value
from upload_client.expectations.expected import ContentRules, Expected
from upload_client.expectations.findings import Findings, LibraryMissing, NotOpened, Unable, Undecided, shown
from upload_client.expectations.packaging import (
    MAX_MANIFEST,
    ManifestJudgement,
    NoIndex,
    Part,
    is_chunk,
    may_promise,
    packaging_of,
    part_of,
)
from upload_client.expectations.packaging import judge as judge_manifest
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    NotFound,
    PreconditionFailed,
    StoreError,
    read_range,
    store_errors,
)
from upload_client.s3.wire import Answer, GetObject, HeadObject, seen
from upload_client.validator.arrays import ArrayMetadata, NoArray
from upload_client.validator.content import TEXT_FORMATS, Unreadable, check_text
from upload_client.validator.opening import CHUNK, CHUNKS, format_of, missing_library
from upload_client.validator.readers import ReaderWorkers

if TYPE_CHECKING:
    from upload_client.validator.listing import IndexListing, PromisedChecksum

_BLOCK = 256 * 1024
_PIECE = 64 * 1024
"""Bytes of a large file that are read from the store at once; up to 256 such files are read at a time."""
_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of the largest file that is fetched whole; of larger ones a library gets what it asks for."""
_MAX_MESSAGE = 1000
_ONE_MANIFEST = threading.Lock()
"""Held while one is judged, for whichever delivery: it may take some hundred MB."""
_METADATA = ("size", "etag", "crc32")


class Abandoned(Exception):  # noqa: N818 — it reads as what it says
    """The validator stops; the next one judges this upload."""


@value
class Judgement:
    """The judgement on one upload, with the fields of `upload_client.core.records.Verdict`."""

    status: VerdictStatus
    message: str = ""
    found: Found | None = None
    checks: tuple[str, ...] = ()
    code: FileCode | None = None


class MayWait(NamedTuple):
    """A step that is no request: what follows may block, and needs a thread of its own."""


Ask = HeadObject | GetObject | MayWait
Steps = Generator[Ask, Answer, Judgement]
"""Judge one upload: yields what is to be asked, is given the answer, returns the judgement."""


class _Failure(Exception):  # noqa: N818 — it never leaves this module
    """The object is invalid; the text says why, and the code says so for programs."""

    def __init__(self, text: str, code: FileCode) -> None:
        super().__init__(text)
        self.code = code


class _Reading(NamedTuple):
    """The part of a file that is to be read, as far as that is known before a look at it.

    Attributes:
        check: what the verdict's record says of it; None: nothing is looked at but what the store says.
        kind: one of the formats that are opened here; None: none.
        rules: what the file should be, where a document says so; then `kind` is None.
        whole: it is fetched whole, at once.
        skipped: why it is not opened, though there is a format that its name says.
    """

    check: str | None
    kind: str | None
    rules: ContentRules | None
    whole: bool
    skipped: NotOpened | None = None
    promises: bool = False
    """Whether it may be a manifest, which promises others."""

    @property
    def in_reader_worker(self) -> bool:
        """Whether it is opened in a process of its own."""
        if self.rules is not None:
            return self.rules.format != "opaque"
        return self.kind is not None and self.kind not in TEXT_FORMATS


class Checker:
    """Judges uploads. Safe to share between threads.

    Args:
        landing: the landing bucket, its prefix that of the delivery.
        reader_workers: open files of formats that nothing is believed of.
        max_read: text files of more bytes are not read through.
        expected: what belongs in the delivery; None: nobody has said.
        unusable: why that cannot be used, though somebody has said: then nothing can be judged.
        refuse_unopened: what is not opened is a failure, but for what is expected to hold anything.
        listing: the files of the delivery, which manifests are held against; None: against nothing.
    """

    def __init__(
        self,
        landing: Bucket,
        reader_workers: ReaderWorkers,
        *,
        max_read: int,
        expected: Expected | None = None,
        unusable: str = "",
        refuse_unopened: bool = False,
        listing: IndexListing | None = None,
    ) -> None:
        self._landing = landing
        self._reader_workers = reader_workers
        self._max_read = max_read
        self._expected = expected
        self._unusable = unusable
        self._refuse_unopened = refuse_unopened
        self._listing = listing
        self._arrays = ArrayMetadata(landing, listing)
        self._stopping = threading.Event()

    @property
    def expectations_sha256(self) -> str | None:
        """The SHA-256 of the document by which it judges, hex; None: there is none."""
        return None if self._expected is None else self._expected.sha256

    def stop(self) -> None:
        """Let every judgement under way end with `Abandoned` at its next look."""
        self._stopping.set()

    def judge(self, path: str, announced: Upload) -> Judgement:
        """Judge one upload, in a thread that may wait.

        Args:
            path: of the file, as announced; it need not be one that may be delivered.
            announced: what its client says it put there.

        Raises:
            Abandoned: after `stop`.
        """
        steps = self.steps(path, announced)
        try:
            request = next(steps)
        except StopIteration as end:
            return cast("Judgement", end.value)
        return self.go_on(steps, request)

    def go_on(self, steps: Steps, request: Ask) -> Judgement:
        """Go on with the judging of one upload, in a thread that may wait, beginning with this request."""
        try:
            while True:
                try:
                    answer = self._perform(request)
                except (StoreError, Abandoned) as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as end:
            return cast("Judgement", end.value)

    def memory(self, path: str, announced: Upload) -> int:
        """Bytes of content that are in memory while this is judged."""
        return announced.size if self._reading(path, announced.size).whole else 0

    def steps(self, path: str, announced: Upload) -> Steps:
        """Judge one upload; see `Steps`. A request that fails raises `StoreError` where it was yielded."""
        # The path decides what is looked at, so it is checked here, whoever has checked it before.
        refused = check_relpath(path, self._landing.prefix)
        if refused is not None:
            return Judgement("failure", f"the path {refused}", None, ("path",), FileCode.ILLEGAL_PATH)
        if self._unusable:
            return Judgement("error", _for_record(f"it could not be judged: {self._unusable}"))
        found: Found | None = None
        checks = list(_METADATA)
        try:
            reading = self._reading(path, announced.size)
            refusal = None if self._expected is None else self._expected.refusal(path, announced.size)
            content: bytes | bytearray | None = None
            if reading.whole and refusal is None:
                # One request says what is there and brings it.
                try:
                    answer = yield GetObject(path, announced.etag, announced.size)
                    found, content = _found(answer), answer.body
                except (NotFound, PreconditionFailed):
                    found = _found((yield HeadObject(path)))
                    _compare(found, announced)
                    answer = yield GetObject(path, announced.etag, announced.size)
                    found, content = _found(answer), answer.body
            else:
                found = _found((yield HeadObject(path)))
            found = _compare(found, announced)
            if self._expected is not None:
                checks.append("expected")
                _refuse(refusal)
            if reading.check is not None:
                checks.append(reading.check)
            why = reading.skipped
            is_read = content is not None or reading.kind in TEXT_FORMATS or found.crc32 is None
            if is_read and self._listing is not None and self._listing.awaits_manifests:
                yield MayWait()
                with _ONE_MANIFEST:
                    self._listing.take_manifests(self._go_on_or_leave)
            promised = None if self._listing is None else self._listing.promised(path)
            if content is None and (reading.kind in TEXT_FORMATS or found.crc32 is None):
                yield MayWait()
                why = self._read_through(path, announced, reading, promised)
                _note_digests(checks, announced, promised)
            elif content is not None:
                _compare_content(answer.body_crc32 or checksums.encode(checksums.crc32(content)), announced)
                _compare_digests(partial(_digest, content), announced, promised)
                _note_digests(checks, announced, promised)
                if reading.kind in TEXT_FORMATS:
                    why = _open(reading.kind, cast("BinaryIO", _InMemory(content)))
            found = Found(found.size, announced.crc32, found.etag)
            if reading.in_reader_worker:
                yield MayWait()
                why = self._open_in_reader_worker(path, announced, reading, content)
            if reading.promises and (content is None or may_promise(path, content)):
                yield MayWait()
                judged = self._hold_against_listing(path, announced, content, reading.rules)
                if judged is not None:
                    # What a file was opened as stays the last check.
                    checks.insert(len(checks) if judged.is_held else 0, judged.summary)
                    _refuse_promises(judged)
            if why:
                name = CHUNK if reading.rules is not None else format_of(path)
                checks[-1] = f"{name} not opened: {why}"
            if self._refuse_unopened and not (reading.rules is not None and reading.rules.format == "opaque"):
                _refuse_unopened(checks, why)
            return Judgement("ok", "", found, tuple(checks))
        except _Failure as failure:
            return Judgement("failure", _for_record(str(failure)), found, tuple(checks), failure.code)
        except (NotFound, PreconditionFailed):
            return (yield from self._replaced(path, checks))
        except (StoreError, Undecided) as error:
            code = FileCode.UNABLE if isinstance(error, Unable) else None
            return Judgement(
                "error", _for_record(f"it could not be judged: {error}"), found, tuple(checks), code
            )

    def _replaced(self, path: str, checks: list[str]) -> Steps:
        """The object changed between two looks at it: say what is there now."""
        try:
            found = _found((yield HeadObject(path)))
        except StoreError as error:
            return Judgement("error", _for_record(f"it could not be judged: {error}"), None, tuple(checks))
        if found is None:
            return Judgement("failure", "it is gone", None, tuple(checks), FileCode.OBJECT_GONE)
        message = "another object has taken its place"
        return Judgement("failure", message, found, tuple(checks), FileCode.OBJECT_CHANGED)

    def _reading(self, path: str, size: int) -> _Reading:
        rules = None if self._expected is None else self._expected.content(path)
        opaque = rules is not None and rules.format == "opaque"
        promises = self._listing is not None and not opaque and packaging_of(path) is not None
        in_memory = size <= _IN_MEMORY
        if rules is not None:
            check = f"{rules.format} as expected of {rules.type_name!r}"
            return _Reading(check, None, rules, not opaque and in_memory, None, promises)
        kind = format_of(path)
        if kind is None:
            return _Reading(None, None, None, promises and in_memory, None, promises)
        skipped = self._why_skipped(kind, size)
        if skipped is not None:
            return _Reading(f"{kind} not opened: {skipped}", None, None, whole=False, skipped=skipped)
        return _Reading(kind, kind, None, in_memory, None, promises)

    def _hold_against_listing(
        self,
        path: str,
        announced: Upload,
        content: bytes | bytearray | None,
        rules: ContentRules | None,
    ) -> ManifestJudgement | None:
        """Hold a manifest against the delivery; None: it is no manifest."""
        assert self._listing is not None
        if announced.size > MAX_MANIFEST:
            why = f"a manifest of more than {MAX_MANIFEST:,} bytes"
            return ManifestJudgement(Findings(), f"not held against the delivery: {why}", is_held=False)
        with _ONE_MANIFEST:  # what one means may take much memory
            data = self._blocks(path, announced, content)(0, announced.size) if announced.size else b""
            try:
                return judge_manifest(
                    path,
                    data,
                    self._listing,
                    rules=None if rules is None else rules.content,
                    go_on=self._go_on_or_leave,
                )
            except NoIndex as error:
                return ManifestJudgement(Findings(), f"not held against the delivery: {error}", is_held=False)

    def _go_on_or_leave(self) -> None:
        if self._stopping.is_set():
            raise Abandoned

    def _perform(self, request: Ask) -> Answer:
        """Ask the store, and wait for its answer."""
        if self._stopping.is_set():
            raise Abandoned
        if isinstance(request, GetObject):
            return self._fetch(request)
        if isinstance(request, HeadObject):
            info = self._landing.head(request.key)
            if info is None:
                return Answer(404)
            return Answer(200, etag=info.etag, crc32=info.crc32, size=info.size)
        return Answer(200)

    def _fetch(self, request: GetObject) -> Answer:
        with store_errors(f"GET {self._landing.prefix}{request.key}"):
            got = self._landing.client.get_object(
                Bucket=self._landing.name,
                Key=self._landing.prefix + request.key,
                IfMatch=f'"{request.etag}"',
                ChecksumMode="ENABLED",
            )
        with Stream(got["Body"], self._stopping, f"GET {self._landing.prefix}{request.key}") as stream:
            try:
                answer = seen(got)
            except KeyError:
                raise AnswerLost(f"{stream.action}: the answer's headers are incomplete") from None
            if answer.size <= request.most:
                answer.body = bytearray()
                stream.read_on(answer.body)
                answer.body_crc32 = stream.crc32
        return answer

    def _read_through(
        self, path: str, announced: Upload, reading: _Reading, promised: PromisedChecksum | None
    ) -> NotOpened | None:
        """Read a large file, or one of which the store knows no checksum, from its start to its end, once.

        Returns:
            Why it was not looked into; None where it was.
        """
        with self._stream(path, announced) as stream:
            stream.digests = Digests(
                [
                    *(["sha256"] if announced.sha256 is not None else []),
                    *([promised.algorithm] if promised is not None else []),
                ]
            )
            unreadable, why = None, reading.skipped
            if reading.kind in TEXT_FORMATS:
                try:
                    buffered = io.BufferedReader(stream, _PIECE)  # blocks go past it
                    why = _open(reading.kind, cast("BinaryIO", buffered))
                except _Failure as failure:
                    unreadable = failure
            # Where the store knows no checksum, damage is told from a provider's mistake only by this.
            stream.read_on()
            _compare_content(stream.crc32, announced)
            _compare_digests(stream.digests.digest, announced, promised)
            if unreadable is not None:
                raise unreadable
        return why

    def _open_in_reader_worker(
        self, path: str, announced: Upload, reading: _Reading, content: bytes | bytearray | None
    ) -> NotOpened | None:
        """Have a file opened or judged in a process of its own; say why it was not looked into."""
        blocks = self._blocks(path, announced, content)
        try:
            if reading.rules is not None and reading.rules.format == CHUNK:
                return self._judge_zarr(path, reading.rules, announced.size, blocks)
            if reading.rules is not None:
                rules = reading.rules
                self._reader_workers.judge(rules.content, rules.format, announced.size, blocks)
            elif (kind := reading.kind) is not None and kind in CHUNKS:
                return self._by_metadata(
                    path, lambda _, data: self._reader_workers.open(kind, announced.size, blocks, data)
                )
            elif reading.kind is not None:
                return self._reader_workers.open(reading.kind, announced.size, blocks)
        except NotOpened as why:
            return why
        except Unreadable as error:
            # A chunk may be whole, and the metadata of its array wrong.
            code = FileCode.NOT_AS_PROMISED if reading.kind in CHUNKS else FileCode.CONTENT
            raise _Failure(str(error), code) from None
        return None

    def _judge_zarr(
        self, path: str, rules: ContentRules, size: int, blocks: Callable[[int, int], bytes]
    ) -> NotOpened | None:
        """Have a file of a folder of Zarr judged: of a chunk, the metadata of its array says how."""

        def judge(part: Part | None) -> NotOpened | None:
            return self._reader_workers.judge(rules.content, rules.format, size, blocks, part)

        if not is_chunk(path):
            return judge(part_of(path))
        try:
            return self._by_metadata(path, lambda place, data: judge(part_of(path, place, data)))
        except NoArray:
            return judge(part_of(path))

    def _by_metadata(self, path: str, do: Callable[[str, bytes], NotOpened | None]) -> NotOpened | None:
        """Do something with a chunk of Zarr by the metadata of its array: its path, itself."""
        place, metadata, was_kept = self._arrays.of(path)
        try:
            return do(place, metadata)
        except Unreadable:
            if not was_kept:
                raise
            place, again, _ = self._arrays.of(path, refetch=True)
            if again == metadata:
                raise
        return do(place, again)

    def _why_skipped(self, kind: str, size: int) -> NotOpened | None:
        if kind in TEXT_FORMATS:
            return NotOpened(f"larger than {self._max_read} bytes") if size > self._max_read else None
        package = missing_library(kind)
        return None if package is None else LibraryMissing(f"{package} is not installed")

    def _stream(self, path: str, announced: Upload) -> Stream:
        with store_errors(f"GET {self._landing.prefix}{path}"):
            answer = self._landing.client.get_object(
                Bucket=self._landing.name, Key=self._landing.prefix + path, IfMatch=f'"{announced.etag}"'
            )
        return Stream(answer["Body"], self._stopping, f"GET {self._landing.prefix}{path}")

    def _blocks(
        self, path: str, announced: Upload, whole: bytes | bytearray | None
    ) -> Callable[[int, int], bytes]:
        """Gives parts of the file: of what is in memory, or from the store."""
        if whole is not None:
            return lambda offset, n: bytes(whole[offset : offset + n])

        def read(offset: int, n: int) -> bytes:
            if self._stopping.is_set():
                raise Abandoned
            data = read_range(self._landing, path, offset, offset + n, if_match=announced.etag)
            if len(data) != n:
                raise AnswerLost(
                    f"GET {self._landing.prefix}{path}: {len(data)} bytes where {n} were asked for"
                )
            return data

        return read


class Stream(io.RawIOBase):
    """An object's content as it comes, and the CRC32 of what has come; with `digests`, those too."""

    def __init__(self, body: Any, stopping: threading.Event, action: str) -> None:  # noqa: ANN401 — untyped
        self._body = body
        self._stopping = stopping
        self.action = action
        self.digests: Digests | None = None
        self._crc32 = 0

    @property
    def crc32(self) -> str:
        """CRC32 of all that was read so far, as base64."""
        return checksums.encode(self._crc32)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        """Read the next bytes."""
        block = self._next(min(len(buffer), _PIECE))
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
        with store_errors(self.action):
            block: bytes = self._body.read(n)
        self._crc32 = checksums.crc32(block, self._crc32)
        if self.digests is not None:
            self.digests.update(block)
        return block

    def close(self) -> None:
        """Do nothing: readers built on this one close it before all has been read."""

    def __exit__(self, *_: object) -> None:
        self._body.close()


class _InMemory:
    """A file in memory, read without a copy of the whole, as `io.BytesIO` makes one of a bytearray."""

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = memoryview(content)
        self._at = 0

    def read(self, n: int) -> bytes:
        """The next bytes, up to so many."""
        begin = self._at
        self._at = min(begin + n, len(self._content))
        return bytes(self._content[begin : self._at])


def _found(answer: Answer) -> Found | None:
    return None if answer.status == 404 else Found(answer.size, answer.crc32, answer.etag)


def _compare(found: Found | None, announced: Upload) -> Found:
    if found is None:
        raise _Failure("it is not there", FileCode.OBJECT_GONE)
    wrong = [
        f"{name} {is_there} where {stated} was announced"
        for name, is_there, stated in (
            ("size", found.size, announced.size),
            ("CRC32", found.crc32, announced.crc32),
            ("ETag", found.etag, announced.etag),
        )
        if is_there not in (None, stated)
    ]
    if wrong:
        raise _Failure(f"it is not what was announced: {', '.join(wrong)}", FileCode.OBJECT_CHANGED)
    return found


def _compare_content(crc32: str, announced: Upload) -> None:
    if crc32 != announced.crc32:
        raise _Failure(
            f"its content has CRC32 {crc32} where {announced.crc32} was announced", FileCode.DAMAGED
        )


def _digest(content: bytes | bytearray, algorithm: str) -> bytes:
    return hashlib.new(algorithm, content, usedforsecurity=False).digest()


def _compare_digests(
    digest: Callable[[str], bytes], announced: Upload, promised: PromisedChecksum | None
) -> None:
    """Compare the content's checksums with the one that was announced, and the one that a manifest says."""
    if announced.sha256 is not None and (sha256 := digest("sha256").hex()) != announced.sha256:
        raise _Failure(
            f"its content has SHA-256 {sha256} where {announced.sha256} was announced", FileCode.DAMAGED
        )
    if promised is not None and not digest(promised.algorithm).startswith(promised.start):
        raise _Failure(
            f"its content has another {promised.algorithm} than {shown(promised.manifest)} says",
            FileCode.NOT_AS_PROMISED,
        )


def _note_digests(checks: list[str], announced: Upload, promised: PromisedChecksum | None) -> None:
    """Say that they were confirmed; what a file was opened as stays the last check."""
    if promised is not None:
        checks.insert(len(_METADATA), "manifest")
    if announced.sha256 is not None:
        checks.insert(len(_METADATA), "sha256")


def _open(kind: str, content: BinaryIO) -> NotOpened | None:
    """Open a text, and say why it was not looked into."""
    try:
        check_text(kind, content)
    except NotOpened as error:
        return error
    except Unreadable as error:
        raise _Failure(f"it does not open as {kind}: {error}", FileCode.CONTENT) from None
    return None


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise _Failure(reason, FileCode.NOT_EXPECTED)


def _refuse_promises(judged: ManifestJudgement) -> None:
    if judged.findings.n:
        raise _Failure(f"it does not go with the delivery: {judged.findings}", FileCode.NOT_AS_PROMISED)


def _refuse_unopened(checks: list[str], why: NotOpened | None) -> None:
    """Refuse what was not opened; where a library is missing, it stays undecided."""
    how = opened_as(checks) or ""
    if how.startswith(NOT_OPENED):
        if isinstance(why, LibraryMissing):
            raise Unable(f"it was {how}")
        raise _Failure(f"it was {how}", FileCode.NOT_OPENED)


def _for_record(message: str) -> str:
    return for_log(message, _MAX_MESSAGE)
