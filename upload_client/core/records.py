"""The records of the logs of client and validator, and how each reads the other's: as hostile input.

A log is a chain of segments. A segment is a JSON-lines object: its first line is its header, every other line
one record. A line that is not a record as it should be is passed over and counted, never raised; a segment
without a sound header breaks the chain. Unknown kinds and fields are passed over, so that both can grow.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from itertools import chain, compress, islice
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from upload_client.core.codes import is_code
from upload_client.core.forms import CRC32, ETAG, VERSION_ID
from upload_client.core.layout import MAX_SHARDS
from upload_client.core.text import for_log
from upload_client.core.times import minute, timestamp
from upload_client.core.uploads import (
    NO_ANNOUNCEMENTS,
    NO_VERDICTS,
    Announcements,
    OkVerdicts,
    Upload,
    parse_upload_id,
)
from upload_client.core.values import value

__all__ = [
    "FLUSH_SECONDS",
    "KEEPALIVE_SECONDS",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_RECORDS",
    "MAX_NESTING",
    "MAX_RECORD",
    "MAX_SEGMENT",
    "MAX_UNFLUSHED",
    "STOPPED_EARLY",
    "TOO_MANY_INVALID",
    "VERSION",
    "CheckpointMade",
    "ClientRecord",
    "Crash",
    "Cursor",
    "Failed",
    "Found",
    "IndexJudged",
    "Init",
    "Keepalive",
    "LogBroken",
    "LogChain",
    "MalformedSegment",
    "PassedOver",
    "Record",
    "Records",
    "Segment",
    "SegmentHeader",
    "Shutdown",
    "Stop",
    "Transferred",
    "ValidatorInit",
    "ValidatorRecord",
    "Verdict",
    "VerdictStatus",
    "Writer",
    "decode_segment",
    "encode",
    "encode_segment",
    "timestamp",
]

VERSION: Final = 1
"""Grows only when a reader of an earlier version would go wrong."""
MAX_RECORD: Final = 64 * 1024
"""Bytes in one line."""
MAX_NESTING: Final = 16
"""Arrays and objects within each other in one line."""
MAX_SEGMENT: Final = 8 * 1024 * 1024
"""Bytes in one segment."""
MAX_BATCH_RECORDS: Final = 5000
"""A writer flushes at that many records,"""
MAX_BATCH_BYTES: Final = 1024 * 1024
"""or at that many bytes,"""
FLUSH_SECONDS: Final = 0.5
"""or after that long."""
KEEPALIVE_SECONDS: Final = 10.0
"""A writer that has been silent for so long says that it is still there."""
MAX_UNFLUSHED: Final = 5000
"""`Transferred` records that may wait for a flush; with more, sending waits."""
STOPPED_EARLY: Final = "stopped early"
"""First words of a `Stop`'s reason where too many files are invalid; for people, and for old validators."""
TOO_MANY_INVALID: Final = "too_many_invalid"
"""The code of such a `Stop`: nobody waits for the rest."""

_MAX_TEXT = 4000  # characters of a message: what does not fit into a record would be lost to the reader
_MAX_TEXTS = 100  # in a list of them
_BRIEF_TEXT = 200  # the same, in a record that has so many that it would be too long
_FEW_CHECKS = 16
_MAX_VERSION = 100  # characters of a program's name, and of its version
_MAX_PROBLEMS = 10
_MAX_LINES = 20 * MAX_BATCH_RECORDS  # of a segment: no writer comes near, and each costs the reader time
_MAX_INT = 2**63 - 1

Writer: TypeAlias = Literal["client", "validator"]
VerdictStatus: TypeAlias = Literal["ok", "failure", "error"]


class MalformedSegment(ValueError):  # noqa: N818 - it reads as what it says
    """A segment that is too large or has no sound header."""


class LogBroken(ValueError):  # noqa: N818 - the name of this outcome
    """The chain of segments has a gap or a wrong link; only the receiver can repair that.

    Attributes:
        seq: number of the segment.
        why: what is wrong with it.
    """

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"segment {seq}: {why}")
        self.seq = seq
        self.why = why


@value
class SegmentHeader:
    """The first line of a segment.

    Attributes:
        version: of the protocol.
        seq: number of the segment, from 0, without gaps.
        agent_id: who wrote it.
        epoch: the writer's fencing number.
        prev: SHA-256 of the previous segment's bytes, hex; None at 0.
        client_epoch: the client a validator serves; None in a client's log.
    """

    version: int
    seq: int
    agent_id: str
    epoch: int
    prev: str | None
    client_epoch: int | None = None

    def outranks(self, epoch: int, agent_id: str) -> bool:
        """Whether its writer has taken the log from the writer `agent_id` with `epoch`."""
        return self.epoch > epoch or (self.epoch == epoch and self.agent_id != agent_id)


@value
class Found:
    """The object that a validator found at the file's key: bytes, CRC32 in base64, ETag without quotes."""

    size: int
    crc32: str | None
    etag: str


@value
class Init:
    """A client has read the logs and made its plan.

    Attributes:
        t: UTC with milliseconds, as in every record.
        epoch: its fencing number.
        index: key of its file index.
        index_sha256: SHA-256 of the index's bytes, hex.
        n_files: files in the index.
        n_bytes: their bytes, as far as known.
        versions: of the program and what it stands on, for whoever has to look into it later.
    """

    t: str
    epoch: int
    index: str
    index_sha256: str
    n_files: int
    n_bytes: int
    versions: Mapping[str, str] = field(default_factory=dict)


@value
class Transferred:
    """A file is in the landing bucket: the announcement of an upload.

    Attributes:
        t: when.
        path: the file.
        upload: the upload that is announced.
        ask: 0 at first, one more each time it is announced again.
    """

    t: str
    path: str
    upload: Upload
    ask: int


@value
class Failed:
    """A file could not be sent; `retries` second and later tries were made; `code` says why, for programs."""

    t: str
    path: str
    error: str
    retries: int
    code: str | None = None


@value
class Keepalive:
    """The writer is still there."""

    t: str


@value
class Crash:
    """The client ends because of an error; `code` is that of the exception."""

    t: str
    error: str
    code: str | None = None


@value
class Stop:
    """The orderly end: a client's with its reason, a validator's when all is judged.

    Attributes:
        t: when.
        reason: for people.
        code: the same for programs: `TOO_MANY_INVALID`, or None.
    """

    t: str
    reason: str = ""
    code: str | None = None


@value
class CheckpointMade:
    """The client has written a checkpoint: its key below the root, and the SHA-256 of its bytes."""

    t: str
    key: str
    sha256: str


@value
class ValidatorInit:
    """A validator has begun to serve the client of `client_epoch`.

    Attributes:
        t: when.
        validator_id: its name.
        client_epoch: the client.
        shards: how many validators share the files of that client, this one among them.
        versions: of the program, and of what opens files.
        expectations_sha256: of the document by which it judges, hex; None: there is none.
        judges_index: whether it says `IndexJudged` of that client's index, before it judges any file.
    """

    t: str
    validator_id: str
    client_epoch: int
    shards: int = 1
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    expectations_sha256: str | None = None
    judges_index: bool = False


@value
class IndexJudged:
    """The index of the client was held against what the receiver expects of the delivery as a whole.

    Attributes:
        t: when.
        problems: why it is not the delivery that was agreed on; none where it is, or nothing was agreed on.
        code: the same for programs, as the starter's errors have it; None where there are no problems.
    """

    t: str
    problems: tuple[str, ...] = ()
    code: str | None = None


@value
class Verdict:
    """A validator's judgement of one upload.

    Attributes:
        t: when.
        path: the file.
        upload: identity of the upload that was judged.
        ask: which announcement of it this answers.
        status: `ok`; `failure` (what is there is not as it should be); `error` (it could not be judged).
        message: why not `ok`.
        found: what was there; None where nothing was.
        checks: what was checked.
        code: why not `ok`, for programs: a `upload_client.core.codes.FileCode`, or the validator's own.
    """

    t: str
    path: str
    upload: str
    ask: int
    status: VerdictStatus
    message: str = ""
    found: Found | None = None
    checks: tuple[str, ...] = ()
    code: str | None = None


@value
class Cursor:
    """All that the client announced up to and with client log segment `seq` is judged."""

    t: str
    seq: int


@value
class PassedOver:
    """Lines of the client's log are no records for this validator: what they announce is not judged.

    Attributes:
        t: when.
        seq: number of the client log's segment.
        lines: how many of its lines.
        problems: why, of the first few of them.
    """

    t: str
    seq: int
    lines: int
    problems: tuple[str, ...] = ()


@value
class Shutdown:
    """A validator leaves before all is judged: `time`, `superseded` or `error`."""

    t: str
    reason: str
    message: str = ""


ClientRecord: TypeAlias = Init | Transferred | Failed | Keepalive | CheckpointMade | Crash | Stop
ValidatorRecord: TypeAlias = (
    ValidatorInit | IndexJudged | Verdict | Cursor | PassedOver | Keepalive | Shutdown | Stop
)
Record: TypeAlias = ClientRecord | ValidatorRecord


_OF_A_FILE: Final = (Transferred, Failed, Verdict)


class Records:
    """The records of a segment, in order.

    Nearly all that a validator says is `ok`, and nearly all that a client announces are new files: who takes
    that in columns is spared a million objects.

    Args:
        others: all records but `many`.
        many: verdicts, or announcements.
        before: how many of `many` come before each of the others.

    Attributes:
        oks: verdicts that say `ok`, of files about which this segment says nothing more.
        sent: announcements, of files about which it says nothing more.
        others: all other records, in order.
    """

    __slots__ = ("_before", "_many", "_others", "oks", "others", "sent")

    def __init__(
        self,
        others: Sequence[Record] = (),
        many: OkVerdicts | Announcements = NO_VERDICTS,
        before: Sequence[int] = (),
    ) -> None:
        self._others, self._many, self._before = others, many, before
        self.others, self.oks, self.sent = others, NO_VERDICTS, NO_ANNOUNCEMENTS
        paths = set(many.paths)
        if len(paths) < len(many.paths) or any(
            type(r) in _OF_A_FILE and r.path in paths  # type: ignore[union-attr]
            for r in others
        ):
            self.others = list(self)
        elif isinstance(many, OkVerdicts):
            self.oks = many
        else:
            self.sent = many

    @property
    def written_at(self) -> str | None:
        """When the last of them was written; None where there are none."""
        if self._others and (not self._before or self._before[-1] == len(self._many.at)):
            return self._others[-1].t
        return self._many.at[-1] if self._many.at else None

    def but(self, left: Iterable[int]) -> Iterator[Record]:
        """All but `oks`, of which those with these numbers are left."""
        return chain((_ok(self.oks, i) for i in left), self.others)

    def __len__(self) -> int:
        return len(self._many.at) + len(self._others)

    def __iter__(self) -> Iterator[Record]:
        done = 0
        for record, before in zip(self._others, self._before or (0,) * len(self._others), strict=True):
            yield from self._some(done, before)
            done = before
            yield record
        yield from self._some(done, len(self._many.at))

    def _some(self, start: int, stop: int) -> Iterator[Record]:
        many = self._many
        if isinstance(many, OkVerdicts):
            return (_ok(many, i) for i in range(start, stop))
        return (_sent(many, i) for i in range(start, stop))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@value
class Segment:
    """A decoded segment.

    Attributes:
        header: its first line.
        records: the records of all sound lines of known kinds, in order.
        sha256: of its bytes, hex: the next segment's `prev`.
        n_ignored: lines that were not records as they should be.
        problems: why, of the first few of them.
        superseded: an earlier segment has a higher epoch: the records must not count.
    """

    header: SegmentHeader
    records: Records
    sha256: str
    n_ignored: int = 0
    problems: tuple[str, ...] = ()
    superseded: bool = False


# --- writing ---


def encode(record: Record | SegmentHeader) -> bytes:
    r"""`record` as one line of a log, without the line's end: ASCII JSON, so that nothing odd is in a log.

    Texts meant for people are cut to 4,000 characters, or more where the record would be too long, and lone
    surrogates in them (file names in messages of the operating system) written as `\udcff`. A line that this
    gives is one that every reader takes.

    Raises:
        ValueError: a path, ETag, number or other field that a reader would refuse.
    """
    line = _encode(record)
    if len(line) > MAX_RECORD:
        line = _encode(_shorter(record))
    _check(record, line)
    return line


def _encode(record: Record | SegmentHeader) -> bytes:
    match record:
        case Transferred():
            return _transferred(record)
        case Verdict():
            return _verdict(record)
        case SegmentHeader():
            line: dict[str, object] = {
                "kind": "segment",
                "version": record.version,
                "seq": record.seq,
                "agent_id": record.agent_id,
                "epoch": record.epoch,
                "prev": record.prev,
            }
            if record.client_epoch is not None:
                line["client_epoch"] = record.client_epoch
        case Init():
            line = {
                "kind": "init",
                "t": record.t,
                "epoch": record.epoch,
                "index": _sound(record.index),
                "index_sha256": record.index_sha256,
                "n_files": record.n_files,
                "n_bytes": record.n_bytes,
                "versions": _told_versions(record.versions),
            }
        case Failed():
            line = {
                "kind": "failed",
                "t": record.t,
                "path": _sound(record.path),
                "error": _for_people(record.error),
                "retries": record.retries,
            }
            if record.code is not None:
                line["code"] = record.code
        case Keepalive():
            line = {"kind": "keepalive", "t": record.t}
        case Crash():
            line = {"kind": "crash", "t": record.t, "error": _for_people(record.error)}
            if record.code is not None:
                line["code"] = record.code
        case Stop():
            line = {"kind": "stop", "t": record.t, "reason": _for_people(record.reason)}
            if record.code is not None:
                line["code"] = record.code
        case CheckpointMade():
            line = {"kind": "checkpoint", "t": record.t, "key": _sound(record.key), "sha256": record.sha256}
        case ValidatorInit():
            line = {
                "kind": "init",
                "t": record.t,
                "validator_id": _sound(record.validator_id),
                "client_epoch": record.client_epoch,
            }
            if record.shards != 1:
                line["shards"] = record.shards
            if record.versions:
                line["versions"] = _told_versions(record.versions)
            if record.expectations_sha256 is not None:
                line["expectations_sha256"] = record.expectations_sha256
            if record.judges_index:
                line["judges_index"] = True
        case IndexJudged():
            line = {
                "kind": "index",
                "t": record.t,
                "problems": [_for_people(problem) for problem in record.problems[:_MAX_PROBLEMS]],
            }
            if record.code is not None:
                line["code"] = record.code
        case Cursor():
            line = {"kind": "cursor", "t": record.t, "seq": record.seq}
        case PassedOver():
            line = {
                "kind": "passed_over",
                "t": record.t,
                "seq": record.seq,
                "lines": record.lines,
                "problems": [_for_people(problem) for problem in record.problems[:_MAX_PROBLEMS]],
            }
        case _:
            line = {
                "kind": "shutdown",
                "t": record.t,
                "reason": _for_people(record.reason),
                "message": _for_people(record.message),
            }
    return json.dumps(line, separators=(",", ":")).encode("ascii")


def _told_versions(versions: Mapping[str, str]) -> dict[str, str]:
    return {_for_people(name): _for_people(v) for name, v in islice(versions.items(), _MAX_TEXTS)}


def _shorter(record: Record | SegmentHeader) -> Record | SegmentHeader:
    """The record with less of what is there for people."""
    match record:
        case Verdict():
            return replace(
                record, message=_cut(record.message), checks=tuple(map(_cut, record.checks[:_FEW_CHECKS]))
            )
        case Shutdown():
            return replace(record, reason=_cut(record.reason), message=_cut(record.message))
        case PassedOver() | IndexJudged():
            return replace(record, problems=tuple(map(_cut, record.problems)))
        case Init() | ValidatorInit():
            few = list(record.versions.items())[:_MAX_PROBLEMS]
            return replace(record, versions={_cut(name): _cut(version) for name, version in few})
        case _:
            return record


def _cut(text: str) -> str:
    return text if len(text) <= _BRIEF_TEXT else text[: _BRIEF_TEXT - 1] + "…"


def _check(record: Record | SegmentHeader, line: bytes) -> None:
    """Raise ValueError for a line that a reader would refuse."""
    text = line.decode("ascii")
    kind = type(record)
    if kind is Transferred or kind is Verdict:
        # One for every file: the pattern by which they are read has looked at all but path and time.
        usual = _USUAL_TRANSFERRED if kind is Transferred else _USUAL_VERDICT
        if len(text) <= MAX_RECORD and usual(text) is not None:
            _path(record.path)  # type: ignore[union-attr]
            minute(record.t[:17])  # type: ignore[union-attr]
            return
    if kind is SegmentHeader:
        _decode_header(text, "client" if record.client_epoch is None else "validator")  # type: ignore[union-attr]
        return
    _decode_line(text, _VALIDATOR_KINDS if kind in _OF_VALIDATORS else _CLIENT_KINDS)


def encode_segment(header: SegmentHeader, lines: Iterable[bytes] = ()) -> bytes:
    """A whole segment of encoded records; of none: a fence."""
    return b"\n".join((encode(header), *lines, b""))


def _transferred(record: Transferred) -> bytes:
    # By hand, because there is one for every file: three times as fast as json.dumps, and tested equal to it.
    upload = record.upload
    version = "" if upload.version_id is None else f',"version_id":{_quote(_sound(upload.version_id))}'
    mtime = "" if upload.mtime_ns is None else f',"mtime_ns":{upload.mtime_ns}'
    source = ""
    if upload.source_etag is not None:
        of = upload.source_version
        source = (
            f',"source":{{"etag":{_quote(_sound(upload.source_etag))}'
            f',"version":{"null" if of is None else _quote(_sound(of))}}}'
        )
    sha256 = "" if upload.sha256 is None else f',"sha256":"{upload.sha256}"'
    return (
        f'{{"kind":"transferred","t":"{record.t}","path":{_quote(_sound(record.path))},"upload":"{upload.id}"'
        f',"ask":{record.ask},"size":{upload.size},"crc32":"{upload.crc32}","etag":{_quote(_sound(upload.etag))}'
        f"{version}{mtime}{source}{sha256}}}"
    ).encode("ascii")


def _verdict(record: Verdict) -> bytes:
    found = "null"
    if record.found is not None:
        crc32 = "null" if record.found.crc32 is None else f'"{record.found.crc32}"'
        found = f'{{"size":{record.found.size},"crc32":{crc32},"etag":{_quote(_sound(record.found.etag))}}}'
    message = _quote(_for_people(record.message)) if record.message else '""'
    code = "" if record.code is None else f',"code":"{record.code}"'
    return (
        f'{{"kind":"verdict","t":"{record.t}","path":{_quote(_sound(record.path))},"upload":"{record.upload}"'
        f',"ask":{record.ask},"status":"{record.status}","message":{message},"found":{found}'
        f',"checks":{_quoted_checks(record.checks)}{code}}}'
    ).encode("ascii")


@lru_cache(maxsize=64)
def _quoted_checks(checks: tuple[str, ...]) -> str:
    return json.dumps([_for_people(check) for check in checks[:_MAX_TEXTS]], separators=(",", ":"))


def _sound(text: str) -> str:
    if not text.isascii():
        text.encode()  # raises UnicodeEncodeError, a ValueError, for what a reader would have to refuse
    return text


def _for_people(text: str) -> str:
    text = text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


# --- reading ---


class _Malformed(ValueError):  # noqa: N818 - as the public ones
    """Why a line is no record. The text never holds any of the line's own, except escaped."""


def decode_segment(data: bytes, *, writer: Writer) -> Segment:
    """Decode a segment of the log of `writer`, trusting nothing in it.

    Whatever the bytes are, it takes time and memory in proportion to their number, and raises nothing else.

    Raises:
        MalformedSegment: more than `MAX_SEGMENT` bytes, or far more lines than a writer puts into one; no end
            of line at the end; a header that is missing or wrong, or of a version this program cannot read.
    """
    if len(data) > MAX_SEGMENT:
        raise MalformedSegment(f"{len(data)} bytes, more than {MAX_SEGMENT}")
    # Bytes that are not UTF-8 become lone surrogates, by which their line, and no other, is refused below.
    text = data.decode("utf-8", "surrogateescape")
    if not text:
        raise MalformedSegment("it is empty")
    if text[-1] != "\n":
        raise MalformedSegment("it does not end with the end of a line")
    if (n_lines := text.count("\n")) > _MAX_LINES:
        raise MalformedSegment(f"{n_lines} lines, more than {_MAX_LINES}")
    header = _decode_header(text[: text.index("\n")], writer)
    usual, kinds = _CLIENT if writer == "client" else _VALIDATOR
    rest = text[text.index("\n") + 1 : -1]
    many: OkVerdicts | Announcements
    many, lines = _oks(rest) if writer == "validator" else _announcements(rest)
    records: list[Record] = []
    before: list[int] = []
    problems: list[str] = []
    n_ignored = 0
    for nth, (number, line) in enumerate(lines if n_lines > 1 else ()):
        if (record := usual(line)) is None:
            try:
                record = _decode_line(line, kinds)
            except ValueError as e:
                n_ignored += 1
                if len(problems) < _MAX_PROBLEMS:
                    problems.append(f"line {number}: {e}")
                continue
            if record is None:
                continue
        records.append(record)
        before.append(number - 2 - nth)
    return Segment(
        header, Records(records, many, before), hashlib.sha256(data).hexdigest(), n_ignored, tuple(problems)
    )


def _decode_header(line: str, writer: Writer) -> SegmentHeader:
    try:
        fields = _decode_json(line)
        if fields.get("kind") != "segment":
            raise _Malformed("not a segment's header")
        if (version := _count(fields.get("version"))) != VERSION:
            raise _Malformed(f"version {version}; this program reads version {VERSION}")
        return SegmentHeader(
            version,
            _count(fields.get("seq")),
            _agent(fields.get("agent_id")),
            _epoch(fields.get("epoch")),
            _or_none(_sha256)(fields.get("prev")),
            None if writer == "client" else _epoch(fields.get("client_epoch")),
        )
    except ValueError as e:
        raise MalformedSegment(f"header: {e}") from None


def _decode_line(line: str, kinds: Mapping[str, Callable[[dict[str, Any]], Record]]) -> Record | None:
    """The record in `line`, whatever spelling of JSON it is in; None for a kind unknown here."""
    fields = _decode_json(line)
    kind = fields.get("kind")
    if not isinstance(kind, str):
        raise _Malformed("no kind")
    build = kinds.get(kind)
    return None if build is None else build(fields)


def _decode_json(line: str) -> dict[str, Any]:
    try:
        size = len(line) if line.isascii() else len(line.encode())
    except UnicodeEncodeError:
        raise _Malformed("not UTF-8") from None
    if size > MAX_RECORD:
        raise _Malformed(f"{size} bytes, more than {MAX_RECORD}")
    # Before it is parsed: the parser recurses.
    if line.count("[") + line.count("{") > MAX_NESTING and _nesting(line) > MAX_NESTING:
        raise _Malformed(f"nested deeper than {MAX_NESTING}")
    try:
        fields = _JSON.decode(line)
    except _Malformed:
        raise
    except ValueError:
        raise _Malformed("not JSON") from None
    if not isinstance(fields, dict):
        raise _Malformed("not an object")
    if "\\u" in line:
        try:
            json.dumps(fields, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _Malformed("a lone surrogate") from None
    return fields


# A string, closed or running to the line's end, or a bracket. Possessive: a line is gone through once.
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]')


def _nesting(line: str) -> int:
    depth = deepest = 0
    for piece in _BRACKET.findall(line):
        if piece in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif piece in "]}":
            depth -= 1
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Malformed("a key stands twice")
    return fields


def _parse_int(digits: str) -> int:
    if len(digits) > 20 or abs(value := int(digits)) > _MAX_INT:
        raise _Malformed("a number is too large")
    return value


def _parse_float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise _Malformed("a number is too large")
    return value


def _parse_constant(name: str) -> None:
    raise _Malformed(f"{name} is not JSON")


_JSON = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_constant
)

# What a field may be. An ETag, a checksum or a version goes into headers and files of the reader, so each has
# its alphabet; a path is judged by `core.paths` where it is used.

_Check: TypeAlias = Callable[[object], Any]

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z"
_NUMBER = r"0|[1-9][0-9]{0,8}"
_UPLOAD = rf"(?:{_NUMBER})-(?:{_NUMBER})"
_CODE = r"[a-z][a-z0-9_]{0,39}"
_STATUSES = get_args(VerdictStatus)
_MAX_PATH = 1024  # bytes of the longest key S3 takes


def _matching(pattern: str, what: str) -> _Check:
    fullmatch = re.compile(pattern).fullmatch

    def check(value: object) -> object:
        if not isinstance(value, str) or fullmatch(value) is None:
            raise _Malformed(f"no {what}")
        return value

    return check


def _or_none(check: _Check) -> _Check:
    return lambda value: None if value is None else check(value)


def _integer(low: int, high: int, what: str) -> _Check:
    def check(value: object) -> object:
        if type(value) is not int or not low <= value <= high:
            raise _Malformed(f"no {what}")
        return value

    return check


def _time(value: object) -> str:
    text: str = _moment(value)
    try:
        minute(text[:17])
    except ValueError:
        raise _Malformed("no time") from None
    return text


def _code(value: object) -> str | None:
    """A code of an odd form is none: what it stands beside is not lost by it."""
    return value if isinstance(value, str) and is_code(value) else None


def _path(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= _MAX_PATH:
        raise _Malformed("no path")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Malformed("no text")
    return for_log(value, _MAX_TEXT)


def _key(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_PATH:
        raise _Malformed("no key")
    return value


def _true(value: object) -> bool:
    return value is True


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_TEXTS:
        raise _Malformed("no list of texts")
    return tuple(_text(each) for each in value)


def _versions(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MAX_TEXTS:
        raise _Malformed("no versions")
    return {
        for_log(name, _MAX_VERSION): for_log(_text(version), _MAX_VERSION) for name, version in value.items()
    }


def _source(value: object) -> tuple[str, str | None]:
    if not isinstance(value, dict):
        raise _Malformed("no source")
    return _etag(value.get("etag")), _or_none(_version_id)(value.get("version"))


def _announcement(
    *, t: str, path: str, upload: str, ask: int, source: tuple[str, str | None] | None = None, **found: object
) -> Transferred:
    etag, version = source or (None, None)
    announced = Upload(*parse_upload_id(upload), source_etag=etag, source_version=version, **found)  # type: ignore[arg-type]
    return Transferred(t, path, announced, ask)


def _found(value: object) -> Found:
    if not isinstance(value, dict):
        raise _Malformed("no finding")
    return Found(_count(value.get("size")), _or_none(_crc32)(value.get("crc32")), _etag(value.get("etag")))


_moment = _matching(_TIME, "time")
_etag = _matching(ETAG, "ETag")
_crc32 = _matching(CRC32, "CRC32")
_version_id = _matching(VERSION_ID, "version")
_upload_id = _matching(_UPLOAD, "upload")
_sha256 = _matching(r"[0-9a-f]{64}", "SHA-256")
_agent = _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "name")
_status = _matching("|".join(_STATUSES), "status")
_count = _integer(0, _MAX_INT, "count")
_small = _integer(0, 10**9 - 1, "small number")
_epoch = _integer(0, 10**8 - 1, "epoch")  # index and receipt keys have room for eight digits
_shards = _integer(1, MAX_SHARDS, "number of shards")
_nanoseconds = _integer(-_MAX_INT, _MAX_INT, "time of the file")


def _builder(
    record: Callable[..., Record], must: Mapping[str, _Check], may: Mapping[str, _Check]
) -> Callable[[dict[str, Any]], Record]:
    """A function that makes `record` of a line's fields: all in `must`, and those in `may` that are there."""

    def build(fields: dict[str, Any]) -> Record:
        values = {name: check(fields.get(name)) for name, check in must.items()}
        for name, check in may.items():
            if (value := fields.get(name)) is not None:
                values[name] = check(value)
        return record(**values)

    return build


_CLIENT_KINDS = {
    "init": _builder(
        Init,
        {
            "t": _time,
            "epoch": _epoch,
            "index": _key,
            "index_sha256": _sha256,
            "n_files": _count,
            "n_bytes": _count,
        },
        {"versions": _versions},
    ),
    "transferred": _builder(
        _announcement,
        {
            "t": _time,
            "path": _path,
            "upload": _upload_id,
            "ask": _small,
            "size": _count,
            "crc32": _crc32,
            "etag": _etag,
        },
        {"version_id": _version_id, "mtime_ns": _nanoseconds, "source": _source, "sha256": _sha256},
    ),
    "failed": _builder(
        Failed, {"t": _time, "path": _path, "error": _text, "retries": _small}, {"code": _code}
    ),
    "keepalive": _builder(Keepalive, {"t": _time}, {}),
    "checkpoint": _builder(CheckpointMade, {"t": _time, "key": _key, "sha256": _sha256}, {}),
    "crash": _builder(Crash, {"t": _time, "error": _text}, {"code": _code}),
    "stop": _builder(Stop, {"t": _time}, {"reason": _text, "code": _code}),
}
_VALIDATOR_KINDS = {
    "init": _builder(
        ValidatorInit,
        {"t": _time, "validator_id": _agent, "client_epoch": _epoch},
        {
            "shards": _shards,
            "versions": _versions,
            "expectations_sha256": _sha256,
            "judges_index": _true,
        },
    ),
    "index": _builder(IndexJudged, {"t": _time}, {"problems": _texts, "code": _code}),
    "verdict": _builder(
        Verdict,
        {"t": _time, "path": _path, "upload": _upload_id, "ask": _small, "status": _status},
        {"message": _text, "found": _found, "checks": _texts, "code": _code},
    ),
    "cursor": _builder(Cursor, {"t": _time, "seq": _count}, {}),
    "passed_over": _builder(PassedOver, {"t": _time, "seq": _count, "lines": _count}, {"problems": _texts}),
    "keepalive": _builder(Keepalive, {"t": _time}, {}),
    "shutdown": _builder(Shutdown, {"t": _time, "reason": _text}, {"message": _text}),
    "stop": _builder(Stop, {"t": _time}, {"reason": _text, "code": _code}),
}

_OF_VALIDATORS = frozenset({ValidatorInit, IndexJudged, Verdict, Cursor, PassedOver, Shutdown})


# A million lines of a log are announcements or verdicts as `encode` writes them. These are read with one
# pattern each, three times as fast as by way of JSON. Whatever is spelled otherwise, or looks odd, goes that
# way; both read the same (tested).

_INNER = r"[ !#-~]*+"  # of a string; it may end in half an escape, which `_unquoted` refuses
_SIZE = r"0|[1-9][0-9]{0,17}"
_USUAL_TRANSFERRED = re.compile(
    rf'\{{"kind":"transferred","t":"({_TIME})","path":"({_INNER})"'
    rf',"upload":"({_NUMBER})-({_NUMBER})","ask":({_NUMBER})'
    rf',"size":({_SIZE}),"crc32":"({CRC32})","etag":"({ETAG})"(?:,"version_id":"({VERSION_ID})")?'
    rf'(?:,"mtime_ns":({_SIZE}|[1-8][0-9]{{18}}))?'
    rf'(?:,"source":\{{"etag":"({ETAG})","version":(?:null|"({VERSION_ID})")\}})?'
    r'(?:,"sha256":"([0-9a-f]{64})")?\}'
).fullmatch
_USUAL_VERDICT = re.compile(
    rf'\{{"kind":"verdict","t":"({_TIME})","path":"({_INNER})","upload":"({_UPLOAD})","ask":({_NUMBER})'
    rf',"status":"({"|".join(_STATUSES)})","message":"({_INNER})"'
    rf',"found":(?:null|\{{"size":({_SIZE}),"crc32":"({CRC32})","etag":"({ETAG})"\}})'
    rf',"checks":\[([ -~]*?)\](?:,"code":"({_CODE})")?\}}'
).fullmatch


def _usual_transferred(line: str) -> Record | None:
    match = _USUAL_TRANSFERRED(line)
    if match is None or len(line) > MAX_RECORD:
        return None
    t, path, epoch, n, ask, size, crc32, etag, version_id, mtime_ns, source_etag, source_version, sha256 = (
        match.groups()
    )
    try:
        minute(t[:17])
        return Transferred(
            t,
            path if "\\" not in path and 0 < len(path) <= _MAX_PATH else _path(_unquoted(path)),
            Upload(
                int(epoch),
                int(n),
                int(size),
                crc32,
                etag,
                version_id,
                None if mtime_ns is None else int(mtime_ns),
                source_etag,
                source_version,
                sha256,
            ),
            int(ask),
        )
    except ValueError:
        return None


def _usual_verdict(line: str) -> Record | None:
    match = _USUAL_VERDICT(line)
    if match is None or len(line) > MAX_RECORD:
        return None
    t, path, upload, ask, status, message, size, crc32, etag, checks, code = match.groups()
    try:
        minute(t[:17])
        return Verdict(
            t,
            path if "\\" not in path and 0 < len(path) <= _MAX_PATH else _path(_unquoted(path)),
            upload,
            int(ask),
            cast("VerdictStatus", status),
            _text(_unquoted(message) if "\\" in message else message),
            None if size is None else Found(int(size), crc32, etag),
            _unquoted_checks(checks),
            code,
        )
    except ValueError:
        return None


# And of the verdicts nearly all are `ok`. They are read by one pattern in one go, which gives what it is not
# made for as it stands. Not an ETag of another form, nor an escape: these take the way above.
_OK_OR_OTHER = re.compile(
    rf'^(?:\{{"kind":"verdict","t":"({_TIME})","path":"([ !#-\[\]-~]{{1,{_MAX_PATH}}}+)"'
    rf',"upload":"({_UPLOAD})","ask":({_NUMBER}),"status":"ok","message":"","found":\{{"size":({_SIZE}),"crc32":"({CRC32})"'
    rf',"etag":"([0-9a-f]{{32}})"\}},"checks":\[([ -~]{{0,1000}})\]\}}|(.*))$',
    re.MULTILINE,
).split


def _oks(text: str) -> tuple[OkVerdicts, list[tuple[int, str]]]:
    """The lines of a segment that say `ok` as `encode` writes it; and all others, with their numbers."""
    # One flat list, as a tuple for each line would keep the garbage collector busy: what is between the lines
    # and the groups of each. Those of `ok` are None in any other line; in these, the last one is.
    found: list[Any] = _OK_OR_OTHER(text)
    others = [(number, line) for number, line in enumerate(found[9::10], 2) if line is not None]
    columns = [found[group::10] for group in range(1, 9)]
    if others:
        columns = [[value for value in column if value is not None] for column in columns]
    oks = OkVerdicts(*columns)
    try:
        for prefix in {at[:17] for at in oks.at}:
            minute(prefix)
        for checks in set(oks.checks):
            _unquoted_checks(checks)
    except ValueError:
        return NO_VERDICTS, list(enumerate(text.split("\n"), 2))  # one is odd: look more closely at each
    return oks, others


# The same of announcements: not of copies.
_SENT_OR_OTHER = re.compile(
    rf'^(?:\{{"kind":"transferred","t":"({_TIME})","path":"([ !#-\[\]-~]{{1,{_MAX_PATH}}}+)"'
    rf',"upload":"({_UPLOAD})","ask":({_NUMBER}),"size":({_SIZE}),"crc32":"({CRC32})","etag":"([0-9a-f]{{32}})"'
    rf'(?:,"version_id":"({VERSION_ID})")?(?:,"mtime_ns":({_SIZE}|[1-8][0-9]{{18}}))?'
    r'(?:,"sha256":"([0-9a-f]{64})")?\}|(.*))$',
    re.MULTILINE,
).split


def _announcements(text: str) -> tuple[Announcements, list[tuple[int, str]]]:
    """The lines of a segment that announce a file as `encode` writes it; all others, with their numbers."""
    found: list[Any] = _SENT_OR_OTHER(text)  # as in `_oks`
    others = [(number, line) for number, line in enumerate(found[11::12], 2) if line is not None]
    columns = [found[group::12] for group in range(1, 11)]
    if others:
        usual = [at is not None for at in columns[0]]
        columns = [list(compress(column, usual)) for column in columns]
    sent = Announcements(*columns)
    try:
        for prefix in {at[:17] for at in sent.at}:
            minute(prefix)
    except ValueError:
        return NO_ANNOUNCEMENTS, list(enumerate(text.split("\n"), 2))  # as there
    return sent, others


def _sent(sent: Announcements, i: int) -> Transferred:
    epoch, _, n = sent.uploads[i].partition("-")
    mtime = sent.mtimes[i]
    upload = Upload(
        int(epoch),
        int(n),
        int(sent.sizes[i]),
        sent.crc32s[i],
        sent.etags[i],
        sent.versions[i],
        None if mtime is None else int(mtime),
        None,
        None,
        sent.sha256s[i],
    )
    return Transferred(sent.at[i], sent.paths[i], upload, int(sent.asks[i]))


def _ok(oks: OkVerdicts, i: int) -> Verdict:
    return Verdict(
        oks.at[i],
        oks.paths[i],
        oks.uploads[i],
        int(oks.asks[i]),
        "ok",
        "",
        Found(int(oks.sizes[i]), oks.crc32s[i], oks.etags[i]),
        _unquoted_checks(oks.checks[i]),
    )


_CLIENT = (_usual_transferred, _CLIENT_KINDS)
_VALIDATOR = (_usual_verdict, _VALIDATOR_KINDS)


def _unquoted(inner: str) -> str:
    return str(_decode_json(f'{{"text":"{inner}"}}')["text"])


@lru_cache(maxsize=64)
def _unquoted_checks(inner: str) -> tuple[str, ...]:
    fields = _decode_json(f'{{"checks":[{inner}]}}')
    if len(fields) > 1:
        raise _Malformed("the list ended, and more came")
    return _texts(fields["checks"])


# --- the chain ---


class LogChain:
    """The segments of one log, each linked to the one before by its hash.

    Attributes:
        writer: whose log it is.
        next_seq: number of the segment that comes next.
        tail_sha: SHA-256 of the last segment's bytes, hex; None before the first.
        highest_epoch: the highest epoch of any segment so far; 0 before the first.
        highest_agent: who wrote with it first.
    """

    __slots__ = ("highest_agent", "highest_epoch", "next_seq", "tail_sha", "writer")

    def __init__(self, writer: Writer) -> None:
        self.writer: Writer = writer
        self.next_seq = 0
        self.tail_sha: str | None = None
        self.highest_epoch = 0
        self.highest_agent: str | None = None

    def accept(self, seq: int, data: bytes) -> Segment:
        """Read the next segment, which lay at number `seq`, and link it in.

        A dead owner's late segment (its epoch is below an earlier one's, or equal and another agent's) is
        linked in too, and marked `superseded`: its records must not count.

        Raises:
            LogBroken: a gap, a wrong link or a malformed segment. The chain stays as it was.
        """
        if seq != self.next_seq:
            raise LogBroken(self.next_seq, f"it is missing; segment {seq} is there")
        try:
            segment = decode_segment(data, writer=self.writer)
        except MalformedSegment as e:
            raise LogBroken(seq, str(e)) from None
        if segment.header.seq != seq:
            raise LogBroken(seq, f"it says that it is segment {segment.header.seq}")
        if segment.header.prev != self.tail_sha:
            raise LogBroken(seq, "it does not follow the segment before it")
        if self._link(segment.header, segment.sha256):
            return segment
        return replace(segment, superseded=True)

    def follow(self, segment: Segment) -> None:
        """Link in a segment that another chain of the same log has accepted.

        Raises:
            ValueError: it does not follow the last one.
        """
        if (segment.header.seq, segment.header.prev) != (self.next_seq, self.tail_sha):
            raise ValueError(f"segment {segment.header.seq} does not follow segment {self.next_seq - 1}")
        self._link(segment.header, segment.sha256)

    def copy(self) -> LogChain:
        """The chain as it is now."""
        made = LogChain(self.writer)
        made.next_seq, made.tail_sha = self.next_seq, self.tail_sha
        made.highest_epoch, made.highest_agent = self.highest_epoch, self.highest_agent
        return made

    def header(self, *, agent_id: str, epoch: int, client_epoch: int | None = None) -> SegmentHeader:
        """The header of the segment that comes next, written by `agent_id` with `epoch`."""
        return SegmentHeader(VERSION, self.next_seq, agent_id, epoch, self.tail_sha, client_epoch)

    def appended(self, header: SegmentHeader, data: bytes) -> None:
        """Link in an own segment that the store has taken, which needs no reading.

        Raises:
            ValueError: it does not follow the last one.
        """
        if (header.seq, header.prev) != (self.next_seq, self.tail_sha):
            raise ValueError(f"segment {header.seq} does not follow segment {self.next_seq - 1}")
        self._link(header, hashlib.sha256(data).hexdigest())

    def _link(self, header: SegmentHeader, sha256: str) -> bool:
        self.next_seq = header.seq + 1
        self.tail_sha = sha256
        if self.highest_agent is None or header.epoch > self.highest_epoch:
            self.highest_epoch = header.epoch
            self.highest_agent = header.agent_id
        return header.epoch == self.highest_epoch and header.agent_id == self.highest_agent
