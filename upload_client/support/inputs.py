"""Input that may be a pipe: read once, from its beginning to its end."""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from upload_client.errors import UsageError
from upload_client.support.in_use import note

STDIN = "-"
"""Stands for standard input in place of a path."""
_IN_MEMORY = 16 * 1024 * 1024
_BLOCK = 1024 * 1024
_kept: dict[str, Path] = {}
_until_the_end = contextlib.ExitStack()
atexit.register(_until_the_end.close)
_NAMES = (STDIN, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], what: str) -> Iterator[BinaryIO]:
    """Open an input for reading; what can be read only once is copied first, so that it can be read again.

    Args:
        path: a file, a pipe (``<(zcat list.gz)``), or ``-`` for standard input.
        what: it is, in a few words; it is no part of a delivery.

    Raises:
        OSError: it cannot be read.
    """
    name = os.fspath(path)
    with contextlib.ExitStack() as stack:
        if name in _NAMES:
            source: BinaryIO = stack.enter_context(os.fdopen(os.dup(0), "rb"))
        else:
            source = stack.enter_context(open(path, "rb"))  # noqa: PTH123
        if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            note("/dev/fd/0" if name in _NAMES else name, what)
            yield source
            return
        copy = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        _copy(source, copy)
        copy.seek(0)
        yield copy  # type: ignore[misc] # it has the methods of one


def _copy(source: BinaryIO, copy: Any) -> None:  # noqa: ANN401 - a temporary file of either kind
    """Copy an input; where there is no room for it, the folder of temporary files is named."""
    while block := source.read(_BLOCK):
        try:
            copy.write(block)
            copy.flush()
        except OSError as error:
            error.filename = tempfile.gettempdir()
            raise


def one_reader(**inputs: object) -> None:
    """Make sure that standard input is named for one thing at the most.

    Args:
        inputs: paths, or several in a tuple, by the option that names them.

    Raises:
        UsageError: it is named twice.
    """
    given = [
        name.replace("_", "-")
        for name, value in inputs.items()
        for one in (value if isinstance(value, tuple) else (value,))
        if one is not None and str(one) in _NAMES
    ]
    if len(given) > 1:
        raise UsageError(
            f"{' and '.join(f'--{name}' for name in given)} cannot both be read from standard input",
            hint="Give one of them as a file.",
        )


def read_once(path: str | os.PathLike[str], what: str, *, limit: int = -1) -> bytes:
    """The content of an input; see `opened`.

    Args:
        path: likewise.
        what: likewise.
        limit: bytes at the most.
    """
    with opened(path, what) as file:
        return file.read(limit)


@contextlib.contextmanager
def as_file(path: Path, what: str) -> Iterator[Path]:
    """A path that can be opened as often as one likes: this one, or a copy of what can be read only once.

    Raises:
        OSError: it cannot be read.
    """
    if not is_once(path):
        note(path, what)
        yield path
        return
    with opened(path, what) as file, tempfile.NamedTemporaryFile("wb") as copy:
        _copy(file, copy)
        yield Path(copy.name)


def kept(path: Path, what: str) -> Path:
    """A path that can be opened as often as one likes until this process ends; see `as_file`.

    Raises:
        OSError: it cannot be read.
    """
    if str(path) in _kept:
        return _kept[str(path)]
    found = _until_the_end.enter_context(as_file(path, what))
    if found != path:
        _kept[str(path)] = found
    return found


def is_once(path: Path) -> bool:
    """Whether it can be read only once: standard input, a pipe."""
    if str(path) in _NAMES:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False  # opening it will show
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
