"""Local files held open safely.

A local file is only ever read through `LocalFile`, which makes sure of four things: that it is a regular
file (opening a FIFO must not hang), that it lies inside its folder (one swapped for a symlink after the
index was written must not lead out), that no more is read than its fingerprint said, and that the
fingerprint still holds when asked again.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.core.uploads import is_unchanged

CHANGED = "changed while it was being sent"

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)  # the last component swapped for a symlink is noticed, not followed
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO without a writer opens, and is refused, instead of hanging
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)  # Windows
)
CAN_SEND_FILES = sys.platform == "linux"
"""Whether the system brings bytes of a file to a socket by itself; elsewhere it may, and in other ways."""
_BLOCK = 512 * 1024
_HAS_PREADV = hasattr(os, "preadv")


class FileRefused(Exception):  # noqa: N818 - reads as what it says
    """A file cannot be sent, and trying again will not help; its text is for people, `code` for programs."""

    def __init__(self, text: str, code: FileCode) -> None:
        super().__init__(text, code)  # both, so that it survives the way to another process
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class Fingerprint(NamedTuple):
    """The facts by which a file is still the same: size in bytes, modification time in ns, inode, device."""

    size: int
    mtime_ns: int
    inode: int
    device: int


class LocalFile:
    """A regular file inside a root, open for reading, with the fingerprint it had when it was opened.

    Safe to share between threads: reads name their offset.

    Attributes:
        path: where it is.
        fingerprint: of when it was opened.
        seen_ns: a moment just before that was last seen to hold, by this machine's clock, nanoseconds since
            1970.
    """

    __slots__ = ("_ctime_ns", "_fd", "_is_touched", "fingerprint", "path", "seen_ns")

    def __init__(self, path: str, fd: int, status: os.stat_result, seen_ns: int) -> None:
        self.path = path
        self._fd = fd
        self.seen_ns = seen_ns
        self.fingerprint = Fingerprint(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        self._is_touched = False
        self._ctime_ns = status.st_ctime_ns

    def read(self, size: int, offset: int = 0) -> bytes:
        """Read exactly `size` bytes from `offset`.

        Raises:
            FileRefused: The file has become shorter.
            OSError: It cannot be read.
        """
        data = _pread(self._fd, size, offset)
        if len(data) == size:
            return data
        blocks = [data]
        missing = size - len(data)
        while missing:
            data = _pread(self._fd, missing, offset + size - missing)
            if not data:
                raise FileRefused(CHANGED, FileCode.CHANGED)
            blocks.append(data)
            missing -= len(data)
        return b"".join(blocks)

    def read_into(self, buffer: memoryview, offset: int = 0) -> None:
        """Fill the buffer with the bytes from `offset`; raises as `read` does."""
        if not _HAS_PREADV:
            buffer[:] = self.read(len(buffer), offset)
            return
        while buffer:
            n = os.preadv(self._fd, [buffer], offset)
            if not n:
                raise FileRefused(CHANGED, FileCode.CHANGED)
            buffer = buffer[n:]
            offset += n

    def check_unchanged(self) -> None:
        """Make sure that the path still leads to this very file, and that it is as it was when opened.

        Raises:
            FileRefused: It has changed, been replaced or been removed.
        """
        seen_ns = time.time_ns()
        try:
            status = os.stat(self.path)  # noqa: PTH116 - once per file; Path costs ten times more
        except FileNotFoundError:
            raise FileRefused("vanished while it was being sent", FileCode.MISSING) from None
        now = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        same = is_unchanged(self.fingerprint, now, is_touched=status.st_ctime_ns != self._ctime_ns)
        if same is False:
            raise FileRefused(CHANGED, FileCode.CHANGED)
        self.seen_ns = seen_ns
        self._is_touched |= same is None

    def check_content(self, crc: int) -> None:
        """Make sure of the same, and, where only its content tells, that this is its CRC32.

        Raises:
            FileRefused: It has changed.
            OSError: It cannot be read.
        """
        self.check_unchanged()
        if self._is_touched:
            found, size = 0, self.fingerprint.size
            for start in range(0, size, _BLOCK):
                found = checksums.crc32(self.read(min(_BLOCK, size - start), start), found)
            if found != crc:
                raise FileRefused(CHANGED, FileCode.CHANGED)

    def fileno(self) -> int:
        """Its descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it; once is enough, twice does no harm."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileRange:
    """A range of bytes of an open file, sent by the system without passing through this program's memory.

    Its checksums are of what was read before. Should the file change between that and the sending, S3 finds
    that the content is not what the checksum says, and refuses it.

    Args:
        file: Open as long as this is used.
        offset: Where it begins.
        size: Bytes.
        sha256: Of its bytes, in hexadecimal; None: not computed.
    """

    __slots__ = ("_file", "_offset", "_size", "sha256")

    def __init__(self, file: LocalFile, offset: int, size: int, sha256: str | None) -> None:
        self._file = file
        self._offset = offset
        self._size = size
        self.sha256 = sha256

    def __len__(self) -> int:
        return self._size

    def read(self) -> bytes:
        """Its bytes, for whom they have to pass through memory."""
        return self._file.read(self._size, self._offset)

    def send(self, sock: socket.socket, start: int, end: int) -> int:
        """Send what lies between these two, or the beginning of it; how many bytes, see sendfile(2).

        Raises:
            FileRefused: The file has become shorter.
            BlockingIOError: Nothing can be sent now.
        """
        n = os.sendfile(sock.fileno(), self._file.fileno(), self._offset + start, end - start)
        if not n:
            raise FileRefused(CHANGED, FileCode.CHANGED)
        return n


def open_inside(path: str, inside: str) -> LocalFile:
    """Open a regular file that lies in a folder, wherever symlinks lead on the way to it.

    Args:
        path: Absolute.
        inside: The folder's real path, with a separator at its end; empty: it may lie anywhere.

    Raises:
        FileRefused: It is not a regular file, lies outside the folder, may not be read or is not there.
        OSError: The system could not open it for a reason that may pass (too many files open, …).
    """
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        fd = _open_link(path, inside, error)
    seen_ns = time.time_ns()  # before the look: what is written after it is later than this
    try:
        status = os.fstat(fd)
        _check(inside, fd, path, status)
    except BaseException:
        os.close(fd)
        raise
    return LocalFile(path, fd, status, seen_ns)


def _open_link(path: str, inside: str, error: OSError) -> int:
    """A file that did not open: perhaps a symlink, which may be followed inside the root."""
    if error.errno in (errno.ELOOP, errno.EMLINK) and os.path.islink(path):  # noqa: PTH114
        real = os.path.realpath(path)
        if not real.startswith(inside):
            raise FileRefused(
                "lies outside the source: a symlink leads out of it", FileCode.OUTSIDE_SOURCE
            ) from None
        try:
            return os.open(real, _FLAGS)
        except OSError as again:
            error = again
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        gone = inside and not os.path.isdir(inside)  # noqa: PTH112 - a string
        what = "is not there, nor is the folder with the data: moved, or its disk gone?"
        raise FileRefused(what if gone else "is not there", FileCode.MISSING) from None
    if error.errno == errno.ELOOP:
        raise FileRefused(
            "is a symlink that leads in a circle, or was put there meanwhile", FileCode.NOT_A_FILE
        ) from None
    if isinstance(error, PermissionError):
        if os.path.isdir(path):  # noqa: PTH112
            raise FileRefused("is a directory", FileCode.NOT_A_FILE) from None
        raise FileRefused("may not be read: permission denied", FileCode.UNREADABLE) from None
    if error.errno in (errno.ENXIO, errno.ENODEV):
        raise FileRefused("is not a regular file", FileCode.NOT_A_FILE) from None
    raise error


def _check(inside: str, fd: int, path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(_kind(status.st_mode), FileCode.NOT_A_FILE)
    if inside and not _holds(inside, fd, path, status):
        raise FileRefused("lies outside the source: a symlink leads out of it", FileCode.OUTSIDE_SOURCE)


def _holds(inside: str, fd: int, path: str, status: os.stat_result) -> bool:
    """Whether an open file lies inside the folder, whatever its path's folders have become meanwhile."""
    real = _path_of(fd)
    if real is None:
        # No way to ask the descriptor: ask for the path, and whether it still is the same file.
        real = os.path.realpath(path)
        there = os.stat(real)  # noqa: PTH116
        if (there.st_ino, there.st_dev) != (status.st_ino, status.st_dev):
            return False
    return real.startswith(inside)


def _kind(mode: int) -> str:
    """Why something that opened is no file to send."""
    names = ((stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "FIFO"), (stat.S_ISSOCK, "socket"))
    for is_one, name in names:
        if is_one(mode):
            return f"is a {name}, not a regular file"
    return "is not a regular file"


def _pread_anywhere(fd: int, size: int, offset: int) -> bytes:
    """Read at an offset where the system has no pread (Windows): a duplicate would share the position."""
    with _SEEKING:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)


_pread: Callable[[int, int, int], bytes]
if hasattr(os, "pread"):
    _pread = os.pread
else:  # pragma: no cover - Windows
    import threading

    _SEEKING = threading.Lock()
    _pread = _pread_anywhere


def _no_path(fd: int) -> str | None:  # noqa: ARG001 - one of three with this face
    return None


def _linux_path(fd: int) -> str | None:
    """See proc(5), /proc/pid/fd/. A file that was removed meanwhile has `` (deleted)`` at the end."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - once per file, as above
    except OSError:  # no /proc here
        return None


_path_of: Callable[[int], str | None] = _no_path
if sys.platform == "linux":
    _path_of = _linux_path
elif sys.platform == "darwin":  # pragma: no cover - macOS
    import fcntl

    def _darwin_path(fd: int) -> str | None:
        """See fcntl(2), F_GETPATH; MAXPATHLEN is 1,024 there."""
        return os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))

    _path_of = _darwin_path
