"""Whatever happens to network and validators, all is judged, and nothing that is judged already."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.memory import MemoryBucket, MemoryStore, VirtualClock
from hypothesis import given, settings
from hypothesis import strategies as st
from validator.by_hand import LAYOUT, Client, Inline

from upload_client.control.log import LogReader
from upload_client.core.records import Cursor, Found, Record, Stop, Transferred, Verdict
from upload_client.core.uploads import Upload
from upload_client.errors import DeliveryError
from upload_client.validator.checks import Judgement
from upload_client.validator.judging import Judging
from upload_client.validator.pipeline import Validator

LEASE = 60


class Delivery:
    """A client by hand, validators that come and go, and a network that loses what it is told to lose."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.control = MemoryBucket(self.store, LAYOUT.root)
        # The client, and whoever looks, are not what is tested: their network is sound.
        sound = MemoryStore(self.clock, objects=self.store.objects)
        self.client = Client(MemoryBucket(sound, LAYOUT.root), MemoryBucket(sound, "landing/"))
        self.client.clock = self.clock
        self.client.begin()
        self.uploads: dict[str, Upload] = {}
        self.asks: dict[str, int] = {}
        self.validator: Validator | None = None
        self.n_validators = 0

    def judge(self, path: str, announced: Upload) -> Judgement:
        said = [verdict for verdict in self.client.verdicts() if verdict.upload == announced.id]
        assert not said, "it was judged already, and the log says so"
        return Judgement("ok", "", Found(announced.size, announced.crc32, announced.etag))

    def stop(self) -> None:
        pass

    def announce(self, path: str) -> None:
        self.uploads[path] = self.client.deliver(path, f"{path} {self.client.n}".encode())
        self.asks[path] = 0

    def ask_again(self, path: str) -> None:
        if path in self.uploads:
            self.asks[path] += 1
            self.client.announce(path, self.uploads[path], self.asks[path])

    def work(self, n_steps: int) -> None:
        for _ in range(n_steps):
            if self.validator is None:
                self.n_validators += 1
                validator = Validator(
                    self.control,
                    LAYOUT,
                    Judging(self, Inline(), clock=self.clock),
                    validator_id=f"validator{self.n_validators}",
                    client_epoch=1,
                    lease_seconds=LEASE,
                    poll_longest_seconds=1.0,
                    clock=self.clock,
                )
                try:
                    validator.begin()
                except DeliveryError:
                    self.clock.advance(LEASE + 3)  # what it may have locked is free after that
                    continue
                self.validator = validator
            try:
                wait = self.validator.step()
            except DeliveryError:
                wait, self.validator = LEASE + 3, None
            else:
                if self.validator.outcome is not None:
                    self.validator = None
            self.clock.advance(min(wait, 1.0) + 0.001)

    def kill(self) -> None:
        """The validator is gone without a word; its lock is there until its lease has ended."""
        self.validator = None
        self.clock.advance(LEASE + 3)

    def segments(self) -> Iterator[tuple[int, Record]]:
        reader = LogReader(self.client.control, LAYOUT.client_log(), writer="client", clock=self.clock)
        for segment in reader.read_all():
            for record in segment.records:
                yield segment.header.seq, record


PATHS = st.sampled_from(["a.csv", "b.csv", "c.csv"])
EVENTS = st.one_of(
    st.tuples(st.just("announce"), PATHS),
    st.tuples(st.just("ask again"), PATHS),
    st.tuples(st.just("work"), st.integers(1, 6)),
    st.tuples(st.just("kill"), st.none()),
    st.tuples(
        st.just("network"), st.lists(st.sampled_from(["ok", "ok", "lost", "mute"]), min_size=1, max_size=7)
    ),
)


@pytest.mark.heavy
@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_all_is_judged_and_nothing_that_the_log_says_was_judged(events):
    delivery = Delivery()
    n_requests = 0

    def fate(_operation: str, _key: str) -> str:
        nonlocal n_requests
        n_requests += 1
        return network[n_requests % len(network)]

    network = ["ok"]
    delivery.store.fate = fate
    for event, argument in events:
        if event == "announce":
            delivery.announce(argument)
        elif event == "ask again":
            delivery.ask_again(argument)
        elif event == "work":
            delivery.work(argument)
        elif event == "kill":
            delivery.kill()
        else:
            network = argument
    network = ["ok"]
    delivery.client.stop()
    for _ in range(60):
        delivery.work(10)
        if any(isinstance(record, Stop) for record in delivery.client.heard()):
            break

    heard = delivery.client.heard()  # which also says that the log is one sound chain
    assert any(isinstance(record, Stop) for record in heard)
    answered = {(verdict.path, verdict.upload): verdict.ask for verdict in delivery.client.verdicts()}
    for path, upload in delivery.uploads.items():
        assert answered[path, upload.id] == delivery.asks[path]

    last_announced = {}
    for seq, record in delivery.segments():
        if isinstance(record, Transferred) and record.upload == delivery.uploads[record.path].id:
            last_announced[record.path] = seq
    judged = set()
    for record in heard:
        if isinstance(record, Verdict):
            judged.add((record.path, record.upload))
        elif isinstance(record, Cursor):
            beyond = {path for path, seq in last_announced.items() if seq <= record.seq}
            assert {(path, delivery.uploads[path].id) for path in beyond} <= judged, "the cursor was ahead"
