"""Which file is sent next, and how often each has been tried."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from upload_client.core.states import CODES, FileStates, IllegalTransition

_READY, _FAILED = CODES["ready"], CODES["failed"]


def retry_delay(retries: int, jitter: float) -> float:
    """Seconds to wait before a file is tried again.

    Args:
        retries: second and later tries made so far.
        jitter: a random number from 0 to 1, so that files that failed together do not come back together.
    """
    return float(min(2**retries, 60) * (0.5 + 0.5 * jitter))


class SendingOrder:
    """The files that are to be sent, in their order.

    Args:
        states: where each file stands.
        max_retries: second and later tries allowed for each.
    """

    def __init__(self, states: FileStates, max_retries: int) -> None:
        self._states = states
        self.max_retries = max_retries
        """Second and later tries allowed for each file."""
        self.retries = array("H", (0,)) * len(states)
        """Second and later tries made, of each file."""
        self._given_up = bytearray(len(states))
        self.n_given_up = 0
        """Files that failed and will not be tried again."""
        self._first_ready = 0  # no row before this one is ready
        self._ahead: deque[int] = deque()
        self._failed: list[tuple[float, int, int, int]] = []  # when, order of failure, row, retries
        self._n_failures = 0

    def put_ahead(self, rows: Iterable[int]) -> None:
        """Have these files sent before the others: what is said of the others is in them."""
        self._ahead = deque(rows)

    def next_row(self, now: float) -> int | None:
        """The file to queue next, which stays the next one until it is queued.

        Those that are ready come first, in the order of the index, but for those that were put ahead; then
        those that failed and whose time to be tried again has come, the longest waiting first.
        """
        codes = self._states.codes
        while self._ahead:
            if codes[self._ahead[0]] == _READY:
                return self._ahead[0]
            self._ahead.popleft()
        self._first_ready = row = codes.find(_READY, self._first_ready)
        if row >= 0:
            return row
        self._first_ready = len(codes)
        at = self.next_retry_at
        return self._failed[0][2] if at is not None and at <= now else None

    @property
    def next_retry_at(self) -> float | None:
        """When the next failed file may be tried again, by the clock of `now`; None where none will be."""
        queue = self._failed
        while queue and not self._awaits_retry(queue[0][2], queue[0][3]):
            heappop(queue)
        return queue[0][0] if queue else None

    def queue(self, row: int) -> bool:
        """The file is queued; whether it had failed before.

        Raises:
            IllegalTransition: it is not ready, nor failed with a try left.
        """
        again = self._states.codes[row] == _FAILED
        if again and self._given_up[row]:
            raise IllegalTransition(f"row {row}: the file has no try left")
        self._states.move(row, "queue")
        self.retries[row] += again
        return again

    def failed(self, row: int, at: float, *, again: bool) -> bool:
        """The file has failed; whether it will be tried again.

        Args:
            row: the file.
            at: when it may be tried again, by the clock of `now`.
            again: False if another try would fail as well.
        """
        if again and self.retries[row] < self.max_retries:
            self._n_failures += 1
            heappush(self._failed, (at, self._n_failures, row, self.retries[row]))
            return True
        self._given_up[row] = 1
        self.n_given_up += 1
        return False

    def ready(self, row: int) -> None:
        """The file is ready once more."""
        self._first_ready = min(self._first_ready, row)

    def judged(self, row: int) -> None:
        """The file is complete as judged, no longer as given up."""
        if self._given_up[row]:
            self._given_up[row] = 0
            self.n_given_up -= 1

    def _awaits_retry(self, row: int, retries: int) -> bool:
        return self._states.codes[row] == _FAILED and self.retries[row] == retries
