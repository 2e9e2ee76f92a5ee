"""The custody chain: what became of a delivery after its receipt, each record with the hash of the last.

The receiver signs each record, in the form of `upload_client.core.attestation`: an in-toto statement about
the receipt, in a DSSE envelope of one line. The first record holds the SHA-256 of the receipt, each later one
that of the line before it, its line feed included. So none can be left out, moved or exchanged but at the
end: that nothing follows is known only to who asks the receiver's bucket, or knows the last line's hash.
Pure: no key is touched here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias, get_args

from upload_client.core.attestation import BadSignature, read_statement, statement_of
from upload_client.core.receipt import ReceiptHead, receipt_name
from upload_client.core.text import for_log
from upload_client.core.times import milliseconds
from upload_client.core.values import value

Event: TypeAlias = Literal["handed over", "removed", "closed", "reopened", "withdrawn", "expired"]
"""Kinds of records."""

EVENTS: Final[dict[Event, str]] = {
    "handed over": "each file of the receipt was there, with the receipt's CRC32 and size",
    "removed": "after the hand-over the receipt's objects were deleted there",
    "closed": "the receiver took the delivery over; nothing more was to be sent",
    "reopened": "the receiver took the closing back",
    "withdrawn": "the delivery was withdrawn, and the receipt's objects were deleted there",
    "expired": "the time to keep it was over, and the receipt's objects were deleted there",
}
"""The statement of each kind of record, in the receiver's name."""

MAX_RECORDS: Final = 1000
"""Records of a chain."""
MAX_LOOKED: Final = 10_000
"""Objects, or lines, among which they are looked for: others may have put theirs there."""
MAX_LINE: Final = 16 * 1024
"""Bytes of the line of a record: of ours has 2 KiB."""
MAX_NOTE: Final = 500

_PREDICATE: Final = "urn:upload-client:custody:1"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z")
_PLACE = re.compile(r"s3://[ -~]{1,1100}")
_ENDS: Final = frozenset({"closed", "reopened"})
_ENDED: Final = frozenset({"withdrawn", "expired"})


class BadChain(ValueError):  # noqa: N818 - it reads as what it says
    """A chain is broken.

    Attributes:
        at: number of the record at which it is, from 1.
    """

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"record {at:,}: {why}")
        self.at = at


@value
class Happened:
    """An event that is to be recorded.

    Attributes:
        event: its kind.
        place: ``s3://bucket/prefix/``: the archive, or the landing place; None where there is none to it.
        n_files: of the receipt's files, those that it is about; None as `place`.
        n_bytes: their bytes; None as `place`.
        files_sha256: of a hand-over, as `upload_client.core.hand_over.HandOver` has it, hex; of a removal the
            same of the files that are gone (records of before have none); else None.
        note: the receiver's words, one line; may be empty.
    """

    event: Event
    place: str | None = None
    n_files: int | None = None
    n_bytes: int | None = None
    files_sha256: str | None = None
    note: str = ""


@value
class CustodyRecord:
    """One record of a chain.

    Attributes:
        name: of the receipt's file.
        sha256: of the receipt, hex.
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: `staging` or `sample`.
        epoch: of the receipt.
        n: number of this record, from 1.
        previous: SHA-256 of the line before, its line feed included; of the first record that of the receipt.
        event: its kind, one of `EVENTS`.
        place: see `Happened`.
        n_files: see `Happened`.
        n_bytes: see `Happened`.
        files_sha256: see `Happened`.
        note: see `Happened`.
        recorded_at: by the signer's clock, UTC with milliseconds; never before that of the record before.
        signer: version of the program that signed.
    """

    name: str
    sha256: str
    dataset: str
    delivery_id: str
    transfer_type: str
    epoch: int
    n: int
    previous: str
    event: Event
    place: str | None
    n_files: int | None
    n_bytes: int | None
    files_sha256: str | None
    note: str
    recorded_at: str
    signer: str

    @property
    def happened(self) -> Happened:
        """The event that it records."""
        return Happened(self.event, self.place, self.n_files, self.n_bytes, self.files_sha256, self.note)


def chain_name(receipt: str) -> str:
    """Name of the chain's file, beside the receipt's."""
    return receipt.removesuffix(".json") + ".custody.jsonl"


def line_sha256(line: bytes) -> str:
    """SHA-256 of a record's line, its line feed included, hex: what the next one holds."""
    return hashlib.sha256(line).hexdigest()


def encode_record(record: CustodyRecord) -> bytes:
    """A record as the bytes that are signed."""
    fields = {name: getattr(record, name) for name in _FIELDS}
    return statement_of(record.name, record.sha256, _PREDICATE, fields)


def decode_record(payload: bytes) -> CustodyRecord:
    """Read a record whose signature has been verified.

    Raises:
        BadSignature: it states something else, or more than this program knows to check.
    """
    record = read_statement(payload, _PREDICATE, set(_FIELDS), CustodyRecord)
    for name, fits in _CHECKS.items():
        if not fits(getattr(record, name)):
            raise BadSignature(f"its {name.replace('_', ' ')} is not valid")
    try:
        milliseconds(record.recorded_at)
    except ValueError:
        raise BadSignature("its recorded at is not valid") from None
    return record


def next_record(
    chain: Sequence[tuple[bytes, CustodyRecord]],
    head: ReceiptHead,
    sha256: str,
    happened: Happened,
    *,
    now: str,
    signer: str,
) -> CustodyRecord:
    """The record that follows a chain.

    Args:
        chain: line and record of each that is there.
        head: of the receipt.
        sha256: of the receipt, hex.
        happened: what is to be recorded.
        now: the moment, UTC with milliseconds; where the record before is of a later one, that is taken.
        signer: version of this program.
    """
    last = chain[-1] if chain else None
    return CustodyRecord(
        receipt_name(head),
        sha256,
        head.dataset,
        head.delivery_id,
        head.transfer_type,
        head.epoch,
        len(chain) + 1,
        sha256 if last is None else line_sha256(last[0]),
        happened.event,
        happened.place,
        happened.n_files,
        happened.n_bytes,
        happened.files_sha256,
        for_log(happened.note, MAX_NOTE),
        now if last is None else max(now, last[1].recorded_at),
        signer,
    )


def existing_record(records: Iterable[CustodyRecord], happened: Happened) -> CustodyRecord | None:
    """The record that says already what is to be recorded; None: there is none.

    A closing stands until it is taken back. Of the rest, each happens to a place once; and what was withdrawn
    does not expire afterwards, nor the other way round.
    """
    found = None
    for record in records:
        if happened.event in _ENDS:
            found = record if record.event in _ENDS else found
        elif record.place == happened.place and _same(record.event, happened.event):
            found = record
    return found if found is not None and _same(found.event, happened.event) else None


def _same(one: Event, other: Event) -> bool:
    return one == other or {one, other} == _ENDED


def check_chain(
    chain: Iterable[tuple[bytes, CustodyRecord]], head: ReceiptHead, sha256: str
) -> list[CustodyRecord]:
    """Walk a chain from its receipt to its last record.

    Args:
        chain: line, its line feed included, and record of each, in their order.
        head: of the receipt.
        sha256: of the receipt, hex.

    Returns:
        The records.

    Raises:
        BadChain: a record is of another receipt, left out, moved, or exchanged, or its date is before that of
            the one before.
    """
    walked: list[CustodyRecord] = []
    previous, of = sha256, "the receipt"
    due = (head.dataset, head.delivery_id, head.transfer_type, head.epoch)
    for n, (line, record) in enumerate(chain, 1):
        if record.sha256 != sha256:
            named = f"{record.dataset}/{record.delivery_id}, epoch {record.epoch}"
            raise BadChain(n, f"it is of another receipt ({named}, SHA-256 {record.sha256})")
        if (record.dataset, record.delivery_id, record.transfer_type, record.epoch) != due:
            raise BadChain(n, "it names another delivery than the receipt")
        if record.n != n:
            raise BadChain(n, f"record {record.n:,} stands here: records are left out, or in another order")
        if record.previous != previous:
            raise BadChain(n, f"it does not hold the SHA-256 of {of}: one of the two was exchanged")
        if walked and record.recorded_at < walked[-1].recorded_at:
            raise BadChain(n, f"it is dated {record.recorded_at}, before the record that it follows")
        if record.event == "handed over" and (record.n_files, record.n_bytes) != (head.n_files, head.n_bytes):
            raise BadChain(n, "what was handed over is not what the receipt names")
        walked.append(record)
        previous, of = line_sha256(line), f"record {n:,}"
    return walked


def _text(longest: int) -> Callable[[object], bool]:
    return lambda found: isinstance(found, str) and len(found) <= longest and found.isprintable()


def _number(found: object) -> bool:
    return type(found) is int and 0 <= found < 2**63


def _match(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda found: isinstance(found, str) and pattern.fullmatch(found) is not None


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda found: found is None or fits(found)


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "name": _text(512),
    "sha256": _match(_SHA256),
    "dataset": _text(63),
    "delivery_id": _text(63),
    "transfer_type": _text(63),
    "epoch": _number,
    "n": _number,
    "previous": _match(_SHA256),
    "event": lambda found: found in get_args(Event),
    "place": _or_none(_match(_PLACE)),
    "n_files": _or_none(_number),
    "n_bytes": _or_none(_number),
    "files_sha256": _or_none(_match(_SHA256)),
    "note": _text(MAX_NOTE + 1),
    "recorded_at": _match(_TIME),
    "signer": _text(512),
}
_FIELDS: Final = tuple(_CHECKS)[2:]
