"""`Concurrency`: how many requests to have under way at once.

Pure: times come in as arguments. A fixed number is only ever lowered, when S3 asks to be asked less often,
and raised again when it has stopped. An automatic one doubles as long as that brings more: each round is as
many answers as there are requests under way; when two rounds of twice as many are hardly faster than the one
before, more does not help, and the number goes back by one step and stays, to be tried again later. One round
says too little: it lasts milliseconds, and the machine or the network may have stumbled just then.
"""

from __future__ import annotations

FIRST = 8
MOST = 1024
_WORTH_IT = 1.2
_ROUND = 0.02
_ROUNDS = 2  # that have to agree
_TRY_FIRST, _TRY_LAST = 1.0, 15.0  # seconds until more are tried again: at first, and after many vain trials
_PAUSE = 1.0
_REQUEST_IS_WORTH = 256 * 1024


class Concurrency:
    """The number of requests that may be under way, and how it follows from what is answered.

    Args:
        n: Requests at once; None: found out.
        most: Never more than this.
    """

    def __init__(self, n: int | None = None, most: int = MOST) -> None:
        self._ceiling = most if n is None else min(n, most)
        self.limit = min(FIRST, most) if n is None else self._ceiling
        self._growing = n is None
        self._vain = 0  # rounds that brought no more
        self._patience = _TRY_FIRST
        self._automatic = n is None
        self._answers = 0
        self._work = 0
        self._since: float | None = None
        self._rate = 0.0
        self._calm_at = 0.0
        self._try_at = 0.0

    def answered(self, n_bytes: int, now: float, *, busy: bool, n: int = 1) -> None:
        """Count requests that succeeded.

        Args:
            n_bytes: What they carried.
            now: Seconds, monotonic.
            busy: Whether more requests would have been made, had the limit allowed it.
            n: How many they are.
        """
        if self.limit < self._ceiling and not self._automatic:
            self._recover(now)
        if not self._automatic:
            return
        if not busy:
            self._since = None
            return
        if self._since is None:
            self._since, self._answers, self._work = now, 0, 0
            return
        self._answers += n
        self._work += n_bytes + n * _REQUEST_IS_WORTH
        if self._answers >= self.limit and now - self._since >= _ROUND:
            self._round(self._work / (now - self._since), now)
            self._since, self._answers, self._work = now, 0, 0

    def _round(self, rate: float, now: float) -> None:
        if now < self._calm_at:
            return
        if self._growing:
            if rate > self._rate * _WORTH_IT:
                self._rate, self._vain = rate, 0
                if self.limit == self._ceiling:
                    self._settle(now)  # that was the last step, and worth it
                self.limit = min(self._ceiling, self.limit * 2)
                return
            self._vain += 1
            if self._vain == _ROUNDS:
                self._settle(now)
                self.limit = max(min(FIRST, self._ceiling), self.limit // 2)
        elif now >= self._try_at and self.limit < self._ceiling:
            self._rate = rate
            self._growing = True
            self.limit = min(self._ceiling, self.limit * 2)

    def throttled(self, now: float) -> None:
        """S3 has asked to be asked less often: halve, at most once a second, as answers come in crowds."""
        if now < self._calm_at:
            return
        self._calm_at = now + _PAUSE
        self.limit = max(1, self.limit // 2)
        self._since = None
        if self._automatic:
            self._settle(now)

    def _settle(self, now: float) -> None:
        self._growing, self._vain = False, 0
        self._try_at = now + self._patience
        self._patience = min(2 * self._patience, _TRY_LAST)

    def _recover(self, now: float) -> None:
        """A fixed number comes back by a sixteenth for each second of calm."""
        if now >= self._calm_at:
            self._calm_at = now + _PAUSE
            self.limit = min(self._ceiling, self.limit + max(1, self._ceiling // 16))
