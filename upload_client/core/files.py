"""The life of a file in a delivery: its states, the one table of its moves, and the ledger of all files.

```
ready → pending → transferring → done → valid | invalid
                       ↓
                    failed → pending   (while retries are left; to the END of the queue, with backoff)
```
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final, Literal, get_args

from upload_client.core.values import value

TransferType = Literal["staging", "sample"]
"""`staging` is the whole delivery, `sample` a small one agreed on first."""
TRANSFER_TYPES: Final[tuple[TransferType, ...]] = get_args(TransferType)

State = Literal["ready", "pending", "failed", "transferring", "done", "valid", "invalid"]
STATES: Final[tuple[State, ...]] = get_args(State)

# Nine digits keep a hostile number within 32 bits; no leading zero gives each upload one spelling.
_UPLOAD_ID: Final = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})")


@value
class Upload:
    """One object written for a file, as it was announced in the client log.

    Attributes:
        epoch: epoch of the client that wrote it.
        n: its number within that epoch.
        size: bytes.
        crc32: CRC32 of the whole object, base64 of its 4 big-endian bytes.
        etag: the object's ETag, without quotes.
        version_id: the object's version, where the bucket keeps versions.
        mtime_ns: modification time of the local file it was read from, nanoseconds since 1970.
        source_etag: ETag of the object it was copied from, without quotes.
        source_version: version of that object.
    """

    epoch: int
    n: int
    size: int
    crc32: str
    etag: str
    version_id: str | None = None
    mtime_ns: int | None = None
    source_etag: str | None = None
    source_version: str | None = None

    @property
    def id(self) -> str:
        """The identity `{epoch}-{n}`, repeated when the upload is announced again."""
        return f"{self.epoch}-{self.n}"


def parse_upload_id(text: str) -> tuple[int, int]:
    """Epoch and number in an upload's identity, such as `3-17`.

    Raises:
        ValueError: not an identity, or one with numbers of more than nine digits.
    """
    match = _UPLOAD_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not an upload: {text[:40]!r}")
    return int(match[1]), int(match[2])


@value
class ClientFile:
    """A file of the delivery as it stands at one moment: a row of the ledger, which does not change with it.

    Attributes:
        abspath: where the file is read from.
        relpath: its path within the delivery, `/`-separated.
        state: see the head of this module.
        retries: second and later tries made.
        max_retries: second and later tries allowed.
        message: why it failed or is invalid, if there is something to say.
        checksum: CRC32 as base64 of its 4 big-endian bytes, e.g. `yH2GHg==`, if provided or computed.
        size: bytes, if known.
        etag: ETag of its object in the landing bucket, without quotes, if it is there.
        transferred_at: when it was sent, UTC with milliseconds.
        judged_at: when it was judged, UTC with milliseconds.
    """

    abspath: str
    relpath: str
    state: State
    retries: int
    max_retries: int
    message: str | None = None
    checksum: str | None = None
    size: int | None = field(default=None, kw_only=True)
    etag: str | None = field(default=None, kw_only=True)
    transferred_at: str | None = field(default=None, kw_only=True)
    judged_at: str | None = field(default=None, kw_only=True)
