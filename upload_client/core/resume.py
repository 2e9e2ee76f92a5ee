"""The decision table for where each file starts: by logs, landing listing and disk.

State is what the logs and the listing say; nothing on the provider's disk is needed. Most files are decided
by what is at hand. Where the table needs a file's content or an object's checksum, `decide` says so and is
asked again with the answer: so that a million settled files cost neither a read nor a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import compress
from typing import Final, Literal, Self

from upload_client.core.codes import FileCode
from upload_client.core.columns import in_one_piece
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory, PathHistory
from upload_client.core.uploads import Upload
from upload_client.core.values import value


class Reason(StrEnum):
    """Why a file starts as it does: a code for programs, and its `sentence` for people."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        """A reason with its sentence."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        return member

    NEW = "new", "never sent: will be sent"
    OBJECT_MISSING = "object_missing", "sent before, but its object is gone: will be sent again"
    OBJECT_REPLACED = "object_replaced", "sent before, but another object is in its place: will be sent again"
    CHECKSUM_CHANGED = (
        "checksum_changed",
        "its checksum in the index is another than was sent: will be sent again",
    )
    SIZE_CHANGED = "size_changed", "its size in the index is another than was sent: will be sent again"
    CHANGED = "changed", "changed since it was judged: will be sent again"
    CHANGED_UNJUDGED = "changed_unjudged", "changed since it was sent: will be sent again"
    RESEND_INVALID = "resend_invalid", "judged invalid: will be sent again, as asked for"
    PROMISED = "promised", "judged invalid because of another file: will be sent again"
    OTHER_OBJECT = "other_object", "an object that was never announced is in its place: will be sent"
    NOT_JUDGED = "not_judged", "sent, not judged: will be announced again"
    FOUND = "found", "in place already, never announced: will be announced"
    VALID = "valid", "valid: nothing to do"
    INVALID = "invalid", "judged invalid and not changed since: nothing to do"


class Need(StrEnum):
    """The facts that `decide` may have to ask for before it can decide."""

    LOCAL_CRC32 = "local_crc32"
    """CRC32 of the file's content now."""
    HEAD = "head"
    """The answer of HEAD, with its checksum, about the landing object."""


@value
class Local:
    """The file at its source now.

    Attributes:
        size: bytes.
        mtime_ns: modification time of a local file, nanoseconds since 1970.
        etag: ETag of a source object, without quotes.
        version: its version.
    """

    size: int
    mtime_ns: int | None = None
    etag: str | None = None
    version: str | None = None


@value
class LandingObject:
    """An object in the landing bucket, as HEAD with its checksum describes it.

    Attributes:
        size: bytes.
        etag: without quotes.
        crc32: of the whole object, base64; None where the store has none.
        version_id: where the bucket keeps versions.
    """

    size: int
    etag: str
    crc32: str | None
    version_id: str | None = None

    def as_upload(self, epoch: int, n: int, local: Local, sha256: str | None = None) -> Upload:
        """A new upload for an object that is in place already and has the content of the file `local`.

        Args:
            epoch: of the run that announces it.
            n: its number within that.
            local: the file.
            sha256: of the file, hex, from the reading that has found its CRC32 to be the object's.

        Raises:
            ValueError: its CRC32 is not known.
        """
        if self.crc32 is None:
            raise ValueError("an object without a CRC32 is not known to be the file")
        return Upload(
            epoch,
            n,
            self.size,
            self.crc32,
            self.etag,
            self.version_id,
            local.mtime_ns,
            local.etag,
            local.version,
            sha256,
        )


GONE: Final = LandingObject(-1, "", None)
"""The answer of HEAD where no object is."""


@value
class Start:
    """The start of a file.

    Attributes:
        state: its state.
        reason: why.
    """

    state: Literal["ready", "done", "valid", "invalid"]
    reason: Reason


_SEND: Final = {reason: Start("ready", reason) for reason in Reason}
_VALID: Final = Start("valid", Reason.VALID)
_INVALID: Final = Start("invalid", Reason.INVALID)
_NOT_JUDGED: Final = Start("done", Reason.NOT_JUDGED)
_FOUND: Final = Start("done", Reason.FOUND)


def decide(
    past: PathHistory | None,
    listed: tuple[int, str] | None,
    local: Local,
    *,
    checksum: str | None = None,
    size: int | None = None,
    is_compared: bool = True,
    resend_invalid: bool = False,
    local_crc32: str | None = None,
    head: LandingObject | None = None,
) -> Start | Need:
    """The table: where a file starts, or what has to be found out first.

    Args:
        past: what the logs say of it; None if it was never announced.
        listed: size in bytes and ETag (without quotes) of the object in its place, if there is one.
        local: the file now.
        checksum: the index's CRC32 in base64.
        size: the index's bytes. What is sent in vain, because the file has others, is told with these.
        is_compared: whether the index's checksums of other kinds are those that the upload was held against
            when it was sent. If not, only the file's content can tell.
        resend_invalid: send what was judged invalid although it has not changed.
        local_crc32: the answer to `Need.LOCAL_CRC32`, base64; empty where the file cannot be read, or has
            another checksum of any kind than the index.
        head: the answer to `Need.HEAD`; `GONE` where nothing is there.
    """
    other_size = size not in (None, local.size)
    if past is None:
        if listed is None:
            return _SEND[Reason.NEW]
        found = None if other_size else _unannounced(listed[0], local, checksum, local_crc32, head)
        return found or _SEND[Reason.OTHER_OBJECT]
    upload = past.upload
    if listed is None:
        return _SEND[Reason.OBJECT_MISSING]
    if listed != (upload.size, upload.etag):
        found = None if other_size else _unannounced(listed[0], local, checksum, local_crc32, head)
        return found or _SEND[Reason.OBJECT_REPLACED]
    if checksum is not None and checksum != upload.crc32:
        return _SEND[Reason.CHECKSUM_CHANGED]
    if other_size and local.size == upload.size:
        return _SEND[Reason.SIZE_CHANGED]
    judged = past.verdict in ("ok", "failure")
    unchanged = _unchanged(upload, local, local_crc32, is_compared=is_compared)
    if unchanged is None:
        return Need.LOCAL_CRC32
    if not unchanged:
        if local_crc32 == "" and not is_compared:
            return _SEND[Reason.CHECKSUM_CHANGED]
        return _SEND[Reason.CHANGED if judged else Reason.CHANGED_UNJUDGED]
    if not judged:
        return _NOT_JUDGED
    if past.verdict == "ok":
        return _VALID
    if resend_invalid:
        return _SEND[Reason.RESEND_INVALID]
    # It may be the other file that was fixed since.
    return _SEND[Reason.PROMISED] if past.code == FileCode.NOT_AS_PROMISED else _INVALID


def _unchanged(upload: Upload, local: Local, local_crc32: str | None, *, is_compared: bool) -> bool | None:
    """Whether the file is still what was sent; None where only its content can tell."""
    if local.size != upload.size:
        return False
    if is_compared and local.mtime_ns is not None and local.mtime_ns == upload.mtime_ns:
        return True
    if is_compared and local.etag is not None and local.etag == upload.source_etag:
        return True
    return None if local_crc32 is None else local_crc32 == upload.crc32


def _unannounced(
    listed_size: int, local: Local, checksum: str | None, local_crc32: str | None, head: LandingObject | None
) -> Start | Need | None:
    """Decide about a file in whose place an object is that no log announces: one in flight at a crash.

    None: the object is not the file.
    """
    if listed_size != local.size:
        return None
    if head is None:
        return Need.HEAD
    if head.size != local.size or head.crc32 is None or checksum not in (None, head.crc32):
        return None
    if local_crc32 is None:
        return Need.LOCAL_CRC32
    return _FOUND if local_crc32 == head.crc32 else None


def place_valid(
    ledger: FileLedger,
    rows: Sequence[int],
    history: DeliveryHistory,
    listed: tuple[Sequence[int], Sequence[str]],
    local: tuple[Sequence[int], Sequence[int | None]],
) -> list[bool]:
    """`decide` and `place` for those of some files that are valid and did not change, many at once.

    Args:
        ledger: the files. It has begun with `history.logged()`.
        rows: the files, in ledger and history; none of them twice.
        history: both logs, of which the rows are the ledger's.
        listed: size in bytes and ETag (without quotes) of the object in each one's place, in columns.
        local: size in bytes and modification time (`Local.mtime_ns`) of each one now, in columns.

    Returns:
        Of each whether it is one; if not, nothing has happened to it, and `decide` knows.
    """
    (sizes, etags), (own_sizes, mtimes_ns) = listed, local
    uploads, crc32s = history.uploads, ledger.checksums
    if list(sizes) == list(own_sizes) and history.are_ok(rows):
        settled = uploads.are_unchanged(rows, sizes, etags, mtimes_ns, crc32s)
    else:
        settled = [
            history.is_ok(row)
            and size == own_size
            and uploads.is_unchanged(row, size, etag, mtime_ns, crc32s[row])
            for row, size, etag, own_size, mtime_ns in zip(
                rows, sizes, etags, own_sizes, mtimes_ns, strict=True
            )
        ]
    ledger.place_valid(in_one_piece(list(compress(rows, settled))))
    return settled


def place(
    ledger: FileLedger, row: int, start: Start, past: PathHistory | None, *, found: Upload | None = None
) -> None:
    """Write into the ledger where a file starts.

    A file that starts `done` is to be announced after that: its `ledger.upload`, as `ledger.asks` says.

    Args:
        ledger: the files.
        row: the file.
        start: what `decide` said.
        past: what the logs say of it.
        found: for `Reason.FOUND` the new upload, see `Landed.as_upload`.
    """
    if start.reason is Reason.FOUND:
        ledger.place(row, "done", upload=found)
    elif past is None:
        return  # every file is ready until something else is known of it
    elif start.state == "ready":
        # It no longer counts, but late verdicts about it must be known for what they are.
        ledger.place(row, "ready", upload=past.upload)
    elif start.state == "done":
        ledger.place(row, "done", upload=past.upload, ask=past.ask + 1, transferred_at=past.transferred_at)
    else:
        valid = start.state == "valid"
        ledger.place(
            row,
            start.state,
            upload=past.upload,
            ask=past.ask,
            message=None if valid else past.message,
            code=None if valid else past.code,
            verdict="ok" if valid else "failure",
            transferred_at=past.transferred_at,
            judged_at=past.judged_at,
            opened=past.opened,
        )
