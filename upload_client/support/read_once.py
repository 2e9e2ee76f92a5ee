"""Input that can be read only once: a pipe, standard input. It is copied to a file first.

Whoever looks at the beginning of a file and then opens it again would lose what a pipe has given already, and
take the rest for the whole.
"""

from __future__ import annotations

import atexit
import shutil
import stat
import sys
import tempfile
from pathlib import Path

__all__ = ["readable_again"]

_COPIES: dict[str, Path] = {}


def readable_again(path: Path) -> Path:
    """A file that may be opened as often as one likes: this one, or a copy of what comes through it.

    Args:
        path: a file, a pipe (``/dev/fd/63``, ``/dev/stdin``), or ``-`` for standard input. A copy is kept
            until the process ends; the same path gives the same copy.

    Raises:
        OSError: it cannot be read, or there is no room for the copy.
    """
    name = str(path)
    if name in _COPIES:
        return _COPIES[name]
    is_input = name == "-" and not path.exists()
    if not is_input and (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
        return path
    folder = tempfile.mkdtemp(prefix="upload-client-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = Path(folder) / ("standard-input" if is_input else path.name)
    with copy.open("wb") as file:
        if is_input:
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, file)
    _COPIES[name] = copy
    return copy
