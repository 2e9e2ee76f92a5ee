"""An observer reads what lies in the control bucket, and says what becomes of whatever lies there."""

from __future__ import annotations

import hashlib

import pytest
from faults.memory import MemoryBucket, MemoryStore, VirtualClock

from upload_client.control.checkpoints import read_logs, write_checkpoint
from upload_client.core.checkpoint import Checkpoint
from upload_client.core.closing import Closed
from upload_client.core.delivery_status import DeliveryPhase, as_json
from upload_client.core.hand_over import HandOver
from upload_client.core.layout import Layout, segment_key
from upload_client.core.lease import LockBody
from upload_client.core.record_encoding import encode
from upload_client.core.records import Failed, Found, Init, Stop, Transferred, Verdict
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.times import timestamp
from upload_client.core.uploads import Upload
from upload_client.reports.observer import StatusReporter
from upload_client.s3.bucket import AccessDenied

CRC, ETAG = "yH2GHg==", "ab" * 16
LAYOUT = Layout("toy", "d1", "staging", landing_prefix="{dataset}/{delivery_id}/")


class World:
    """A delivery of some files in a bucket in memory."""

    def __init__(self, n_files: int = 4) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.bucket = MemoryBucket(self.store, LAYOUT.root)
        self.chains = {"client": LogChain("client"), "validator": LogChain("validator")}
        self.names = [f"f{n}" for n in range(n_files)]

    def now(self) -> str:
        return timestamp(self.clock.wall())

    def append(self, writer: str, *records, epoch: int = 1) -> None:
        chain = self.chains[writer]
        header = chain.header(
            agent_id=f"agent{epoch}", epoch=epoch, client_epoch=1 if writer == "validator" else None
        )
        data = encode_segment(header, map(encode, records))
        prefix = LAYOUT.client_log() if writer == "client" else LAYOUT.validator_log()
        self.bucket.put(segment_key(prefix, header.seq), data)
        chain.appended(header, data)

    def lock(self, state: str = "held", key: str = LAYOUT.owned, epoch: int = 1, **more) -> None:
        now = self.now()
        body = LockBody(
            agent_id=f"agent{epoch}",
            nonce="n",
            epoch=epoch,
            state=state,
            host="ship",
            machine_id=None,
            boot_id=None,
            pid_ns=None,
            pid=7,
            started=None,
            user="maria",
            acquired_at=now,
            refreshed_at=now,
            **more,
        )
        self.bucket.put(key, body.encode())

    def plan(self, epoch: int = 1, body: bytes | None = None) -> None:
        rows = "".join(f"{name},,9,true\n" for name in self.names)
        data = f"path,checksum,size,will_transfer\n{rows}".encode()
        key = LAYOUT.index(epoch)
        self.bucket.put(key, data if body is None else body)
        sha256 = hashlib.sha256(data).hexdigest()
        self.append(
            "client", Init(self.now(), epoch, key, sha256, len(self.names), 9 * len(self.names)), epoch=epoch
        )

    def send(self, n: int, epoch: int = 1) -> None:
        self.append(
            "client", Transferred(self.now(), f"f{n}", Upload(epoch, n, 9, CRC, ETAG), 0), epoch=epoch
        )

    def judge(self, n: int, status: str = "ok", epoch: int = 1) -> None:
        said = Verdict(
            self.now(),
            f"f{n}",
            f"{epoch}-{n}",
            0,
            status,
            "" if status == "ok" else "torn",
            Found(9, CRC, ETAG),
        )
        self.append("validator", said)

    def look(self, observer: StatusReporter | None = None):
        """What an observer says, and what it asked the store for."""
        self.store.log.clear()
        return (observer or StatusReporter(self.bucket, LAYOUT, self.clock)).look()

    def asked(self) -> list[tuple[str, str]]:
        return [(op, key) for op, key, _ in self.store.log]


@pytest.fixture
def world() -> World:
    return World()


def test_a_delivery_that_is_not_there_is_missing(world):
    assert world.look().phase is DeliveryPhase.MISSING
    world.bucket.put("probe/x", b"")
    assert world.look().phase is DeliveryPhase.NOT_BEGUN


def test_an_observer_writes_nothing(world):
    world.lock()
    world.plan()
    world.send(0)
    assert world.look().files == {"ready": 3, "failed": 0, "done": 1, "valid": 0, "invalid": 0, "total": 4}
    assert {op for op, _ in world.asked()} <= {"GET", "LIST", "HEAD"}


def test_a_second_look_reads_what_is_new_alone(world):
    world.lock()
    world.plan()
    world.send(0)
    observer = StatusReporter(world.bucket, LAYOUT, world.clock)
    assert world.look(observer).files["done"] == 1
    world.send(1)
    world.judge(0)
    found = world.look(observer)
    assert (found.files["done"], found.files["valid"]) == (1, 1)
    fetched = [key.removeprefix(LAYOUT.root) for op, key in world.asked() if op == "GET"]
    assert [key for key in fetched if "/log/" in key or "/index/" in key] == [
        segment_key(LAYOUT.client_log(), 2),
        segment_key(LAYOUT.validator_log(), 0),
    ]
    assert [file.state for file in observer.files(live=True)] == ["valid", "done", "ready", "ready"]


def test_a_later_run_brings_a_later_index(world):
    world.plan()
    observer = StatusReporter(world.bucket, LAYOUT, world.clock)
    assert world.look(observer).files["total"] == 4
    world.names.append("f4")
    world.plan(epoch=2)
    assert world.look(observer).files["total"] == 5


def test_a_long_log_is_read_from_its_checkpoint(world):
    world.names = [f"f{n}" for n in range(60)]
    world.plan()
    for n in range(50):
        world.send(n)
    world.append("client", Failed(world.now(), "f55", "no permission", 0))
    world.judge(0)
    history = read_logs(world.bucket, LAYOUT, {}, world.clock).history
    client, validator = (world.chains[writer].copy() for writer in ("client", "validator"))
    made = write_checkpoint(world.bucket, LAYOUT, Checkpoint(history, client, {0: validator}), world.now())
    world.append("client", made, Stop(world.now(), "interrupted"))
    found = world.look()
    assert found.files == {"ready": 9, "failed": 1, "done": 49, "valid": 1, "invalid": 0, "total": 60}
    # What came behind it; and whether the validator's last segment is there still.
    fetched = [key.removeprefix(LAYOUT.root) for op, key in world.asked() if op == "GET" and "/log/" in key]
    assert fetched == [segment_key(LAYOUT.client_log(), 52), segment_key(LAYOUT.validator_log(), 0)]


@pytest.mark.parametrize("harm", ["gap", "link", "garbage"])
def test_a_broken_log_is_named_and_believed_no_more(world, harm):
    world.lock()
    world.plan()
    for n in range(3):
        world.send(n)
    key = segment_key(LAYOUT.client_log(), 2)
    observer = StatusReporter(world.bucket, LAYOUT, world.clock)
    if harm == "gap":
        world.bucket.rm(key)
    elif harm == "link":
        world.bucket.put(key, world.bucket.read(key).replace(b'"f1"', b'"f9"'))
    else:
        world.bucket.put(key, b"\xff\x00")
    for _ in range(2):
        found = world.look(observer)
        assert found.phase is DeliveryPhase.LOG_BROKEN
        assert found.lock is not None
        assert segment_key(LAYOUT.client_log(), 3 if harm == "link" else 2) in found.problems[0].what
        assert observer.history is None
        assert list(observer.files(live=False)) == []


def test_a_log_that_breaks_while_somebody_looks_on_is_noticed(world):
    world.plan()
    observer = StatusReporter(world.bucket, LAYOUT, world.clock)
    assert world.look(observer).phase is DeliveryPhase.BROKEN_OFF
    world.bucket.put(segment_key(LAYOUT.client_log(), 1), b"nonsense")
    assert world.look(observer).phase is DeliveryPhase.LOG_BROKEN


@pytest.mark.parametrize("body", [b"garbage", b"x" * 5000, b"{}", b"[" * 3000])
def test_a_lock_that_cannot_be_read_is_said_to_be(world, body):
    world.plan()
    world.bucket.put(LAYOUT.owned, body)
    found = world.look()
    assert found.lock is not None
    assert found.lock.state == "unreadable"


@pytest.mark.parametrize("harm", ["other", "none", "elsewhere"])
def test_an_index_that_is_not_the_one_the_log_names_is_not_believed(world, harm):
    if harm == "elsewhere":
        world.append("client", Init(world.now(), 1, "owned", "0" * 64, 7, 63))
    else:
        world.plan(body=b"path,checksum,size,will_transfer\nevil,,1,true\n")
    if harm == "none":
        world.bucket.rm(LAYOUT.index(1))
    world.send(0)
    found = world.look()
    assert (found.files["total"], found.files["done"]) == (7 if harm == "elsewhere" else 4, 1)


def test_what_is_damaged_within_a_sound_index_is_no_index(world):
    data = b"no index at all"
    world.bucket.put(LAYOUT.index(1), data)
    world.append("client", Init(world.now(), 1, LAYOUT.index(1), hashlib.sha256(data).hexdigest(), 7, 63))
    assert world.look().files["total"] == 7


def test_a_lock_of_the_sample_is_told_apart(world):
    world.plan()
    world.append("client", Stop(world.now(), "complete"))
    header = LogChain("client").header(agent_id="agent2", epoch=2)
    world.bucket.put(segment_key(LAYOUT.client_log("sample"), 0), encode_segment(header))
    world.lock(epoch=2)
    found = world.look()
    assert (found.phase, found.lock and found.lock.for_other_type) == (DeliveryPhase.ENDED, True)
    world.lock(epoch=3)  # not in its log so far: it may be about to begin here
    found = world.look()
    assert (found.phase, found.lock and found.lock.for_other_type) == (DeliveryPhase.PREPARING, False)


def test_a_lock_that_says_whose_it_is_needs_no_look_into_the_other_log(world, monkeypatch):
    world.plan()
    world.append("client", Stop(world.now(), "complete"))
    world.lock(epoch=2, transfer_type="sample")
    monkeypatch.setattr("upload_client.reports.observer.last_epoch", None)
    found = world.look()
    assert (found.phase, found.lock and found.lock.for_other_type) == (DeliveryPhase.ENDED, True)


def test_the_last_receipt_is_found_and_nothing_else_taken_for_one(world):
    world.plan()
    for epoch in (1, 2):
        world.bucket.put(LAYOUT.receipt(epoch), b"{}")
    world.bucket.put(f"{LAYOUT.receipt_prefix}zzz", b"{}")
    found = world.look()
    assert found.receipt is not None
    assert (found.receipt.key, found.receipt.epoch) == (LAYOUT.receipt(2), 2)


def test_where_the_last_receipt_was_handed_over_is_found(world):
    world.plan()
    world.bucket.put(LAYOUT.receipt(2), b"{}")
    assert world.look().hand_over is None
    world.bucket.put(LAYOUT.hand_over(2), b"{}")
    assert world.look().hand_over is None  # it is no record
    record = HandOver(
        *(LAYOUT.dataset, LAYOUT.delivery_id, LAYOUT.transfer_type, 2, LAYOUT.receipt(2), "a" * 64),
        *("s3://landing/", "s3://archive/", 1, 2, "b" * 64, "2026-01-02T03:04:05.678Z", "agent"),
    )
    world.bucket.put(LAYOUT.hand_over(2), record.encode())
    assert world.look().hand_over == record
    world.bucket.put(LAYOUT.receipt(3), b"{}")
    assert world.look().hand_over is None  # of an earlier one


@pytest.mark.parametrize("body", [Closed("2026-01-02T03:04:05.678Z", "thank you").encode(), b"x" * 10_000])
def test_a_closed_delivery_is_told_and_nobody_is_sent_to_run_it_again(world, body):
    world.plan()
    assert world.look().closed is None
    world.bucket.put(LAYOUT.closed, body)
    found = world.look()
    assert found.closed is not None
    assert "the receiver has taken this delivery over and closed it" in found.headline
    assert not any("same command" in problem.todo for problem in found.problems)
    assert as_json(found)["closed"] == {"at": found.closed.at, "note": found.closed.note, "removed": ""}


def test_who_may_not_read_the_validators_lock_sees_the_rest(world, monkeypatch):
    world.lock()
    world.plan()
    get = world.bucket.get

    def refuse(key, **options):
        if key == forbidden:
            raise AccessDenied("403")
        return get(key, **options)

    monkeypatch.setattr(world.bucket, "get", refuse)
    forbidden = LAYOUT.validator_lock()
    assert world.look().phase is DeliveryPhase.TRANSFERRING
    forbidden = LAYOUT.owned
    with pytest.raises(AccessDenied):
        world.look()
