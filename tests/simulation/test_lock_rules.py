"""Any order of claims, refreshes, thefts, sleeps and lost answers: one may write, and epochs only grow."""

import contextlib
import itertools

from faults.memory import MemoryBucket, MemoryStore, VirtualClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from upload_client.control.lock import Lock
from upload_client.core.lease import LockBody, ProcessIdentity
from upload_client.errors import Locked, LockLost
from upload_client.s3.bucket import StoreError
from upload_client.support.clock import Clock

LEASE = 30
FATES = st.sampled_from(["ok", "ok", "ok", "lost", "mute"])


class MachineClock(Clock):
    """A machine's clocks: wrong by as much as they were when it started, and, asleep, standing still."""

    def __init__(self, true: VirtualClock, skew: float) -> None:
        self.true = true
        self.skew = skew
        self.slept = 0.0

    def wall(self) -> float:
        return self.true.wall() + self.skew

    def monotonic(self) -> float:
        return self.true.monotonic() - self.slept

    def sleep(self, seconds: float) -> None:
        self.true.advance(seconds)


class AnyHolders(RuleBasedStateMachine):
    """Several who want one lock, and a store that loses requests and answers."""

    holders = Bundle("holders")

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock, fate=lambda *_: self.fates.pop() if self.fates else "ok")
        self.fates: list[str] = []
        self.names = (f"agent{n}" for n in itertools.count())
        self.everyone: list[Lock] = []
        self.robbed: set[str] = set()
        self.epochs = [0]

    @rule(target=holders, skew=st.sampled_from([0.0, 1200.0, -1200.0]))
    def somebody_comes(self, skew):
        lock = Lock(
            MemoryBucket(self.store, "root/"),
            "owned",
            agent_id=next(self.names),
            lease_seconds=LEASE,
            clock=MachineClock(self.clock, skew),
            identity=ProcessIdentity(None, None, None, 1, None),
        )
        self.everyone.append(lock)
        return lock

    @rule(lock=holders, fates=st.lists(FATES, max_size=8))
    def claims(self, lock, fates):
        if lock.state == "free":
            self.asks(fates, lambda: lock.acquire(0))

    @rule(lock=holders, fates=st.lists(FATES, max_size=8))
    def steals(self, lock, fates):
        holder = self.body
        if lock.state == "free" and holder is not None:
            self.robbed.add(holder.agent_id)
            self.asks(fates, lambda: lock.acquire(0, steal=holder.agent_id))

    @rule(lock=holders, fates=st.lists(FATES, max_size=8))
    def does_what_is_due(self, lock, fates):
        self.asks(fates, lock.step)

    @rule(lock=consumes(holders), fates=st.lists(FATES, max_size=8))
    def gives_back(self, lock, fates):
        self.asks(fates, lock.release)
        assert not lock.may_write

    @rule(lock=consumes(holders))
    def dies(self, lock):
        self.everyone.remove(lock)

    @rule(lock=holders, seconds=st.sampled_from([3.0, 16.0, 31.0, 50.0]))
    def a_machine_sleeps(self, lock, seconds):
        lock._clock.slept += seconds
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([0.5, 4.0, 8.0, 16.0, 33.0]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    def asks(self, fates, call):
        self.fates = list(fates)
        with contextlib.suppress(Locked, LockLost, StoreError):
            call()
        self.fates = []

    @property
    def body(self) -> LockBody | None:
        found = self.store.objects.get("root/owned")
        return None if found is None else LockBody.decode(found[0])

    @invariant()
    def whoever_may_write_has_the_lock(self):
        """But for those who were robbed and have not noticed yet."""
        body = self.body
        for lock in self.everyone:
            if lock.may_write and lock._agent_id not in self.robbed:
                assert body is not None
                assert (body.agent_id, body.epoch) == (lock._agent_id, lock.epoch)

    @invariant()
    def epochs_only_grow(self):
        body = self.body
        if body is not None:
            assert body.epoch >= self.epochs[-1]
            self.epochs.append(body.epoch)

    @invariant()
    def nobody_shares_an_epoch(self):
        epochs = [lock.epoch for lock in self.everyone if lock.epoch]
        assert len(set(epochs)) == len(epochs)


TestAnyHolders = AnyHolders.TestCase
TestAnyHolders.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
