"""A folder as the source of a delivery: what in it is inside it."""

from __future__ import annotations

import os
import re
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from upload_client.core.paths import check_relpath
from upload_client.errors import UsageError
from upload_client.index.problems import shown
from upload_client.support.file_names import from_disk, on_disk

__all__ = ["Folder"]


class Folder:
    """A directory, and what in it is inside it."""

    def __init__(self, path: str | Path) -> None:
        self.root = os.path.realpath(path)
        if not os.path.isdir(self.root):  # noqa: PTH112 - os.path throughout: there are a million of them
            missing = not os.path.lexists(path)
            raise UsageError(f"the source {shown(path)} is {'not there' if missing else 'not a directory'}")
        self._base = self.root.rstrip("/" + os.sep)
        self._inside = os.path.normcase(self._base + os.sep)
        self._folders: dict[str, str | None] = {"": None}

    def path(self, relpath: str) -> str:
        """The place of the file of that path, if it is there: for the system, see `file_names`."""
        return f"{self._base}/{on_disk(relpath)}"

    def target(self, path: str) -> str | None:
        """The target of a symlink; None if it is out of the source."""
        real = os.path.realpath(path)
        return real if os.path.normcase(real + os.sep).startswith(self._inside) else None

    def refuses(self, paths: Sequence[str], rows: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Rows whose file is not there, or is no file to deliver, with the reason.

        A folder is listed once, which tells what its entries are; that is far cheaper than to ask for each.
        """
        folders: dict[str, array[int]] = {}
        for row in rows:
            folder = paths[row].rpartition("/")[0]
            try:
                folders[folder].append(row)
            except KeyError:
                folders[folder] = array("I", [row])
        for folder, its_rows in folders.items():
            if reason := self._folder(folder):
                yield from ((row, reason) for row in its_rows)
                continue
            files = self._files(folder)
            start = len(folder) + 1 if folder else 0
            for row in its_rows:
                # A listed name may be spelled another way where the file system takes both for one.
                if paths[row][start:] not in files and (reason := self._file(paths[row])):
                    yield row, reason

    def _files(self, folder: str) -> set[str]:
        """Names of the regular files in a folder; none if it may not be listed."""
        try:
            with os.scandir(self.path(folder)) as entries:
                return {from_disk(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)}
        except OSError:
            return set()

    def _folder(self, folder: str) -> str | None:
        """Why nothing in a folder can be delivered; None if it can."""
        known = self._folders
        if folder in known:
            return known[folder]
        reason: str | None = None
        for end in [*(found.start() for found in re.finditer("/", folder)), len(folder)]:
            part = folder[:end]
            if part not in known:
                wrong = reason is None and self._examine(part, stat.S_ISDIR)
                known[part] = f"cannot be reached: its folder {shown(part)} {wrong}" if wrong else reason
            reason = known[part]
        return reason

    def _file(self, relpath: str) -> str | None:
        """Why a file cannot be delivered; None if it can."""
        return self._examine(relpath, stat.S_ISREG)

    def _examine(self, relpath: str, is_right: Callable[[int], bool]) -> str | None:
        """Why a path is not the right thing."""
        try:
            path = self.path(relpath)
            status = os.lstat(path)
            if _leads_on(status):
                real = self.target(path)
                if real is None:
                    return "leads out of the source, through a symlink"
                if not os.path.lexists(real):
                    return "is a symlink that leads nowhere"
                status = os.stat(real)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return "is not there"
        except (OSError, ValueError) as error:
            return f"cannot be looked at: {getattr(error, 'strerror', None) or error}"
        if is_right(status.st_mode):
            return None
        right = "regular file" if is_right is stat.S_ISREG else "folder"
        return f"is not a {right} but {_kind(status.st_mode)}"

    def walk(
        self, wants: Callable[[str], bool], leaves_out: Callable[[str], bool]
    ) -> Iterator[tuple[str, str | None]]:
        """Paths of all that is wanted, in no certain order, each with the reason why it cannot be delivered.

        None for that: it is a regular file and can be.
        """
        # With each folder, where it really is, and from where symlinks led to it.
        folders: list[tuple[str, str, tuple[str, ...]]] = [("", self.root, ())]
        while folders:
            folder, real, came_from = folders.pop()
            try:
                with os.scandir(real) as scanned:
                    entries = list(scanned)
            except OSError as error:
                yield folder or ".", f"cannot be listed: {error.strerror or error}"
                continue
            for entry in entries:
                name = from_disk(entry.name)
                relpath = f"{folder}/{name}" if folder else name
                if leaves_out(relpath):
                    continue
                there, on_the_way = os.path.join(real, entry.name), came_from  # noqa: PTH118
                if linked := _is_link(entry):
                    target = self.target(entry.path)
                    if target is None:
                        yield relpath, "leads out of the source, through a symlink"
                        continue
                    there, on_the_way = target, (*came_from, real)
                if os.path.isdir(there) if linked else entry.is_dir():  # noqa: PTH112
                    if linked and any((place + os.sep).startswith(there + os.sep) for place in on_the_way):
                        yield relpath, "leads back to a folder it lies in, through a symlink"
                    else:
                        folders.append((relpath, there, on_the_way))
                elif not wants(relpath):
                    continue
                elif reason := check_relpath(relpath):
                    yield relpath, reason
                elif not linked and entry.is_file():
                    yield relpath, None
                elif reason := self._file(relpath):
                    yield relpath, reason
                else:
                    yield relpath, None


def _is_link(entry: os.DirEntry[str]) -> bool:
    # On Windows a listing tells everything; elsewhere it tells this, and the rest costs a call.
    return entry.is_symlink() or (os.name == "nt" and _leads_on(entry.stat(follow_symlinks=False)))


def _leads_on(status: os.stat_result) -> bool:
    """Whether it is a symlink, or a junction of Windows."""
    attributes = getattr(status, "st_file_attributes", 0)
    return stat.S_ISLNK(status.st_mode) or bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
