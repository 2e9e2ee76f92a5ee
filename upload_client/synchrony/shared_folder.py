"""A directory that all see (a network disk, a stick) as the other side of a sync.

A directory has no conditional writes: whoever writes holds a lock for that moment, looks once more, and
renames. What tells versions apart is size and time of modification; inodes are not the same on every machine.
Where a file was modified so shortly before it was looked at that it may be modified again at the same time
(`core.uploads.settled_mtime`), its MD5 distinguishes them, too: it stands behind a colon in what passes for
an ETag. How late it is then says the file system's own clock, which may be that of another machine.
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
from typing import BinaryIO, Final, NamedTuple, TypeVar

from upload_client.core.codes import FileCode, MessageCode, code_of_errno
from upload_client.core.own_files import is_left_over
from upload_client.core.synchrony import MAX_NAME
from upload_client.core.uploads import settled_mtime
from upload_client.errors import Locked, UsageError
from upload_client.support import failpoints
from upload_client.support.file_names import from_disk, on_disk
from upload_client.support.flushing import Flusher
from upload_client.support.local_file import FileRefused, open_inside
from upload_client.synchrony.books import BOOKS, MOST_BOOK, is_data
from upload_client.synchrony.folder import Changed, date_now, place_new, write_whole
from upload_client.synchrony.locking import hold
from upload_client.synchrony.remote import (
    MARK,
    ConcurrentChange,
    Done,
    Fetch,
    Listed,
    RemoteFile,
    Remove,
    Send,
)

T = TypeVar("T")

_BLOCK: Final = 1024 * 1024
_WAIT: Final = 60.0
"""Seconds for which a write waits for another's."""
_NO_FILE: Final = "no file"  # for an ETag: a folder, or what nobody shares
_LEFT_NS: Final = 24 * 3600 * 10**9  # since a file that is being written was written to
_AT_ONCE: Final = 64  # files that are brought to the disk together
_BYTES_AT_ONCE: Final = 64 * _BLOCK


class _Written(NamedTuple):
    """A file that was written, still open, and its MD5."""

    file: Send | Fetch
    path: Path
    out: BinaryIO
    md5: str


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
        self._flusher = Flusher()
        self._in_the_way: set[str] = set()  # paths that had no room once
        self._ahead_ns = 0  # of the clock of the file system, this machine's
        self._etags: dict[str, str] = {}  # path → ETag, of those that have an MD5 in it, and of those sent

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
        self._compare_clocks()
        try:
            while folders:
                folder = folders.pop()
                with contextlib.suppress(FileNotFoundError), os.scandir(self._path(folder)) as entries:
                    for entry in entries:
                        self._take(folder, entry, folders, found)
            # Last: where a disk was taken away meanwhile, there are none, and nothing passes for deleted.
            if self.books.is_dir():
                for book in self.books.glob("*.csv"):
                    seen_ns = time.time_ns()
                    there = self._there(f"{BOOKS}/{book.name}", book.stat(), seen_ns)
                    found.books[book.name] = there.etag
        except OSError as error:
            raise UsageError(f"{self.root} cannot be read: {error.strerror or error}") from error
        return found

    def _take(self, folder: str, entry: os.DirEntry[str], folders: list[str], found: Listed) -> None:
        """Note an entry of a folder, unless somebody has just deleted it."""
        path = folder + from_disk(entry.name)
        if entry.is_dir(follow_symlinks=False):
            if from_disk(entry.name) != BOOKS:
                folders.append(path + "/")
        elif entry.is_file(follow_symlinks=False) and is_data(path) and not is_left_over(entry.name):
            seen_ns = time.time_ns()
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                found.files[path] = self._there(path, status, seen_ns)

    def _compare_clocks(self) -> None:
        """Find out how late it is to the file system, from a file that is written to it."""
        if not self.books.is_dir():
            return
        with contextlib.suppress(OSError, UsageError):  # which may be read, and not written to
            file = self._own("tmp") / f"{secrets.token_hex(8)}.part"
            file.touch(exist_ok=False)
            try:
                self._ahead_ns = time.time_ns() - file.stat().st_mtime_ns
            finally:
                file.unlink(missing_ok=True)

    def _there(self, path: str, status: os.stat_result, seen_ns: int) -> RemoteFile:
        etag = _of(status.st_size, status.st_mtime_ns)
        if self._is_doubtful(path, etag, status.st_mtime_ns, seen_ns):
            etag = self._etags[path] = f"{etag}:{self._digest(path, etag) or secrets.token_hex(16)}"
        return RemoteFile(status.st_size, etag, status.st_mtime)

    def _is_doubtful(self, path: str, etag: str, mtime_ns: int, seen_ns: int) -> bool:
        """Whether a file may have had other content at the same size and time; told once, it stays so."""
        alike, colon, _ = self._etags.get(path, "").partition(":")
        if alike == etag:
            return bool(colon)
        return settled_mtime(mtime_ns, seen_ns - self._ahead_ns) is None

    def _digest(self, path: str, etag: str) -> str | None:
        """The MD5 of a file of this size and time; None: it has changed, or cannot be read."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            self._copy(path, etag, digest.update)
        except (ConcurrentChange, FileRefused, OSError):
            return None
        return digest.hexdigest()

    def look(self, paths: Sequence[str]) -> dict[str, RemoteFile | None]:
        """See `Remote`."""
        return {path: self._now(path) for path in paths}

    def _now(self, path: str) -> RemoteFile | None:
        """A file as it is in this moment; of a network disk that is known once it was opened."""
        whole = self._path(path)
        seen_ns = time.time_ns()
        try:
            with contextlib.suppress(OSError, FileRefused), open_inside(os.fspath(whole), self._real):
                pass
            status = whole.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_file = stat.S_ISREG(status.st_mode)
        return self._there(path, status, seen_ns) if is_file else RemoteFile(0, _NO_FILE, 0.0)

    def read_book(self, name: str) -> tuple[bytes, str] | None:
        """See `Remote`."""
        path = self.books / name
        try:
            with open_inside(os.fspath(path), self._real) as file:
                size = file.fingerprint.size
                if size > MOST_BOOK:
                    raise UsageError(f"{path} has {size:,} bytes: no table of a sync is as large")
                data = file.read(size)
                etag = _of(size, file.fingerprint.mtime_ns)
                key = f"{BOOKS}/{name}"
                if self._is_doubtful(key, etag, file.fingerprint.mtime_ns, file.seen_ns):
                    etag = self._etags[key] = f"{etag}:{_md5(data)}"
                return data, etag
        except FileRefused as error:
            if error.code is FileCode.MISSING:
                return None
            raise UsageError(f"{path} cannot be read: {error}") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error

    def write_book(self, name: str, data: bytes, expect: str | None) -> str:
        """See `Remote`."""
        path, key = self.books / name, f"{BOOKS}/{name}"
        with self._locked():
            seen_ns = time.time_ns()
            now = self._there(key, path.stat(), seen_ns).etag if path.exists() else None
            if now != expect:
                raise ConcurrentChange(name)
            is_exact = write_whole(path, data, kind="shared.csv")
            return self._written(key, path.stat(), _md5(data), is_exact=is_exact).etag

    def _written(self, path: str, status: os.stat_result, md5: str, *, is_exact: bool) -> RemoteFile:
        """A file that was written just now, and whether its time tells it from what is written later."""
        etag = _of(status.st_size, status.st_mtime_ns)
        etag = self._etags[path] = etag if is_exact else f"{etag}:{md5}"
        return RemoteFile(status.st_size, etag, status.st_mtime)

    def check(self) -> None:
        """See `Remote`: the lock is what makes it safe. What killed syncs have left goes after a day."""
        with self._locked():
            self._compare_clocks()
            now_ns = time.time_ns() - self._ahead_ns
            for left in self._own("tmp").glob("*.part"):
                with contextlib.suppress(OSError):
                    if now_ns - left.lstat().st_mtime_ns > _LEFT_NS:
                        left.unlink()

    def stated_md5(self, there: RemoteFile) -> str | None:  # noqa: ARG002 - a directory knows none
        """See `Remote`."""
        return None

    def md5s(
        self,
        files: Sequence[tuple[str, RemoteFile]],
        *,
        doubted: bool,  # noqa: ARG002
    ) -> Iterator[tuple[str, str | None]]:
        """See `Remote`."""
        for path, there in files:
            yield path, self._digest(path, there.etag)

    def _copy(self, path: str, etag: str, take: Callable[[bytes], object]) -> None:
        """Read a file which is the one with this ETag.

        Raises:
            ConcurrentChange: it is another, or was modified meanwhile.
            FileRefused: it may not be read, or is none.
            OSError: it cannot be read.
        """
        alike, _, md5 = etag.partition(":")
        digest = hashlib.md5(usedforsecurity=False) if md5 else None
        with open_inside(os.fspath(self._path(path)), self._real) as file:
            size = file.fingerprint.size
            if _of(size, file.fingerprint.mtime_ns) != alike:
                raise ConcurrentChange(path)
            for start in range(0, size, _BLOCK):
                block = file.read(min(_BLOCK, size - start), start)
                if digest is not None:
                    digest.update(block)
                take(block)
            status = self._path(path).lstat()
            is_same = _of(status.st_size, status.st_mtime_ns) == alike and stat.S_ISREG(status.st_mode)
            if not is_same or (digest is not None and digest.hexdigest() != md5):
                raise ConcurrentChange(path)

    def send(self, files: Sequence[Send], root: Path) -> Iterator[Done]:
        """See `Remote`: written beside, brought to the disk, then renamed."""
        inside = os.path.realpath(root).rstrip(os.sep) + os.sep
        scratch = self._own("tmp")

        def write(file: Send, out: BinaryIO) -> str:
            digest = hashlib.md5(usedforsecurity=False)
            with open_inside(file.local, inside) as source:
                for start in range(0, source.fingerprint.size, _BLOCK):
                    block = source.read(min(_BLOCK, source.fingerprint.size - start), start)
                    digest.update(block)
                    out.write(block)
            return digest.hexdigest()

        for some in _at_once(files, lambda file: file.size):
            with contextlib.ExitStack() as stack:
                written: list[_Written] = []
                for file in some:
                    temporary = scratch / f"{secrets.token_hex(8)}.part"
                    try:
                        stack.callback(temporary.unlink, missing_ok=True)
                        out = stack.enter_context(temporary.open("xb"))
                        md5 = write(file, out)
                        if md5 != file.md5:
                            yield Done(file.path, error="has been changed here meanwhile", raced=True)
                            continue
                        out.flush()
                    except (FileRefused, OSError) as error:
                        yield self._not_sent(file.path, error)
                    else:
                        written.append(_Written(file, temporary, out, md5))
                flushed = list(self._flushed(written))
                with self._locked():
                    sent = [self._placed(each, problem) for each, problem in flushed]
                yield from sent  # whoever asked may want the lock

    def _not_sent(self, path: str, error: FileRefused | OSError) -> Done:
        if isinstance(error, FileRefused):
            return Done(path, error=str(error), code=error.code)
        if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            # It may be deleted in this very sync, after which there is room.
            again = path not in self._in_the_way
            self._in_the_way.add(path)
            why = "something else of this name, or of its folder's, is in its way there"
            if not again:
                why += ": rename, move or delete one of both"
            return Done(path, error=why, raced=again, code=FileCode.NOT_A_FILE)
        why = f"cannot be written to {self.root}: {error.strerror or error}"
        return Done(path, error=why, code=code_of_errno(error.errno))

    def _flushed(self, written: Sequence[_Written]) -> Iterator[tuple[_Written, OSError | None]]:
        """Each of these, closed, and why it is not on the disk; None: it is."""
        problems = self._flusher.flush([each.out.fileno() for each in written])
        for each, problem in zip(written, problems, strict=True):
            each.out.close()
            yield each, problem

    def _placed(self, written: _Written, problem: OSError | None) -> Done:
        """Have a file that was written beside take its place, if that is as expected. The lock is held."""
        file = written.file
        assert isinstance(file, Send)
        try:
            if problem is not None:
                raise problem
            target = self._target(file.path)
            now = self._now(file.path)
            if now is not None and now.etag == _NO_FILE:
                raise IsADirectoryError
            if (None if now is None else now.etag) != file.expect:
                return Done(file.path, raced=True)
            is_exact = date_now(written.path)
            status = written.path.lstat()  # before it is where somebody may change it
            failpoints.reach("before:send:file")
            if now is None:
                place_new(written.path, os.fspath(target))
            else:
                written.path.replace(target)
            failpoints.reach("after:send:file")
        except Changed:
            return Done(file.path, raced=True)
        except (FileRefused, OSError) as error:
            return self._not_sent(file.path, error)
        there = self._written(file.path, status, written.md5, is_exact=is_exact)
        return Done(file.path, there, written.md5)

    def _target(self, path: str) -> Path:
        target = self._path(path)
        if not self._is_inside(target.parent):
            raise _outside()
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def fetch(self, files: Sequence[Fetch]) -> Iterator[Done]:
        """See `Remote`: each is on the disk when it is told."""

        def write(file: Fetch, out: BinaryIO) -> str:
            digest = hashlib.md5(usedforsecurity=False)

            def take(block: bytes) -> None:
                out.write(block)
                digest.update(block)

            self._copy(file.path, file.there.etag, take)
            return digest.hexdigest()

        for some in _at_once(files, lambda file: file.there.size):
            with contextlib.ExitStack() as stack:
                written: list[_Written] = []
                for file in some:
                    try:
                        out = stack.enter_context(file.to.open("wb"))
                        md5 = write(file, out)
                        out.flush()
                    except ConcurrentChange:
                        yield Done(file.path, raced=True)
                    except (FileRefused, OSError) as error:
                        yield _not_fetched(file.path, error)
                    else:
                        written.append(_Written(file, file.to, out, md5))
                for each, problem in self._flushed(written):
                    if problem is not None:
                        yield _not_fetched(each.file.path, problem)
                    else:
                        assert isinstance(each.file, Fetch)
                        yield Done(each.file.path, each.file.there, each.md5)

    def remove(self, files: Sequence[Remove], warn: Callable[[str, MessageCode], None]) -> Iterator[Done]:  # noqa: ARG002
        """See `Remote`: moved, which is one step here."""
        for file in files:
            try:
                target = self._target(_with_room(file.kept))
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
                yield Done(file.path, error=str(error), code=error.code)
            except OSError as error:
                why = f"cannot be moved: {error.strerror or error}"
                yield Done(file.path, error=why, code=code_of_errno(error.errno))
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
        if not self.books.is_dir():
            return 0
        n = sum(1 for path in self.books.rglob("*") if path.is_file())
        shutil.rmtree(self.books, ignore_errors=False)
        return n


def _with_room(kept: str) -> str:
    """The name under which a deleted file is kept, where a file system has no room for all of it."""
    folder, _, name = kept.rpartition("/")
    while len(name.encode()) > MAX_NAME:
        name = name[: -len(MARK) - 1] + name[-len(MARK) :]
    return f"{folder}/{name}"


def _outside() -> FileRefused:
    return FileRefused("a symlink leads out of the shared folder there", FileCode.OUTSIDE_SOURCE)


def _leads_out(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a symlink, or lies behind one, and no table of a sync is written through it",
        hint="See who has put it there, and delete it.",
    )


def _not_fetched(path: str, error: FileRefused | OSError) -> Done:
    if isinstance(error, FileRefused):
        return Done(path, error=str(error), code=error.code)
    why = f"cannot be brought here: {error.strerror or error}"
    return Done(path, error=why, code=code_of_errno(error.errno))


def _at_once(files: Sequence[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Files, as many as are brought to the disk together."""
    some: list[T] = []
    n_bytes = 0
    for file in files:
        if some and (len(some) >= _AT_ONCE or n_bytes + size(file) > _BYTES_AT_ONCE):
            yield some
            some, n_bytes = [], 0
        some.append(file)
        n_bytes += size(file)
    if some:
        yield some


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _of(size: int, mtime_ns: int) -> str:
    return f"{size:x}-{mtime_ns:x}"
