"""A folder as the source of a delivery: what in it is inside it."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from upload_client.core.codes import FileCode
from upload_client.core.paths import check_relpath
from upload_client.errors import UsageError
from upload_client.index.choosing import IGNORE_FILE, Choice, Chooser, FolderPatterns, LeftOut
from upload_client.index.own_files import Recogniser
from upload_client.index.problems import shown
from upload_client.index.sources import advice_about
from upload_client.support.file_names import from_disk, on_disk

_MAX_PATTERNS = 1024 * 1024  # bytes of an .uploadignore
_EVERYTHING = Choice()


class WhyNot(NamedTuple):
    """The reason why a file cannot be delivered: for people, and for programs."""

    text: str
    code: FileCode


_NOT_THERE = WhyNot("is not there", FileCode.MISSING)
_UNFETCHED = WhyNot("stands for a file of git-annex that was not fetched (datalad get)", FileCode.MISSING)
_LEADS_OUT = WhyNot("leads out of the source, through a symlink", FileCode.OUTSIDE_SOURCE)
_LEADS_BACK = WhyNot("leads back to a folder it lies in, through a symlink", FileCode.OUTSIDE_SOURCE)
_LEADS_NOWHERE = WhyNot("is a symlink that leads nowhere", FileCode.OUTSIDE_SOURCE)


class Folder:
    """A directory, and what in it is inside it.

    Args:
        path: of the directory.
        choice: what becomes of symlinks, and which files are in use.

    Raises:
        UsageError: it is no directory.
    """

    def __init__(self, path: str | Path, choice: Choice = _EVERYTHING) -> None:
        self.root = os.path.realpath(path)
        if not os.path.isdir(self.root):  # noqa: PTH112 - os.path throughout: there are a million of them
            there = os.path.lexists(path)
            raise UsageError(
                f"the source {shown(path)} is {'not a directory' if there else 'not there'}",
                hint=advice_about(str(path), is_there=there),
            )
        self.choice = choice
        self._base = self.root.rstrip("/" + os.sep)
        self._inside = os.path.normcase(self._base + os.sep)
        self._folders: dict[str, WhyNot | None] = {"": None}

    def path(self, relpath: str) -> str:
        """The place of the file of that path, if it is there: for the system, see `file_names`."""
        return f"{self._base}/{on_disk(relpath)}"

    def patterns(self, folder: str) -> bytes | None:
        """The content of a folder's ``.uploadignore``; None where it has none.

        Args:
            folder: relative to the root, empty or ending in ``/``.

        Raises:
            UsageError: it is there, and cannot be read.
        """
        path = self.path(folder + IGNORE_FILE)
        try:
            with open(path, "rb", opener=_without_waiting) as file:
                content = file.read(_MAX_PATTERNS + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if os.path.isdir(path):  # noqa: PTH112
                return None
            why = error.strerror or error
            raise UsageError(f"the patterns in {shown(folder + IGNORE_FILE)} cannot be read: {why}") from None
        if len(content) > _MAX_PATTERNS:  # cut, it would leave out other files
            raise UsageError(
                f"{shown(folder + IGNORE_FILE)} has more than {_MAX_PATTERNS:,} bytes of patterns"
            )
        return content

    def target(self, path: str) -> str | None:
        """The target of a symlink; None if it is out of the source, and not to be followed there."""
        real = os.path.realpath(path)
        if self.choice.symlinks == "follow" or os.path.normcase(real + os.sep).startswith(self._inside):
            return real
        return None

    def is_linked(self, relpath: str) -> bool:
        """Whether a path is a symlink, or leads through one."""
        ends = [*(found.start() for found in re.finditer("/", relpath)), len(relpath)]
        return any(os.path.islink(self.path(relpath[:end])) for end in ends)  # noqa: PTH114

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
                yield from ((row, reason.text + self._stripped(paths[row])) for row in its_rows)
                continue
            files = self._files(folder)
            alike: dict[str, str] = {}
            start = len(folder) + 1 if folder else 0
            for row in its_rows:
                name = paths[row][start:]
                # A listed name may be spelled another way where the file system takes both for one.
                if name in files or not (reason := self._file(paths[row])):
                    continue
                text = reason.text
                if reason == _NOT_THERE:
                    alike = alike or {_folded(other): other for other in files}
                    other = alike.get(_folded(name))
                    text += f", but {shown(paths[row][:start] + other)} is" if other else ""
                yield row, text

    def _stripped(self, relpath: str) -> str:
        """The path without blanks around it, in words, if that is there."""
        bare = relpath.strip()
        return f", but {shown(bare)} is" if bare != relpath and self._file(bare) is None else ""

    def _files(self, folder: str) -> set[str]:
        """Names of the regular files in a folder; none if it may not be listed."""
        try:
            with os.scandir(self.path(folder)) as entries:
                return {
                    from_disk(entry.name)
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) and not self.choice.in_use.may_be(entry)
                }
        except OSError:
            return set()

    def _folder(self, folder: str) -> WhyNot | None:
        """Why nothing in a folder can be delivered; None if it can."""
        known = self._folders
        if folder in known:
            return known[folder]
        reason: WhyNot | None = None
        for end in [*(found.start() for found in re.finditer("/", folder)), len(folder)]:
            part = folder[:end]
            if part not in known:
                wrong = self._examine(part, stat.S_ISDIR) if reason is None else None
                known[part] = (
                    reason
                    if wrong is None
                    else wrong._replace(text=f"cannot be reached: its folder {shown(part)} {wrong.text}")
                )
            reason = known[part]
        return reason

    def _file(self, relpath: str) -> WhyNot | None:
        """Why a file cannot be delivered; None if it can."""
        return self._examine(relpath, stat.S_ISREG)

    def _examine(self, relpath: str, is_right: Callable[[int], bool]) -> WhyNot | None:
        """Why a path is not the right thing."""
        try:
            path = self.path(relpath)
            status = os.lstat(path)
            if _leads_on(status):
                real = self.target(path)
                if real is None:
                    return _LEADS_OUT
                if not os.path.lexists(real):
                    return _UNFETCHED if "/annex/objects/" in real else _LEADS_NOWHERE
                status = os.stat(real)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return _NOT_THERE
        except (OSError, ValueError) as error:
            why = f"cannot be looked at: {getattr(error, 'strerror', None) or error}"
            return WhyNot(why, FileCode.UNREADABLE)
        if is_right(status.st_mode):
            used = self.choice.in_use.what(status)
            return None if used is None else WhyNot(f"cannot be delivered: it is {used}", FileCode.NOT_A_FILE)
        right = "regular file" if is_right is stat.S_ISREG else "folder"
        return WhyNot(f"is not a {right} but {_kind(status.st_mode)}", FileCode.NOT_A_FILE)

    def walk(self, left: LeftOut) -> Iterator[tuple[str, WhyNot | None]]:
        """Paths of all that is wanted, in no certain order, each with the reason why it cannot be delivered.

        None for that: it is a regular file and can be.

        Args:
            left: receives what is left out.

        Raises:
            UsageError: patterns in an ``.uploadignore`` cannot be read.
        """
        choice, recognise = self.choice, Recogniser(self.root, self.choice.in_use.folders)
        chooser = Chooser(choice, self.patterns, left)
        # With each folder, where it really is, from where symlinks led to it, and which patterns hold above.
        folders: list[tuple[str, str, tuple[str, ...], FolderPatterns]] = [
            ("", self.root, (), FolderPatterns())
        ]
        while folders:
            folder, real, came_from, kept = folders.pop()
            try:
                with os.scandir(real) as scanned:
                    entries = list(scanned)
            except OSError as error:
                why_not = WhyNot(f"cannot be listed: {error.strerror or error}", FileCode.UNREADABLE)
                yield folder.rstrip("/") or ".", why_not
                continue
            if any(entry.name == IGNORE_FILE for entry in entries):
                kept = chooser.enter(folder, kept)
            for entry in entries:
                relpath = folder + from_disk(entry.name)
                there, on_the_way = os.path.join(real, entry.name), came_from  # noqa: PTH118
                target: str | None = there
                if linked := _is_link(entry):
                    target = self.target(entry.path)
                    is_folder = os.path.isdir(there if target is None else target)  # noqa: PTH112
                else:
                    is_folder = entry.is_dir()
                why = (chooser.why_not_folder if is_folder else chooser.why_not_file)(relpath, kept)
                if why is None and linked and choice.symlinks == "skip":
                    why = "symlink", ""
                if why is not None:
                    left.add(relpath + "/" * is_folder, *why)
                elif target is None:
                    yield relpath, _LEADS_OUT
                elif is_folder:
                    on_the_way = (*came_from, real) if linked else came_from
                    if linked and any((place + os.sep).startswith(target + os.sep) for place in on_the_way):
                        yield relpath, _LEADS_BACK
                    else:
                        folders.append((relpath + "/", target, on_the_way, kept))
                elif illegal := check_relpath(relpath):
                    yield relpath, WhyNot(illegal, FileCode.ILLEGAL_PATH)
                elif not linked and not entry.is_file():
                    left.add(relpath, "special", _kind(entry.stat(follow_symlinks=False).st_mode))
                elif used := self._used(entry, target, linked=linked):
                    left.add(relpath, "in_use", used)
                elif linked and (reason := self._file(relpath)):
                    if reason.code is FileCode.NOT_A_FILE:
                        left.add(relpath, "special", reason.text)
                    else:
                        yield relpath, reason
                elif ours := recognise(relpath, target):
                    left.add(relpath, "ours", ours)
                else:
                    yield relpath, None

    def _used(self, entry: os.DirEntry[str], path: str, *, linked: bool) -> str | None:
        """The use that this run makes of a file, if it does."""
        in_use = self.choice.in_use
        if not linked and not in_use.may_be(entry):  # which a listing tells by itself
            return None
        try:
            return in_use.what(os.stat(path))  # noqa: PTH116
        except OSError:
            return None


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


def _folded(name: str) -> str:
    """The same for names that a person may take for one: but for case, accents' encoding, blanks around."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def _without_waiting(path: str, flags: int) -> int:
    """Open a file, but no FIFO: that would wait for somebody who writes into it."""
    fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is a FIFO")
    return fd
