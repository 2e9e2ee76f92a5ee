"""The form of what a manifest promises, and of what there is to hold it against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

# RFC 3986, 4.2: before the first slash of a relative path there is no colon.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def wrong(text: str) -> ValueError:
    """The exception for what a manifest says and cannot be."""
    return ValueError(text)


class NoIndex(Exception):  # noqa: N818 — it reads as what it says
    """There is nothing to hold a manifest against; the text says why."""


class TooLarge(Exception):  # noqa: N818 — it reads as what it says
    """To read a manifest would take too much memory; the text says why."""


def bounded(data: bytes, most: int, marks: bytes, most_marks: int) -> None:
    """See to it that what is parsed as a whole fits into memory, whoever has written it.

    Args:
        data: the content.
        most: bytes that it may have.
        marks: characters of which each stands before one value at the most.
        most_marks: how many of these it may have.

    Raises:
        TooLarge: it has more.
    """
    if len(data) > most:
        raise TooLarge(f"it has more than {most:,} bytes")
    if sum(data.count(mark) for mark in marks) > most_marks:
        raise TooLarge(f"it has more than {most_marks:,} values")


class Promise(NamedTuple):
    """One file that has to be there.

    Attributes:
        path: in the delivery.
        size: bytes; None: nothing is said.
        sums: checksums by the names of their algorithms.
        least: bytes that it has at least.
        required: False: it may be missing.
    """

    path: str
    size: int | None = None
    sums: tuple[tuple[str, bytes], ...] = ()
    least: int = 0
    required: bool = True


class Promised(NamedTuple):
    """All that a manifest promises.

    Attributes:
        what: it is, for people: ``BagIt manifest``.
        promises: of files.
        counted: folders, each with the number of files below it and their bytes, where those are promised;
            known when all promises have been gone through.
        notes: what was not looked at, in words.
    """

    what: str
    promises: Iterator[Promise]
    counted: Sequence[tuple[str, int | None, int | None]] = ()
    notes: tuple[str, ...] = ()


IN_VAIN = 200_000
"""`Listing.in_vain` at the beginning: about a second of computing for a delivery."""


class Listed(NamedTuple):
    """A file of the delivery, and its size in bytes, where that is known."""

    size: int | None


class Listing(Protocol):
    """All files of a delivery.

    Attributes:
        complete: False: it is a part of a delivery, and nothing is missing in it.
        in_vain: how many more files may be looked for that are not there, by all manifests that name files
            which may be missing: whoever names many and has none takes no time of others.
    """

    complete: bool
    in_vain: int

    def find(self, path: str) -> Listed | None:
        """A file; None: it is none of the delivery."""

    def below(self, folder: str) -> tuple[int, int | None] | None:
        """The number of files in the payload folder of a bag, and their bytes; None: nobody knows."""

    def content(self, path: str, most: int) -> bytes | None:
        """The content of a file of the delivery; None: not known here.

        Raises:
            Undecided: it has not arrived yet.
            TooLarge: it has more bytes than `most`.
        """

    def digests(self, path: str, algorithms: tuple[str, ...]) -> Mapping[str, bytes]:
        """Checksums of the content; those that are not known here are left out."""

    def remember(self, path: str, sums: tuple[tuple[str, bytes], ...], manifest: str) -> None:
        """Remember the checksums in a manifest for a file whose content is not known here, or not yet."""


def sibling(manifest: str, name: Any, *, is_url: bool = False) -> str | None:  # noqa: ANN401 — from a manifest
    """The path of a file that a manifest names; None: it is not in the delivery, but elsewhere.

    Args:
        manifest: its path.
        name: relative to it.
        is_url: whether it is written as a URL has it.

    Raises:
        ValueError: it leads out of the delivery.
    """
    if not isinstance(name, str) or not name:
        raise ValueError("a file has no name")
    if is_url:
        if name.startswith(("#", "_:")) or _SCHEME.match(name):
            return None
        name = unquote(name)
    folder = manifest.rpartition("/")[0]
    parts = folder.split("/") if folder else []
    if name.startswith("/"):
        raise ValueError(f"{name[:80]!r} is no place in the delivery")
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if not parts:
                raise ValueError(f"{name[:80]!r} leads out of the delivery")
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def whole_number(value: Any) -> int | None:  # noqa: ANN401 — from a manifest
    """A number of bytes, which may be written as a text, with ``B`` behind it; None: it is none."""
    if isinstance(value, str):
        value = value.strip().removesuffix("B").strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
