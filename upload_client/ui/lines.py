"""Lines on a stream that may go away while a delivery goes on."""

from __future__ import annotations

import sys
from typing import Literal, TextIO

__all__ = ["Lines"]


class Lines:
    """Writes whole lines to stdout, stderr or a stream; says nothing more once nobody reads them.

    A reader that leaves (``upload-client --json | head``) must not end a delivery.
    """

    def __init__(self, stream: TextIO | Literal["stdout", "stderr"]) -> None:
        self._stream = getattr(sys, stream) if isinstance(stream, str) else stream
        self._gone = self._stream is None  # under pythonw

    def write(self, line: str) -> None:
        """Write this and a line feed, at once."""
        if self._gone:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # ValueError: the stream has been closed.
            self._gone = True
