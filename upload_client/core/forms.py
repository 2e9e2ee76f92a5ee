"""The forms of ETags, versions and CRC32s, in which logs hold what stores say."""

from __future__ import annotations

import re
from typing import Final

ETAG: Final = r"[!#-\[\]-~]{1,128}"
"""Pattern: printable ASCII without the quote and the backslash."""
CRC32: Final = r"[A-Za-z0-9+/]{5}[AQgw]=="
"""Pattern: base64 of 4 bytes."""
VERSION_ID: Final = r"[!#-\[\]-~]{1,1024}"
"""Pattern: as an ETag's, and longer."""


def is_etag(text: str) -> bool:
    """Whether this can be told as an ETag, without its quotes: what a store says may be empty, or garbled."""
    return _ETAG_WHOLE(text) is not None


def is_version_id(text: str) -> bool:
    """Whether this can be told as the version of an object."""
    return _VERSION_WHOLE(text) is not None


def is_crc32(text: str) -> bool:
    """Whether this can be told as a CRC32: base64 of 4 bytes."""
    return _CRC32_WHOLE(text) is not None


_CRC32_WHOLE: Final = re.compile(CRC32).fullmatch
_ETAG_WHOLE: Final = re.compile(ETAG).fullmatch
_VERSION_WHOLE: Final = re.compile(VERSION_ID).fullmatch
