"""Logs are read from the last good checkpoint, and say the same without it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from faults.memory import MemoryBucket, MemoryStore, VirtualClock

from upload_client.control.checkpoints import read_logs, write_checkpoint
from upload_client.core.checkpoint import Checkpoint, encode_checkpoint
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, segment_key
from upload_client.core.record_encoding import encode
from upload_client.core.records import CheckpointMade, Found, Stop, Transferred, Verdict
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.uploads import Upload
from upload_client.errors import LogBroken

T = "2026-01-02T03:04:05.678Z"
CRC, ETAG = "yH2GHg==", "ab" * 16
LAYOUT = Layout("toy", "d1", "staging", landing_prefix="{dataset}/{delivery_id}/")
ROWS = {f"f{n}": n for n in range(40)}


class World:
    """A delivery of 40 files whose client has written a checkpoint half way."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.bucket = MemoryBucket(self.store, LAYOUT.root)
        self.chains = {"client": LogChain("client"), "validator": LogChain("validator")}
        self.files(0, 20)
        self.made = self.checkpoint()
        self.append("client", self.made)
        self.files(20, 40)

    def append(self, writer: str, *records, epoch: int = 1, link: bool = True) -> None:
        chain = self.chains[writer]
        serves = 1 if writer == "validator" else None
        header = chain.header(agent_id=f"agent{epoch}", epoch=epoch, client_epoch=serves)
        data = encode_segment(header, map(encode, records))
        prefix = LAYOUT.client_log() if writer == "client" else LAYOUT.validator_log()
        self.bucket.put(segment_key(prefix, header.seq), data)
        if link:
            chain.appended(header, data)

    def files(self, first: int, last: int) -> None:
        for n in range(first, last):
            self.append("client", Transferred(T, f"f{n}", Upload(1, n, 9, CRC, ETAG), 0))
            self.append("validator", Verdict(T, f"f{n}", f"1-{n}", 0, "ok", found=Found(9, CRC, ETAG)))

    def folded(self) -> Checkpoint:
        """What an honest client would put into a checkpoint now."""
        found = read_logs(self.bucket, LAYOUT, ROWS, self.clock)
        return Checkpoint(found.history, self.chains["client"].copy(), {0: self.chains["validator"].copy()})

    def checkpoint(self) -> CheckpointMade:
        return write_checkpoint(self.bucket, LAYOUT, self.folded(), T)

    def says(self) -> object:
        found = read_logs(self.bucket, LAYOUT, ROWS, self.clock)
        history = found.history
        chain = found.validators[0].chain
        return (
            [history.at(row) for row in ROWS.values()],
            len(history),
            history.n_unjudged,
            history.clients,
            history.validators,
            (chain.next_seq, chain.tail_sha, chain.highest_epoch, chain.highest_agent),
        )

    def segments_read(self) -> int:
        self.store.log.clear()
        found = read_logs(self.bucket, LAYOUT, ROWS, self.clock)
        assert found.n_segments == sum(op == "GET" and "/log/" in key for op, key, _ in self.store.log)
        return found.n_segments


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def truth(world: World) -> object:
    bare = World()
    for key in list(bare.store.objects):
        if "/checkpoint/" in key:
            del bare.store.objects[key]
    assert bare.segments_read() == 81
    return bare.says()


def test_only_what_came_after_the_checkpoint_is_read(world, truth):
    assert world.segments_read() == 41
    assert world.says() == truth


def forged(world: World) -> bytes:
    """A checkpoint in good form that says that all is judged, and that the log ends here."""
    history = DeliveryHistory(ROWS)
    return b"".join(
        encode_checkpoint(
            Checkpoint(history, world.chains["client"].copy(), {0: world.chains["validator"].copy()})
        )
    )


def removed(world: World, key: str) -> None:
    del world.store.objects[key]


def garbled(world: World, key: str) -> None:
    world.bucket.put(world.made.key, b"garbled")


def cut(world: World, key: str) -> None:
    world.bucket.put(world.made.key, world.store.objects[key][0][:-5])


def replaced(world: World, key: str) -> None:
    world.bucket.put(world.made.key, forged(world))


def newer_ones_forged(world: World, key: str) -> None:
    for seq in (10**9, 10**10 - 1, 40):
        world.bucket.put(LAYOUT.checkpoint(seq), forged(world))


def odd_names(world: World, key: str) -> None:
    for name in ("zzz", "9" * 50, "../x"):
        world.bucket.put(LAYOUT.checkpoint_prefix + name, b"{}\n")


def of_another_log(world: World, key: str) -> None:
    chain = world.chains["client"].copy()
    chain.next_seq, chain.tail_sha = 7, "0" * 64
    checkpoint = Checkpoint(DeliveryHistory(ROWS), chain, {0: LogChain("validator")})
    world.bucket.put(world.made.key, b"".join(encode_checkpoint(checkpoint)))


@pytest.mark.parametrize(
    "attack", [removed, garbled, cut, replaced, newer_ones_forged, odd_names, of_another_log]
)
def test_whatever_is_done_to_checkpoints_the_logs_say_the_same(world, truth, attack):
    attack(world, LAYOUT.root + world.made.key)
    assert world.says() == truth


def test_a_checkpoint_named_by_a_dead_owner_is_not_believed(world):
    forgery = forged(world)
    world.append("client", Stop(T), epoch=2)
    key = LAYOUT.checkpoint(99)
    named = CheckpointMade(T, key, hashlib.sha256(forgery).hexdigest())
    world.append("client", named, epoch=1)
    before = world.says()
    world.bucket.put(key, forgery)
    assert world.says() == before


def test_a_named_checkpoint_that_cannot_be_read_is_passed_over(world, truth):
    key = world.made.key
    world.bucket.put(key, b"not a checkpoint")
    world.append("client", replace(world.made, sha256=hashlib.sha256(b"not a checkpoint").hexdigest()))
    assert world.says()[:3] == truth[:3]


def test_a_checkpoint_that_is_not_answered_is_passed_over(world, truth):
    world.store.fate = lambda operation, key: "lost" if "/checkpoint/" in key else "ok"
    assert world.says() == truth
    world.store.fate = lambda operation, key: "lost" if "/checkpoint/0" in f"/{key}" else "ok"
    assert world.says() == truth


def test_a_broken_log_is_told_whatever_a_checkpoint_says(world):
    removed(world, LAYOUT.root + segment_key(LAYOUT.client_log(), 30))
    with pytest.raises(LogBroken, match="missing"):
        world.says()


@pytest.mark.parametrize("kept", [0, 1, 15])
def test_what_is_deleted_of_a_validators_log_is_not_listened_for_at_its_old_end(kept):
    world = World()
    validator = LAYOUT.root + LAYOUT.validator_log()
    for seq in range(kept, 40):
        removed(world, LAYOUT.root + segment_key(LAYOUT.validator_log(), seq))
    left = [key for key in world.store.objects if key.startswith(validator)]
    found = read_logs(world.bucket, LAYOUT, ROWS, world.clock)
    assert len(left) == kept
    assert found.history.n_unjudged == 40 - kept
    # A validator that comes now goes on there, and is heard.
    chain = found.validators[0].chain if kept else LogChain("validator")
    assert chain.next_seq == kept
    world.chains["validator"] = chain.copy()
    world.append("validator", Verdict(T, "f39", "1-39", 0, "ok", found=Found(9, CRC, ETAG)))
    assert read_logs(world.bucket, LAYOUT, ROWS, world.clock).history.n_unjudged == 39 - kept


def test_a_checkpoint_is_not_taken_for_a_log_whose_end_is_another_one_now(world):
    world.append("client", world.checkpoint())
    world.bucket.put(segment_key(LAYOUT.validator_log(), 39), b"{}\n")
    with pytest.raises(LogBroken, match="0000000039"):
        world.says()


def test_the_last_two_are_kept(world):
    for _ in range(4):
        made = world.checkpoint()
        world.append("client", made)
        world.append("validator")
    assert len(world.bucket.ls(LAYOUT.checkpoint_prefix)) == 2
    assert world.segments_read() == 2
