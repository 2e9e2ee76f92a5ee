"""Lists of files as people write them by hand: what is accepted, and what is refused with a hint.

Spreadsheets write `;` where the comma is for decimals, capitals into headers and ``4.0`` for four; editors of
Windows write UTF-16, carriage returns and backslashes; `find`, `md5sum` and `Get-ChildItem` have forms of
their own. Where the meaning is clear it is taken: each path must be there, so that a wrong guess is noticed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

DELIMITERS: Final = (",", ";", "\t")
NO_PATH: Final = "has no column 'path'"

_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("path", "filepath", "file", "filename", "relpath", "relativepath", "pathname"), "path"),
    **dict.fromkeys(("checksum", "crc"), "checksum"),
    **dict.fromkeys(("size", "bytes", "filesize", "sizebytes", "sizeinbytes", "nbytes"), "size"),
    "willtransfer": "will_transfer",
}
"""Which column is meant by what people write: small letters and digits alone."""
_TRUE: Final = frozenset({"true", "1", "yes", "y", "t", "wahr", "ja", "vrai", "oui", "verdadero", "si", "sí"})
_FALSE: Final = frozenset({"false", "0", "no", "n", "f", "falsch", "nein", "faux", "non", "falso"})
_SIZE: Final = re.compile(r"([0-9]{1,18})(?:[.,](?:0{1,2}|0{4,6}))?")
_GROUPED: Final = re.compile(r"([0-9]{1,3}(?:[.,'\u2019 \u00a0\u202f][0-9]{3})+)(?:[.,]0+)?")
_UNIT: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?\s*[kKMGTP]?i?[bB](?:ytes)?")
_ROUNDED: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_DRIVE: Final = re.compile(r"[A-Za-z]:/")


class Columns(NamedTuple):
    """Which column of a table means what.

    Attributes:
        places: position of each column that is known, by its name here.
        ignored: names of the others, as they stand there.
    """

    places: Mapping[str, int]
    ignored: tuple[str, ...]


def columns_of(header: Sequence[str], others: Collection[str] = ()) -> Columns:
    """Find the columns of an index among those of a table.

    A column that is called exactly as here counts for more than one whose name only means the same.

    Args:
        header: the names of its columns.
        others: names of checksums of other kinds, which a table may have.

    Raises:
        ValueError: it has no column of paths, or it is not clear which; the text is for people.
    """
    exact = {"path", "checksum", "size", "will_transfer", *others}
    places: dict[str, int] = {}
    meant: dict[str, list[int]] = {}
    strange: list[int] = []
    for place, name in enumerate(header):
        if name in exact:
            if name in places:
                raise ValueError(f"has two columns {name!r}: take one of them away")
            places[name] = place
        elif (known := _meant(name, others)) is not None:
            meant.setdefault(known, []).append(place)
        else:
            strange.append(place)
    ignored = list(strange)
    for known, found in meant.items():
        if known in places:
            ignored += found
        elif len(found) == 1:
            places[known] = found[0]
        else:
            both = " and ".join(repr(header[place]) for place in found)
            raise ValueError(f"has the columns {both}: rename the one that is meant to {known!r}")
    missing = ["path"] if "path" not in places else sorted(exact - places.keys())
    alike = 0.7 if "path" not in places else 0.8  # of one that may be what it says, more is needed
    for place in strange:
        if close := difflib.get_close_matches(header[place].strip().casefold(), missing, n=1, cutoff=alike):
            raise ValueError(f"has a column {header[place]!r}; if {close[0]!r} is meant, rename it")
    if "path" not in places:
        raise ValueError(NO_PATH)
    return Columns(places, tuple(header[place] for place in sorted(ignored) if header[place].strip()))


def _meant(name: str, others: Collection[str]) -> str | None:
    letters = re.sub(r"[^0-9a-z]", "", name.casefold())
    if letters in _NAMES:
        return _NAMES[letters]
    letters = letters.removesuffix("sum") if letters.removesuffix("sum") in others else letters
    return letters if letters in others else None


def size_of(text: str) -> int | None:
    """Bytes in a cell, ``4``, ``4.0`` or ``4,0``; None: it says nothing.

    Three digits behind a comma or a point may be thousands: they are refused, with zeros too.

    Raises:
        ValueError: it is no number of bytes; the text is for people.
    """
    text = text.strip()
    if not text:
        return None
    if found := _SIZE.fullmatch(text):
        return int(found[1])
    if _ROUNDED.fullmatch(text):
        raise ValueError(
            "has a rounded number as size: format that column as a number without decimals, or leave it out;"
            f" it says {text!r}"
        )
    if found := _GROUPED.fullmatch(text):
        digits = re.sub("[^0-9]", "", found[1])
        raise ValueError(f"has {text!r} as size: write digits alone, {digits} if that is meant")
    if _UNIT.fullmatch(text):
        raise ValueError(f"has {text!r} as size: write the number of bytes alone, or leave that column out")
    raise ValueError(f"has no number of bytes as size, but {text!r}")


def boolean(text: str) -> bool:
    """Whether a cell says yes.

    Raises:
        ValueError: it says neither; the text is for people.
    """
    value = text.strip().casefold()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"has {text!r} as will_transfer: write true or false")


def _never(_: str) -> bool:
    return False


def plain_path(path: str, roots: Sequence[str] = (), is_there: Callable[[str], bool] = _never) -> str:
    r"""A path as the index has it, from one as people and programs write it.

    ``./a``, ``.\a``, ``b\c`` (no path with a backslash can be delivered) and, below the source, absolute
    ones.

    Args:
        path: as it stands there.
        roots: the source, as it may stand before a path, ``/``-separated, without one at the end.
        is_there: whether a path with a backslash is one that is there, just so: then it stays, to be refused.
    """
    if "\\" in path and not is_there(path):
        path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    if path.startswith("/") or "://" in path or _DRIVE.match(path):
        for root in roots:
            if path.startswith(root + "/"):
                return path[len(root) + 1 :].lstrip("/")
    return path


# ------------------------------------------------------------------------------------ md5sum and its like

_BY_DIGITS: Final[Mapping[int, str]] = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_SUM: Final = re.compile(r"(\\?)([0-9A-Fa-f]{32,128})[ \t][ *]?(.+)", re.DOTALL)
_BSD: Final = re.compile(r"(\\?)(MD5|SHA1|SHA256|SHA512) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})", re.DOTALL)
_ESCAPES: Final[Mapping[str, str]] = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def parse_sum(line: str) -> tuple[str, str, str]:
    """Path, algorithm and digest (hexadecimal) in a line of `md5sum`, `sha256sum` and the like.

    In their own form, with ``*`` before the name of a file that was read as binary, or in that of BSD
    (``--tag``). A line that begins with a backslash has names escaped in it (GNU coreutils, "md5sum").

    Args:
        line: without its end.

    Raises:
        ValueError: it is no such line; the text is for people.
    """
    if found := _BSD.fullmatch(line):
        escaped, algorithm, path, digest = found.groups()
        algorithm = algorithm.lower()
    elif found := _SUM.fullmatch(line):
        escaped, digest, path = found.groups()
        algorithm = _BY_DIGITS.get(len(digest), "")
    else:
        raise ValueError("is no line of md5sum, sha1sum, sha256sum or sha512sum: digits, two blanks, a path")
    if _BY_DIGITS.get(len(digest)) != algorithm:
        raise ValueError(f"has {len(digest)} digits: md5 has 32, sha1 40, sha256 64, sha512 128")
    if escaped:
        path = re.sub(r"\\[\\nr]", lambda code: _ESCAPES[code[0]], path)
    return path, algorithm, digest.lower()


def looks_like_sums(lines: Sequence[str]) -> bool:
    """Whether all of some lines are of `md5sum` or the like."""
    return bool(lines) and all(map(_is_sum, lines))


def _is_sum(line: str) -> bool:
    try:
        parse_sum(line)
    except ValueError:
        return False
    return True


def looks_like_paths(lines: Sequence[str], is_there: Callable[[str], bool]) -> bool:
    """Whether each of some lines is the path of a file that is there."""
    return bool(lines) and all(map(is_there, lines))
