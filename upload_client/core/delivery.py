"""The life of a delivery's run: the client's states, and its watch over the validator.

```
initializing → unconnected → ready → running → pending_validation → complete
```

From each of them a run may be `quit` before its end, or crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from upload_client.core.records import Cursor, IndexJudged, PassedOver, Shutdown, Stop, ValidatorInit
from upload_client.core.segments import Segment
from upload_client.core.states import State
from upload_client.core.text import counted

MAX_POLL_GAP: Final = 30.0
"""Seconds. Between two polls of a reader that polls at all there are fewer, unless the machine was asleep."""


_MAX_PASSED_OVER: Final = (
    1000  # segments in which lines were passed over; a hostile validator could name any number
)


def too_many_invalid(n_invalid_this_run: int, max_invalid: int) -> bool:
    """Whether a run must stop early; with `max_invalid` 0 none must."""
    return 0 < max_invalid < n_invalid_this_run


class ClientState(StrEnum):
    """The states of a client."""

    INITIALIZING = "initializing"
    UNCONNECTED = "unconnected"
    READY = "ready"
    """Connected: the plan is made."""
    RUNNING = "running"
    """The validator is started; files are being sent."""
    PENDING_VALIDATION = "pending_validation"
    """Nothing is left to send; verdicts are missing."""
    COMPLETE = "complete"
    """Every file is judged or given up."""
    CRASHED = "crashed"
    QUIT = "quit"
    """Ended before it was complete."""

    @property
    def terminal(self) -> bool:
        """No work is done any more."""
        return self in (ClientState.COMPLETE, ClientState.CRASHED, ClientState.QUIT)


ClientEvent: TypeAlias = Literal["built", "connected", "started", "all_sent", "all_judged", "crash", "quit"]
"""`all_judged`: every file is judged or given up, which may be so before a validator is started."""

_S = ClientState
CLIENT_TRANSITIONS: Final[Mapping[tuple[ClientState, ClientEvent], ClientState]] = MappingProxyType(
    {
        (_S.INITIALIZING, "built"): _S.UNCONNECTED,
        (_S.UNCONNECTED, "connected"): _S.READY,
        (_S.UNCONNECTED, "all_judged"): _S.COMPLETE,
        (_S.READY, "started"): _S.RUNNING,
        (_S.READY, "all_judged"): _S.COMPLETE,
        (_S.RUNNING, "all_sent"): _S.PENDING_VALIDATION,
        (_S.RUNNING, "all_judged"): _S.COMPLETE,
        (_S.PENDING_VALIDATION, "all_judged"): _S.COMPLETE,
        **{(state, "crash"): _S.CRASHED for state in _S if state not in (_S.CRASHED, _S.QUIT)},
        **{(state, "quit"): _S.QUIT for state in _S if not state.terminal},
        # How a run ended is not forgotten when its lock is given back and its state dumped.
        (_S.COMPLETE, "quit"): _S.COMPLETE,
        (_S.CRASHED, "quit"): _S.CRASHED,
    }
)
"""THE table of the client's moves: what is not in it raises `IllegalMove`."""


class IllegalMove(RuntimeError):  # noqa: N818 - it reads as what it says
    """A move that is not in `CLIENT_TRANSITIONS`."""


def next_client_state(state: ClientState, event: ClientEvent) -> ClientState:
    """The client's state after `event`.

    Raises:
        IllegalMove: it cannot happen in that state.
    """
    try:
        return CLIENT_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalMove(f"no {event} for a client that is {state}") from None


class Standstill:
    """Watches over a run that gets nowhere, for whatever reason nobody has thought of.

    Moments are seconds of one clock that never goes back. What counts is how far the run has ever been: files
    that go to and fro have not moved.

    Args:
        limit: seconds without progress after which a run has to end.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._seen_at: float | None = None
        self._farthest: tuple[int, ...] = ()
        self.seconds = 0.0
        """Without progress so far. A gap between two looks counts little: the machine may have slept."""

    def see(self, now: float, *figures: int) -> bool:
        """Take note of how far it is.

        Args:
            now: the moment.
            figures: whatever grows as the run goes on, always the same in the same order.

        Returns:
            Whether it has stood still for too long.
        """
        farthest = tuple(map(max, zip(figures, self._farthest or figures, strict=True)))
        if self._seen_at is None or farthest != self._farthest:
            self.seconds = 0.0
        else:
            self.seconds += min(now - self._seen_at, MAX_POLL_GAP)
        self._seen_at, self._farthest = now, farthest
        return self.seconds >= self._limit


def _span(seconds: float) -> str:
    return counted(round(seconds / 60), "minute") if seconds >= 120 else counted(round(seconds), "second")


class Stuck:
    """Whether a thread has been in one and the same call for too long.

    Looks come many times in that time. Where none has come for long, the whole process was suspended.

    Args:
        seconds: that are too long.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: object = None
        self._since = self._last = 0.0

    def see(self, now: float, *signs: object) -> bool:
        """Look again, at what changes while it is not stuck.

        Args:
            now: a moment of one clock that never goes back, in seconds.
            signs: how often it has looked around, where it is, …
        """
        paused, self._last = now - self._last > self.seconds / 4, now
        if signs != self._seen or paused:
            self._seen, self._since = signs, now
        return now - self._since >= self.seconds


def why_stuck(files: Sequence[str], seconds: float) -> str:
    """Say what a thread is stuck in, for people.

    Args:
        files: with the code that it is in, the innermost first.
        seconds: for how long.
    """
    rooms = {part for file in files for part in file.replace("\\", "/").split("/")[-2:-1]}
    if "ui" in rooms:
        why = "nobody reads what this program writes to standard output or standard error"
    elif rooms & {"index", "support"}:
        why = "the folder with the data does not answer: a dead disk, or a network folder that hangs"
    else:
        why = "a call into the system does not return"
    return f"nothing has moved for {_span(seconds)}: {why}"


def why_still(
    counts: Mapping[State, int], seconds: float, *, passed_over: int = 0, trouble: str | None = None
) -> str:
    """Say what a run that gets nowhere waits for, for people.

    Args:
        counts: files in each state.
        seconds: without progress.
        passed_over: lines of the client's log that a validator could not read.
        trouble: what keeps lock or logs from being written or read; None: nothing.
    """
    unsent = counts["ready"] + counts["pending"] + counts["transferring"] + counts["failed"]
    reasons = []
    if unsent:
        reasons.append(f"{counted(unsent, 'file')} {'is' if unsent == 1 else 'are'} not sent")
    if counts["done"]:
        are = "is in S3 and has" if counts["done"] == 1 else "are in S3 and have"
        reasons.append(f"{counted(counts['done'], 'file')} {are} no verdict of the receiver's validator")
    if passed_over:
        reasons.append(f"it could not read {counted(passed_over, 'line')} of this run's log")
    if trouble:
        reasons.append(trouble)
    why = "; ".join(reasons) or "nobody knows why"
    return f"nothing has moved for {_span(seconds)}: {why}"


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
        """The starter says that a validator runs; or its answer was lost, and the log will tell."""
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
