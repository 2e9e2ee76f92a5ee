"""`PartedFiles`: files whose parts are on their way, from the first part to what becomes of them.

The engine's lock is held in all of these: here no request is made, and no content read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from upload_client.s3.multiplexer import Job
from upload_client.s3.wire import Steps
from upload_client.support.local_file import FileRefused
from upload_client.transfer.file_steps import FileSteps
from upload_client.transfer.task import TransferTask
from upload_client.transfer.upload import Parted, UploadLost

_RESTARTS = 3


class PartedFile:
    """A file whose parts are on their way."""

    __slots__ = ("bytes_done", "error", "flying", "left", "next", "parted", "restarts")

    def __init__(self, parted: Parted, restarts: int = 0) -> None:
        self.parted = parted
        self.next = 0
        self.left = parted.n_parts
        self.flying = 0
        self.bytes_done = 0
        self.error: BaseException | None = None
        self.restarts = restarts


class PartedFiles:
    """All files whose parts are on their way.

    Args:
        steps: the requests they take.
        due: has requests made that are due at once, whatever else waits, and their result dealt with.
        more: there are so many more parts to send.
        conclude: told what became of a file.
    """

    def __init__(
        self,
        steps: FileSteps,
        *,
        due: Callable[[Steps[Any], Callable[[PartedFile, object], None], PartedFile], None],
        more: Callable[[int], None],
        conclude: Callable[[TransferTask, object], None],
    ) -> None:
        self._steps = steps
        self._due = due
        self._more = more
        self._conclude = conclude
        self.waiting: deque[PartedFile] = deque()
        """Those that still have parts to send, the first one first."""
        self.under_way: set[PartedFile] = set()
        """All that are neither an object yet nor given up."""
        self.bytes_sent = 0
        """Bytes of the parts that were sent."""
        self.bytes_kept = 0
        """Bytes of the parts that were there already."""

    @property
    def n_parts(self) -> int:
        """Number of the parts to send."""
        return sum(file.parted.n_parts - file.next for file in self.waiting)

    def add(self, parted: Parted, restarts: int = 0) -> None:
        """Begin to send the parts of a file."""
        file = PartedFile(parted, restarts)
        self.under_way.add(file)
        self.waiting.append(file)
        self._more(file.left)

    def take(self, fits: Callable[[int], bool]) -> Job | None:
        """The next part to send, if there is one and `fits` says that its bytes may be held."""
        if not self.waiting:
            return None
        file = self.waiting[0]
        index = file.next
        size = self._steps.held(file.parted.extent(index)[1])
        if not fits(size):
            return None
        file.next += 1
        file.flying += 1
        if file.next == file.parted.n_parts:
            self.waiting.popleft()
        return Job(self._steps.part(file.parted, index), self._part_done, file, size)

    def close(self) -> None:
        """Let go of all files that no request is under way for."""
        for file in self.under_way:
            if not file.flying:
                file.parted.close()

    def _part_done(self, file: PartedFile, result: object) -> None:
        file.flying -= 1
        file.left -= 1
        if isinstance(result, tuple):
            size, kept = result
            file.bytes_done += size
            if kept:
                self.bytes_kept += size
            elif not self._steps.copies:
                self.bytes_sent += size
        elif isinstance(result, BaseException) and file.error is None:
            file.error = result
            if file in self.waiting:
                self.waiting.remove(file)
        if file.error is not None:
            if not file.flying:
                self._give_up(file, file.error)
        elif not file.left:
            self._due(file.parted.finish(), self._finished, file)

    def _finished(self, file: PartedFile, result: object) -> None:
        if isinstance(result, BaseException):
            self._give_up(file, result)
        else:
            self._end(file, result)

    def _give_up(self, file: PartedFile, error: BaseException) -> None:
        """Parts cannot become an object: begin anew, throw them away, or leave them for a later try."""
        parted = file.parted
        if isinstance(error, UploadLost) and file.restarts < _RESTARTS:
            parted.upload_id = ""
            file.restarts += 1
            self.under_way.discard(file)
            self._due(parted.begin(), self._restarted, file)
        elif isinstance(error, FileRefused) and parted.upload_id:
            file.error = error
            self._due(parted.abort(), self._aborted, file)
        else:
            self._steps.abandon(parted)
            self._end(file, error)

    def _restarted(self, file: PartedFile, result: object) -> None:
        if isinstance(result, BaseException):
            self._give_up(file, result)
        else:
            self.add(file.parted, file.restarts)

    def _aborted(self, file: PartedFile, _: object) -> None:
        self._end(file, file.error)

    def _end(self, file: PartedFile, result: object) -> None:
        self.under_way.discard(file)
        file.parted.close()
        self._conclude(file.parted.task, result)
