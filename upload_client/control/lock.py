"""`Lock`: the lock object of a delivery.

The decisions are `upload_client.core.lease`'s.
"""

from __future__ import annotations

import getpass
import logging
import math
import platform
import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from upload_client.control.identity import current_process, is_running
from upload_client.control.log import last_epoch
from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import OWNED, Layout, number
from upload_client.core.lease import (
    MAX_BODY,
    MAX_EPOCH,
    EpochsExhausted,
    Lease,
    LeaseStatus,
    LockBody,
    ProcessIdentity,
    ReadBack,
    Refuse,
    Take,
    WhyRefused,
    WhyTaken,
    may_take,
    next_epoch,
    read_back,
)
from upload_client.core.times import timestamp
from upload_client.errors import EpochRefused, HolderAlive, Locked, LockLost
from upload_client.s3.bucket import (
    AnswerLost,
    Bucket,
    ConditionalConflict,
    NotFound,
    ObjectTooLarge,
    PreconditionFailed,
    repeat_while_lost,
)
from upload_client.support.background import Background
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)

LockState = Literal["free", "held", "released", "lost"]

LAST_CHANCE = 30.0
"""Seconds past the end of the lease in which a refresh that finds no answer is tried again.

A laptop that wakes up has no network at first. Nothing is written meanwhile, and the first answer decides.
"""

_WRITES = 4  # attempts on ETags read back, within one refresh


@dataclass(frozen=True, slots=True)
class _Found:
    """The lock object as read: `body` is None where it is unreadable; times by the store's clock."""

    body: LockBody | None
    etag: str
    age: float
    date: float


class Lock:
    """The lock of one delivery: a lease with a fencing number, in one object of the control bucket.

    `may_write` may be read by any thread at any time. The other methods may be called from any thread too;
    they wait for each other.

    Args:
        bucket: The control bucket, at the delivery's root.
        key: Of the lock object, relative to the root.
        agent_id: Of this run.
        lease_seconds: How long others wait for a sign of life, 30 to 3,600.
        clock: The machine's.
        identity: Which process this is; None: asked of the machine.
        transfer_type: Told in the lock: its holder delivers the whole (``staging``) or the ``sample``,
            which share the client's lock; None: neither is.

    Attributes:
        epoch: The fencing number, 0 before the lock is held.
        state: ``free`` (not taken yet), ``held``, ``released`` or ``lost``.
        stolen: Whether it was taken from a holder that may live, so that a fence is due in every log.
        lost: Why the lock is lost, once it is.
        trouble: Why the last refresh was not confirmed; None once one is.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        agent_id: str,
        lease_seconds: int,
        clock: Clock = SYSTEM,
        identity: ProcessIdentity | None = None,
        transfer_type: TransferType | None = None,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._agent_id = agent_id
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._identity = identity or current_process()
        self._transfer_type = transfer_type
        self._mutex = threading.RLock()
        self._lease: Lease | None = None  # replaced as a whole, so that it can be read without the mutex
        self._body: LockBody | None = None  # the last write that is confirmed
        self._etag = ""  # of that write
        self._nonces: set[str] = set()  # of that write and of all since then
        self._next_try = -math.inf  # by the monotonic clock
        self._expired_since: float | None = None  # by the monotonic clock
        self._giving_back = False
        self._background = Background(self.step, f"lock {key}", longest=1.0)
        self.epoch = 0
        self.state: LockState = "free"
        self.stolen = False
        self.lost: LockLost | None = None
        self.trouble: Exception | None = None

    @property
    def may_write(self) -> bool:
        """Whether a new write may begin now. It is called before each write, and reads two clocks."""
        lease = self._lease
        if lease is None:
            return False
        status = lease.status(self._clock.monotonic(), self._clock.wall())
        return status is LeaseStatus.FRESH or status is LeaseStatus.REFRESH_DUE

    @property
    def lease_left(self) -> float | None:
        """Seconds until others may take the lock if it is not refreshed; None where it is not held."""
        lease = self._lease
        if lease is None:
            return None
        return max(lease.seconds - lease.age(self._clock.monotonic(), self._clock.wall()), 0.0)

    def check_held(self) -> None:
        """Raise `LockLost` unless the lock is held, as far as is known here."""
        if self.lost is not None:
            raise self.lost
        if self.state != "held":
            raise LockLost(f"the lock {self._where} is not held: it is {self.state}")

    def acquire(self, floor: int, *, steal: str | None = None, from_nobody_else: bool = False) -> int:
        """Take the lock.

        Args:
            floor: The highest epoch that logs, indexes and receipts know of (`epoch_floor`).
            steal: The agent from whom to take the lock although it is held.
            from_nobody_else: Whether to leave it alone where it is another agent's, held or not.

        Returns:
            The epoch: higher than any before.

        Raises:
            Locked: Somebody else has it.
            StoreError: The store did not answer; the lock may have been taken all the same: `release`
                gives it back in that case.
        """
        with self._mutex:
            if self.state != "held":
                self._giving_back = False
                repeat_while_lost(
                    lambda: self._claim(floor, steal, from_nobody_else=from_nobody_else), self._clock
                )
            return self.epoch

    def check_free(self, *, besides: TransferType | None = None) -> None:
        """Make sure that nobody alive has the lock, and take nothing.

        Args:
            besides: Of whom it may be held all the same: a holder that says that this is what it delivers.

        Raises:
            Locked: Somebody has it.
            StoreError: The store did not answer.
        """
        found = repeat_while_lost(self._read, self._clock)
        if found is None or (found.body is not None and besides and found.body.transfer_type == besides):
            return
        decision = may_take(found.body, age=found.age, identity=self._identity, is_running=is_running)
        if isinstance(decision, Refuse):
            raise self._locked(decision, found.date)

    def refresh(self) -> None:
        """Renew the lease now.

        Raises:
            LockLost: The lock is somebody else's, or gone.
            StoreError: The store did not answer; the lease goes on as it was.
        """
        with self._mutex:
            self.check_held()
            repeat_while_lost(self._renew, self._clock)

    def release(self, *, timeout: float = 10.0) -> None:
        """Give the lock back. From the first moment on nothing may be written.

        Does nothing where the lock is not held.

        Args:
            timeout: Seconds to wait for a refresh that is under way.

        Raises:
            LockLost: The lock was somebody else's already.
            StoreError: The store did not answer; this may be called again. Others wait for the lease
                to end.
        """
        self._giving_back = True
        self._lease = None
        self.stop()
        if not self._mutex.acquire(timeout=timeout):
            raise AnswerLost(f"the lock {self._where} is not given back: a refresh hangs")
        try:
            if self.state in {"released", "lost"} or not self._nonces:
                return
            repeat_while_lost(self._give_back, self._clock)
            _log.info("lock %s given back", self._where)
        finally:
            self._mutex.release()

    def step(self) -> float:
        """Refresh the lease if it is due. This is what the thread does again and again.

        Returns:
            Seconds until there is something to do again; infinite where the lock is not held.
        """
        with self._mutex:
            lease = self._lease
            if lease is None:
                return math.inf
            now, wall = self._clock.monotonic(), self._clock.wall()
            status = lease.status(now, wall)
            if status is LeaseStatus.FRESH:
                return lease.refresh_in(now, wall)
            if now < self._next_try:
                return self._next_try - now
            if status is LeaseStatus.EXPIRED and self._expired_since is None:
                self._expired_since = now
            try:
                self._renew()
            except LockLost:
                return math.inf
            except Exception as error:  # noqa: BLE001 - whatever it is, only the lease decides what it means
                return self._unconfirmed(error, lease)
            return lease.seconds / 4

    def start(self) -> None:
        """Start a daemon thread that calls `step` whenever it is due."""
        self._background.start()

    def stop(self) -> None:
        """Stop the thread; it ends at the latest with the request it is waiting for."""
        self._background.stop()

    @property
    def _where(self) -> str:
        return f"{self._bucket.prefix}{self._key}"

    def _claim(self, floor: int, steal: str | None, *, from_nobody_else: bool) -> None:
        """Look at the lock, and take it if that is right.

        Raises:
            ConditionalConflict: It has changed since that look.
        """
        found = self._read()
        etag = found.etag if found else None
        if found is None:
            epoch = next_epoch(None, floor)
        elif found.body is not None and found.body.nonce in self._nonces and found.body.state == "held":
            epoch = found.body.epoch  # written by an earlier attempt: its answer was lost
        else:
            decision = may_take(
                found.body,
                age=found.age,
                identity=self._identity,
                is_running=is_running,
                steal=steal,
                from_nobody_else=from_nobody_else,
            )
            self.stolen = isinstance(decision, Take) and decision.why is WhyTaken.STOLEN
            if isinstance(decision, Refuse):
                raise self._locked(decision, found.date)
            epoch = self._next_epoch(found.body, floor)
        now = self._now()
        body = LockBody(
            agent_id=self._agent_id,
            nonce=_nonce(),
            epoch=epoch,
            state="held",
            host=platform.node(),
            machine_id=self._identity.machine_id,
            boot_id=self._identity.boot_id,
            pid_ns=self._identity.pid_ns,
            pid=self._identity.pid,
            started=self._identity.started,
            user=_user(),
            acquired_at=now,
            refreshed_at=now,
            lease_seconds=self._lease_seconds,
            clock_ahead=self._clock_ahead(),
            transfer_type=self._transfer_type,
        )
        if not self._write(body, etag):
            raise ConditionalConflict(f"the lock {self._where} was taken at this moment")
        self.epoch = epoch
        self.state = "held"
        self.lost = None
        _log.info("lock %s taken, epoch %d", self._where, epoch)

    def _next_epoch(self, body: LockBody | None, floor: int) -> int:
        try:
            return next_epoch(body, floor)
        except EpochsExhausted:
            raise EpochRefused(self._where, MAX_EPOCH) from None

    def _renew(self) -> None:
        """Write the lock again.

        Raises:
            LockLost: It is not ours any more.
            StoreError: It is unknown whether it is.
        """
        assert self._body is not None
        if not self._write(self._next(self._body), self._etag):
            raise self._lose(self._read())

    def _give_back(self) -> None:
        """Write that the lock is free, if it is ours; also where only a lost answer says that it is."""
        last = self._body
        # Where no answer is missing, nobody has to look what is there.
        known = last is not None and last.state == "held" and self._nonces == {last.nonce}
        if known and last and self._write(last.released(nonce=_nonce(), at=self._now()), self._etag):
            self.state = "released"
            return
        found = self._read()
        if found is not None and found.body is not None and found.body.nonce in self._nonces:
            if found.body.state == "released":  # an earlier attempt: its answer was lost
                self.state = "released"
                return
            if self._write(found.body.released(nonce=_nonce(), at=self._now()), found.etag):
                self.state = "released"
                return
            found = self._read()
        if self.state == "held":
            raise self._lose(found)

    def _write(self, body: LockBody, etag: str | None) -> bool:
        """Write the lock on the condition that it is still `etag` (None: not there).

        Returns:
            Whether it is ours now; False: somebody else's.

        Raises:
            StoreError: That is unknown.
        """
        for _ in range(_WRITES):
            sent = Lease(body.lease_seconds, self._clock.monotonic(), self._clock.wall())
            self._nonces.add(body.nonce)
            try:
                etag = self._bucket.put(
                    self._key,
                    body.encode(),
                    if_none_match=etag is None,
                    if_match=etag,
                    content_type="application/json",
                ).etag
            except (PreconditionFailed, ConditionalConflict, NotFound, AnswerLost) as error:
                refused = error
                found = self._read()
                outcome = read_back(found.body if found else None, wrote=body)
                if found is None or found.body is None or outcome is ReadBack.NOT_MINE:
                    unchanged = etag == (found.etag if found else None)
                    if unchanged and isinstance(refused, ConditionalConflict | AnswerLost):
                        raise
                    return False
                etag = found.etag
                if outcome is ReadBack.MINE_WRITE_AGAIN:
                    # The agent's name may be given by a person, and twice: only our own nonces are ours.
                    if found.body.nonce not in self._nonces:
                        return False
                    body = replace(body, nonce=_nonce())
                    continue
            self._confirmed(body, etag, sent)
            return True
        raise refused

    def _confirmed(self, body: LockBody, etag: str, sent: Lease) -> None:
        self._body, self._etag = body, etag
        self._nonces = {body.nonce}
        self._next_try = -math.inf
        self._expired_since = None
        self.trouble = None
        self._lease = sent if body.state == "held" and not self._giving_back else None

    def _unconfirmed(self, error: Exception, lease: Lease) -> float:
        """Note that a refresh found no answer; give the seconds until the next."""
        now = self._clock.monotonic()
        self.trouble = error
        _log.info("lock %s not refreshed: %s", self._where, error)
        if self._expired_since is not None and now - self._expired_since >= LAST_CHANCE:
            self._lose(None, error)
            return math.inf
        pause = lease.seconds / 40
        self._next_try = now + pause
        return pause

    def _lose(self, found: _Found | None, trouble: Exception | None = None) -> LockLost:
        """Note that the lock is lost, and why."""
        self._lease = None
        self.state = "lost"
        if trouble is not None:
            why = f"it could not be refreshed in time: {trouble}"
        elif found is None:
            why = "it is gone"
        elif found.body is None:
            why = "it was overwritten with something unreadable"
        else:
            why = f"agent {found.body.agent_id} has it, epoch {found.body.epoch}, {found.body.state}"
        self.lost = LockLost(f"the lock {self._where} of agent {self._agent_id} is lost: {why}")
        self.lost.__cause__ = trouble
        _log.warning("%s", self.lost)
        return self.lost

    def _locked(self, refusal: Refuse, date: float) -> Locked:
        return locked(self._where, refusal, date)

    def _read(self) -> _Found | None:
        """Read the lock; None if there is none."""
        try:
            fetched = self._bucket.get(self._key, limit=MAX_BODY)
            body = LockBody.decode(fetched.body)
        except NotFound as error:
            if error.s3_code == "NoSuchBucket":
                raise
            return None
        except ObjectTooLarge as error:
            fetched, body = error.found, None
        return _Found(body, fetched.etag, fetched.date - fetched.last_modified, fetched.date)

    def _now(self) -> str:
        return timestamp(self._clock.written())

    def _clock_ahead(self) -> float | None:
        ahead = self._clock.clock_ahead
        return None if ahead is None else round(ahead, 1)

    def _next(self, body: LockBody) -> LockBody:
        return body.refreshed(nonce=_nonce(), at=self._now(), clock_ahead=self._clock_ahead())


def locked(where: str, refusal: Refuse, date: float) -> Locked:
    """Say who has a lock, and until when at least.

    Args:
        where: Key of the lock object.
        refusal: Why it may not be taken.
        date: When it was looked at, Unix seconds, by the store's clock.
    """
    where = where.rstrip("/").removesuffix(f"/{OWNED}")  # people know the delivery, not its lock
    left, holder = refusal.seconds_left, refusal.holder
    until = timestamp(date + left) if 0 < left < math.inf else ""
    why = "" if refusal.why is WhyRefused.HELD else refusal.why.value
    if holder is None:
        return Locked(where, until=until, why=why)
    kind = HolderAlive if refusal.why is WhyRefused.ALIVE else Locked
    return kind(
        where,
        agent_id=holder.agent_id,
        host=holder.host,
        user=holder.user,
        since=holder.acquired_at,
        until=until,
        transfer_type=holder.transfer_type or "",
        why=why,
    )


def epoch_floor(bucket: Bucket, layout: Layout, there: Collection[str] | None = None) -> int:
    """Find the highest epoch a delivery has seen, so that a lost or garbled lock cannot turn it back.

    Looks at the last segments of both client logs and at the numbers of all indexes and receipts.

    Args:
        bucket: The control bucket, at the delivery's root.
        layout: Of the delivery; its transfer type does not matter.
        there: What lies in the bucket, as `Bucket.ls` names it where it does not go into folders; None: it is
            asked for.

    Returns:
        The epoch, 0 if there is none.

    Raises:
        EpochRefused: One of them leaves none for anybody who comes now.
    """
    highest, where = 0, ""
    if there is None:
        there = bucket.ls(recursive=False)
    for transfer_type in TRANSFER_TYPES:
        if f"{transfer_type}/" not in there:
            continue  # as of a new delivery
        of_type = replace(layout, transfer_type=transfer_type)
        log = of_type.client_log()
        seen = [(last_epoch(bucket, log, writer="client"), log)]
        for prefix, key_of in (
            (of_type.index_prefix, of_type.index),
            (of_type.receipt_prefix, of_type.receipt),
        ):
            seen += [max(numbered(bucket, prefix, key_of), default=(0, ""))]
        highest, where = max([(highest, where), *seen])
    if highest >= MAX_EPOCH:
        raise EpochRefused(f"{bucket.prefix}{where}", highest)
    return highest


def numbered(bucket: Bucket, prefix: str, key_of: Callable[[int], str]) -> Iterator[tuple[int, str]]:
    """Find the epochs that keys are named after, each with its key; of other keys nothing is said.

    Args:
        bucket: The control bucket, at the delivery's root.
        prefix: What the keys begin with.
        key_of: Makes the key of an epoch.
    """
    for info in bucket.list(prefix):
        epoch = number(info.key)
        if epoch is not None and key_of(epoch) == info.key:
            yield epoch, info.key


def _nonce() -> str:
    return secrets.token_hex(16)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or no way to know
        return ""
