"""The status of a delivery, observed from what lies in the control bucket, and from nothing else.

The observer's own clock is never believed. Ages are told by the store's clock; moments in a log are moments
of its writer's clock, which is compared with the store's by the writer's lock: the lock says when its writer
thought it wrote it, and the store says when that was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, field, replace
from enum import StrEnum
from typing import Any, Final, Literal

from upload_client.core.closing import Closed
from upload_client.core.files import OTHER_TYPE, TYPE_NAMES, TransferType
from upload_client.core.hand_over import HandOver
from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.lease import GRACE, LockBody
from upload_client.core.observed import (
    FileState,
    IndexRows,
    LandingSeen,
    NamedFile,
    Tally,
    file_states,
    last_run,
    tally,
)
from upload_client.core.problems import Problem
from upload_client.core.records import Init, ValidatorInit
from upload_client.core.text import counted, for_log
from upload_client.core.times import milliseconds, timestamp
from upload_client.core.values import value

__all__ = [
    "MAX_SKEW",
    "SCHEMA_VERSION",
    "SILENCE",
    "WINDOW",
    "DeliveryStatus",
    "Evidence",
    "LockSeen",
    "LockStatus",
    "Notice",
    "Phase",
    "Rate",
    "ReceiptSeen",
    "RunStatus",
    "ValidatorStatus",
    "as_json",
    "as_moment",
    "status_of",
    "with_landing",
]

SCHEMA_VERSION: Final = 1
"""Version of `as_json`. Within a version, fields may be added."""
WINDOW: Final = 300.0
"""Seconds of the past that a rate is told from; where nothing happened in them, the whole run is."""
SILENCE: Final = 120.0
"""Seconds without a sign of life after which a person is told."""
MAX_SKEW: Final = 60.0
"""Seconds by which a clock may differ from the store's before a person is told."""


class Phase(StrEnum):
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
    """The last run has said nothing of its end, and holds the lock no more: killed, or its machine gone."""
    LOG_BROKEN = "log_broken"
    """A log is no chain: nothing in it can be believed."""

    @property
    def live(self) -> bool:
        """A run is at work."""
        return self in {Phase.PREPARING, Phase.TRANSFERRING, Phase.WAITING, Phase.FINISHING}


# --- what lies there ---


@value
class LockSeen:
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
class ReceiptSeen:
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
    lock: LockSeen | None = None
    validator_locks: Mapping[int, LockSeen] = field(default_factory=dict, hash=False)
    history: DeliveryHistory | None = None
    log_broken: str | None = None
    index: IndexRows | None = None
    receipt: ReceiptSeen | None = None
    other_epoch: int = 0
    any_trace: bool = False
    hand_over: HandOver | None = None
    closed: Closed | None = None
    files: Callable[[], Iterator[FileState]] | None = field(default=None, hash=False)


# --- all together ---


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
        ended: `stop` (in order), `crash`; None: it said nothing of its end.
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
        ended: `stop` (all is judged), `shutdown`; None: it said nothing of its end.
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
        severity: `error`: nothing goes on before it is mended; `warning`.
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
    phase: Phase
    headline: str
    lock: LockStatus | None
    run: RunStatus | None
    files: dict[str, int]
    n_bytes: dict[str, int]
    rate: Rate | None
    eta_seconds: float | None
    validator: ValidatorStatus | None
    receipt: ReceiptSeen | None
    wrong: tuple[Problem, ...]
    last: tuple[NamedFile, ...]
    problems: tuple[Notice, ...]
    landing: LandingSeen | None = None
    opened: dict[str, int] = field(default_factory=dict, hash=False)
    hand_over: HandOver | None = None
    closed: Closed | None = None

    @property
    def leaves_landing(self) -> bool:
        """Whether the receiver has taken its files over, or away: nobody looks for them in landing."""
        return self.closed is not None or (self.hand_over is not None and self.hand_over.leaves_landing)


def status_of(
    seen: Evidence, *, dataset: str, delivery_id: str, transfer_type: TransferType
) -> DeliveryStatus:
    """Tell where a delivery stands."""
    history = seen.history
    lock = None if seen.lock is None else _lock(seen.lock, seen, history, transfer_type)
    life = None if history is None else history.last_client
    holds = lock is not None and lock.state == "held" and not lock.for_other_type
    at_work = holds and not (life is not None and life.epoch == (lock and lock.epoch) and life.ended)
    run, ahead = _run(seen, history, life, lock)
    validator, validator_ahead = _validator(seen, history, life)
    counted, seconds = Tally(), 0.0
    if history is not None:
        begun = seen.now
        last = last_run(history)
        if at_work and last is not None and last.init is not None and life is last:
            begun = min(milliseconds(last.init.t) / 1000 - ahead, seen.now)
        seconds = seen.now - begun
        counted = tally(
            file_states(history, seen.index, live=at_work) if seen.files is None else seen.files(),
            seen.now - min(seconds, WINDOW) + ahead,
            begun + ahead,
            validator_ahead=validator_ahead - ahead,
        )
    phase = _phase(seen, life, lock, counted, at_work=at_work)
    rate = _rate(counted, seconds) if phase.live else None
    total, total_bytes = _totals(history, seen.index, counted)
    status = DeliveryStatus(
        dataset=dataset,
        delivery_id=delivery_id,
        transfer_type=transfer_type,
        at=timestamp(seen.now),
        phase=phase,
        headline="",
        lock=lock,
        run=run,
        files={**counted.files, "total": total},
        n_bytes={**counted.n_bytes, "total": total_bytes},
        rate=rate,
        eta_seconds=None if rate is None else _eta(counted, rate),
        validator=validator,
        receipt=seen.receipt,
        wrong=counted.wrong,
        last=counted.last,
        problems=(),
        opened=counted.opened,
        hand_over=seen.hand_over,
        closed=seen.closed,
    )
    headline = "; ".join([_headline(status), *([] if seen.closed is None else [str(seen.closed)])])
    status = replace(status, headline=headline)
    problems = _in_order(_problems(status, seen))
    if seen.closed is not None:  # the same command would send nothing
        problems = tuple(replace(one, todo=_ASK) if one.todo.startswith(_GO_ON) else one for one in problems)
    return replace(status, problems=problems)


def with_landing(status: DeliveryStatus, found: LandingSeen) -> DeliveryStatus:
    """The status of a complete delivery, and what else its landing place tells."""
    found_there = "".join(f"; {n:,} {text}" for n, text in _counts_of_others(found))
    return replace(
        status,
        landing=found,
        headline=status.headline + found_there,
        problems=_in_order((*_problems_of_landing(found), *status.problems)),
    )


def _in_order(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Those to be seen to before the delivery is run again, and then those that running it again mends.

    Errors come first among each.
    """
    return tuple(sorted(notices, key=lambda notice: (notice.todo.startswith(_GO_ON), notice.severity)))


def _counts_of_others(found: LandingSeen) -> Iterator[tuple[int, str]]:
    if found.gone:
        yield found.gone, "no longer in the bucket"
    if found.replaced:
        yield found.replaced, "replaced in the bucket"
    if found.added:
        yield found.added, "beside them that nobody has announced"


def _problems_of_landing(found: LandingSeen) -> Iterator[Notice]:
    verify = (
        "`upload-client verify RECEIPT --online` names all, and tells whether the content is another one."
    )
    for kind, severity, text, todo in _OF_LANDING:
        if n := getattr(found, kind):
            named = found.named[kind]
            more = f" and {n - len(named):,} more" if n > len(named) else ""
            what = f"{counted(n, 'object')} {text}: {', '.join(map(for_log, named))}{more}"
            yield Notice(severity, f"objects_{kind}", what, f"{todo} {verify}")


_OF_LANDING: Final[tuple[tuple[str, Literal["error", "warning"], str, str], ...]] = (
    ("gone", "error", "of this delivery no longer in the bucket", "Ask the receiver what became of them."),
    (
        "replaced",
        "error",
        "not what was judged: replaced after the verdict",
        "Whoever takes the data in has to leave them out.",
    ),
    (
        "added",
        "warning",
        "in the landing place that this delivery does not have",
        "Take in the files that the receipt names, and never all that lies below a prefix.",
    ),
)


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


def _lock(
    lock: LockSeen, seen: Evidence, history: DeliveryHistory | None, transfer_type: TransferType
) -> LockStatus:
    body, left = lock.body, lock.seconds_left
    written = timestamp(lock.written)
    if body is None:
        return LockStatus(
            "unreadable", None, None, None, None, None, None, written, None, None, None, for_other_type=False
        )
    state: Literal["held", "expired", "released"] = "released"
    if body.state == "held":
        state = "held" if left >= 0 else "expired"
    if body.transfer_type is not None:
        for_other = body.transfer_type != transfer_type
    else:  # of an older version, or of one that unlocks: the logs tell
        mine = history is not None and body.epoch in history.clients
        for_other = not mine and body.epoch == seen.other_epoch
    return LockStatus(
        state,
        body.agent_id,
        body.user or None,
        body.host or None,
        body.pid or None,
        body.epoch,
        body.acquired_at or None,
        written,
        timestamp(lock.date + left) if state == "held" else None,
        left if state == "held" else None,
        body.lease_seconds,
        for_other_type=for_other,
        transfer_type=body.transfer_type,
    )


def _run(
    seen: Evidence, history: DeliveryHistory | None, life: Life | None, lock: LockStatus | None
) -> tuple[RunStatus | None, float]:
    """The last run, and the seconds by which the times that it writes are ahead."""
    if history is None or life is None:
        return None, 0.0
    skew = clock_ahead = None
    if seen.lock is not None and lock is not None and lock.epoch == life.epoch:
        skew, clock_ahead = seen.lock.skew, seen.lock.clock_ahead
    ahead = skew or 0.0
    init = life.init
    return RunStatus(
        life.epoch,
        life.agent_id,
        init.t if isinstance(init, Init) else None,
        life.seen,
        _since(life.seen, seen.now + ahead),
        life.ended,
        life.reason,
        clock_ahead,
        len(history.clients),
    ), ahead


def _validator(
    seen: Evidence, history: DeliveryHistory | None, life: Life | None
) -> tuple[ValidatorStatus | None, float]:
    """The validator that serves the last run, and the seconds by which its times are ahead."""
    serving = [] if history is None or life is None else history.validators_of(life.epoch)
    statuses = [_validator_status(each, len(serving), seen) for each in serving]
    return max(statuses, key=lambda each: _concern(each[0]), default=(None, 0.0))


def _concern(validator: ValidatorStatus) -> tuple[int, float]:
    """The reason to look at one of several validators, as a number."""
    left = validator.ended == "shutdown" and validator.reason == "error"
    rank = 2 if left else 1 if validator.ended is None else 0
    return rank, math.inf if validator.silent_seconds is None else validator.silent_seconds


def _validator_status(found: Life, shards: int, seen: Evidence) -> tuple[ValidatorStatus, float]:
    ahead, lock = 0.0, seen.validator_locks.get(found.shard)
    if lock is not None and lock.body is not None and lock.body.epoch == found.epoch:
        ahead = lock.skew or 0.0
    return ValidatorStatus(
        found.init.validator_id if isinstance(found.init, ValidatorInit) else None,
        found.epoch,
        found.client_epoch,
        found.seen,
        _since(found.seen, seen.now + ahead),
        found.ended,
        found.reason,
        found.shard,
        shards,
    ), ahead


def _since(moment: str | None, now: float) -> float | None:
    return None if moment is None else max(0.0, now - milliseconds(moment) / 1000)


def _phase(
    seen: Evidence, life: Life | None, lock: LockStatus | None, counted: Tally, *, at_work: bool
) -> Phase:
    if seen.log_broken is not None:
        return Phase.LOG_BROKEN
    if at_work:
        if life is None or lock is None or life.epoch != lock.epoch or life.init is None:
            return Phase.PREPARING
        if counted.files["ready"]:
            return Phase.TRANSFERRING
        return Phase.WAITING if counted.files["done"] else Phase.FINISHING
    if life is None:
        there = seen.lock is not None or seen.receipt is not None or seen.any_trace
        return Phase.NOT_BEGUN if there else Phase.MISSING
    if life.ended is None:
        return Phase.BROKEN_OFF
    if life.ended == "crash":
        return Phase.CRASHED
    all_valid = 0 < counted.files["valid"] == counted.n_files
    return Phase.COMPLETE if all_valid and seen.receipt is not None else Phase.ENDED


def _totals(history: DeliveryHistory | None, index: IndexRows | None, counted: Tally) -> tuple[int, int]:
    """Files and bytes in all. Where the index cannot be had, the log says how many it has."""
    run = None if history is None else last_run(history)
    if index is None and run is not None and isinstance(run.init, Init):
        return max(run.init.n_files, counted.n_files), max(run.init.n_bytes, sum(counted.n_bytes.values()))
    return counted.n_files, sum(counted.n_bytes.values())


def _rate(counted: Tally, seconds: float) -> Rate | None:
    for (n, n_bytes), judged, span in zip(
        counted.sent, counted.judged, (min(seconds, WINDOW), seconds), strict=True
    ):
        if (n or judged) and span > 0:
            return Rate(span, n_bytes / span, n / span, judged / span)
    return None


def _eta(counted: Tally, rate: Rate) -> float | None:
    """Many small files take their time by their number, large ones by their bytes: the longest counts."""
    n_ready = counted.files["ready"]
    rests = (
        (counted.n_bytes["ready"], rate.bytes_per_second),
        (n_ready, rate.files_per_second),
        (n_ready + counted.files["done"], rate.verdicts_per_second),
    )
    longest = 0.0
    for rest, speed in rests:
        if rest:
            if not speed:
                return None
            longest = max(longest, rest / speed)
    return longest


def _headline(status: DeliveryStatus) -> str:
    files, lock = status.files, status.lock
    name = f"{status.dataset}/{status.delivery_id} ({status.transfer_type})"
    judged = f"{files['valid']:,} of {counted(files['total'], 'file')} valid"
    rest = [
        f"{files[state]:,} {text}"
        for state, text in (
            ("invalid", "invalid"),
            ("done", "not judged"),
            ("failed", "not transferred"),
            ("ready", "not sent"),
        )
        if files[state]
    ]
    match status.phase:
        case Phase.MISSING:
            return f"there is no delivery {name}: nothing of it lies in the control bucket"
        case Phase.NOT_BEGUN:
            return "not begun: no run has got as far as its log"
        case Phase.PREPARING:
            return "a run is preparing: it reads what is there, and plans"
        case Phase.TRANSFERRING:
            return f"files are being sent: {judged}"
        case Phase.WAITING:
            return f"all is sent; {files['done']:,} without a verdict so far: {judged}"
        case Phase.FINISHING:
            return f"all is judged; the last checks are made: {judged}"
        case Phase.COMPLETE:
            handed = "" if status.hand_over is None else f"; handed over to {status.hand_over.archive}"
            return f"complete: {judged}, and the receipt is written{handed}"
        case Phase.ENDED:
            return "; ".join([f"ended: {judged}", *rest])
        case Phase.CRASHED:
            return "; ".join([f"ended by an error: {judged}", *rest])
        case Phase.BROKEN_OFF:
            return "; ".join([f"broken off: {judged}", *rest])
        case _:
            who = " Somebody holds the lock." if lock is not None and lock.state == "held" else ""
            return f"a log of this delivery is broken, and says nothing that can be believed.{who}"


_ASK = "The receiver has closed the delivery, so nothing more is sent: ask them, if that should not be so."
_GO_ON = "Run the same command again, on any machine that has the files: it goes on where it was."


def _problems(status: DeliveryStatus, seen: Evidence) -> Iterator[Notice]:
    """A problem that a person should know of, in plain words."""
    lock, run, validator, files, phase = status.lock, status.run, status.validator, status.files, status.phase
    if seen.log_broken is not None:
        yield Notice(
            "error",
            "log_broken",
            seen.log_broken,
            "Only the receiver can repair this: tell them the name of the segment, and send nothing before.",
        )
    if phase is Phase.MISSING:
        yield Notice(
            "error",
            "missing",
            status.headline,
            "Check the names and the profile; or wait, if it is about to begin.",
        )
    if lock is not None and lock.state == "unreadable":
        yield Notice(
            "error",
            "lock_unreadable",
            f"the lock, written at {lock.refreshed_at}, cannot be read, so somebody may hold it",
            "Wait some minutes, then run the delivery again; if it stays so, tell the receiver.",
        )
    if lock is not None and lock.for_other_type and lock.state == "held":
        yield Notice(
            "warning",
            "other_type_at_work",
            f"agent {lock.agent_id} is sending {TYPE_NAMES[OTHER_TYPE[status.transfer_type]]}, which shares"
            f" a lock with {TYPE_NAMES[status.transfer_type]}",
            "Wait until it has ended.",
        )
    if run is not None:
        yield from _problems_of_run(run, phase)
    if validator is not None and phase in {Phase.TRANSFERRING, Phase.WAITING} and files["done"]:
        yield from _problems_of_validator(validator)
    for state, code, text in (
        ("invalid", "invalid_files", "judged invalid"),
        ("failed", "failed_files", "not transferred"),
    ):
        kinds = [kind for kind in status.wrong if kind.state == state]
        if kinds:
            more = f", and {counted(len(kinds) - 1, 'other reason')}" if len(kinds) > 1 else ""
            most = kinds[0]
            why = f"{most.reason}{f' ({most.n:,})' if more else ''}{more}"
            yield Notice("warning", code, f"{_files(files[state])} {text}: {why}", most.todo)
    if phase is Phase.ENDED and not any(files[state] for state in ("ready", "failed", "done", "invalid")):
        yield Notice("warning", "no_receipt", "all files are judged valid, but there is no receipt", _GO_ON)
    if phase is Phase.ENDED and files["done"]:
        yield Notice(
            "warning",
            "not_judged",
            f"{_files(files['done'])} delivered, but not judged: the validator was silent or has left",
            f"{_GO_ON} If that does not help, ask the receiver.",
        )


def _problems_of_run(run: RunStatus, phase: Phase) -> Iterator[Notice]:
    if phase is Phase.BROKEN_OFF:
        yield Notice(
            "error",
            "broken_off",
            f"the run of agent {run.agent_id} broke off without a word, last seen {run.last_seen or 'never'}",
            _GO_ON,
        )
    if phase is Phase.CRASHED:
        yield Notice("error", "crashed", f"the run of agent {run.agent_id} crashed: {run.reason}", _GO_ON)
    if phase is Phase.ENDED and run.reason not in ("complete", ""):
        yield Notice("warning", "stopped", f"the run of agent {run.agent_id} ended: {run.reason}", _GO_ON)
    if phase.live and (run.silent_seconds or 0) > SILENCE and phase is not Phase.PREPARING:
        yield Notice(
            "warning",
            "client_silent",
            f"agent {run.agent_id} holds the lock, but has written nothing for {_span(run.silent_seconds)}",
            "Look at the sending machine: its network may be down, or its disk very slow.",
        )
    ahead = run.clock_ahead_seconds
    if ahead is not None and abs(ahead) > MAX_SKEW:
        way = "ahead" if ahead > 0 else "behind"
        yield Notice(
            "warning",
            "clock_skew",
            f"the clock of the sending machine is {_span(abs(ahead))} {way}",
            "Set it right (NTP): S3 refuses requests from clocks that are off by more than 15 minutes.",
        )


def _problems_of_validator(validator: ValidatorStatus) -> Iterator[Notice]:
    if validator.ended == "shutdown" and validator.reason == "error":
        yield Notice(
            "warning",
            "validator_left",
            "the receiver's validator left because of an error",
            "The sender starts it once more by itself; if it leaves again, tell the receiver.",
        )
    elif validator.ended is None and (validator.silent_seconds or 0) > SILENCE:
        yield Notice(
            "warning",
            "validator_silent",
            f"the receiver's validator has given no sign of life for {_span(validator.silent_seconds)}",
            "The sender starts it once more by itself; if it stays silent, tell the receiver.",
        )


def _files(n: int) -> str:
    return f"{n:,} file{' was' if n == 1 else 's were'}"


def _span(seconds: float | None) -> str:
    s = round(seconds or 0)
    if s < 120:
        return f"{s} s"
    return f"{s // 60} min" if s < 7200 else f"{s // 3600} h {s % 3600 // 60:02} min"
