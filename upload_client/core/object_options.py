"""Options for objects, by their names in S3's PutObject: which there are, and which fit where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

NAMES: Final = (
    "ACL",
    "ExpectedBucketOwner",
    "RequestPayer",
    "SSEKMSEncryptionContext",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
    "Tagging",
)
"""See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

ACLS: Final = (
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-full-control",
    "bucket-owner-read",
    "private",
    "public-read",
    "public-read-write",
)
"""See https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl"""

_ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def check_options(options: dict[str, str]) -> dict[str, str]:
    """Refuse options that no request can hold.

    Raises:
        ValueError: naming the first that is wrong.
    """
    for name, text in options.items():
        if name not in NAMES:
            raise ValueError(f"{name!r} is none of {', '.join(NAMES)}{_close(name, NAMES)}")
        if not (text.isascii() and text.isprintable()):
            raise ValueError(f"{name} holds characters that a request cannot hold: printable ASCII alone")
    if (acl := options.get("ACL")) is not None and acl not in ACLS:
        raise ValueError(f"ACL {acl!r} is none of {', '.join(ACLS)}{_close(acl, ACLS)}")
    return options


def for_control(options: Mapping[str, str]) -> dict[str, str]:
    """Leave out what makes no sense for a conversation: a log in an archive could not be read.

    Args:
        options: those of the landing bucket.
    """
    archived = options.get("StorageClass") in _ARCHIVES
    return {name: text for name, text in options.items() if name != "StorageClass" or not archived}


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
