"""The lease of a delivery, with its fencing number: when it may be taken, is held, is lost.

Two clocks are never mixed. The age of *another agent's* lock is measured by the store's clock alone (``Date``
of its answer minus ``Last-Modified`` of the lock), because the clock of a provider's machine may be wrong.
The *own* lease is measured by this machine's clocks alone, counted from before the confirmed write was sent,
so that it always ends here before others may take the lock.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any, Literal

from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.text import for_log, is_whole

VERSION = 1
MAX_BODY = 2048
"""Bytes a lock object may have."""
MIN_LEASE, DEFAULT_LEASE, MAX_LEASE = 30, 300, 3600
"""Seconds. A lock that does not say how long it holds is given the default."""
GRACE = 2
"""Seconds past the lease before others may take it: Date and Last-Modified are whole seconds each."""
ACTIVE_LATELY = 60.0
"""Seconds without a sign of life up to which a holder is taken for alive by whoever is to unlock it."""
MAX_EPOCH = 99_999_999
"""Index and receipt keys have room for eight digits, and sort by them."""
_MAX_AGENT = 63
_LONG = 1e11  # seconds: some thousand years
_MAX_NAME = 48
"""Characters of a host or user name that are kept, so that a body always fits."""


class EpochsExhausted(ValueError):  # noqa: N818 - says what happened
    """The epochs of a delivery are used up. No run of people gets there; a tampered lock might."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Which process on which machine. What is not known on a platform is None.

    Attributes:
        machine_id: the same for as long as the system is installed.
        boot_id: new at every start of the machine.
        pid_ns: the process namespace (containers have their own), as text.
        pid: process id.
        started: when the process started, in whatever units the platform has, as text: a process id is
            used again sooner or later, together with its start time it is not.
    """

    machine_id: str | None
    boot_id: str | None
    pid_ns: str | None
    pid: int
    started: str | None

    def shares_processes_with(self, other: ProcessIdentity) -> bool:
        """Whether both surely see the same table of processes, now: all three known, and equal."""
        mine = (self.machine_id, self.boot_id, self.pid_ns)
        return all(mine) and mine == (other.machine_id, other.boot_id, other.pid_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockBody:
    """The content of the lock object. Texts come from strangers: escape them before they are shown.

    Times are UTC text and only for people; no rule reads them. Where the holder's clock is off by
    more than a minute they are the store's, and `clock_ahead` says by how many seconds that clock was ahead
    at the last refresh: negative where it was behind, None where that is not known.

    `transfer_type` is whether the holder delivers the whole or the sample, which share the client's lock;
    None where it does not say so: it is of an older version, no client, or one that unlocks.
    """

    agent_id: str
    nonce: str
    epoch: int
    state: Literal["held", "released"]
    host: str
    machine_id: str | None
    boot_id: str | None
    pid_ns: str | None
    pid: int
    started: str | None
    user: str
    acquired_at: str
    refreshed_at: str
    lease_seconds: int = DEFAULT_LEASE
    clock_ahead: float | None = None
    transfer_type: TransferType | None = None
    version: int = VERSION

    @property
    def process(self) -> ProcessIdentity:
        """The process that wrote this."""
        return ProcessIdentity(self.machine_id, self.boot_id, self.pid_ns, self.pid, self.started)

    def refreshed(self, *, nonce: str, at: str, clock_ahead: float | None) -> LockBody:
        """The body of the next write of the same holder. Every write has a nonce of its own."""
        return replace(self, nonce=nonce, refreshed_at=at, clock_ahead=clock_ahead)

    def released(self, *, nonce: str, at: str) -> LockBody:
        """The body that gives the lock back. It keeps the epoch: epochs only ever grow."""
        return replace(self, nonce=nonce, refreshed_at=at, state="released")

    def encode(self) -> bytes:
        """ASCII JSON of at most `MAX_BODY` bytes; host and user names are cut to fit.

        Raises:
            ValueError: some other field is too long.
        """
        fields = asdict(self) | {"host": self.host[:_MAX_NAME], "user": self.user[:_MAX_NAME]}
        data = json.dumps(fields, ensure_ascii=True).encode("ascii")
        if len(data) > MAX_BODY:
            raise ValueError(f"a lock of {len(data)} bytes is larger than the {MAX_BODY} allowed")
        return data

    @classmethod
    def decode(cls, data: bytes) -> LockBody | None:
        """Read a lock object that anyone may have written. None: it cannot be read.

        A body without a legible agent, nonce, epoch and state is unreadable as a whole. The rest is
        information, and what of it is missing or odd is taken as unknown. A lease beyond the limits is taken
        as the nearest limit, so that a lock is not taken early.
        """
        if len(data) > MAX_BODY:
            return None
        try:
            fields = json.loads(data.decode("utf-8"), object_pairs_hook=_no_key_twice)
        except (ValueError, RecursionError):
            return None
        if not isinstance(fields, dict):
            return None
        agent_id, nonce = _text(fields.get("agent_id")), _text(fields.get("nonce"))
        state = _STATES.get(_text(fields.get("state")) or "")
        epoch, version = fields.get("epoch"), fields.get("version")
        if not (
            agent_id
            and nonce
            and state
            and type(epoch) is int
            and 1 <= epoch <= MAX_EPOCH
            and type(version) is int
            and version >= VERSION
        ):
            return None
        pid = fields.get("pid")
        return cls(
            version=version,
            agent_id=for_log(agent_id, _MAX_AGENT),
            nonce=nonce,
            epoch=epoch,
            state=state,
            host=for_log(_text(fields.get("host")) or "", _MAX_NAME),
            machine_id=_text(fields.get("machine_id")),
            boot_id=_text(fields.get("boot_id")),
            pid_ns=_text(fields.get("pid_ns")),
            pid=pid if type(pid) is int and pid > 0 else 0,
            started=_text(fields.get("started")),
            user=for_log(_text(fields.get("user")) or "", _MAX_NAME),
            acquired_at=for_log(_text(fields.get("acquired_at")) or "", _MAX_NAME),
            refreshed_at=for_log(_text(fields.get("refreshed_at")) or "", _MAX_NAME),
            lease_seconds=_lease_seconds(fields.get("lease_seconds")),
            clock_ahead=_seconds(fields.get("clock_ahead")),
            transfer_type=_TRANSFER_TYPES.get(_text(fields.get("transfer_type")) or ""),
        )


_STATES: dict[str, Literal["held", "released"]] = {"held": "held", "released": "released"}
_TRANSFER_TYPES: dict[str, TransferType] = {name: name for name in TRANSFER_TYPES}


def _no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key appears twice: readers would disagree on what it says")
    return fields


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and is_whole(value) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _LONG else None  # that is False of a NaN


def _lease_seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return DEFAULT_LEASE
    if isinstance(value, float):
        if not math.isfinite(value):
            return DEFAULT_LEASE
        value = math.ceil(value)
    return min(max(value, MIN_LEASE), MAX_LEASE)  # an int may be larger than any float


class WhyTaken(Enum):
    """Why a lock that is there may be taken."""

    RELEASED = "it was given back"
    EXPIRED = "its holder has not refreshed it in time"
    DEAD = "its holder was a process of this machine that no longer runs"
    STOLEN = "it is taken from its holder by name"


class WhyRefused(Enum):
    """Why a lock may not be taken."""

    HELD = "its holder is alive, or was a moment ago"
    UNREADABLE = "it cannot be read, so it may be held"
    NEWER = "a newer version of this software holds it"
    ANOTHER = "its holder is not the agent that was named"
    ALIVE = "its holder has written something a moment ago"


@dataclass(frozen=True, slots=True)
class Take:
    """The lock may be taken, by a write on the condition that it is still what was read."""

    why: WhyTaken


@dataclass(frozen=True, slots=True)
class Refuse:
    """The lock may not be taken.

    Attributes:
        why: the reason.
        holder: what the lock says; None where it is unreadable.
        seconds_left: until it may be taken if nobody refreshes it; infinite where it never may.
    """

    why: WhyRefused
    holder: LockBody | None
    seconds_left: float


def may_take(
    body: LockBody | None,
    *,
    age: float,
    identity: ProcessIdentity,
    is_running: Callable[[int, str | None], bool],
    steal: str | None = None,
    from_nobody_else: bool = False,
) -> Take | Refuse:
    """Decide about a lock object that is there.

    Where there is none, one is created, on the condition that there still is none.

    Args:
        body: what the object says; None if it is unreadable.
        age: seconds since it was written, by the store's own clock: Date minus Last-Modified.
        identity: the process that asks.
        is_running: whether a process with this id, and this start time if known, runs here now. Asked only
            where the holder shares the table of processes with the asking one.
        steal: the agent id from which the lock may be taken although it is held.
        from_nobody_else: whether it must be left alone where another agent is named in it, dead or alive.
    """
    if body is None:
        left = DEFAULT_LEASE + GRACE - age
        return Take(WhyTaken.EXPIRED) if left < 0 else Refuse(WhyRefused.UNREADABLE, None, left)
    if from_nobody_else and steal != body.agent_id:
        return Refuse(WhyRefused.ANOTHER, body, max(body.lease_seconds + GRACE - age, 0.0))
    if steal is not None and steal == body.agent_id and body.state == "held":
        return Take(WhyTaken.STOLEN)
    if body.version > VERSION:
        return Refuse(WhyRefused.NEWER, body, math.inf)
    if body.state == "released":
        return Take(WhyTaken.RELEASED)
    left = body.lease_seconds + GRACE - age
    if left < 0:
        return Take(WhyTaken.EXPIRED)
    if body.pid and identity.shares_processes_with(body.process) and not is_running(body.pid, body.started):
        return Take(WhyTaken.DEAD)
    return Refuse(WhyRefused.HELD, body, left)


def may_unlock(body: LockBody | None, *, age: float, silence: float | None, agent: str) -> Refuse | None:
    """Decide whether a person may have a lock that is held given back, unasked.

    Args:
        body: what the lock says; None if it is unreadable.
        age: seconds since it was written, by the store's own clock.
        silence: seconds since the last segment of its holder's log was, by the same; None: there is none.
        agent: whom the person names as the holder.

    Returns:
        Why not; `WhyRefused.ALIVE` where the person may insist. None: it may be taken.
    """
    if body is None:
        return None  # `may_take` has it wait
    left = max(body.lease_seconds + GRACE - age, 0.0)
    if body.agent_id != agent:
        return Refuse(WhyRefused.ANOTHER, body, left)
    lately = min(age, math.inf if silence is None else silence)
    return Refuse(WhyRefused.ALIVE, body, left) if lately < ACTIVE_LATELY else None


def next_epoch(body: LockBody | None, *seen: int | None) -> int:
    """Epoch of a new owner: one more than any that was ever seen.

    Args:
        body: the lock as read; None where it is missing or unreadable.
        seen: the highest epochs of the client logs, of the indexes and of the receipts; None for none.
            They keep the epoch from turning back when the lock was deleted or garbled.

    Raises:
        EpochsExhausted: there is none left.
    """
    epoch = 1 + max((body.epoch if body else 0), 0, *(number or 0 for number in seen))
    if epoch > MAX_EPOCH:
        raise EpochsExhausted(f"epoch {epoch} is beyond the last one, {MAX_EPOCH}")
    return epoch


class ReadBack(Enum):
    """The owner of the lock, read back after a write that was refused or whose answer was lost."""

    MINE = "this very write is what is there"
    MINE_WRITE_AGAIN = "an earlier write of mine is there: write again, on the ETag just read"
    NOT_MINE = "somebody else's, or given back"


def read_back(found: LockBody | None, *, wrote: LockBody) -> ReadBack:
    """Compare what is there with what was written: by agent, epoch and nonce, never by ETag alone.

    Args:
        found: the lock as read back; None where it is unreadable (or, for a holder, gone).
        wrote: the body of the write in question.
    """
    if found is None or (found.agent_id, found.epoch) != (wrote.agent_id, wrote.epoch):
        return ReadBack.NOT_MINE
    if (found.nonce, found.state) == (wrote.nonce, wrote.state):
        return ReadBack.MINE
    return ReadBack.MINE_WRITE_AGAIN if found.state == "held" else ReadBack.NOT_MINE


class LeaseStatus(Enum):
    """The duties of a holder."""

    FRESH = "nothing"
    REFRESH_DUE = "refresh; writes may go on"
    HOLD_WRITES = "refresh; start no new write before it is confirmed"
    EXPIRED = "write nothing; one refresh on the own ETag decides whether the lock is lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """The holder's own view of its lease. A confirmed write makes a new one.

    Attributes:
        seconds: how long it lasts.
        monotonic: the monotonic clock just *before* the last confirmed write was sent, in seconds.
        wall: the wall clock at the same moment, in seconds since the Unix epoch.
    """

    seconds: float
    monotonic: float
    wall: float

    def age(self, monotonic: float, wall: float) -> float:
        """Seconds since the last confirmed write was sent, by the clock that went further.

        The monotonic clock may stand still while a laptop sleeps; the wall clock may be set back.
        """
        return max(monotonic - self.monotonic, wall - self.wall)

    def status(self, monotonic: float, wall: float) -> LeaseStatus:
        """The holder's duty at this moment."""
        age = self.age(monotonic, wall)
        if age >= self.seconds:
            return LeaseStatus.EXPIRED
        if age >= self.seconds / 2:
            return LeaseStatus.HOLD_WRITES
        if age >= self.seconds / 4:
            return LeaseStatus.REFRESH_DUE
        return LeaseStatus.FRESH

    def refresh_in(self, monotonic: float, wall: float) -> float:
        """Seconds until a refresh is due; 0 if it is now."""
        return max(0.0, self.seconds / 4 - self.age(monotonic, wall))
