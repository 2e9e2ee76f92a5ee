"""A file that is being fetched: its ranges, which of them are there, and content as it comes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from typing import Final, TextIO

from upload_client.core import checksums
from upload_client.core.parts import MIB
from upload_client.transfer.fetch_task import (
    DISK_FULL,
    FetchFailed,
    FetchStopped,
    reason_here,
)

RANGE: Final = 8 * MIB
"""Bytes of a range of a large object."""
_MOST_RANGES: Final = 10_000


class FileSink:
    """Writes content into a file as it comes, and sums it up; see `upload_client.s3.wire.Sink`."""

    __slots__ = ("_fd", "_md5", "_offset", "_stopped", "buffer", "crc32", "size")

    def __init__(
        self, fd: int, offset: int, buffer: memoryview, stopped: threading.Event, *, md5: bool = False
    ) -> None:
        self._fd = fd
        self._offset = offset
        self._stopped = stopped
        self.buffer = buffer
        self.size = self.crc32 = 0
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    @property
    def md5(self) -> str:
        """The MD5 of what has come, where it was asked for."""
        return "" if self._md5 is None else self._md5.hexdigest()

    def begin(self) -> None:
        """Content comes from its beginning, perhaps once more."""
        self.size = self.crc32 = 0
        if self._md5 is not None:
            self._md5 = hashlib.md5(usedforsecurity=False)

    def came(self, n: int) -> None:
        """Write the first bytes of the buffer behind what is there."""
        if self._stopped.is_set():  # on a slow line the rest may take minutes
            raise FetchStopped
        block = self.buffer[:n]
        self.crc32 = checksums.crc32(block, self.crc32)
        if self._md5 is not None:
            self._md5.update(block)
        try:
            write_all(self._fd, block, self._offset + self.size)
        except OSError as error:  # which would be taken for one of the network
            raise FetchFailed(*reason_here(error), disk_full=error.errno in DISK_FULL) from error
        self.size += n


def range_size(size: int) -> int:
    """Bytes of each range but the last of an object of so many bytes."""
    return max(RANGE, -(-size // _MOST_RANGES))


def extent(index: int, size: int) -> tuple[int, int]:
    """Offset and bytes of a range."""
    n = range_size(size)
    return index * n, min(n, size - index * n)


def open_notes(path: str) -> TextIO:
    """Notes of the ranges that are there, to be resumed."""
    return open(path, "a", encoding="ascii")  # noqa: PTH123 - of many files


def kept_ranges(fd: int, notes: str, size: int) -> dict[int, int]:
    """The ranges that an earlier run has written, by number: their CRC32, as it is on the disk."""
    found: dict[int, int] = {}
    try:
        with open(notes, encoding="ascii") as noted:  # noqa: PTH123
            lines = noted.read(16 * MIB).split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        return found
    if os.fstat(fd).st_size != size:
        return found
    for line in lines:
        index, _, crc = line.partition(" ")
        if not (index.isdigit() and crc.isdigit()) or int(index) * range_size(size) >= size:
            continue
        offset, n = extent(int(index), size)
        value = 0
        for start in range(offset, offset + n, MIB):
            value = checksums.crc32(os.pread(fd, min(MIB, offset + n - start), start), value)
        if value == int(crc):
            found[int(index)] = value
    return found


def write_all(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write bytes from an offset on, in as many calls as it takes."""
    view = memoryview(data)
    while view:
        n = os.pwrite(fd, view, offset)
        view = view[n:]
        offset += n


def drop(path: str, fd: int = -1) -> None:
    """Close and remove a file, as far as that can be done."""
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108
