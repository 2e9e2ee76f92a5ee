"""The status of a delivery, observed from what lies in the control bucket, and from nothing else.

The observer's own clock is never believed. Ages are told by the store's clock; moments in a log are moments
of its writer's clock, which is compared with the store's by the writer's lock: the lock says when its writer
thought it wrote it, and the store says when that was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Literal

from upload_client.core.delivery_status import (
    MAX_SKEW,
    SILENCE,
    WINDOW,
    DeliveryPhase,
    DeliveryStatus,
    Evidence,
    LockStatus,
    Notice,
    ObservedLock,
    Rate,
    RunStatus,
    ValidatorStatus,
)
from upload_client.core.files import OTHER_TYPE, TYPE_NAMES, TransferType
from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.observed import (
    IndexRows,
    ObservedLanding,
    Tally,
    file_states,
    last_run,
    tally,
)
from upload_client.core.records import Init, ValidatorInit
from upload_client.core.text import counted, for_log
from upload_client.core.times import milliseconds, timestamp


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


def with_landing(status: DeliveryStatus, found: ObservedLanding) -> DeliveryStatus:
    """The status of a complete delivery, and what else its landing place tells."""
    found_there = "".join(f"; {n:,} {text}" for n, text in _counts_of_others(found))
    return replace(
        status,
        landing=found,
        headline=status.headline + found_there,
        problems=_in_order((*_problems_of_landing(found), *status.problems)),
    )


def _in_order(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Those to be seen to before the delivery is run again, and then those that running it again fixes.

    Errors come first among each.
    """
    return tuple(sorted(notices, key=lambda notice: (notice.todo.startswith(_GO_ON), notice.severity)))


def _counts_of_others(found: ObservedLanding) -> Iterator[tuple[int, str]]:
    if found.gone:
        yield found.gone, "no longer in the bucket"
    if found.replaced:
        yield found.replaced, "replaced in the bucket"
    if found.added:
        yield found.added, "beside them that nobody has announced"


def _problems_of_landing(found: ObservedLanding) -> Iterator[Notice]:
    verify = "`upload-client verify RECEIPT --online` names all, and shows whether the content differs."
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
        "Take over the files that the receipt names, and never everything below a prefix.",
    ),
)


def _lock(
    lock: ObservedLock, seen: Evidence, history: DeliveryHistory | None, transfer_type: TransferType
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
) -> DeliveryPhase:
    if seen.log_broken is not None:
        return DeliveryPhase.LOG_BROKEN
    if at_work:
        if life is None or lock is None or life.epoch != lock.epoch or life.init is None:
            return DeliveryPhase.PREPARING
        if counted.files["ready"]:
            return DeliveryPhase.TRANSFERRING
        return DeliveryPhase.WAITING if counted.files["done"] else DeliveryPhase.FINISHING
    if life is None:
        there = seen.lock is not None or seen.receipt is not None or seen.any_trace
        return DeliveryPhase.NOT_BEGUN if there else DeliveryPhase.MISSING
    if life.ended is None:
        return DeliveryPhase.BROKEN_OFF
    if life.ended == "crash":
        return DeliveryPhase.CRASHED
    all_valid = 0 < counted.files["valid"] == counted.n_files
    return DeliveryPhase.COMPLETE if all_valid and seen.receipt is not None else DeliveryPhase.ENDED


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
        case DeliveryPhase.MISSING:
            return f"there is no delivery {name}: nothing of it lies in the control bucket"
        case DeliveryPhase.NOT_BEGUN:
            return "not begun: no run has got as far as its log"
        case DeliveryPhase.PREPARING:
            return "a run is preparing: it reads what is there, and plans"
        case DeliveryPhase.TRANSFERRING:
            return f"files are being sent: {judged}"
        case DeliveryPhase.WAITING:
            return f"all is sent; {files['done']:,} without a verdict so far: {judged}"
        case DeliveryPhase.FINISHING:
            return f"all is judged; the last checks are made: {judged}"
        case DeliveryPhase.COMPLETE:
            handed = "" if status.hand_over is None else f"; handed over to {status.hand_over.archive}"
            return f"complete: {judged}, and the receipt is written{handed}"
        case DeliveryPhase.ENDED:
            return "; ".join([f"ended: {judged}", *rest])
        case DeliveryPhase.CRASHED:
            return "; ".join([f"ended by an error: {judged}", *rest])
        case DeliveryPhase.BROKEN_OFF:
            return "; ".join([f"broken off: {judged}", *rest])
        case _:
            who = " Somebody holds the lock." if lock is not None and lock.state == "held" else ""
            return f"a log of this delivery is broken, and nothing in it can be trusted.{who}"


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
    if phase is DeliveryPhase.MISSING:
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
    if (
        validator is not None
        and phase in {DeliveryPhase.TRANSFERRING, DeliveryPhase.WAITING}
        and files["done"]
    ):
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
    if phase is DeliveryPhase.ENDED and not any(
        files[state] for state in ("ready", "failed", "done", "invalid")
    ):
        yield Notice("warning", "no_receipt", "all files are judged valid, but there is no receipt", _GO_ON)
    if phase is DeliveryPhase.ENDED and files["done"]:
        yield Notice(
            "warning",
            "not_judged",
            f"{_files(files['done'])} delivered, but not judged: the validator was silent or has left",
            f"{_GO_ON} If that does not help, ask the receiver.",
        )


def _problems_of_run(run: RunStatus, phase: DeliveryPhase) -> Iterator[Notice]:
    if phase is DeliveryPhase.BROKEN_OFF:
        yield Notice(
            "error",
            "broken_off",
            f"the run of agent {run.agent_id} broke off without a record of its end, last seen"
            f" {run.last_seen or 'never'}",
            _GO_ON,
        )
    if phase is DeliveryPhase.CRASHED:
        yield Notice("error", "crashed", f"the run of agent {run.agent_id} crashed: {run.reason}", _GO_ON)
    if phase is DeliveryPhase.ENDED and run.reason not in ("complete", ""):
        yield Notice("warning", "stopped", f"the run of agent {run.agent_id} ended: {run.reason}", _GO_ON)
    if phase.live and (run.silent_seconds or 0) > SILENCE and phase is not DeliveryPhase.PREPARING:
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
