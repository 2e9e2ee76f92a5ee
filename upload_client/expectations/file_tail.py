"""`FileTail`: a file from an offset on, as a file of its own."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class FileTail(io.RawIOBase):
    """A file from an offset on.

    Args:
        file: binary and seekable; it stays open.
        start: the offset, in bytes.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        file.seek(start)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, counted from the offset."""
        return self._file.seek(offset + self._start * (whence == io.SEEK_SET), whence) - self._start

    def tell(self) -> int:
        """The position, counted from the offset."""
        return self._file.tell() - self._start

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        """Read the next bytes."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
