"""Files of this machine, as data sync treats them: copied whole or not at all, locked, removed."""

# ruff: noqa: PTH103, PTH105, PTH106, PTH108, PTH110, PTH112, PTH116, PTH118
# ruff: noqa: PTH120, PTH123 - once a file, where Path costs ten times as much

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from upload_client.core import checksums
from upload_client.core.own_files import LEFT_OVER, LOCK
from upload_client.core.text import for_terminal
from upload_client.core.uploads import is_unchanged, settled_mtime
from upload_client.errors import DeliveryError
from upload_client.functions.data_sync.paths import LocalPlace
from upload_client.support.atomic import claim
from upload_client.support.file_names import on_disk
from upload_client.support.flushing import Flusher

LOCK_ROOT: Final = "DATA_SYNC_LOCK_ROOT"
_LOCK_WAIT: Final = 6 * 3600.0
_BLOCK: Final = 1024 * 1024
_FOLDERS: Final = 32  # that are open at once
_NOT_FOR_FOLDERS: Final = (errno.EINVAL, errno.ENOTSUP)  # said where only files are brought to the disk


class SyncFailed(DeliveryError):  # noqa: N818 - as those in `upload_client.errors`
    """Some files could not be synced; nothing was removed.

    Attributes:
        paths: of these files, relative to the source; empty where it is not about files.
    """

    paths: tuple[str, ...] = ()

    hint = (
        "Fix what the message names and run it again: what is at the destination already is not sent again."
    )


class Confirmed(NamedTuple):
    """The facts known of a file that was sent: ETag and CRC32 at the destination, mtime of a local source.

    That is None where it does not tell whether the file was modified since then; its CRC32 does.
    """

    etag: str
    crc32: str
    mtime_ns: int | None


def crc32_of(path: str) -> str:
    """The CRC32 of a file, base64. Raises `OSError`."""
    crc = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            crc = checksums.crc32(block, crc)
    return checksums.encode(crc)


def copy_file(here: str, there: str, not_before_ns: int) -> Confirmed:
    """Copy a file: beside its final name, read back, on the disk, then under its name."""
    folder, _, _ = there.rpartition(os.sep)
    digest = hashlib.sha256(f"{here}\0{there}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    temporary = os.path.join(folder, LEFT_OVER.format(digest))
    claimed = False
    try:
        with open(here, "rb", buffering=0) as source, os.fdopen(claim(temporary), "r+b", buffering=0) as out:
            claimed = True
            out.truncate()
            seen_ns = time.time_ns()
            before = os.fstat(source.fileno())
            crc = 0
            while block := source.read(_BLOCK):
                crc = checksums.crc32(block, crc)
                view = memoryview(block)
                while view:
                    view = view[out.write(view) :]
            now = max(time.time_ns(), not_before_ns)
            if os.utime in os.supports_fd:
                os.utime(out.fileno(), ns=(now, now))
            os.fsync(out.fileno())
            out.seek(0)
            again = 0
            while block := out.read(_BLOCK):
                again = checksums.crc32(block, again)
            after = os.stat(here)
            _check_copy(here, crc, again, before, after)
            shutil.copymode(here, temporary)
            if os.name == "posix":  # as long as it is claimed: who claims it next finds another name
                os.replace(temporary, there)
        if os.name != "posix":
            os.replace(temporary, there)
    except BaseException:
        if claimed:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise
    return Confirmed("", checksums.encode(crc), settled_mtime(before.st_mtime_ns, seen_ns))


def bring_names_to_disk(paths: Iterable[str], root: str) -> None:
    """Bring the names of files to the disk, and those of their folders, up to where `root` lies.

    A file that is on the disk may have its name in memory alone.

    Raises:
        OSError: some are not there.
    """
    if os.name != "posix":
        return
    top = os.path.dirname(root)
    folders: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in folders and folder.startswith(top):
            folders.add(folder)
            folder = os.path.dirname(folder)
    flusher, left = Flusher(), sorted(folders)
    while left:
        some, left = left[:_FOLDERS], left[_FOLDERS:]
        with contextlib.ExitStack() as stack:
            fds: list[int] = []
            for folder in some:
                with contextlib.suppress(PermissionError):  # of those above one may be read by others alone
                    fds.append(os.open(folder, os.O_RDONLY))
                    stack.callback(os.close, fds[-1])
            for problem in flusher.flush(fds):
                if problem is not None and problem.errno not in _NOT_FOR_FOLDERS:
                    raise problem


def _check_copy(here: str, crc: int, again: int, before: os.stat_result, after: os.stat_result) -> None:
    if again != crc:
        raise OSError(errno.EIO, "what was written reads otherwise")
    same = is_unchanged(
        (before.st_size, before.st_mtime_ns),
        (after.st_size, after.st_mtime_ns),
        is_touched=after.st_ctime_ns != before.st_ctime_ns,
    )
    if same is False or (same is None and crc32_of(here) != checksums.encode(crc)):
        raise OSError(errno.EAGAIN, "it was changed while it was copied")


def local_path(root: str, path: str) -> str:
    """A file below a folder, for Python's own functions; the folder itself where the path is empty."""
    return f"{root.rstrip(os.sep)}{os.sep}{on_disk(path)}" if path else root


def check_room(path: str, n_bytes: int) -> None:
    """Make sure that so many bytes fit."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    free = shutil.disk_usage(path).free
    if n_bytes > free:
        raise OSError(
            errno.ENOSPC, f"{n_bytes:,} bytes are to come, and {free:,} are free; nothing was fetched", path
        )


def device_of(path: str) -> int:
    """The device that a path is on, or would be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def top_of_file_system(path: str) -> str:
    """The highest folder of the file system that a path is on, or would be."""
    device = device_of(path)
    while not os.path.exists(path) or (
        os.path.dirname(path) != path and device_of(os.path.dirname(path)) == device
    ):
        path = os.path.dirname(path)
    return path


def folds_case(path: str) -> bool:
    """Whether the file system of a folder, which may not be there yet, takes names for one but for case."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    with tempfile.TemporaryDirectory(dir=path, prefix=".upload-client-case-") as folder:
        Path(folder, "a").touch()
        return Path(folder, "A").exists()


def remove_empty(folders: set[str], root: str) -> None:
    """Remove folders below a root that have become empty, and those above them that do."""
    for folder in sorted(folders, key=len, reverse=True):
        while folder.startswith(root.rstrip(os.sep) + os.sep):
            try:
                os.rmdir(folder)
            except OSError:
                break
            folder = os.path.dirname(folder)  # noqa: PLW2901


@contextlib.contextmanager
def hold_lock(target: LocalPlace, warn: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock of a destination; waits for up to six hours."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only where it is asked for

    real = os.path.realpath(target.path)
    root = os.environ.get(LOCK_ROOT)
    if root:
        os.makedirs(root, exist_ok=True)
        name = hashlib.sha256(os.fsencode(real)).hexdigest()
        path = os.path.join(root, f"{name}.lock")
    else:
        folder, name = os.path.split(real)
        os.makedirs(folder, exist_ok=True)
        # By its name alone: other machines may have mounted the folder elsewhere.
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        path = os.path.join(folder, LOCK.format(digest))
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            warn(f"{target.uri} is locked by another sync ({for_terminal(path)}): waiting for it")
            lock.acquire(timeout=_LOCK_WAIT, poll_interval=1.0)
    except Timeout:
        raise SyncFailed(
            f"{target.uri} has been locked by another sync for {_LOCK_WAIT / 3600:.0f} hours ({path})",
            hint="See whether that one still runs.",
        ) from None
    try:
        yield
    finally:
        lock.release()
