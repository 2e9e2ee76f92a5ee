"""`LocalFileWriter`: a file in a folder of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from upload_client.activities.destination import AtomicFileWriter, named
from upload_client.activities.errors import NotDelivered
from upload_client.errors import UsageError
from upload_client.support.atomic import naming
from upload_client.support.own_limits import advice


class LocalFileWriter:
    """Writes a local file: whole, or not at all. Folders are made.

    Args:
        folder: where the metadata's ``filename`` is; it cannot lead out of it. None: the working directory,
            and an absolute path is allowed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._placing = AtomicFileWriter()

    def write(self, reader: BinaryIO, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Write the metadata's ``filename``; what is there is replaced in one moment.

        Raises:
            UsageError: there can be no file of this name.
            NotDelivered: it could not be written.
        """
        name = self._named(metadata)
        place = _Folder(self._folder or Path())
        place.make_folder(".")
        return {"size": self._placing.put(place, reader, name)}

    def check(self, metadata: Mapping[str, Any]) -> None:
        """Make sure that the metadata name a file.

        Raises:
            UsageError: they do not.
        """
        self._named(metadata)

    def _named(self, metadata: Mapping[str, Any]) -> str:
        name = named(str(metadata.get("filename") or "").replace(os.sep, "/"))
        if self._folder is not None and Path(name).is_absolute():
            raise UsageError(f"the filename {name!r} is absolute, and leads out of {self._folder}")
        return name


@contextlib.contextmanager
def _translating_errors(path: Path) -> Iterator[None]:
    try:
        with naming(path):
            yield
    except OSError as error:
        raise NotDelivered(
            f"{error.filename} cannot be written: {error.strerror}",
            hint=advice(error) or "See to the disk and its permissions, then run it again.",
        ) from None


class _Folder:
    """A folder of this machine, as a place."""

    can_resume = False  # a local disk is quicker written anew

    def __init__(self, root: Path) -> None:
        self._root = root

    def make_folder(self, path: str) -> None:
        with _translating_errors(self._root / path):
            (self._root / path).mkdir(parents=True, exist_ok=True)

    def size(self, path: str) -> int | None:
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def knows_sizes(self) -> bool:
        return True

    def write(self, path: str, blocks: Iterator[bytes], offset: int) -> None:  # noqa: ARG002 - always 0 here
        target = self._root / path
        with _translating_errors(target):
            file = target.open("wb")
        try:
            for block in blocks:
                with _translating_errors(target):
                    file.write(block)
            with _translating_errors(target):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):  # of what could not be written either, and is told
                file.close()

    def rename(self, path: str, name: str) -> None:
        with _translating_errors(self._root / name):
            (self._root / path).replace(self._root / name)

    def remove(self, path: str) -> None:
        with _translating_errors(self._root / path):
            (self._root / path).unlink(missing_ok=True)
