"""`Outcomes`: which files have begun and what became of them, until the caller takes that.

A file's outcome never comes before its beginning. The engine's lock is held in all of these, unless they say
otherwise.
"""

from __future__ import annotations

import threading
from collections import deque

from upload_client.transfer.driver import Stopped
from upload_client.transfer.task import TransferOutcome, TransferTask, failure

_CROWD = 64
_CROWD_SECONDS = 0.01


class Outcomes:
    """The beginnings and outcomes of files, for one thread, the caller's.

    Args:
        lock: guards them, and is let go while the caller waits.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._changed = threading.Condition(lock)
        self._tasks: dict[int, TransferTask] = {}  # by row, of all that have no outcome yet
        self._begun: deque[int] = deque()
        self._concluded: deque[TransferOutcome] = deque()
        self._is_waiting = False
        self._notified_at = 0.0
        self.bytes_landed = 0
        """Bytes of the files that are there."""

    def __len__(self) -> int:
        """Files whose outcome has not been taken yet. Without the lock."""
        return len(self._tasks) + len(self._concluded)

    def expect(self, task: TransferTask) -> None:
        """A file is to have an outcome."""
        self._tasks[task.row] = task

    def begin(self, task: TransferTask) -> None:
        """A file has begun."""
        # One that turned out to be larger than it was said to be begins twice, and is told of once.
        if task is self._tasks.get(task.row):
            self._begun.append(task.row)

    def conclude(self, task: TransferTask, result: object) -> None:
        """A file has its outcome, or the exception that makes it; nothing, where none is expected."""
        if isinstance(result, Stopped) or task.row not in self._tasks:
            return
        if isinstance(result, BaseException):
            result = failure(task, result)
        assert isinstance(result, TransferOutcome)
        if result.ok:
            self.bytes_landed += result.size
        self._concluded.append(result)
        del self._tasks[task.row]  # in this order: whoever counts them meanwhile finds one too many, not none

    def take(self) -> tuple[list[int], list[TransferOutcome]]:
        """Rows that have begun, and outcomes, since the last call."""
        begun, concluded = list(self._begun), list(self._concluded)
        self._begun.clear()
        self._concluded.clear()
        return begun, concluded

    def abandon(self) -> list[int]:
        """Expect none any more; the rows of those that will have none."""
        rows = list(self._tasks)
        self._tasks.clear()
        return rows

    @property
    def are_there(self) -> bool:
        """Whether there is something to take."""
        return bool(self._begun or self._concluded)

    def wait(self, seconds: float) -> None:
        """Wait to be notified. For the caller's thread."""
        self._is_waiting = True
        self._changed.wait(seconds)
        self._is_waiting = False

    def notify(self) -> None:
        """Wake the caller, if it waits."""
        if self._is_waiting:
            self._changed.notify_all()

    @property
    def are_awaited(self) -> bool:
        """Whether there are some, and the caller waits. Without the lock: a moment old."""
        return self._is_waiting and bool(self._concluded)

    def are_a_crowd(self, now: float) -> bool:
        """Whether the caller is to be woken for these, though more will soon be there. Without the lock.

        Args:
            now: seconds, of any clock; the caller is woken once in 10 ms at the least.
        """
        if len(self._concluded) < _CROWD and now - self._notified_at < _CROWD_SECONDS:
            return False
        self._notified_at = now
        return True
