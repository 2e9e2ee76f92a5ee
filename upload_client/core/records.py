"""The records of the logs of client and validator: their kinds, their fields, and how large they may be.

A log is a chain of segments (`upload_client.core.segments`). A segment is a JSON-lines object: its first line
is its header, every other line one record, spelled as `upload_client.core.record_encoding` does it. Each side
reads the other's as hostile input, by `upload_client.core.record_decoding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal, TypeAlias

from upload_client.core.uploads import Upload
from upload_client.core.values import value

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

MAX_TEXT: Final = 4000  # characters of a message: what does not fit into a record would be lost to the reader
MAX_TEXTS: Final = 100  # in a list of them
MAX_PROBLEMS: Final = 10

Writer: TypeAlias = Literal["client", "validator"]
VerdictStatus: TypeAlias = Literal["ok", "failure", "error"]


class MalformedSegment(ValueError):  # noqa: N818 - it reads as what it says
    """A segment that is too large or has no sound header."""


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
        receipt_sha256: of the receipt that this client has written, hex; None: it wrote none.
    """

    t: str
    reason: str = ""
    code: str | None = None
    receipt_sha256: str | None = None


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
