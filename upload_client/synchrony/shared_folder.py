"""A directory that all see (a network disk, a stick) as the other side of a sync.

A directory has no conditional writes: whoever writes holds a lock for that moment, looks once more, and
renames. What tells versions apart is size and time of modification; inodes are not the same on every machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from upload_client.core.codes import FileCode
from upload_client.core.ours import is_left_over
from upload_client.errors import Locked, UsageError
from upload_client.support import failpoints
from upload_client.support.file_names import from_disk, on_disk
from upload_client.support.local_file import FileRefused, open_inside
from upload_client.synchrony.books import BOOKS, MOST_BOOK, is_data
from upload_client.synchrony.folder import write_whole
from upload_client.synchrony.locking import hold
from upload_client.synchrony.remote import Done, Fetch, Listed, Raced, Remove, Send, There

__all__ = ["SharedFolder"]

_BLOCK: Final = 1024 * 1024
_WAIT: Final = 60.0
"""Seconds for which a write waits for another's."""


class SharedFolder:
    """A directory.

    Args:
        root: where it is; made if it is missing.
    """

    prefix = ""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - a symlink to it stays one
        self.books = self.root / BOOKS
        self.where = str(self.root)
        self._real = os.path.realpath(root).rstrip(os.sep) + os.sep

    def _path(self, path: str) -> Path:
        return self.root / on_disk(path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._own() / "lock"
        if lock.is_symlink():
            raise _leads_out(lock)
        with hold(lock, _WAIT) as held:
            if not held:
                raise Locked(self.where, why="somebody has been writing to it for a minute")
            yield

    def _own(self, name: str = "") -> Path:
        """The folder of the books, or one in it, made if it is missing: in here, whatever others put there.

        Raises:
            UsageError: a symlink leads out of the shared folder there.
        """
        folder = self.books / name
        if not self._is_inside(folder):
            raise _leads_out(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _is_inside(self, folder: Path) -> bool:
        return (os.path.realpath(folder) + os.sep).startswith(self._real)

    def listing(self) -> Listed:
        """See `Remote`."""
        found = Listed({}, {}, [])
        folders = [""]
        try:
            while folders:
                folder = folders.pop()
                with os.scandir(self._path(folder)) as entries:
                    for entry in entries:
                        path = folder + from_disk(entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            if from_disk(entry.name) != BOOKS:
                                folders.append(path + "/")
                        elif (
                            entry.is_file(follow_symlinks=False)
                            and is_data(path)
                            and not is_left_over(entry.name)
                        ):
                            found.files[path] = _there(entry.stat(follow_symlinks=False))
            if self.books.is_dir():
                for book in self.books.glob("*.csv"):
                    found.books[book.name] = _there(book.stat()).etag
        except FileNotFoundError:
            if not self.root.exists():
                return Listed({}, {}, [])
            raise
        except OSError as error:
            raise UsageError(f"{self.root} cannot be read: {error.strerror or error}") from error
        return found

    def look(self, paths: Sequence[str]) -> dict[str, There | None]:
        """See `Remote`."""
        return {path: self._now(path) for path in paths}

    def _now(self, path: str) -> There | None:
        try:
            status = self._path(path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _there(status) if stat.S_ISREG(status.st_mode) else There(0, "no file", 0.0)

    def read_book(self, name: str) -> tuple[bytes, str] | None:
        """See `Remote`."""
        path = self.books / name
        try:
            with open_inside(os.fspath(path), self._real) as file:
                size = file.fingerprint.size
                if size > MOST_BOOK:
                    raise UsageError(f"{path} has {size:,} bytes: no table of a sync is as large")
                return file.read(size), _of(size, file.fingerprint.mtime_ns)
        except FileRefused as error:
            if error.code is FileCode.MISSING:
                return None
            raise UsageError(f"{path} cannot be read: {error}") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error

    def write_book(self, name: str, data: bytes, expect: str | None) -> str:
        """See `Remote`."""
        path = self.books / name
        with self._locked():
            now = _there(path.stat()).etag if path.exists() else None
            if now != expect:
                raise Raced(name)
            write_whole(path, data, kind="shared.csv")
            return _there(path.stat()).etag

    def check(self) -> None:
        """See `Remote`: the lock is what makes it safe."""
        with self._locked():
            pass

    def told_md5(self, there: There) -> str | None:  # noqa: ARG002 - a directory knows none
        """See `Remote`."""
        return None

    def md5s(self, files: Sequence[tuple[str, There]], *, doubted: bool) -> Iterator[tuple[str, str | None]]:  # noqa: ARG002
        """See `Remote`."""
        for path, there in files:
            digest = hashlib.md5(usedforsecurity=False)
            try:
                self._copy(path, there, digest.update)
            except (Raced, FileRefused, OSError):
                yield path, None
            else:
                yield path, digest.hexdigest()

    def _copy(self, path: str, there: There, take: Callable[[bytes], object]) -> None:
        with open_inside(os.fspath(self._path(path)), self._real) as file:
            if _of(file.fingerprint.size, file.fingerprint.mtime_ns) != there.etag:
                raise Raced(path)
            for start in range(0, there.size, _BLOCK):
                take(file.read(min(_BLOCK, there.size - start), start))
            if self._now(path) != there:
                raise Raced(path)

    def send(self, files: Sequence[Send], root: Path) -> Iterator[Done]:
        """See `Remote`: written beside, then renamed."""
        inside = os.path.realpath(root).rstrip(os.sep) + os.sep
        scratch = self._own("tmp")
        for file in files:
            beside = scratch / f"{secrets.token_hex(8)}.part"
            try:
                digest = hashlib.md5(usedforsecurity=False)
                with open_inside(file.local, inside) as source, beside.open("xb") as out:
                    for start in range(0, source.fingerprint.size, _BLOCK):
                        block = source.read(min(_BLOCK, source.fingerprint.size - start), start)
                        digest.update(block)
                        out.write(block)
                    out.flush()
                    os.fsync(out.fileno())
                if digest.hexdigest() != file.md5:
                    yield Done(file.path, error="has been changed here meanwhile", raced=True)
                    continue
                target = self._target(file.path)
                # The clock that files are dated by ticks some hundred times a second: too seldom to tell
                # two versions of one size apart.
                moment = time.time_ns()
                os.utime(beside, ns=(moment, moment))
                with self._locked():
                    now = self._now(file.path)
                    if (None if now is None else now.etag) != file.expect:
                        yield Done(file.path, raced=True)
                        continue
                    failpoints.reach("before:send:file")
                    beside.replace(target)
                    failpoints.reach("after:send:file")
                    there = _there(target.lstat())
                yield Done(file.path, there, file.md5)
            except FileRefused as error:
                yield Done(file.path, error=str(error))
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                # It may be deleted in this very sync, after which there is room.
                yield Done(
                    file.path, error="a folder is where a file belongs, or a file for a folder", raced=True
                )
            except OSError as error:
                yield Done(file.path, error=f"cannot be written to {self.root}: {error.strerror or error}")
            finally:
                beside.unlink(missing_ok=True)

    def _target(self, path: str) -> Path:
        target = self._path(path)
        if not self._is_inside(target.parent):
            raise _outside()
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def fetch(self, files: Sequence[Fetch]) -> Iterator[Done]:
        """See `Remote`."""
        for file in files:
            digest = hashlib.md5(usedforsecurity=False)
            try:
                with file.to.open("wb") as out:

                    def take(block: bytes, out: object = out, digest: object = digest) -> None:
                        out.write(block)  # type: ignore[attr-defined]
                        digest.update(block)  # type: ignore[attr-defined]

                    self._copy(file.path, file.there, take)
            except Raced:
                yield Done(file.path, raced=True)
            except FileRefused as error:
                yield Done(file.path, error=str(error))
            except OSError as error:
                yield Done(file.path, error=f"cannot be brought here: {error.strerror or error}")
            else:
                yield Done(file.path, file.there, digest.hexdigest())

    def remove(self, files: Sequence[Remove], warn: Callable[[str], None]) -> Iterator[Done]:  # noqa: ARG002
        """See `Remote`: moved, which is one step here."""
        for file in files:
            try:
                target = self._target(file.kept)
                with self._locked():
                    if not self._is_inside(self._path(file.path).parent):
                        raise _outside()
                    now = self._now(file.path)
                    if now is not None and now.etag != file.there.etag:
                        yield Done(file.path, raced=True)
                        continue
                    failpoints.reach("before:remove:file")
                    if now is not None:
                        self._path(file.path).rename(target)
                        self._clear(self._path(file.path).parent)
                    failpoints.reach("after:remove:file")
            except FileRefused as error:
                yield Done(file.path, error=str(error))
            except OSError as error:
                yield Done(file.path, error=f"cannot be moved: {error.strerror or error}")
            else:
                yield Done(file.path)

    def _clear(self, folder: Path) -> None:
        """Delete folders that are empty now."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def forget(self) -> int:
        """See `Remote`."""
        if self.books.is_symlink():
            raise _leads_out(self.books)
        n = sum(1 for path in self.books.rglob("*") if path.is_file())
        shutil.rmtree(self.books, ignore_errors=False)
        return n


def _outside() -> FileRefused:
    return FileRefused("a symlink leads out of the shared folder there", FileCode.OUTSIDE_SOURCE)


def _leads_out(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a symlink, or lies behind one, and no table of a sync is written through it",
        hint="See who has put it there, and delete it.",
    )


def _of(size: int, mtime_ns: int) -> str:
    return f"{size:x}-{mtime_ns:x}"


def _there(status: os.stat_result) -> There:
    return There(status.st_size, _of(status.st_size, status.st_mtime_ns), status.st_mtime)
