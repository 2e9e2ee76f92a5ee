"""A file that is there whole or not at all: written under another name, checked, then renamed.

What an interrupted try has written is kept as far as the next one brings the same content. For that a writer
remembers a checksum of each mebibyte it gave away; another process does not, and begins anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from upload_client.activities.errors import NotDelivered
from upload_client.activities.readers import read_exactly
from upload_client.core.placing import BLOCK, check_filename, kept_blocks, temporary_name
from upload_client.core.text import for_log
from upload_client.errors import UsageError

__all__ = ["Place", "Placing", "named"]

_log = logging.getLogger(__name__)


class Place(Protocol):
    """Somewhere files can be written. Paths have ``/`` between folders."""

    @property
    def can_resume(self) -> bool:
        """Whether `write` may begin behind what is there."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder with all above it, where they are not there."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes of a file; None: it is not there."""
        ...

    def can_tell_sizes(self) -> bool:
        """Whether `size` can be asked at all."""
        ...

    def write(self, path: str, blocks: Iterator[bytes], offset: int) -> None:
        """Write a file from `offset` on; from 0 it is made anew."""
        ...

    def rename(self, path: str, name: str) -> None:
        """Give a file its name, in place of one that has it."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...


def named(filename: object) -> str:
    """The path under which a file is to be written.

    Raises:
        UsageError: there can be no file of this name.
    """
    name = str(filename) if filename is not None else ""
    if reason := check_filename(name):
        raise UsageError(f"the filename {name!r} {reason}", hint="The metadata have to name a `filename`.")
    return name


class Placing:
    """Puts files to a place, one at a time, and remembers what it gave away of one that was interrupted."""

    def __init__(self) -> None:
        self._given: dict[str, list[bytes]] = {}

    def put(self, place: Place, reader: BinaryIO, filename: object) -> int:
        """Write a file.

        Args:
            place: where.
            reader: its content.
            filename: under which path.

        Returns:
            Its bytes.

        Raises:
            UsageError: there can be no file of this name.
            NotDelivered: it could not be written; nothing stands under its name that was not there before.
        """
        name = named(filename)
        temporary = temporary_name(name)
        folder = name.rpartition("/")[0]
        if folder:
            place.make_folder(folder)
        given = self._given.pop(name, [])
        kept = kept_blocks(given, place.size(temporary) or 0) if given and place.can_resume else 0
        digests: list[bytes] = []
        block, offset = _skip(reader, given[:kept], digests)
        total = offset
        self._given[name] = digests

        def blocks() -> Iterator[bytes]:
            nonlocal total
            data = block
            while data:
                yield data
                # Only now is it known that it went out.
                digests.append(_digest(data))
                total += len(data)
                data = read_exactly(reader, BLOCK)

        if offset:
            _log.info("going on after %d bytes of %s", offset, for_log(name))
        try:
            place.write(temporary, blocks(), offset)
        except BaseException:
            if not place.can_resume:
                self._given.pop(name)
                place.remove(temporary)
            raise
        self._check(place, temporary, name, total)
        place.rename(temporary, name)
        del self._given[name]
        return total

    def _check(self, place: Place, temporary: str, name: str, total: int) -> None:
        there = place.size(temporary)
        if there is None and not place.can_tell_sizes():
            _log.warning("the size of %s cannot be checked: the server does not tell sizes", for_log(name))
        elif there != total:
            self._given.pop(name, None)  # what is there is not what was thought: begin anew
            place.remove(temporary)
            raise NotDelivered(f"{name} has {there or 0:,} bytes over there, and {total:,} were sent")


def _skip(reader: BinaryIO, given: list[bytes], digests: list[bytes]) -> tuple[bytes, int]:
    """Read past what is there already; the first block that has to be sent, and where it begins."""
    offset = 0
    for known in given:
        block = read_exactly(reader, BLOCK)
        if len(block) < BLOCK or _digest(block) != known:
            return block, offset
        digests.append(known)
        offset += BLOCK
    return read_exactly(reader, BLOCK), offset


def _digest(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=16).digest()
