"""Files that this very run reads or writes, known by device and inode whatever they are called."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_INTERPRETERS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "python")
_OWN_STREAM = re.compile(r"\A(?:/dev/fd/|/proc/self/fd/)")  # of whoever looks
_NO_SCRIPT = re.compile("-[A-Za-z]*[cm]")  # what follows is a command, or the name of a module


class InUse:
    """Files, each with what it is, in a few words.

    Args:
        files: path, or descriptor, and what it is. What is not there, or no regular file, is passed over; the
            first counts.

    Attributes:
        folders: where they lie, as it really is.
    """

    def __init__(self, files: Iterable[tuple[str | int, str]] = ()) -> None:
        self._by_identity: dict[tuple[int, int], str] = {}  # device and inode
        self._inodes: set[int] = set()
        self._names: set[str] = set()
        self.folders: set[str] = set()
        for path, what in files:
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(path)  # noqa: PTH116
                if stat.S_ISREG(status.st_mode) and status.st_ino:
                    self._by_identity.setdefault((status.st_dev, status.st_ino), what)
                    self._inodes.add(status.st_ino)
                    named = f"/proc/self/fd/{path}" if isinstance(path, int) else path
                    folder, name = os.path.split(os.path.realpath(named))
                    self._names.add(name)
                    self.folders.add(folder)

    def may_be(self, entry: os.DirEntry[str]) -> bool:
        """Whether an entry of a folder needs a closer look: `what`.

        By its inode as the listing tells it, which costs nothing and is another one on some file systems (of
        FUSE), and so by its name as well.
        """
        return bool(self._names) and (entry.inode() in self._inodes or entry.name in self._names)

    def what(self, status: os.stat_result) -> str | None:
        """The use of a file; None: it is not in use."""
        return self._by_identity.get((status.st_dev, status.st_ino))


NOTHING = InUse()
_noted: dict[str, str] = {}


def note(path: str | os.PathLike[str] | None, what: str) -> None:
    """Remember, for as long as this process lasts, that it reads or writes a file.

    Args:
        path: of the file; nothing happens where there is none.
        what: it is, in a few words.
    """
    if path is not None:
        _noted.setdefault(os.path.abspath(path), what)  # noqa: PTH100


def files_in_use() -> InUse:
    """The files that must not be delivered, since they are part of delivering.

    What was noted; what standard output and error go to, through pipes too (``| tee log``); the scripts that
    have called this program.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    return InUse(
        (
            *_noted.items(),
            (1, "where standard output goes"),
            (2, "where standard error goes"),
            (main, _SCRIPT),
            *_of_others(),
        )
    )


_SCRIPT = "a script that has called this program"


def _of_others() -> Iterator[tuple[str | int, str]]:
    """Scripts run by who has called this program, and files written by what its output is piped into."""
    if sys.platform != "linux":
        return
    for caller in _callers(os.getppid()):
        yield from _scripts(caller)
    inputs = {entry: _pipe(entry, 0) for entry in _listed("/proc") if entry.isdigit()}
    pipes = [pipe for number in (1, 2) if (pipe := _pipe("self", number))]
    for pipe in pipes:  # and what it hands on: `| grep -v kept | tee log`
        for pid in [pid for pid, read in inputs.items() if read == pipe]:
            del inputs[pid]
            pipes += [further for number in (1, 2) if (further := _pipe(pid, number))]
            yield from _written_by(pid)


def _callers(pid: int) -> Iterator[int]:
    """The chain of processes above this one, as far as they are the same person's."""
    for _ in range(64):
        if pid <= 1:
            return
        try:
            status = Path(f"/proc/{pid}/stat")
            if status.stat().st_uid != os.getuid():
                return
            # The name, in parentheses, may hold anything: what follows the last one is numbers (proc(5)).
            above = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        yield pid
        pid = above


def _scripts(pid: int) -> Iterator[tuple[str, str]]:
    """The script that an interpreter runs: the first of its arguments that is a file."""
    with contextlib.suppress(OSError):
        arguments = [
            os.fsdecode(argument) for argument in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        ]
        folder = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
        if not os.path.basename(arguments[0]).lstrip("-").startswith(_INTERPRETERS):  # noqa: PTH119
            return
        for argument in arguments[1:]:
            if _NO_SCRIPT.fullmatch(argument):
                return
            # `bash <(…)` reads /dev/fd/63, which under that name would be a file of this process.
            path = _OWN_STREAM.sub(f"/proc/{pid}/fd/", os.path.join(folder, argument))  # noqa: PTH118
            if argument and os.path.isfile(path):  # noqa: PTH113
                yield path, _SCRIPT
                return


def _pipe(pid: str, number: int) -> str | None:
    """Which pipe a descriptor is an end of."""
    try:
        target = os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115
    except OSError:
        return None
    return target if target.startswith("pipe:") else None


def _written_by(pid: str) -> Iterator[tuple[str, str]]:
    """Files that a process has open for writing."""
    for number in _listed(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            about = Path(f"/proc/{pid}/fdinfo/{number}").read_text()
            flags = int(about.partition("flags:")[2].split()[0], 8)
            if flags & os.O_ACCMODE != os.O_RDONLY:
                yield f"/proc/{pid}/fd/{number}", "where output of this run is piped to"


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208
    except OSError:
        return []
