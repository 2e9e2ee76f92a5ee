"""Uploads that could not be judged, and are announced again: how often, and when."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from upload_client.core.states import CODES, FileStates, IllegalTransition

_DONE = CODES["done"]


class Asks:
    """The announcements of each file's upload after the first one, each of which asks for a verdict.

    Args:
        states: where each file stands.
    """

    def __init__(self, states: FileStates) -> None:
        self._states = states
        self._asks = array("i", (0,)) * len(states)
        self._errors = bytearray(len(states))
        self._unjudged = bytearray(len(states))
        self.n_unjudged = 0
        """Files that are done, could not be judged, and will not be asked about again."""
        self._queue: list[tuple[float, int, int]] = []  # when, row, ask

    def __getitem__(self, row: int) -> int:
        """Number of times the file's upload has been announced again."""
        return self._asks[row]

    def __setitem__(self, row: int, n: int) -> None:
        """The file has another upload, which has been announced again so many times."""
        self._asks[row] = n

    def errors(self, row: int) -> int:
        """Number of times in this run that the file's upload could not be judged."""
        return self._errors[row]

    def awaits_verdict(self, row: int) -> bool:
        """Whether the file is done, and asked about."""
        return self._states.codes[row] == _DONE and not self._unjudged[row]

    def unanswered(self) -> Iterator[int]:
        """The files that await a verdict."""
        return filter(self.awaits_verdict, range(len(self._unjudged)))

    def again(self, row: int, at: float) -> None:
        """The file could not be judged: its upload is to be announced again, as the next ask.

        Args:
            row: the file.
            at: when, seconds, see `next`.

        Raises:
            IllegalTransition: it is not done, or no longer asked about.
        """
        self._check(row)
        self._asks[row] += 1
        self._errors[row] += 1
        heappush(self._queue, (at, row, self._asks[row]))

    def next(self, now: float) -> int | None:
        """A file whose upload is to be announced again now, each only once; None where there is none yet."""
        while self._queue and self._queue[0][0] <= now:
            _, row, ask = heappop(self._queue)
            # It may have been judged meanwhile, by an answer to an earlier announcement.
            if self._is_due(row, ask):
                return row
        return None

    @property
    def are_waiting(self) -> bool:
        """Whether an upload waits for its time to be announced again."""
        return any(self._is_due(row, ask) for _, row, ask in self._queue)

    def give_up(self, row: int) -> None:
        """The file is not asked about any more.

        Raises:
            IllegalTransition: it is not done, or no longer asked about.
        """
        self._check(row)
        self._unjudged[row] = 1
        self._errors[row] += 1
        self.n_unjudged += 1

    def judged(self, rows: Sequence[int]) -> None:
        """These files are complete as judged."""
        if self.n_unjudged:
            for row in rows:
                self.n_unjudged -= self._unjudged[row]
                self._unjudged[row] = 0

    def _is_due(self, row: int, ask: int) -> bool:
        return self._states.codes[row] == _DONE and self._asks[row] == ask

    def _check(self, row: int) -> None:
        if not self.awaits_verdict(row):
            raise IllegalTransition(f"row {row}: a file that is {self._states[row]} awaits no verdict")
