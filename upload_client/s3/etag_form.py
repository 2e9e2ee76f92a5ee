"""The spelling of an ETag in a condition: in quotes, as HTTP has it, or bare, as some stores want it.

RFC 9110 (section 8.8.3) puts an ETag in quotes, and S3 compares it so. Ceph's gateway compares what stands in
If-Match of a PUT with the ETag without quotes, and refuses each write on a right ETag that is quoted. Which
form a store understands is proven before a run (`upload_client.control.probe`) and remembered for the client.
"""

from __future__ import annotations

import weakref
from typing import Any

_BARE: weakref.WeakSet[Any] = weakref.WeakSet()


def use_bare(client: Any) -> None:  # noqa: ANN401 - any boto3 client of S3
    """Write conditions without quotes in requests of this client that write."""
    _BARE.add(client)


def use_quoted(client: Any) -> None:  # noqa: ANN401 - any boto3 client of S3
    """Write them with quotes again, as by default."""
    _BARE.discard(client)


def is_bare(client: Any) -> bool:  # noqa: ANN401 - any boto3 client of S3
    """Whether they are written so."""
    return client in _BARE


def condition(client: Any, etag: str) -> str:  # noqa: ANN401 - any boto3 client of S3
    """The value of If-Match for a write on this ETag (which is given without quotes)."""
    return etag if is_bare(client) else f'"{etag}"'
