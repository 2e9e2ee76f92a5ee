"""The record of a hand-over: a complete delivery is copied into an archive, every file proven there.

One JSON object in ASCII, chained to the receipt by its SHA-256. It is written once, on the condition that
there is none, when all is proven; what follows (somebody was notified, the files were removed from landing)
is added to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.text import for_log
from upload_client.core.values import value

MAX_RECORD: Final = 64 * 1024
"""Bytes of a record."""
_KIND: Final = "hand-over"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z")
_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?:[ -~]{0,1000}/)?")
_LANDING = re.compile(r"s3://[ -~]{1,1100}/")  # as in receipts: old buckets have capitals and underscores
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadRecord(ValueError):  # noqa: N818 - it reads as what it says
    """These bytes are no record of a hand-over; the text is for people."""


@value
class HandOver:
    """The record of a hand-over.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: `staging` or `sample`.
        epoch: of the receipt.
        receipt: its key, below the delivery's root.
        receipt_sha256: of its bytes, hex.
        landing: where the files were, ``s3://bucket/prefix/``.
        archive: where they are, the same.
        n_files: files; all of the receipt's.
        n_bytes: their bytes.
        files_sha256: of the lines of `archived_line`, in the order of the receipt, hex.
        proven_at: when the last file was proven in the archive, UTC with milliseconds.
        agent_id: who did it.
        notified_at: when somebody was told; None: not yet, or nobody is to be.
        removed_at: when the files were gone from landing; None: they are there, or some are.
        removing_at: when their removal began, written before the first of them is removed; None: it has not.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    epoch: int
    receipt: str
    receipt_sha256: str
    landing: str
    archive: str
    n_files: int
    n_bytes: int
    files_sha256: str
    proven_at: str
    agent_id: str
    notified_at: str | None = None
    removed_at: str | None = None
    removing_at: str | None = None

    @property
    def leaves_landing(self) -> bool:
        """Whether the files are gone from landing, or on their way: whoever looks there misses them."""
        return self.removing_at is not None or self.removed_at is not None

    def encode(self) -> bytes:
        """The record as it is stored."""
        return json.dumps(self.as_json(), ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {"kind": _KIND, "schema_version": 1, **fields}

    @staticmethod
    def decode(data: bytes) -> HandOver:
        """Read a record, and believe nothing.

        Raises:
            BadRecord: it is none.
        """
        if len(data) > MAX_RECORD:
            raise BadRecord("it is too long")
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise BadRecord("it is no JSON") from None
        if not isinstance(found, dict) or found.get("kind") != _KIND or found.get("schema_version") != 1:
            raise BadRecord("it is no record of a hand-over, or one of a later version")
        for name, fits in _FIELDS.items():
            if not fits(found.get(name)):
                raise BadRecord(f"its {name} is missing or wrong")
        fields: dict[str, Any] = {name: found.get(name) for name in _FIELDS}
        return HandOver(**fields)


def _text(pattern: re.Pattern[str], *, or_none: bool = False) -> Any:  # noqa: ANN401 - a function
    def fits(found: object) -> bool:
        return (found is None and or_none) or (isinstance(found, str) and bool(pattern.fullmatch(found)))

    return fits


def _number(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**63


_FIELDS: Final[Mapping[str, Any]] = {
    "dataset": _text(_NAME),
    "delivery_id": _text(_NAME),
    "transfer_type": lambda found: found in TRANSFER_TYPES,
    "epoch": _number,
    "receipt": _text(re.compile(r"[ -~]{1,200}")),
    "receipt_sha256": _text(_SHA256),
    "landing": _text(_LANDING),
    "archive": _text(_PLACE),
    "n_files": _number,
    "n_bytes": _number,
    "files_sha256": _text(_SHA256),
    "proven_at": _text(_TIME),
    "agent_id": _text(_NAME),
    "notified_at": _text(_TIME, or_none=True),
    "removed_at": _text(_TIME, or_none=True),
    "removing_at": _text(_TIME, or_none=True),
}


def archived_line(path: str, size: int, crc32: str) -> bytes:
    """One file of the archive, as the record's ``files_sha256`` has it: JSON of path, bytes, CRC32."""
    return json.dumps([path, size, crc32], ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def name_of_folder(uri: str) -> tuple[str, str]:
    """Bucket and prefix of an archive; the prefix is empty or ends in ``/``.

    Raises:
        ValueError: it is no such place; the text says why.
    """
    folder = uri if uri.endswith("/") else uri + "/"
    if not _PLACE.fullmatch(folder):
        raise ValueError(
            f"{for_log(uri, 200)!r} is no s3://BUCKET/PREFIX/: the name of a bucket has 3 to 63 characters,"
            " the prefix is printable ASCII"
        )
    bucket, _, prefix = folder[5:].partition("/")
    if any(part in ("", ".", "..") for part in prefix[:-1].split("/") if prefix):
        raise ValueError(f"{for_log(uri, 200)!r} has an empty part, '.' or '..' in its prefix")
    return bucket, prefix


def landing_differs(
    listed: Mapping[str, tuple[int, str]], files: Iterable[tuple[str, int, str]]
) -> list[tuple[str, str]]:
    """Files of a receipt that landing does not have as the receipt says: each with the reason.

    Args:
        listed: bytes and ETag of each object of landing, by path.
        files: path, bytes and ETag of each file of the receipt.
    """
    wrong: list[tuple[str, str]] = []
    for path, size, etag in files:
        found = listed.get(path)
        if found is None:
            wrong.append((path, "is not in the landing bucket any more"))
        elif found != (size, etag):
            wrong.append((path, "is another object than the receipt names"))
    return wrong
