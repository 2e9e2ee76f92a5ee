"""`ValidatorWatch`: when a validator is started again, and when it is given up."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from upload_client.core.records import Cursor, IndexJudged, PassedOver, Shutdown, Stop, ValidatorInit
from upload_client.core.segments import Segment

MAX_POLL_GAP: Final = 30.0
"""Seconds. Between two polls of a reader that polls at all there are fewer, unless the machine was asleep."""

_MAX_PASSED_OVER: Final = (
    1000  # segments in which lines were passed over; a hostile validator could name any number
)


class Watch(StrEnum):
    """The advice of the watch over the validator."""

    WAIT = "wait"
    START_AGAIN = "start_again"
    SILENT = "silent"
    """It has given no sign of life for too long, twice. What is done stays done: delivered, not judged."""
    LEFT = "left"
    """It went before all was judged, and is not to be started again."""


class ValidatorWatch:
    """Watches over the validators that serve one client.

    Moments are seconds of one clock that never goes back.

    A sign of life is any segment that a validator wrote for this client's epoch. Silence counts only from one
    of the client's own successful polls to the next: while it cannot read, it cannot know.

    - A validator whose time runs out is started again, as often as that happens.
    - One that fell silent, or that left because of an error, is started once more, and only once.
    - One that says that all is judged, or that a later client is there, is not started again.

    Args:
        client_epoch: the client's.
        silence: seconds without a sign of life.
        busy: seconds for which a start is tried again while an old validator is still leaving: its lease.

    Attributes:
        attempt: number of the last start, from 1; 0 before the first. Part of its idempotency key.
        validator_id: of the one that serves now, as its log says; None until it does.
        shards: how many validators share the files, as its log says.
        silent_for: seconds of silence, since it was heard or started again.
        unheard_for: seconds since it was heard, however often it was started in them.
        awaited: whether it was asked for since it was heard.
        gone: why it left, in its own words; None while it has not.
        cursor: number of the client's segment up to which it says that all is judged; -1 until it does.
        problem: why it could not read some lines of this client's log, of the first of them.
        judges_index: whether it says that it judges this client's index as a whole.
        index: what it has said of that; None until it does.
    """

    def __init__(self, client_epoch: int, *, silence: float = 120.0, busy: float = 302.0) -> None:
        self.client_epoch = client_epoch
        self.attempt = 0
        self.validator_id: str | None = None
        self.shards = 1
        self.silent_for = 0.0
        self.unheard_for = 0.0
        self.awaited = False
        self.gone: str | None = None
        self.cursor = -1
        self.problem = ""
        self.judges_index = False
        self.index: IndexJudged | None = None
        self._passed_over: dict[int, int] = {}
        self._silence = silence
        self._busy = busy
        self._busy_since: float | None = None
        self._polled_at: float | None = None
        self._running = False
        self._counts = False  # whether the start that was asked for last is the only one that is made again
        self._may_restart = True

    @property
    def concern(self) -> tuple[bool, bool, float]:
        """The reason to look at it, as a number, where there are several: it left, never came, is silent."""
        return self.gone is not None, self.validator_id is None, self.silent_for

    @property
    def passed_over(self) -> int:
        """Lines of this client's log that it could not read, and so judges nothing of."""
        return sum(self._passed_over.values())

    def starting(self) -> int:
        """A start is about to be asked for; the number of this attempt, to be told to the starter."""
        self.attempt += 1
        self.awaited = True
        # Now, not with the answer: the new one may be heard before that.
        self._counts = self._running and self.gone != "time"
        return self.attempt

    def busy(self, now: float) -> bool:
        """The starter says that an old validator is still leaving; whether to ask again a little later."""
        if self._busy_since is None:
            self._busy_since = now
        return now - self._busy_since < self._busy

    def started(self) -> None:
        """The starter says that a validator runs; or its answer was lost, and the log will show."""
        if self._counts:
            self._may_restart = False
        self._running = True
        self._busy_since = None
        self.gone = None
        self.silent_for = 0.0
        self._polled_at = None

    def polled(self, now: float) -> None:
        """The client has read the validator's log up to its end at `now`, before it hears what was in it."""
        if self._polled_at is not None:
            seconds = min(now - self._polled_at, MAX_POLL_GAP)
            self.silent_for += seconds
            self.unheard_for += seconds
        self._polled_at = now

    def poll_failed(self) -> None:
        """The client could not read the validator's log."""
        self._polled_at = None

    def receive(self, segment: Segment) -> None:
        """A segment of the validator's log, in the order of their numbers."""
        if segment.superseded or segment.header.client_epoch != self.client_epoch:
            return
        self.silent_for = self.unheard_for = 0.0
        self.awaited = False
        for record in segment.records.others:
            if isinstance(record, ValidatorInit):
                self.validator_id = record.validator_id
                self.shards = record.shards
                self.judges_index = record.judges_index
                self.gone = None
            elif isinstance(record, IndexJudged):
                self.index = record
            elif isinstance(record, Cursor):
                self.cursor = max(self.cursor, record.seq)
            elif isinstance(record, PassedOver) and len(self._passed_over) < _MAX_PASSED_OVER:
                self._passed_over[record.seq] = record.lines  # one that is started again says so again
                self.problem = self.problem or next(iter(record.problems), "")
            elif isinstance(record, Shutdown):
                self.gone = record.reason
            elif isinstance(record, Stop):
                self.gone = "stop"

    def advice(self) -> Watch:
        """Decide what to do about the validator: nothing where every file is judged already."""
        if not self._running:
            return Watch.WAIT
        if self.gone == "time":
            return Watch.START_AGAIN
        if self.gone in ("stop", "superseded"):
            return Watch.LEFT
        if self.gone is not None:
            return Watch.START_AGAIN if self._may_restart else Watch.LEFT
        if self.silent_for >= self._silence:
            return Watch.START_AGAIN if self._may_restart else Watch.SILENT
        return Watch.WAIT
