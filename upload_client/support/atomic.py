"""A file that is there whole, or not at all; and that takes no place of a file which is not ours."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO, TypeVar

try:
    import fcntl
except ImportError:  # Windows, where nobody renames a file that is open
    fcntl = None  # type: ignore[assignment]

from upload_client.core.own_files import LEFT_OVER, LOOKED_AT, Kind, is_ours
from upload_client.errors import UsageError
from upload_client.support import failpoints
from upload_client.support.streams import StandardFile

T = TypeVar("T")

FORCE = "Name another file, or write over it with --force."
_FOLDER_TRIES: Final = 3  # times that a folder is made anew
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def claim(path: str) -> int:
    """Open a file that takes another one's place when it is whole, for this process alone; it stays as it is.

    Others who make the same file give it the same name: one at a time writes there. It is claimed until it is
    closed, so that it has to be renamed before.

    Returns:
        Its number, open for reading and writing.

    Raises:
        OSError: it cannot be opened; EBUSY: another process is writing it.
    """
    return claimed(path)[0]


def claimed(path: str) -> tuple[int, os.stat_result]:
    """The same, and the file's status once it is claimed: of many files, it is not asked for twice."""
    while True:
        more = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | more, 0o666)
        try:
            if fcntl is None:
                return fd, os.fstat(fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(errno.EBUSY, "another process is writing this file") from None
            except OSError:
                return fd, os.fstat(fd)  # a file system without such locks
            here, there = os.fstat(fd), os.stat(path)  # noqa: PTH116 - once a file
            if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                return fd, here
        except FileNotFoundError:
            pass  # it was renamed meanwhile
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def in_folder(do: Callable[[str], T], path: str) -> T:
    """Make a file, or give one its name, and its folder anew where that is gone meanwhile.

    Whoever empties a folder removes it, if nothing is in it yet.

    Args:
        do: makes it.
        path: of the file.

    Raises:
        OSError: it cannot be made.
    """
    for _ in range(_FOLDER_TRIES):
        try:
            return do(path)
        except FileNotFoundError:
            with contextlib.suppress(FileNotFoundError):  # one above it is removed at this moment
                os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - as elsewhere here
    return do(path)


def check_free(path: Path, kind: Kind | None, *, hint: str = FORCE, force: bool = False) -> None:
    """Make sure that a file can lie there, and takes nothing away that this program has not written.

    Args:
        path: where something is to be written. What is no regular file (a device, a pipe) keeps what it has.
        kind: of what is to be written: an older one may be replaced. None: it cannot be distinguished from
            what others write, or people go on with it by hand, so that nothing is replaced.
        hint: what to do about it.
        force: whatever file is there may be replaced.

    Raises:
        UsageError: something else is there, or what is there cannot be looked at; it is a folder, or there is
            none for it.
    """
    _check_place(path)
    if not force:
        _check_ours(path, kind, hint)


def _check_place(path: Path) -> None:
    """Tell at once, not after hours of reading, that no file can be made there."""
    if is_stream(path):
        return
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{path} cannot be written: {why}", hint="Name a file elsewhere.") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder, and what is written is a file", hint="Name a file in it.")
    if mode or target.parent.is_dir():
        return
    hint = "Make that folder, or name a file elsewhere."
    if path.parts[:1] and path.parts[0].startswith("~"):
        hint = "Write ~ without quotes and after a space, not after =: only then it is your home folder."
    raise UsageError(f"{path} cannot be written: there is no folder {target.parent}", hint=hint)


def _check_ours(path: Path, kind: Kind | None, hint: str) -> None:
    """Refuse to replace what `kind` does not say; see `check_free`."""
    if str(path) in _STDOUT:
        return
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return
        ours = kind is not None and is_ours(kind, *ends_of(path))
    except (FileNotFoundError, NotADirectoryError):
        return  # there is room, or no folder for it, which writing will show
    except OSError as error:
        raise UsageError(
            f"{path} is there, and cannot be looked at: {error.strerror or error}", hint=hint
        ) from error
    if not ours:
        written = "" if kind is None else ", and upload-client has not written it"
        raise UsageError(f"{path} is there{written}: it is not replaced", hint=hint)


def keep_others(kind: Kind) -> Callable[[Path], None]:
    """For `replacing`, where nobody can be asked: a file of that name that is not ours is an `OSError`."""

    def check(path: Path) -> None:
        try:
            _check_ours(path, kind, FORCE)
        except UsageError:
            why = "a file of that name is there, and upload-client has not written it"
            raise FileExistsError(errno.EEXIST, why, str(path)) from None

    return check


def ends_of(path: str | Path) -> tuple[bytes, bytes]:
    """The first bytes of a file and its last ones, by which `upload_client.core.own_files` knows it.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of many files
        start = file.read(LOOKED_AT)
        if len(start) < LOOKED_AT:
            return start, start
        file.seek(-LOOKED_AT, os.SEEK_END)
        return start, file.read(LOOKED_AT)


@contextlib.contextmanager
def replacing(
    path: Path, check: Callable[[Path], object] = lambda _: None, *, private: bool = False
) -> Iterator[TextIO]:
    r"""A text file in UTF-8 that takes the place of `path` when the block ends well, else leaves no trace.

    Line ends are written as they come (no ``\n`` becomes ``\r\n``). The bytes are on disk before the name is.
    A symlink stays, and what it leads to is replaced. ``-`` is standard output; into that, a device or a pipe
    it is written as it comes.

    Args:
        path: where.
        check: is asked once more just before whether `path` may be replaced, and raises if not.
        private: only its owner may read it, where the system knows owners.

    Raises:
        OSError: it cannot be written there.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(naming(path))
        stream = _stream(path)
        if stream is not None:
            yield stack.enter_context(stream)
            return
        target = Path(os.path.realpath(path))
        name = f"write:{path.suffix}"
        temporary = target.with_name(LEFT_OVER.format(secrets.token_hex(8)))
        failpoints.reach(f"before:{name}")
        try:
            with open(
                temporary, "x", encoding="utf-8", newline="", opener=_private if private else None
            ) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if not private:
                with contextlib.suppress(OSError):  # who may read it stays the same
                    temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            failpoints.reach(f"between:{name}")
            check(path)
            temporary.replace(target)
            failpoints.reach(f"after:{name}")
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


@contextlib.contextmanager
def naming(path: str | Path, temporary: str | Path | None = None) -> Iterator[None]:
    """Have an error inside that names no file, or one that nobody knows, be about `path`.

    Args:
        path: what is written.
        temporary: under which name it is written until it is whole.
    """
    try:
        yield
    except OSError as error:
        unknown = error.filename is None or str(error.filename) == str(temporary)
        if unknown or LEFT_OVER.partition("{")[0] in str(error.filename):
            error.filename = str(path)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _stream(path: Path) -> TextIO | None:
    """The stream that takes text as it comes, if `path` is such a thing."""
    if not is_stream(path):
        return None
    if str(path) in _STDOUT:
        sys.stdout.flush()
        return io.TextIOWrapper(io.BufferedWriter(StandardFile(1)), encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def is_stream(path: Path) -> bool:
    """Whether what is written there has no name of its own: standard output, a device, a pipe."""
    if str(path) in _STDOUT:
        return True
    try:
        return not (stat.S_ISREG(path.stat().st_mode) or path.is_dir())
    except OSError:
        return False
