"""The state of one sync between a folder and the other side: what is there, what is known, what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from upload_client.core.codes import FileCode, MessageCode
from upload_client.core.synchrony import Act, Change, next_base
from upload_client.support.clock import Clock
from upload_client.synchrony.books import UNKNOWN, Row, moment
from upload_client.synchrony.folder import Folder, FolderFile, Ignored, Skipped
from upload_client.synchrony.memory import Cache, Memory
from upload_client.synchrony.remote import Remote, RemoteFile

SENDING = "tmp/sending.csv"
"""The table of what is being sent, below the folder's books."""


class Offer(NamedTuple):
    """A path about which something may be chosen.

    Attributes:
        path: relative, with ``/``.
        change: what it is about.
        here: the file in the folder; None: there is none.
        there: the file on the other side; None: there is none.
        by: who made the version there, or deleted it.
        when: the time of that, UTC, as text.
        note: what else a person should know.
    """

    path: str
    change: Change
    here: FolderFile | None
    there: RemoteFile | None
    by: str
    when: str
    note: str = ""

    @property
    def edited(self) -> str:
        """When the file here was modified, UTC, as text."""
        return "" if self.here is None else moment(self.here.mtime_ns / 1e9)


class Failure(NamedTuple):
    """A file with which something could not be done, and why: for people, and for programs."""

    path: str
    act: Act
    why: str
    code: FileCode


class Result(NamedTuple):
    """The work that was done.

    Attributes:
        done: path and act of each.
        failures: what could not be done.
        raced: paths where somebody else, or the person, was quicker: nothing was done about them.
    """

    done: list[tuple[str, Act]]
    failures: list[Failure]
    raced: dict[str, str]


class SyncState:
    """One folder and the other side, as far as this sync knows them.

    Args:
        folder: a person's.
        remote: the other side.
        name: whose edits these are.
        warn: called with each notice for the person, once.
        report: called with the progress: what is done, how many, of how many.
        clock: time; it is written down and never decides.

    Attributes:
        memory: of the folder, beside its files.
        cache: what need not be read again.
        base: each file as both sides had it last.
        here: the files of the folder.
        there: the files of the other side.
        md5: the MD5s of files there, where it is not what the store says of them.
        versions: the table there of who has written which version; with its content and ETag.
        deleted: the table there of what was deleted; likewise.
        mine: rows to set, with the ETag they are about.
        gone: rows to take away, and to add to those that were deleted.
        fresh: files that were written so lately that they are read again the next time.
        sending: rows of what is being sent.
        ignored: whether a path is left out.
        skipped: the files of the folder that cannot be shared, and why.
        in_the_way: paths whose place here something else had once.
        is_sending: some of it is under way.
        is_base_new: the base is another than what is written down.
        written: when the tables were written last, by the monotonic clock.
    """

    def __init__(
        self,
        folder: Folder,
        remote: Remote,
        name: str,
        warn: Callable[[str, MessageCode], None],
        report: Callable[[str, int, int], None],
        clock: Clock,
    ) -> None:
        self.folder = folder
        self.remote = remote
        self.name = name
        self.warn = warn
        self.report = report
        self.clock = clock
        self.memory = Memory(folder.books)
        self.cache = Cache()
        self.base: dict[str, Row] = {}
        self.here: dict[str, FolderFile] = {}
        self.there: dict[str, RemoteFile] = {}
        self.md5: dict[str, str] = {}
        self.versions: dict[str, Row] = {}
        self.versions_etag: str | None = None
        self.versions_data: bytes | None = None
        self.deleted: list[tuple[str, Row]] = []
        self.deleted_etag: str | None = None
        self.deleted_data: bytes | None = None
        self.mine: dict[str, tuple[Row, str]] = {}
        self.gone: dict[str, Row] = {}
        self.fresh: set[str] = set()
        self.sending: dict[str, Row] = {}
        self.ignored: Callable[[str], bool] = Ignored("")
        self.skipped: list[Skipped] = []
        self.in_the_way: set[str] = set()
        self.is_sending = False
        self.is_base_new = False
        self.written = 0.0
        self._is_safe = False

    def mark_there(self, path: str) -> str | None:
        """The mark of the content on the other side: its MD5, where it is known."""
        there = self.there.get(path)
        return None if there is None else self.known_md5(path, there) or f"etag:{there.etag}"

    def known_md5(self, path: str, there: RemoteFile) -> str | None:
        """The MD5 of a file on the other side; None: nobody has read it yet."""
        return self.md5.get(path) or self.remote.stated_md5(there)

    def agree(self, path: str) -> None:
        """Have the base of a path be what both sides are now, where they are the same."""
        mine = self.here.get(path)
        base = self.base.get(path)
        md5 = next_base(
            None if base is None else base.md5, None if mine is None else mine.md5, self.mark_there(path)
        )
        if md5 is None:
            self.is_base_new |= self.base.pop(path, None) is not None
        elif base is None or base.md5 != md5:
            row = self.mine[path][0] if path in self.mine else self.versions.get(path)
            if row is None or row.md5 != md5:
                there = self.there[path]
                row = Row(UNKNOWN, moment(there.modified), md5)
            self.base[path] = row
            self.is_base_new = True

    def note(self, path: str, there: RemoteFile, md5: str) -> None:
        """Note the MD5 of a file on the other side."""
        if md5 == there.etag:
            self.md5.pop(path, None)
            self.cache.objects.pop(path, None)
        else:
            self.md5[path] = md5
            self.cache.objects[path] = (there.etag, md5)

    def make_sure(self) -> None:
        """Have the other side checked, once, before anything is written there."""
        if not self._is_safe:
            self.remote.check()
            self._is_safe = True
