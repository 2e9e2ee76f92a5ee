"""`Patience`: what may pass is waited out, for so long and no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from upload_client.core.preflight import duration_text
from upload_client.errors import NotReachable
from upload_client.support.clock import SYSTEM, Clock

T = TypeVar("T")

_FIRST, _LONGEST = 0.5, 8.0  # seconds between two attempts: doubled each time


class Patience:
    """Asks again while a service is not reachable.

    Args:
        seconds: How long an outage may last, from the first failure on; 0: nothing is asked twice.
        clock: Time.
        notify: Called once for each outage, with what is waited for.
        meanwhile: Called before each further attempt; what it raises ends the waiting.
    """

    def __init__(
        self,
        seconds: float,
        clock: Clock = SYSTEM,
        *,
        notify: Callable[[str], object] = lambda _: None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._notify = notify
        self._meanwhile = meanwhile

    def __call__(self, ask: Callable[[], T]) -> T:
        """Call `ask` until it gives an answer; it must be right to do it again.

        Raises:
            NotReachable: There was none in that time.
        """
        began = self._clock.monotonic()
        for pause in _pauses():
            try:
                return ask()
            except NotReachable as error:
                left = began + self.seconds - self._clock.monotonic()
                if left <= 0:
                    if not self.seconds:
                        raise
                    waited = f"asked again for {duration_text(self.seconds)}"
                    raise NotReachable(f"{error} ({waited})", hint=error.hint) from error
                if pause == _FIRST:
                    self._notify(
                        f"not reachable: {error}; asking again for up to {duration_text(self.seconds)}"
                    )
                self._clock.sleep(min(pause, left))
            self._meanwhile()
        raise AssertionError  # the pauses do not end


def _pauses() -> Iterator[float]:
    pause = _FIRST
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST)


NO_PATIENCE = Patience(0.0)
"""Asks once."""
