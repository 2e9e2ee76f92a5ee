"""Metadata of an object: names and values as S3 takes them.

Limits: S3 user guide, "Working with object metadata" (2 KB in all, names in US-ASCII and lower case) and
"Bucket naming rules". Values that a header cannot hold are encoded words of RFC 2047, the form in which S3
itself answers with them; ``email.header.decode_header`` reads them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from upload_client.core.paths import MAX_KEY, NOT_IN_XML

MAX_METADATA = 2048
"""Bytes that all names and values may have together, in UTF-8, as they are sent."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_PLAIN = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_ENCODED_WORD_BYTES = 45
"""Bytes in an encoded word: 60 characters of base64, and 75 are allowed to the word as a whole."""


def object_metadata(metadata: Mapping[Any, Any], *, limit: int = MAX_METADATA) -> dict[str, str]:
    """Names and values as they are sent, names in lower case. What has no value (None) is left out.

    Args:
        metadata: texts, numbers, moments, UUIDs by name.
        limit: bytes that they may have together.

    Raises:
        ValueError: S3 would refuse it; it says what, and why.
    """
    made: dict[str, str] = {}
    for name, value in metadata.items():
        if value is None:
            continue
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(
                f"the metadata {name!r} cannot be a name: letters, digits and dashes may stand there"
            )
        if name.lower() in made:
            raise ValueError(
                f"the metadata {name.lower()!r} is there twice: to S3 capital and small letters are the same"
            )
        if isinstance(value, (list, tuple, set, frozenset, dict, bytes)):
            raise ValueError(f"the metadata {name!r} is a {type(value).__name__}; it has to be a text")  # noqa: TRY004
        made[name.lower()] = _encoded(
            name, value.isoformat() if isinstance(value, date | datetime) else str(value)
        )
    size = sum(len(name) + len(value) for name, value in made.items())
    if size > limit:
        longest = max(made, key=lambda name: len(made[name]))
        raise ValueError(f"the metadata have {size:,} bytes, and S3 takes {limit:,}; most are in {longest!r}")
    return made


def _encoded(name: str, text: str) -> str:
    if _PLAIN.fullmatch(text) and not text.startswith("=?"):
        return text
    encoded = [b""]
    for one in text:
        try:
            data = one.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the metadata {name!r} is not valid Unicode") from None
        if len(encoded[-1]) + len(data) > _ENCODED_WORD_BYTES:
            encoded.append(b"")
        encoded[-1] += data
    return " ".join(f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in encoded)


def check_bucket(name: str) -> str | None:
    """Why a bucket cannot have this name; None if it can. An access point's ARN is let pass."""
    if name.startswith("arn:"):
        return None
    if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        return "is no name of a bucket: 3 to 63 lower-case letters, digits, dashes and single dots"
    return None


def check_key(key: str) -> str | None:
    """Why an object cannot have this key; None if it can."""
    if not key:
        return "is empty"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > MAX_KEY:
        return f"has {size:,} bytes, and S3 allows {MAX_KEY:,}"
    if odd := NOT_IN_XML.search(key):
        return f"contains U+{ord(odd.group()):04X}, a character S3 cannot list"
    if any(part in {".", ".."} for part in key.split("/")):
        return "contains '.' or '..' as a component, which not everybody can read again"
    return None
