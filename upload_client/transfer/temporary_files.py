"""`TemporaryFiles`: files until they are whole, and how they get their names.

A file is written beside its final name (or in a folder of the same file system), is on disk before it gets
that name, and takes it in one step. From any thread.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from upload_client.core.own_files import LEFT_OVER
from upload_client.s3.bucket import Bucket
from upload_client.support import failpoints
from upload_client.support.atomic import in_folder
from upload_client.support.file_names import on_disk
from upload_client.support.flushing import flush_one
from upload_client.support.own_limits import is_scarce
from upload_client.transfer.fetch_task import FetchStopped, FetchTask

T = TypeVar("T")

_LOOK: Final = 0.2  # seconds between two looks whether it was stopped, or there is room
_ROOM: Final = 60.0  # seconds for which a file waits until others are closed


class TemporaryFiles:
    """The files into which the objects of a bucket are fetched, until each is whole.

    Args:
        source: the bucket.
        not_before: Unix seconds; no file is of an earlier time.
        stopped: set when nobody waits for them any more.
    """

    def __init__(self, source: Bucket, not_before: float, stopped: threading.Event) -> None:
        self._source = source
        self._not_before_ns = int(not_before * 1e9)
        self._stopped = stopped
        self._folders: set[str] = set()

    def name(self, task: FetchTask, what: str = "") -> str:
        """The name of a file until it is whole: the same one in each run, for the same object."""
        own = on_disk(task.path).rpartition(os.sep)[0] or os.sep
        folder = task.folder or own
        for one in (folder, own):
            if one not in self._folders:
                os.makedirs(one, exist_ok=True)  # noqa: PTH103
                self._folders.add(one)
        name = f"{self._source}\0{task.key}\0{task.etag}\0{task.size}\0{task.path}\0{what}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return os.path.join(folder, LEFT_OVER.format(digest))  # noqa: PTH118

    def with_room(
        self, open_file: Callable[[str], T], path: str, meanwhile: Callable[[], object] = lambda: None
    ) -> T:
        """Open a file; while this process has too many open, wait until others are closed.

        Args:
            open_file: opens it.
            path: its name.
            meanwhile: called again and again: it closes some, where nobody else would.

        Raises:
            FetchStopped: nobody waits for it any more.
            OSError: it cannot be opened.
        """
        until = time.monotonic() + _ROOM
        while True:
            try:
                return in_folder(open_file, path)
            except OSError as error:
                if not is_scarce(error) or time.monotonic() >= until:
                    raise
            meanwhile()
            if self._stopped.wait(_LOOK):
                raise FetchStopped

    def take_place(self, task: FetchTask, temporary: str, fd: int) -> None:
        """Bring a file that is whole to the disk, and under its name; it is closed, whatever happens."""
        problem = None
        try:
            self._date(fd, temporary)
        except OSError as error:
            problem = error
        self.rename(task, temporary, fd, problem or flush_one(fd))

    def rename(self, task: FetchTask, temporary: str, fd: int, problem: OSError | None) -> None:
        """Give a file that is on the disk its name, unless there is a problem; it is closed in any case."""
        try:
            if problem is not None:
                raise problem
            failpoints.reach("between:fetch:file")
            if os.name == "posix":  # as long as it is claimed: who claims it next finds another name
                in_folder(partial(os.replace, temporary), on_disk(task.path))
        finally:
            os.close(fd)
        if os.name != "posix":
            in_folder(partial(os.replace, temporary), on_disk(task.path))

    def date_late(self, fd: int, temporary: str, mtime_ns: int) -> None:
        """Have a file be of now that was of this time before it was written, unless that was just now."""
        if not self._not_before_ns <= mtime_ns <= time.time_ns():
            self._date(fd, temporary)

    def _date(self, fd: int, temporary: str) -> None:
        now = max(time.time_ns(), self._not_before_ns)
        os.utime(fd if os.utime in os.supports_fd else temporary, ns=(now, now))
