"""Lines on a stream that may go away while a delivery goes on."""

from __future__ import annotations

import sys
from typing import Literal, TextIO

from upload_client.support.streams import discard_pending


class Lines:
    """Writes whole lines to stdout, stderr or a stream; says nothing more once nobody reads them.

    A reader that leaves (``upload-client --json | head``) must not end a delivery, nor must a full disk.

    Attributes:
        trouble: why nothing can be written any more, where it is not that a reader has left.
    """

    def __init__(self, stream: TextIO | Literal["stdout", "stderr"]) -> None:
        self._stream = getattr(sys, stream) if isinstance(stream, str) else stream
        self._gone = self._stream is None  # under pythonw
        self.trouble: OSError | None = None

    def write(self, line: str, *, flush: bool = True) -> None:
        """Write this and a line feed; at once, or when the next is flushed."""
        self._try(line + "\n", flush=flush)

    def flush(self) -> None:
        """Write what is held back."""
        self._try("", flush=True)

    def _try(self, text: str, *, flush: bool) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            if flush:
                self._stream.flush()
        except (OSError, ValueError) as error:
            # ValueError: the stream has been closed.
            self._gone = True
            discard_pending(self._stream)
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                self.trouble = error
