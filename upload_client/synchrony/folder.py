"""A person's folder: its files, with MD5s that are computed once; and safe changes to it.

A file that somebody works on meanwhile is never replaced or deleted: each change names what it expects to
find, as size, time of modification and inode, and is given up when it finds something else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from upload_client.core.codes import FileCode, code_of_errno
from upload_client.core.own_files import is_left_over
from upload_client.core.paths import check_relpath
from upload_client.core.uploads import is_unchanged, settled_mtime
from upload_client.errors import UsageError
from upload_client.support import failpoints
from upload_client.support.atomic import naming
from upload_client.support.file_names import from_disk, on_disk
from upload_client.synchrony.books import BOOKS, leads_into_books

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

KEPT: Final = "large"
"""The folder in the scratch folder where large files are until they are whole, from one sync to the next."""
_BLOCK = 1024 * 1024


class FolderFile(NamedTuple):
    """A file in the folder: bytes, time of modification in ns, inode, MD5 in hexadecimal, and ctime in ns.

    That is when its inode changed last: where it is another one and the rest is the same, only reading tells
    whether the time of modification was set back (`exiftool -P` does). 0: it is not known, and
    the file is read.
    """

    size: int
    mtime_ns: int
    inode: int
    md5: str
    ctime_ns: int = 0


class Skipped(NamedTuple):
    """An entry that is no file that could be shared, and why: for people, and for programs."""

    path: str
    why: str
    code: FileCode


class Changed(Exception):  # noqa: N818 - reads as what it says
    """A file is not what it was when it was looked at; its text says what it is."""


class NameTaken(Changed):
    """The name of a file, or of its folder, is taken by something else; the text says by what."""


class Ignored:
    """The paths that are left alone altogether: of a file with one path or pattern a line.

    Args:
        text: of the file.
    """

    def __init__(self, text: str) -> None:
        lines = [line.rstrip() for line in text.splitlines()]
        self._paths = frozenset(filter(None, lines))
        patterns = [line for line in lines if line and not line.startswith("#")]
        self._spec: GitIgnoreSpec | None = None
        if patterns:
            from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import, and seldom needed

            try:
                self._spec = GitIgnoreSpec.from_lines(patterns)
            except ValueError as error:
                raise UsageError(
                    f"{BOOKS}/ignores3.txt holds what is no pattern: {error}",
                    hint="A line is a path, or a pattern as in a .gitignore.",
                ) from None

    def __call__(self, path: str) -> bool:
        """Whether a path is left alone."""
        return bool(self._paths) and (
            path in self._paths or (self._spec is not None and self._spec.match_file(path))
        )


class Folder:
    """A person's folder.

    Args:
        root: where it is. It need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - a symlink to it stays one
        self.books = self.root / BOOKS
        self.scratch = self.books / "tmp"
        self._real = ""
        self._inside = ""
        self._checked: set[str] = set()
        self._fresh: set[str] = set()
        self._lock = threading.Lock()

    def make(self) -> None:
        """Make it and the folder of its books, where they are missing.

        Raises:
            UsageError: that cannot be.
        """
        try:
            for folder in (self.scratch, self.books / "logs"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.root} cannot be used as a folder: {error.strerror or error}") from error

    def path(self, relpath: str) -> str:
        """Where a file of it is, for Python's own functions."""
        return os.path.join(self.root, on_disk(relpath))  # noqa: PTH118 - of many files

    def look(
        self,
        known: Mapping[str, FolderFile],
        *,
        ignored: Callable[[str], bool] = lambda _: False,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> tuple[dict[str, FolderFile], list[Skipped], set[str]]:
        """Find all files, and compute the MD5 of those that are not `known`.

        Args:
            known: files as they were found before: whose size, times and inode are the same is not read.
            ignored: which paths are left alone.
            on_progress: called with the number of files read.

        Returns:
            The files by path; what cannot be shared; and paths that are in the first, but may change within
            the same tick of the clock, so that they are better not remembered. This last set is the folder's
            own: before such a file is replaced or deleted it is read once more.

        Raises:
            UsageError: the folder cannot be read.
        """
        found: dict[str, FolderFile] = {}
        skipped: list[Skipped] = []
        to_read: list[tuple[str, int]] = []
        for path, status in self._walk(skipped, ignored):
            before = known.get(path)
            if before is not None and _unchanged(before, status):
                found[path] = before
            # A path that is known was fit when it came to be.
            elif why := check_relpath(path) or (
                "would be the folder of the tables on other machines" if leads_into_books(path) else None
            ):
                skipped.append(Skipped(path, why, FileCode.ILLEGAL_PATH))
            else:
                to_read.append((path, status.st_size))
        fresh = self._fresh = set()
        n_read = 0
        for path, result, is_fresh in self._read(to_read):
            if isinstance(result, Skipped):
                skipped.append(result)
                continue
            found[path] = result
            if is_fresh:
                fresh.add(path)
            n_read += 1
            on_progress(n_read)
        return found, skipped, fresh

    def _walk(
        self, skipped: list[Skipped], ignored: Callable[[str], bool]
    ) -> Iterator[tuple[str, os.stat_result]]:
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = os.scandir(self.path(folder) if folder else self.root)
            except FileNotFoundError:
                continue
            except OSError as error:
                if not folder:
                    raise UsageError(f"{self.root} cannot be read: {error.strerror}") from error
                skipped.append(_unreadable(folder, "cannot be read", error))
                continue
            with entries:
                for entry in entries:
                    name = from_disk(entry.name)
                    path = folder + name
                    if name == BOOKS or is_left_over(name):
                        continue
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            if not ignored(path + "/"):
                                folders.append(path + "/")
                            continue
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        skipped.append(_unreadable(path, "cannot be looked at", error))
                        continue
                    if ignored(path):
                        continue
                    if not stat.S_ISREG(status.st_mode):
                        link = stat.S_ISLNK(status.st_mode)
                        skipped.append(
                            Skipped(
                                path, "is a symlink" if link else "is no regular file", FileCode.NOT_A_FILE
                            )
                        )
                    else:
                        yield path, status

    def _read(self, files: list[tuple[str, int]]) -> Iterator[tuple[str, FolderFile | Skipped, bool]]:
        if len(files) < 8:
            yield from ((path, *self.measure(path)) for path, _ in files)
            return
        size = 64
        batches = [files[n : n + size] for n in range(0, len(files), size)]

        def measured(batch: list[tuple[str, int]]) -> list[tuple[str, FolderFile | Skipped, bool]]:
            return [(path, *self.measure(path)) for path, _ in batch]

        with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) * 2), "md5") as pool:
            try:
                for results in pool.map(measured, batches):
                    yield from results
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C: do not read on to the end
                raise

    def measure(self, path: str) -> tuple[FolderFile | Skipped, bool]:
        """A file as it is, read for its MD5, or why it cannot be; and whether it is too fresh to remember."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            fd = os.open(
                self.path(path), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            )
            with open(fd, "rb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
                before = os.fstat(fd)
                while block := file.read(_BLOCK):
                    digest.update(block)
                seen_ns = time.time_ns()
                after = os.fstat(fd)
        except OSError as error:
            return _unreadable(path, "cannot be read", error), False
        if any(getattr(before, name) != getattr(after, name) for name in _IDENTITY_FIELDS):
            return Skipped(path, "is being written", FileCode.CHANGED), False
        is_fresh = settled_mtime(after.st_mtime_ns, seen_ns) is None
        here = FolderFile(
            after.st_size, after.st_mtime_ns, after.st_ino, digest.hexdigest(), after.st_ctime_ns
        )
        return here, is_fresh

    def now(self, path: str) -> os.stat_result | None:
        """A file at this moment; None: there is nothing.

        Raises:
            NameTaken: something that is no file is there.
        """
        try:
            status = os.lstat(self.path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "something that is no regular file"
            raise NameTaken(f"{what} of this name is in its way here")
        return status

    def expect(self, path: str, here: FolderFile | None) -> None:
        """Make sure that a file is what it was when it was looked at.

        Raises:
            Changed: it is not.
        """
        now = self.now(path)
        if here is None:
            if now is None:
                return
            raise Changed("there is a file of this name by now (or one whose name differs only by case)")
        if now is None:
            raise Changed("has been deleted meanwhile")
        same = _unchanged(here, now)
        if same and path not in self._fresh:
            return
        if same is False or self.measure(path)[0][:4] != here[:4]:
            raise Changed("has been changed meanwhile")

    def clean(self) -> None:
        """Throw away what an interrupted sync has left, but for large files that are resumed."""
        left = [*self.books.glob("*.part"), *self.scratch.glob("*.part")]
        left += (path for path in self.scratch.glob(".*") if is_left_over(path.name))
        for path in left:
            with contextlib.suppress(OSError):
                path.unlink()

    def temporary(self) -> Path:
        """A path in the scratch folder that nobody has."""
        return self.scratch / f"{secrets.token_hex(8)}.part"

    def put(self, whole: Path, path: str, here: FolderFile | None) -> tuple[os.stat_result, bool]:
        """Have a file that is whole take its place. It is modified now.

        Args:
            whole: a file in the scratch folder; it is gone afterwards.
            path: where it belongs.
            here: what is expected to be there; None: nothing.

        Returns:
            The file as it was put there, and whether its time tells it from what is written later.

        Raises:
            Changed: something else is there.
            OSError: it cannot be written there.
        """
        target = self._place(path)
        failpoints.reach("before:put:file")
        is_exact = date_now(whole)
        status = os.lstat(whole)  # before it is where somebody may change it
        self.expect(path, here)
        if here is None:
            if place_new(whole, target):
                failpoints.reach("between:put:file")
                whole.unlink()
        else:
            os.replace(whole, target)  # noqa: PTH105
        with contextlib.suppress(OSError):
            placed = os.lstat(target)  # its new name is a change of its inode
            if _identity(placed) == _identity(status):
                status = placed
        failpoints.reach("after:put:file")
        return status, is_exact

    def delete(self, path: str, here: FolderFile) -> None:
        """Delete a file, and folders that are empty then.

        Raises:
            Changed: it is not what it was.
            OSError: it cannot be deleted.
        """
        self._place(path, make=False)
        self.expect(path, here)
        failpoints.reach("before:delete:file")
        os.unlink(self.path(path))  # noqa: PTH108
        failpoints.reach("after:delete:file")
        folder = os.path.dirname(path)  # noqa: PTH120
        while folder:
            try:
                os.rmdir(self.path(folder))  # noqa: PTH106
            except OSError:
                return
            folder = os.path.dirname(folder)  # noqa: PTH120

    def _place(self, path: str, *, make: bool = True) -> str:
        """Where a file is to be written: inside of the folder, wherever symlinks in it lead."""
        if (why := check_relpath(path)) or leads_into_books(path):
            raise Changed(why or "lies in the books")
        target = self.path(path)
        folder = os.path.dirname(target)  # noqa: PTH120
        with self._lock:
            known = folder in self._checked
        if not known:
            if not self._real:
                self._real = os.path.realpath(self.root)
                self._inside = self._real.rstrip(os.sep) + os.sep
            # Before anything is made: else folders would be made wherever a symlink leads.
            if not (os.path.realpath(folder) + os.sep).startswith(self._inside):
                raise Changed("a symlink leads out of the folder there")
            if make:
                try:
                    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                except (FileExistsError, NotADirectoryError):
                    raise NameTaken("a file is in the way of its folder here") from None
            with self._lock:
                self._checked.add(folder)
        elif make and not os.path.isdir(folder):  # noqa: PTH112
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        return target


def _unreadable(path: str, what: str, error: OSError) -> Skipped:
    return Skipped(path, f"{what}: {error.strerror}", code_of_errno(error.errno))


_IDENTITY_FIELDS: Final = ("st_size", "st_mtime_ns", "st_ctime_ns")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _unchanged(here: FolderFile, status: os.stat_result) -> bool | None:
    return is_unchanged(
        here[:3],
        _identity(status),
        is_touched=here.ctime_ns != status.st_ctime_ns,
    )


def date_now(path: Path) -> bool:
    """Have a file be modified now, to the microsecond; whether that tells it from all that is written later.

    The clock that a system dates files by ticks some hundred times a second, which is too seldom for that. It
    does not distinguish them either where the file system keeps times less exactly, such as FAT.

    Raises:
        OSError: it is not there.
    """
    moment = time.time_ns() // 1000 * 1000
    with contextlib.suppress(OSError):
        os.utime(path, ns=(moment, moment))
    return os.lstat(path).st_mtime_ns == moment and moment % 1_000_000_000 != 0


def place_new(whole: Path, target: str) -> bool:
    """Give a file the name of one that is not there; False: it has its own no more.

    Raises:
        Changed: there is one by now. A rename would replace it.
        OSError: it cannot be.
    """
    try:
        os.link(whole, target)
    except FileExistsError:
        raise Changed("there is a file of this name by now") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
            raise
        os.replace(whole, target)  # noqa: PTH105 - a file system without links
        return False
    return True


def write_whole(path: Path, data: bytes | Iterable[bytes], *, kind: str = "") -> bool:
    """Write a file whole or not at all; the bytes are on disk before the name is.

    Returns:
        Whether its time tells it from all that is written later; see `date_now`.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    name = f"write:{kind or path.suffix}"
    failpoints.reach(f"before:{name}")
    try:
        with naming(path, temporary), temporary.open("xb") as file:
            for block in (data,) if isinstance(data, bytes) else data:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        failpoints.reach(f"between:{name}")
        is_exact = date_now(temporary)
        temporary.replace(path)
        failpoints.reach(f"after:{name}")
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return is_exact
