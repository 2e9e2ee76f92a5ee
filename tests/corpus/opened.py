"""What a validator's reader says of a file, in this process: the files are ours."""

from __future__ import annotations

import io

from upload_client.validator.opening import format_of
from upload_client.validator.reader_worker import _outcome


def opened(name: str, data: bytes) -> str:
    """Why it does not open; empty: it does."""
    kind = format_of(name)
    assert kind is not None, name
    came_out = _outcome({"kind": kind, "size": len(data)}, io.BytesIO(data), 10**9)
    if came_out.get("opens") is True and "not_opened" not in came_out:
        return ""
    return str(came_out.get("why") or came_out.get("undecided") or f"not opened: {came_out['not_opened']}")


__all__ = ["opened"]
