"""The memory of a folder between syncs: its shared place, and a cache of checksums.

``sync.json`` says with what a folder is shared. ``cache`` is for speed alone, but for one thing: it says
whether ``versionsLocal.csv`` is what this program has written, and so a base on which both sides agreed. Of a
table that somebody else has written only what the other side had too is taken for that
(`core.synchrony.agreed`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from upload_client.core.synchrony import agreed
from upload_client.errors import UsageError
from upload_client.synchrony.books import BOOKS, DELETED_HERE, HELD, VERSIONS, Row, table
from upload_client.synchrony.folder import FolderFile, write_whole

_SETTINGS: Final = "sync.json"
_CACHE: Final = "cache"
_VERSION: Final = 1


class Cache(msgspec.Struct):
    """All that need not be read again.

    Attributes:
        version: of this form.
        files: files of the folder, with their MD5.
        objects: ETag and MD5 of what lies on the other side, where the one does not tell the other.
        books: ETag of tables on the other side, and the MD5 of the local copy that was made of it.
        bases: MD5 of the tables ``versionsLocal.csv`` that this program has written last.
    """

    version: int = _VERSION
    files: dict[str, FolderFile] = {}
    objects: dict[str, tuple[str, str]] = {}
    books: dict[str, tuple[str, str]] = {}
    bases: tuple[str, ...] = ()


def digest(data: bytes) -> str:
    """The MD5 of a table, to know it again."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Memory:
    """The files of a folder's ``.S3``, but for the logs.

    Args:
        books: that folder.
    """

    def __init__(self, books: Path) -> None:
        self._books = books
        self._cache = b""

    def text(self, name: str) -> str:
        """A small text; empty where there is none.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            return (self._books / name).read_bytes().decode("utf-8-sig", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise UsageError(f"{self._books / name} cannot be read: {error.strerror}") from error

    def write_text(self, name: str, text: str) -> None:
        """Write a small text."""
        write_whole(self._books / name, text.encode("utf-8", "replace"))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the folder: ``to``, ``platform``.

        Raises:
            UsageError: they cannot be read.
        """
        text = self.text(_SETTINGS)
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UsageError(
                f"{BOOKS}/{_SETTINGS} is no JSON object",
                hint="Delete it, and name with --to what the folder is shared with.",
            )
        return found

    def remember(self, **settings: str) -> None:
        """Keep settings, if they are new."""
        known = self.settings
        if {**known, **settings} != known:
            self.write_text(_SETTINGS, json.dumps({**known, **settings}, indent=1) + "\n")

    def book(self, name: str) -> bytes | None:
        """A table as it lies here; None: there is none."""
        try:
            return (self._books / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"{self._books / name} cannot be read: {error.strerror}") from error

    def write_book(self, name: str, data: bytes) -> None:
        """Write a table, if it is new."""
        if self.book(name) != data:
            write_whole(self._books / name, data)

    def cache(self) -> Cache:
        """The files that need not be read again; none where it cannot be determined."""
        data = self._cache = self.book(_CACHE) or b""
        try:
            found = msgspec.msgpack.decode(data, type=Cache) if data else Cache()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Cache()
        return found if found.version == _VERSION else Cache()

    def write_cache(self, cache: Cache) -> None:
        """Remember it, if it is new."""
        data = msgspec.msgpack.encode(cache)
        if data != self._cache:
            write_whole(self._books / _CACHE, data, kind="cache")
            self._cache = data

    def base(self, cache: Cache, versions: bytes | None, rows: dict[str, Row]) -> dict[str, Row]:
        """The versions on which both sides last agreed.

        Args:
            cache: says what this program has written.
            versions: the table of the other side.
            rows: the same, read: most often both are the same, and need not be held twice.

        Raises:
            UsageError: a table cannot be read.
        """
        data = self.book(HELD)
        if data is None:
            return {}
        is_ours = digest(data) in cache.bases
        if is_ours and data == versions:
            return dict(rows)
        held = table(data, f"{BOOKS}/{HELD}")
        if is_ours:
            return held
        seen = table(self.book(VERSIONS), f"{BOOKS}/{VERSIONS}")
        for path, row in table(self.book(DELETED_HERE), f"{BOOKS}/{DELETED_HERE}").items():
            held.setdefault(path, row)  # was deleted here, and its deletion never chosen
        return {
            path: row
            for path, row in held.items()
            if agreed(row.md5, seen[path].md5 if path in seen else None) is not None
        }
