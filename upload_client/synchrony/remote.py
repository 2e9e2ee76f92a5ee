"""The interface of the other side of a sync: files, tables that several people write, deleted files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from upload_client.core.codes import FileCode, MessageCode
from upload_client.core.paths import MAX_KEY
from upload_client.synchrony.books import BOOKS

MARK: Final = ".20261130T101112.123Z-00112233"
"""An example of what `set_aside` puts behind a name: all are as long."""


class ConcurrentChange(Exception):  # noqa: N818 - reads as what it says
    """Another person or program has changed what was to be written, read or deleted."""


class RemoteFile(NamedTuple):
    """A file on the other side: bytes, what distinguishes its versions, and when it came, in Unix seconds."""

    size: int
    etag: str
    modified: float


class Listed(NamedTuple):
    """All that is on the other side.

    Attributes:
        files: by path.
        books: ETags of the tables by name.
        odd: names of what can be no file here.
    """

    files: dict[str, RemoteFile]
    books: dict[str, str]
    odd: list[str]


class Send(NamedTuple):
    """A file to bring there.

    Attributes:
        path: its name there.
        local: where it is.
        size: bytes.
        md5: what it must have, in hexadecimal.
        expect: ETag of what it replaces; None: nothing may be there.
    """

    path: str
    local: str
    size: int
    md5: str
    expect: str | None


class Fetch(NamedTuple):
    """A file to bring here: its name there, the version of it, and where to write it."""

    path: str
    there: RemoteFile
    to: Path


class Remove(NamedTuple):
    """A file to delete there: the version of it, and the name under which it is kept."""

    path: str
    there: RemoteFile
    kept: str


class Done(NamedTuple):
    """The outcome for a file.

    Attributes:
        path: its name.
        there: what is there now; None: nothing, or unchanged.
        md5: of what was fetched.
        error: why it could not be done, for people; None: it is done.
        raced: it was changed by somebody else meanwhile.
        code: why it could not be done, for programs; None: it is done, or `raced`.
    """

    path: str
    there: RemoteFile | None = None
    md5: str = ""
    error: str | None = None
    raced: bool = False
    code: FileCode | None = None


class Remote(Protocol):
    """The other side. Only the thread that made it calls it, unless a method says otherwise."""

    where: str
    """Its address, for people and to be remembered: ``s3://bucket/prefix``."""
    prefix: str
    """The beginning of keys, before a path; empty where there is none."""

    def listing(self) -> Listed:
        """All files and tables. May be called from another thread."""
        ...

    def look(self, paths: Sequence[str]) -> dict[str, RemoteFile | None]:
        """Some files, as they are now; None: there is none."""
        ...

    def read_book(self, name: str) -> tuple[bytes, str] | None:
        """A table and its ETag; None: there is none."""
        ...

    def write_book(self, name: str, data: bytes, expect: str | None) -> str:
        """Write a table, if it still has the ETag `expect` (None: if there is none). Its ETag.

        Raises:
            ConcurrentChange: it has another by now.
        """
        ...

    def check(self) -> None:
        """Make sure that conditions are honoured, before the first write.

        Raises:
            StoreUnsafe: they are not.
        """
        ...

    def send(self, files: Sequence[Send], root: Path) -> Iterator[Done]:
        """Bring files there, in any order. The MD5 is checked on the way."""
        ...

    def fetch(self, files: Sequence[Fetch]) -> Iterator[Done]:
        """Bring files here, in any order, each checked and whole."""
        ...

    def remove(self, files: Sequence[Remove], warn: Callable[[str, MessageCode], None]) -> Iterator[Done]:
        """Delete files there, each when there is a copy that was checked, and only if it is what it was."""
        ...

    def md5s(
        self, files: Sequence[tuple[str, RemoteFile]], *, doubted: bool
    ) -> Iterator[tuple[str, str | None]]:
        """The MD5 of files; they are read where the other side does not know it. None: it has changed.

        Args:
            files: which.
            doubted: what looks like an MD5 is none, perhaps.
        """
        ...

    def stated_md5(self, there: RemoteFile) -> str | None:
        """The MD5 that an ETag seems to be; None: it is none, to look at."""
        ...

    def forget(self) -> int:
        """Delete the books, all below ``.S3/``; the number of objects."""
        ...


def set_aside(path: str, seconds: float, prefix: str) -> str:
    """The name under which a deleted file is kept: its whole path and the moment; nobody else has it.

    Args:
        path: of the file.
        seconds: since 1970.
        prefix: what stands before it in a key.

    Raises:
        ValueError: it would be too long.
    """
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    kept = f"{BOOKS}/deleted/{path}.{when}Z-{secrets.token_hex(4)}"
    if len((prefix + kept).encode()) > MAX_KEY:
        raise ValueError("its path is too long to be kept when it is deleted")
    return kept
