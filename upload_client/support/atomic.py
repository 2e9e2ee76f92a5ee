"""A file that is there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from upload_client.support import failpoints

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    r"""A text file in UTF-8 that takes the place of `path` when the block ends well, else leaves no trace.

    Line ends are written as they come (no ``\n`` becomes ``\r\n``). The bytes are on disk before the name is.

    Raises:
        OSError: it cannot be written there.
    """
    name = f"write:{path.suffix}"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    failpoints.reach(f"before:{name}")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        failpoints.reach(f"between:{name}")
        temporary.replace(path)
        failpoints.reach(f"after:{name}")
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
