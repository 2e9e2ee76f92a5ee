"""A file under a temporary name until it is whole, and what of it an interrupted try may keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BLOCK = 1024**2
"""Bytes of which a checksum is kept while a file is written."""

_MAX_NAME = 255
"""Bytes a name in a folder may have, on nearly every system."""
_SUFFIX = ".part"


def check_filename(name: str) -> str | None:
    """Why a file cannot be written under this path; None if it can.

    Args:
        name: its path, folders separated by ``/``; from the root where it begins with one.
    """
    if not name.strip("/"):
        return "is empty"
    if not name.isprintable():
        # An FTP command ends at a line feed, and what follows would be the next command.
        odd = next(one for one in name if not one.isprintable())
        return f"contains U+{ord(odd):04X}, which no name should have"
    if name.endswith("/"):
        return "is the path of a folder"
    parts = name.removeprefix("/").split("/")
    if ".." in parts or "." in parts:
        return "contains '.' or '..' as a component"
    if "" in parts:
        return "has an empty component ('//')"
    longest = max(map(_length, parts))
    return f"has a component of {longest} bytes, and {_MAX_NAME} are allowed" if longest > _MAX_NAME else None


def folders(path: str) -> Iterator[str]:
    """The paths of all folders on the way to one, from the top, and that one itself."""
    made = "/" if path.startswith("/") else ""
    for part in path.strip("/").split("/"):
        made += part
        yield made
        made += "/"


def temporary_name(name: str) -> str:
    """The path under which a file is written until it is whole: beside it, and found by the next try."""
    folder, slash, last = name.rpartition("/")
    while _length(last) > _MAX_NAME - len(_SUFFIX) - 1:
        last = last[:-1]
    return f"{folder}{slash}.{last}{_SUFFIX}"


def kept_blocks(written: Sequence[bytes], there: int) -> int:
    """Number of whole blocks of an interrupted file to keep, if the content is the same up to there.

    Args:
        written: the checksum of each block that was given to the other side.
        there: bytes that it has of them.
    """
    return min(len(written), there // BLOCK)


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
