"""The note by which a receiver closes a delivery: the data was taken over, and nothing more is to be sent."""

from __future__ import annotations

import json
from typing import Any, Final

from upload_client.core.text import for_log
from upload_client.core.values import value

MAX_CLOSED: Final = 8 * 1024
"""Bytes of it."""
MAX_NOTE: Final = 500
"""Characters of what the receiver says to the provider."""
_KIND: Final = "closed"


@value
class Closed:
    """A delivery is closed.

    Attributes:
        at: when, UTC with milliseconds.
        note: the receiver's word to the provider, one line; may be empty.
        removed: why the receiver has removed it (``withdrawn``, ``expired``); empty: it was taken over.
    """

    at: str
    note: str = ""
    removed: str = ""

    def encode(self) -> bytes:
        """The note as it is written: one object of JSON."""
        fields = {"kind": _KIND, "version": 1, "at": self.at, "note": for_log(self.note, MAX_NOTE)}
        if self.removed:
            fields["removed"] = self.removed
        return (json.dumps(fields) + "\n").encode("ascii")

    @classmethod
    def decode(cls, body: bytes) -> Closed:
        """Read a note, whatever its bytes are: no provider can write it, so that it is there says enough."""
        try:
            document: Any = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        fields = document if isinstance(document, dict) else {}
        names = ("at", "note", "removed")
        return cls(*(for_log(str(fields.get(name) or ""), MAX_NOTE) for name in names))

    def __str__(self) -> str:
        when = f" on {self.at}" if self.at else ""
        note = f": {self.note}" if self.note else ""
        did = f"removed this delivery ({self.removed})" if self.removed else "taken this delivery over"
        return f"the receiver has {did} and closed it{when}{note}"
