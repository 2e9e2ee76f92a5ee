"""`FairSemaphore`: slots for work that several deliveries share, so that none waits without end for another.

A free slot goes to the party that has used slots for the shortest time (fair share). As a change of party is
expensive (`upload_client.validator.readers`), a party that still waits keeps its slot for some seconds. A
party that joins later starts with the usage of the party that has used least: it does not catch up.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

TURN_SECONDS = 5.0


class _Waiting:
    """A waiting thread; `since` is when its party got the slot that the thread is given."""

    def __init__(self) -> None:
        self.given = threading.Event()
        self.since = 0.0


class FairSemaphore:
    """A semaphore whose slots are shared fairly between parties. Safe to use from many threads.

    Args:
        n: how many.
        now: a clock, seconds.
    """

    def __init__(self, n: int, now: Callable[[], float] = time.monotonic) -> None:
        self._free = n
        self._now = now
        self._lock = threading.Lock()
        self._used: dict[object, float] = {}  # seconds, by party
        self._waiting: dict[object, deque[_Waiting]] = {}

    @contextlib.contextmanager
    def acquire(self, party: object) -> Iterator[None]:
        """Wait for a slot, and hold it while the block runs."""
        since = self._enter(party)
        began = self._now()
        try:
            yield
        finally:
            self._leave(party, since, began)

    def forget(self, party: object) -> None:
        """Forget a party that holds no slot and does not come back."""
        with self._lock:
            self._used.pop(party, None)

    def _enter(self, party: object) -> float:
        with self._lock:
            self._used.setdefault(party, min(self._used.values(), default=0.0))
            if self._free:  # then nobody waits
                self._free -= 1
                return self._now()
            me = _Waiting()
            self._waiting.setdefault(party, deque()).append(me)
        try:
            me.given.wait()
        except BaseException:
            with self._lock:
                is_given = me.given.is_set()
                if not is_given:
                    self._waiting[party].remove(me)
                    if not self._waiting[party]:
                        del self._waiting[party]
            if is_given:
                self._leave(party, me.since, self._now())
            raise
        return me.since

    def _leave(self, party: object, since: float, began: float) -> None:
        now = self._now()
        with self._lock:
            if party in self._used:
                self._used[party] += now - began
            if not self._waiting:
                self._free += 1
                return
            following = party
            if party not in self._waiting or now - since >= TURN_SECONDS:
                following, since = min(self._waiting, key=lambda each: self._used.get(each, 0.0)), now
            queue = self._waiting[following]
            one = queue.popleft()
            if not queue:
                del self._waiting[following]
            one.since = since
            one.given.set()
