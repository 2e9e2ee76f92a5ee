"""`StoreClock`: a clock that gives the store's time where this machine's is wrong.

It looks at each answer of a client (`watch`). That of the control bucket is enough: while a run lives, it is
asked every few seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from upload_client.core.preflight import CLOCK_OFF, duration_text
from upload_client.core.store_time import Answered, StoreTime
from upload_client.core.times import from_http
from upload_client.support.clock import Clock


class StoreClock(Clock):
    """This machine's clocks, and the time to write down. Safe to share between threads.

    Args:
        clock: The machine's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._time = StoreTime(clock.wall(), clock.monotonic())
        self._lock = threading.Lock()
        self._requests = threading.local()
        self._is_reported = False

    def wall(self) -> float:
        """See `Clock`: this machine's, for what is judged by it alone, such as the age of one's own lease."""
        return self._clock.wall()

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        self._clock.sleep(seconds)

    def written(self) -> float:
        """See `Clock`: never goes back once the store has answered."""
        with self._lock:
            return self._time.at(self._clock.monotonic())

    @property
    def clock_ahead(self) -> float | None:
        """See `Clock`: by the store's."""
        with self._lock:
            return self._time.ahead

    @property
    def is_wrong(self) -> bool:
        """Whether this machine's clock is off by more than a minute."""
        return abs(self.clock_ahead or 0.0) > CLOCK_OFF

    def notice(self) -> str | None:
        """A sentence, once, that this machine's clock is wrong; None: it is not, or that was said before."""
        ahead = self.clock_ahead or 0.0
        if self._is_reported or abs(ahead) <= CLOCK_OFF:
            return None
        self._is_reported = True
        way = "ahead of" if ahead > 0 else "behind"
        return (
            f"this machine's clock is {duration_text(abs(ahead))} {way} the store's: what is written down has"
            " the store's time. Set the clock right (have it set by NTP)."
        )

    def watch(self, client: Any) -> None:  # noqa: ANN401 - any boto3 client
        """Learn from each answer that a boto3 client of a store gets from now on."""
        client.meta.events.register("before-send", self._sent)
        client.meta.events.register("response-received", self._received)

    def _sent(self, **_: object) -> None:
        self._requests.at = self._clock.monotonic()

    def _received(self, response_dict: Mapping[str, Any] | None, **_: object) -> None:
        sent, self._requests.at = getattr(self._requests, "at", None), None
        if sent is None or response_dict is None:
            return
        try:
            date = from_http(response_dict["headers"].get("date") or "")
        except (KeyError, ValueError):
            return
        with self._lock:
            self._time.see(Answered(date, sent, self._clock.monotonic(), self._clock.wall()))
