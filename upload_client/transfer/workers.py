"""`Workers`: threads that are there as soon as there is something for them, and sleep while there is not.

The lock that guards the work guards them, too: it is held in all of these. So none falls asleep between a
look at the work and the call that would have woken it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Workers:
    """Threads that all do the same.

    Args:
        lock: guards what they look for.
        run: each does this, once.
        most: how many there may be.
    """

    def __init__(self, lock: threading.Lock, run: Callable[[], object], most: int) -> None:
        self._work = threading.Condition(lock)
        self._run = run
        self._idle = 0
        self.most = most
        """How many there may be; fewer, where this machine has no room for them."""
        self.threads: list[threading.Thread] = []
        """All that have been started."""

    def wake(self, limit: int) -> None:
        """Have one more at work: one that sleeps, else another one as long as there are fewer than `limit`.

        Raises:
            RuntimeError: there is none, and this machine lets none be started.
        """
        if self._idle:
            self._idle -= 1  # here, so that the next call wakes another one
            self._work.notify()
        elif len(self.threads) < min(limit, self.most):
            thread = threading.Thread(target=self._run, name=f"transfer-{len(self.threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine: those that are there go on
                if not self.threads:
                    raise
                self.most = len(self.threads)
            else:
                self.threads.append(thread)

    def sleep(self) -> None:
        """Wait to be woken. For a worker that has found nothing to do."""
        self._idle += 1
        self._work.wait()

    def wake_all(self) -> None:
        """Have everyone look whether there is still something to do."""
        self._idle = 0
        self._work.notify_all()
