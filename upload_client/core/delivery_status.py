"""Where a delivery stands, as values: its state, lock, runs and validators, and what a person should do."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, field
from enum import StrEnum
from typing import Any, Final, Literal

from upload_client.core.closing import Closed
from upload_client.core.files import TransferType
from upload_client.core.hand_over import HandOver
from upload_client.core.history import DeliveryHistory
from upload_client.core.lease import GRACE, LockBody
from upload_client.core.observed import (
    FileState,
    IndexRows,
    NamedFile,
    ObservedLanding,
)
from upload_client.core.problems import Problem
from upload_client.core.times import milliseconds, timestamp
from upload_client.core.values import value

SCHEMA_VERSION: Final = 1
"""Version of `as_json`. Within a version, fields may be added."""
WINDOW: Final = 300.0
"""Seconds of the past that a rate is told from; where nothing happened in them, the whole run is."""
SILENCE: Final = 120.0
"""Seconds without a sign of life after which a person is told."""
MAX_SKEW: Final = 60.0
"""Seconds by which a clock may differ from the store's before a person is told."""


class DeliveryPhase(StrEnum):
    """The phases of a delivery, as an observer sees them."""

    MISSING = "missing"
    """Nothing of it is there."""
    NOT_BEGUN = "not_begun"
    """Somebody has looked at it, or locked it; no run has begun."""
    PREPARING = "preparing"
    """A run holds the lock, and has not made its plan yet."""
    TRANSFERRING = "transferring"
    WAITING = "waiting_for_verdicts"
    """All is sent or given up, and not all judged."""
    FINISHING = "finishing"
    """All is judged or given up, and the run has not ended: it looks at the bucket once more."""
    COMPLETE = "complete"
    """All is delivered and valid, and the receipt says so."""
    ENDED = "ended"
    """The last run has ended in order, and not all is delivered and valid."""
    CRASHED = "crashed"
    """The last run has ended with an error."""
    BROKEN_OFF = "broken_off"
    """The last run has no record of its end, and holds the lock no more: killed, or its machine gone."""
    LOG_BROKEN = "log_broken"
    """A log is no chain: nothing in it can be believed."""

    @property
    def live(self) -> bool:
        """A run is at work."""
        return self in {
            DeliveryPhase.PREPARING,
            DeliveryPhase.TRANSFERRING,
            DeliveryPhase.WAITING,
            DeliveryPhase.FINISHING,
        }


# --- objects as they were found ---


@value
class ObservedLock:
    """A lock object, as it was found.

    Attributes:
        body: what it says; None where it cannot be read.
        written: when it was written, by the store's clock, in seconds since 1970.
        date: when it was looked at, by the same clock.
    """

    body: LockBody | None
    written: float
    date: float

    @property
    def skew(self) -> float | None:
        """Seconds by which the times that its writer writes are ahead of the store's; None: not known."""
        thought = None if self.body is None else as_moment(self.body.refreshed_at)
        return None if thought is None else thought / 1000 - self.written

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which its writer's clock is ahead: as it says, whose times may be the store's."""
        ahead = None if self.body is None else self.body.clock_ahead
        return self.skew if ahead is None else ahead

    @property
    def seconds_left(self) -> float:
        """Until somebody else may take it, if nobody refreshes it; negative: somebody may."""
        lease = math.inf if self.body is None else self.body.lease_seconds + GRACE
        return lease - (self.date - self.written)


@value
class ObservedReceipt:
    """A receipt, as it is listed: its key, the epoch of the run that wrote it, and when (store's seconds)."""

    key: str
    epoch: int
    written: float


@value
class Evidence:
    """All that an observer has found.

    Attributes:
        now: by the store's clock, in seconds since 1970.
        lock: the client's lock; None where there is none.
        validator_locks: the locks of the validator's shards, by shard.
        history: all logs, folded; None where they cannot be believed.
        log_broken: why; None unless that is so.
        index: of the last run that got so far; None where it is not there, or not what the log says.
        receipt: the last one.
        other_epoch: epoch of the last run of the other transfer type, which shares the lock.
        any_trace: whether anything else of the delivery is there.
        hand_over: the record that it was handed over, of that receipt; None where there is none.
        closed: the receiver's note that it is closed; None: it is open.
        files: gives every file, where a client that has ended tells of them itself; None: the logs do.
    """

    now: float
    lock: ObservedLock | None = None
    validator_locks: Mapping[int, ObservedLock] = field(default_factory=dict, hash=False)
    history: DeliveryHistory | None = None
    log_broken: str | None = None
    index: IndexRows | None = None
    receipt: ObservedReceipt | None = None
    other_epoch: int = 0
    any_trace: bool = False
    hand_over: HandOver | None = None
    closed: Closed | None = None
    files: Callable[[], Iterator[FileState]] | None = field(default=None, hash=False)


# --- the status of a delivery ---


@value
class LockStatus:
    """The holder of the delivery. Texts come from whoever wrote the lock.

    Attributes:
        state: `held`; `expired` (held, and anybody may take it); `released`; `unreadable`.
        agent_id, user, host, pid, epoch: of the holder, or the last one; None: not known.
        since: when it was taken, UTC, by the holder's clock.
        refreshed_at: when it was written last, UTC, by the store's clock.
        until: when it may be taken if nobody refreshes it, UTC, by the store's clock; None unless held.
        seconds_left: until then.
        lease_seconds: for how long each refresh holds.
        for_other_type: the holder delivers the other transfer type, which shares the lock.
        transfer_type: `staging` or `sample`, which it delivers; None: the lock does not say so.
    """

    state: Literal["held", "expired", "released", "unreadable"]
    agent_id: str | None
    user: str | None
    host: str | None
    pid: int | None
    epoch: int | None
    since: str | None
    refreshed_at: str
    until: str | None
    seconds_left: float | None
    lease_seconds: int | None
    for_other_type: bool
    transfer_type: TransferType | None = None


@value
class RunStatus:
    """The last run, by the client's log.

    Attributes:
        epoch: its fencing number.
        agent_id: its name.
        began_at: when it made its plan, UTC, by its clock; None: it did not, or found nothing to do.
        last_seen: when it wrote last, the same.
        silent_seconds: since then.
        ended: `stop` (in order), `crash`; None: it has no record of its end.
        reason: why it ended, in its own words.
        clock_ahead_seconds: of the store's clock; None: not known.
        n_runs: runs of this delivery so far.
    """

    epoch: int
    agent_id: str
    began_at: str | None
    last_seen: str | None
    silent_seconds: float | None
    ended: str | None
    reason: str
    clock_ahead_seconds: float | None
    n_runs: int


@value
class ValidatorStatus:
    """The last validator that served the last run, by its own log.

    Where several share the files, it is the one that there is most reason to look at: one that left because
    of an error, or else the one that has been silent for the longest.

    Attributes:
        validator_id: its name; None: it has written nothing of itself.
        epoch: its own fencing number.
        client_epoch: of the run it serves.
        last_seen: when it wrote last, UTC, by its clock.
        silent_seconds: since then.
        ended: `stop` (all is judged), `shutdown`; None: it has no record of its end.
        reason: why it left, in its own words.
        shard: which of those that share the files, from 0.
        shards: how many have begun to.
    """

    validator_id: str | None
    epoch: int
    client_epoch: int | None
    last_seen: str | None
    silent_seconds: float | None
    ended: str | None
    reason: str
    shard: int = 0
    shards: int = 1


@value
class Rate:
    """The rates over the last seconds of a run that is at work.

    Attributes:
        seconds: that it is told from.
        bytes_per_second: announced.
        files_per_second: the same in files.
        verdicts_per_second: files judged.
    """

    seconds: float
    bytes_per_second: float
    files_per_second: float
    verdicts_per_second: float


@value
class Notice:
    """Something a person should know.

    Attributes:
        severity: `error`: nothing goes on before it is fixed; `warning`.
        code: what it is, for programs.
        what: the same in a sentence; may hold texts from outside.
        todo: what to do about it.
    """

    severity: Literal["error", "warning"]
    code: str
    what: str
    todo: str


@value
class DeliveryStatus:
    """The status of a delivery.

    Attributes:
        dataset, delivery_id, transfer_type: which one.
        at: when this was seen, UTC, by the store's clock.
        phase: where it stands.
        headline: the same in a sentence.
        lock: None where nobody ever took it.
        run: None where there was none.
        files: in each state that an observer can tell, and `total`.
        n_bytes: the same in bytes, as far as known.
        rate: None where nobody is at work, or nothing has come of it yet.
        eta_seconds: until all is sent and judged at that rate; None where nobody knows.
        validator: None where none ever served the last run.
        receipt: of a complete delivery; None where there is none.
        wrong: files that went wrong, by reason, the most frequent first.
        last: files that went wrong last.
        problems: what a person should know, in the order in which it is to be seen to.
        landing: the landing place, held against what was judged; None unless the delivery is complete, and
            where it could not be listed, or its files were handed over and removed.
        opened: valid files by how they were judged, see `upload_client.core.opened`; most first.
        hand_over: of a delivery that was handed over; None where it was not.
        closed: the receiver's note that they have taken it over, or removed it; None: it is open.
    """

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    at: str
    phase: DeliveryPhase
    headline: str
    lock: LockStatus | None
    run: RunStatus | None
    files: dict[str, int]
    n_bytes: dict[str, int]
    rate: Rate | None
    eta_seconds: float | None
    validator: ValidatorStatus | None
    receipt: ObservedReceipt | None
    wrong: tuple[Problem, ...]
    last: tuple[NamedFile, ...]
    problems: tuple[Notice, ...]
    landing: ObservedLanding | None = None
    opened: dict[str, int] = field(default_factory=dict, hash=False)
    hand_over: HandOver | None = None
    closed: Closed | None = None

    @property
    def leaves_landing(self) -> bool:
        """Whether the receiver has taken its files over, or away: nobody looks for them in landing."""
        return self.closed is not None or (self.hand_over is not None and self.hand_over.leaves_landing)


def as_json(status: DeliveryStatus) -> dict[str, Any]:
    """The status as one JSON object. Its texts may hold anything, but for lone surrogates."""
    named = asdict(status)
    named["bytes"] = named.pop("n_bytes")
    for kind in named["wrong"]:
        kind["files"], kind["paths"] = kind.pop("n"), kind.pop("relpaths")
    named["opened"] = [{"how": how, "files": n} for how, n in status.opened.items()]
    if status.receipt is not None:
        named["receipt"] = {
            "key": status.receipt.key,
            "epoch": status.receipt.epoch,
            "written_at": timestamp(status.receipt.written),
        }
    if status.hand_over is not None:
        named["hand_over"] = status.hand_over.as_json()
    plain: dict[str, Any] = _plain({"schema_version": SCHEMA_VERSION, "kind": "status", **named})
    return plain


def as_moment(text: str) -> int | None:
    """A moment in the form of the logs, in milliseconds since 1970; None: it is none."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        return milliseconds(text)
    except ValueError:
        return None


_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def _plain(given: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(given, dict):
        return {name: _plain(one) for name, one in given.items()}
    if isinstance(given, list | tuple):
        return [_plain(one) for one in given]
    if isinstance(given, str):
        return given.encode("utf-8", "backslashreplace").decode()
    if isinstance(given, float):
        return round(given, 3) if math.isfinite(given) else None
    return given
