"""`TransferQueue`: whole files, the parts of large ones, and the requests around them, and which is next.

Larger files are begun before smaller ones among those that wait, so that the end is made of small pieces.
The engine's lock is held in all of these.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

from upload_client.s3.multiplexer import Job
from upload_client.transfer.file_steps import SMALL, FileSteps
from upload_client.transfer.parted_files import PartedFiles
from upload_client.transfer.task import TransferTask


class TransferQueue:
    """All that waits to be sent, and how much memory may go into it.

    Args:
        steps: the requests that files take.
        parted: the files whose parts are on their way.
        memory: says how many bytes of content may be held at once.
        copies_abreast: copies that take one request are among the small files, whatever carries these.
        begun: told the result of a file's steps.
    """

    def __init__(
        self,
        steps: FileSteps,
        parted: PartedFiles,
        *,
        memory: Callable[[], int],
        copies_abreast: bool,
        begun: Callable[[TransferTask, object], None],
    ) -> None:
        self._steps = steps
        self._parted = parted
        self._memory = memory
        self._copies_abreast = copies_abreast
        self._begun = begun
        self._order = itertools.count()
        self._bulk: list[tuple[int, int, TransferTask]] = []
        self._beginning = 0  # large files, of which there are no parts yet
        self._memory_used = 0
        self.small: deque[TransferTask] = deque()
        """Small files, the first one first."""
        self.ready: deque[Job] = deque()
        """Requests that are due at once, whatever else waits: only a worker takes them."""

    def __bool__(self) -> bool:
        """Whether a file or a part waits."""
        return bool(self.small or self._bulk or self._parted.waiting)

    @property
    def has_bulk(self) -> bool:
        """Whether larger files, or parts, wait."""
        return bool(self._bulk or self._parted.waiting)

    def add(self, task: TransferTask) -> bool:
        """Queue a file; whether it is one of the small ones."""
        if (task.size or 0) < SMALL and (
            not self._steps.copies or (self._copies_abreast and _is_known(task))
        ):
            self.small.append(task)
            return True
        heapq.heappush(self._bulk, (-(task.size or 0), next(self._order), task))
        return False

    def put(self, job: Job) -> None:
        """Queue what is due at once."""
        self._memory_used += job.memory
        self.ready.append(job)

    def take(self, most: int, *, small: bool) -> Job | None:
        """The next file or part, if there is one whose bytes may be held.

        Args:
            most: so many requests may be under way.
            small: whether it may be a small file.
        """
        # The next large file early enough for its parts to be at hand when those of this one run out.
        early = bool(self._bulk) and not self._beginning and self._parted.n_parts < most
        found = None if early else self._parted.take(self._fits)
        found = found or self._take_bulk()
        if found is None and small and self.small:
            found = self.file(self.small.popleft())
        if found is not None:
            self._memory_used += found.memory
        return found

    def done(self, job: Job) -> None:
        """The bytes of a job that was taken here are held no more."""
        self._memory_used -= job.memory

    def file(self, task: TransferTask, memory: int = 0) -> Job:
        """The job of sending a file, in one request as far as is known."""
        return Job(self._steps.of(task), self._begun, task, memory)

    def _take_bulk(self) -> Job | None:
        if not self._bulk:
            return self._parted.take(self._fits)
        size = -self._bulk[0][0]
        if size > self._steps.threshold:
            if not self._fits(0):
                return None
            self._beginning += 1
            task = heapq.heappop(self._bulk)[2]
            return Job(self._steps.of(task), self._parted_begun, task)
        size = self._steps.held(size)
        if not self._fits(size):
            return None
        return self.file(heapq.heappop(self._bulk)[2], size)

    def _parted_begun(self, task: TransferTask, result: object) -> None:
        self._beginning -= 1
        self._begun(task, result)

    def _fits(self, size: int) -> bool:
        return self._memory_used + size <= self._memory() or not self._memory_used


def _is_known(task: TransferTask) -> bool:
    """Whether a copy takes one request, as far as is known."""
    return task.size is not None and task.source_etag is not None and not task.digests
