"""The refusal of a text file, and how much of one is held in memory."""

from __future__ import annotations

import codecs

BLOCK = 256 * 1024
"""Bytes read at once, and the longest JSON text that is built in memory rather than walked through."""
MAX_TEXT = 4 * 1024 * 1024
"""Characters of the longest field or JSON string that is taken, bytes of the longest line of a table."""
MAX_NESTING = 500
"""JSON arrays and objects within each other."""
BOM = codecs.BOM_UTF8


class Unreadable(Exception):  # noqa: N818 — it reads as what it says
    """A file does not open as what its suffix says."""


def is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 from its first byte to its last."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
