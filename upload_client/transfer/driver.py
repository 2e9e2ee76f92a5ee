"""`Driver`: carries out the requests of a job, on the calling thread.

Each request is made when it may be: a write while `may_write` says so, content no faster than the cap on the
rate allows. Any number of threads may be in here at once; each may wait, for S3, for its turn, for the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from upload_client.core.rate import RateLimit
from upload_client.s3.direct import DirectWire
from upload_client.s3.multiplexer import Job
from upload_client.s3.wire import READS, Answer, Pause, PutObject, Request, UploadPart, Wire
from upload_client.s3.write_guard import checking, guarded_by
from upload_client.support.clock import Clock

PATIENCE = 60.0
"""Seconds without one successful request after which failing ones are no longer repeated."""


class Stopped(Exception):  # noqa: N818 - not an error
    """The engine was stopped before this could be done."""


class Driver:
    """Carries out what jobs ask for.

    Args:
        wire: What the requests go over.
        may_write: Asked before each request that changes something; while it says no, none is made.
        rate: The cap on bytes a second, over all connections together; None: there is none.
        lock: Held whenever `rate` is asked: it is shared with whoever else sends.
        answered: Called with each answer, without the lock.
        clock: Time.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        may_write: Callable[[], bool],
        rate: RateLimit | None,
        lock: threading.Lock,
        answered: Callable[[Answer], None],
        clock: Clock,
    ) -> None:
        self._wire = wire
        self._may_write = may_write
        self._rate = rate
        self._lock = lock
        self._answered = answered
        self._clock = clock
        self._dead = threading.Event()
        self.last_success = clock.monotonic()
        """When a request succeeded last; whoever else sends writes it down, too."""
        if rate is not None and isinstance(wire, DirectWire):
            wire.wait_for_rate = self._wait_for_rate

    def stop(self) -> None:
        """End all waiting, and make no further request or retry."""
        self._dead.set()

    def drive(self, job: Job) -> object:
        """Carry out the requests of one job; its result, or the exception it ended with."""
        steps = job.steps
        try:
            request = job.request or steps.send(None)  # type: ignore[arg-type] # generators begin so
            while True:
                if isinstance(request, Pause):
                    answer = self._pause(request.seconds)
                else:
                    answer = self._perform(request)
                    if answer.ok:
                        self.last_success = self._clock.monotonic()
                    self._answered(answer)
                request = steps.send(answer)
        except StopIteration as end:
            return end.value
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of this file only
            steps.close()
            return error

    def _perform(self, request: Request) -> Answer:
        """Make a request, when it may be made."""
        if isinstance(request, READS):
            self._check_wanted()
            with checking(self._check_wanted):  # botocore repeats them by itself
                return self._wire.perform(request)
        whole = not isinstance(self._wire, DirectWire)  # not piece by piece, as our own connections send
        if self._rate is not None and whole and isinstance(request, PutObject | UploadPart):
            self._pay(len(request.body))
        self._wait_until_writable()
        with guarded_by(self._may_write):
            return self._wire.perform(request)

    def _check_wanted(self) -> None:
        if self._dead.is_set():
            raise Stopped

    def _pause(self, seconds: float) -> Answer:
        """Wait; no patience is left when nothing has succeeded for long, or nothing more is wanted."""
        silent = self._clock.monotonic() - self.last_success
        if silent > PATIENCE or self._dead.wait(seconds):
            return Answer(0, "GivenUp")
        return Answer(200)

    def _wait_for_rate(self, n_bytes: int) -> int:
        """Wait until some of so many bytes may go; says how many."""
        assert self._rate is not None
        some = min(n_bytes, self._rate.piece)
        self._pay(some)
        return some

    def _pay(self, n_bytes: int) -> None:
        assert self._rate is not None
        with self._lock:
            seconds = self._rate.spend(n_bytes, self._clock.monotonic())
        if self._dead.wait(seconds):
            raise Stopped

    def _wait_until_writable(self) -> None:
        while not self._may_write():
            if self._dead.wait(0.1):
                raise Stopped
        if self._dead.is_set():
            raise Stopped
