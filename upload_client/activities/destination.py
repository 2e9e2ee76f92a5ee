"""Writes a file whole or not at all: under a temporary name, checked, then renamed.

What an interrupted try has written is kept as far as the next one brings the same content. For that a writer
remembers a checksum of each mebibyte it gave away; another process does not, and starts again from the
beginning.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Protocol

from upload_client.activities.errors import NotDelivered
from upload_client.activities.readers import read_exactly
from upload_client.core.partial_files import BLOCK, check_filename, kept_blocks, temporary_name
from upload_client.core.text import for_log
from upload_client.errors import UsageError
from upload_client.support.arguments import can

_log = logging.getLogger(__name__)


class Destination(Protocol):
    """Where files are written: a folder, an FTP or an SSH server. Paths have ``/`` between folders."""

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

    def knows_sizes(self) -> bool:
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


class AtomicFileWriter:
    """Writes files to a destination, one at a time, and resumes one that was interrupted."""

    def __init__(self) -> None:
        self._given: dict[str, list[bytes]] = {}

    def put(self, place: Destination, reader: BinaryIO, filename: object) -> int:
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

    def _check(self, place: Destination, temporary: str, name: str, total: int) -> None:
        there = place.size(temporary)
        if there is None and not place.knows_sizes():
            _log.warning("the size of %s cannot be checked: the server does not report sizes", for_log(name))
        elif there != total:
            self._given.pop(name, None)  # what is there is not what was thought: begin anew
            place.remove(temporary)
            raise NotDelivered(f"{name} has {there or 0:,} bytes on the server, and {total:,} were sent")


class Connection(Protocol):
    """A connection to a server, opened when it is needed."""

    def close(self) -> None:
        """Give it up, whatever is under way on it."""
        ...


class ServerFileWriter:
    """Writes one file on a server: under another name first, its size checked, then renamed.

    Args:
        client: the connection to the server, whose words are its URL.
        place: the server, as a place; asked for anew for each file.
    """

    def __init__(self, client: Connection, place: Callable[[], Destination]) -> None:
        can("client", client, ("connect", "close"), "a connection to a server, such as an FtpClient")
        self._client, self._place = client, place
        self._placing = AtomicFileWriter()

    def check(self, metadata: Mapping[str, Any]) -> None:
        """Make sure that the metadata name a file.

        Raises:
            UsageError: they do not.
        """
        named(metadata.get("filename"))

    def write(self, reader: BinaryIO, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Write the metadata's ``filename``; one that is there is replaced.

        Returns:
            ``size`` in bytes, ``url``.

        Raises:
            UsageError: there can be no file of this name.
            LoginRefused: the server does not let this user in, or is not the one it should be.
            NotDelivered: it could not be written.
        """
        name = named(metadata.get("filename"))
        try:
            size = self._placing.put(self._place(), reader, name)
        except BaseException:
            # Replies to what was broken off would be taken for replies to what comes next.
            self._client.close()
            raise
        return {"size": size, "url": f"{self._client}/{name.lstrip('/')}"}


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
