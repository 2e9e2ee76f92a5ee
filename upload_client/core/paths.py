"""Relative paths and S3 keys: what may be delivered, and what is refused because it could escape or collide.

One rule for every platform: an index that is fine on one machine is fine on the others. A path is
delivered exactly as it is spelled, byte by byte in UTF-8, or not at all; nothing is normalised.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from typing import Literal

MAX_KEY = 1024
"""Bytes of UTF-8 an S3 key may have (S3 user guide, "Naming Amazon S3 objects")."""

Collision = tuple[int, int, Literal["case", "unicode"]]

# S3 answers in XML 1.0, which has no way to spell these (XML 1.0, production 2 "Char").
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CHUNK = 1000
_BAD_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\\\\]")
_BAD_COMPONENT = re.compile(r"/\.{0,2}(?:/|\Z)")
_DRIVE = re.compile(".:", re.DOTALL)  # of letters, most; Windows has others (subst), and so has pathlib


def check_relpath(relpath: str, prefix: str = "") -> str | None:
    """Why a path cannot be delivered; None if it can.

    Args:
        relpath: path relative to the source, components separated by ``/``.
        prefix: what stands before it in the S3 key.
    """
    if not relpath:
        return "is empty"
    if relpath.isascii():
        length = len(relpath)
    else:
        try:
            length = len(relpath.encode())
        except UnicodeEncodeError:
            return "is not valid Unicode (a file name that is not UTF-8?)"
    # Two searches clear nearly every path; only the others are looked at closely.
    if _BAD_CHARACTER.search(relpath) or _BAD_COMPONENT.search("/" + relpath) or _DRIVE.match(relpath):
        return _refused(relpath)
    length += len(prefix.encode())
    return None if length <= MAX_KEY else f"makes a key of {length} bytes, and S3 allows {MAX_KEY}"


def check_relpaths(relpaths: Sequence[str], prefix: str = "") -> Iterator[tuple[int, str]]:
    """Rows whose path cannot be delivered, with the reason: `check_relpath` for a million paths."""
    room = MAX_KEY - len(prefix.encode())
    for start in range(0, len(relpaths), _CHUNK):
        chunk = relpaths[start : start + _CHUNK]
        # What could be wrong shows in all of them at once, framed by a character none of them may have.
        joined = "/" + "/\\/".join(chunk) + "/"
        if (
            joined.isprintable()
            and joined.count("\\") == len(chunk) - 1
            and "//" not in joined
            and "/./" not in joined
            and "/../" not in joined
            and ":" not in joined
            and 4 * max(map(len, chunk)) <= room
        ):
            continue
        for row, relpath in enumerate(chunk, start):
            if reason := check_relpath(relpath, prefix):
                yield row, reason


def _refused(relpath: str) -> str:
    if "\0" in relpath:
        return "contains a NUL character"
    if odd := NOT_IN_XML.search(relpath):
        return f"contains U+{ord(odd.group()):04X}, a character S3 cannot list"
    if relpath.startswith("/"):
        return "is absolute"
    if "\\" in relpath:
        return "contains a backslash; components are separated by '/'"
    if _DRIVE.match(relpath):
        return "starts with a drive, which one character and a colon are in Windows"
    components = relpath.split("/")
    if ".." in components:
        return "contains '..', which leaves its folder"
    if "." in components:
        return "contains '.' as a component"
    return "has an empty component ('//', or '/' at its end)"


def _folded(relpath: str) -> str:
    """The same for paths that some file system takes for one."""
    if relpath.isascii():
        return relpath.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", relpath).casefold())


def _folded_hashes(relpaths: Sequence[str]) -> array[int]:
    hashes = array("q")
    for start in range(0, len(relpaths), _CHUNK):
        chunk = relpaths[start : start + _CHUNK]
        joined = "\0".join(chunk)
        plain = joined.isascii() and joined.count("\0") == len(chunk) - 1
        hashes.extend(map(hash, joined.lower().split("\0") if plain else map(_folded, chunk)))
    return hashes


def collisions(relpaths: Sequence[str]) -> list[Collision]:
    """Different paths that a receiver's file system may take for one.

    Args:
        relpaths: paths, all different.

    Returns:
        ``(row, other_row, kind)`` with `other_row` the first of its group and above `row`, in row order.
        "unicode": the same characters in another Unicode form (NFC, NFD); "case": the same but for case.
    """
    # Hashes tell where to look closely; as strings, a million of them would take 200 MB.
    hashes = _folded_hashes(relpaths)
    seen: set[int] = set()
    twice = {value for value in hashes if value in seen or seen.add(value)}  # type: ignore[func-returns-value]
    if not twice:
        return []
    first: dict[str, int] = {}
    found: list[Collision] = []
    for row, value in enumerate(hashes):
        if value not in twice:
            continue
        other = first.setdefault(_folded(relpaths[row]), row)
        if other != row:
            found.append((row, other, _kind(relpaths[row], relpaths[other])))
    return found


def _kind(one: str, other: str) -> Literal["case", "unicode"]:
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    return "unicode" if same else "case"
