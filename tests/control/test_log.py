"""A log keeps every record once and in order, and shows each gap, forgery and second writer."""

from __future__ import annotations

import bisect
import heapq
import json
import math
import threading
from types import SimpleNamespace
from unittest import mock

import pytest
from faults import proxy as net
from faults.memory import MemoryBucket, MemoryStore, VirtualClock
from hypothesis import given
from hypothesis import strategies as st

from upload_client.control import log
from upload_client.control.log import LogReader, LogWriter, last_epoch, last_seq
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import segment_key, segment_seq
from upload_client.core.records import (
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_SEGMENT,
    Failed,
    Keepalive,
    Stop,
)
from upload_client.core.segments import LogChain, encode_segment
from upload_client.errors import LockLost, LogBroken, Superseded
from upload_client.s3.bucket import AccessDenied, AnswerLost

PREFIX = "staging/log/client/"
T = "2026-01-02T03:04:05.678Z"


def writer_of(bucket, agent_id="writer", epoch=1, **options) -> LogWriter:
    options.setdefault("chain", LogChain("client"))
    return LogWriter(bucket, PREFIX, agent_id=agent_id, epoch=epoch, **options)


def reader_of(bucket, **options) -> LogReader:
    return LogReader(bucket, PREFIX, writer="client", **options)


def note(n: int) -> Failed:
    return Failed(T, f"file {n}", "", 0)


def notes_of(segments) -> list[int]:
    records = [r for segment in segments if not segment.superseded for r in segment.records]
    return [int(record.path.removeprefix("file ")) for record in records if isinstance(record, Failed)]


def all_notes(bucket) -> list[int]:
    return notes_of(reader_of(bucket).read_all())


def raw(seq, prev, *, agent_id="writer", epoch=1, records=()) -> bytes:
    chain = LogChain("client")
    chain.next_seq, chain.tail_sha = seq, prev
    return encode_segment(chain.header(agent_id=agent_id, epoch=epoch), [log.encode(r) for r in records])


def put(bucket, seq, data) -> None:
    bucket.put(segment_key(PREFIX, seq), data)


# --- writing ---


def test_what_is_appended_is_read_in_order(bucket):
    writer = writer_of(bucket)
    writer.fence()
    for n in range(10):
        writer.append(note(n))
        if n % 3 == 0:
            assert writer.flush()
    writer.append_many([note(10), note(11)])
    assert writer.close([note(12), Stop(T, "done")])
    segments = list(reader_of(bucket).read_all())
    assert notes_of(segments) == list(range(13))
    assert segments[0].records == ()
    assert segments[-1].records.others[-1] == Stop(T, "done")
    assert [segment.header.seq for segment in segments] == list(range(len(segments)))
    assert len(segments) == writer.seq


def test_a_flush_comes_after_half_a_second(bucket, clock):
    writer = writer_of(bucket, clock=clock)
    assert writer.step() == math.inf
    writer.append(note(0))
    clock.advance(0.25)
    writer.append(note(1))
    assert writer.step() == pytest.approx(0.25)
    assert writer.unflushed == 2
    assert bucket.ls() == ()
    clock.advance(0.25)
    assert writer.step() == 0
    assert writer.unflushed == 0
    assert writer.step() == math.inf
    assert all_notes(bucket) == [0, 1]


def test_a_flush_comes_at_once_where_nothing_is_to_follow(bucket, clock):
    writer = writer_of(bucket, clock=clock)
    writer.send_now()
    assert writer.step() == math.inf
    writer.append(note(0))
    assert writer.step() == pytest.approx(0.5)
    writer.send_now()
    assert writer.step() == 0
    assert all_notes(bucket) == [0]
    writer.append(note(1))
    assert writer.step() == pytest.approx(0.5)  # it was in a hurry once


def test_a_flush_comes_at_five_thousand_records(bucket, clock):
    writer = writer_of(bucket, clock=clock)
    writer.append_many(note(n) for n in range(MAX_BATCH_RECORDS - 1))
    assert writer.step() > 0
    writer.append_many(note(n) for n in range(MAX_BATCH_RECORDS - 1, MAX_BATCH_RECORDS + 1))
    assert writer.step() == 0
    assert writer.unflushed == 1
    assert writer.flush()
    assert [len(s.records) for s in reader_of(bucket).read_all()] == [MAX_BATCH_RECORDS, 1]


def test_a_flush_comes_at_one_mebibyte_and_no_segment_is_larger(bucket, clock):
    writer = writer_of(bucket, clock=clock)
    large = Failed(T, "file 0", "x" * 3900, 0)
    writer.append_many([large] * (MAX_BATCH_BYTES // 4000))
    assert writer.step() > 0
    writer.append_many([large] * 50)
    assert writer.step() == 0
    assert writer.flush()
    sizes = [entry.size for entry in bucket.list()]
    assert len(sizes) == 2
    assert max(sizes) < MAX_BATCH_BYTES + 1000


def test_a_lost_answer_to_an_append_makes_no_second_segment(bucket, through, proxy, clock, lost_answer):
    writer = writer_of(through(bucket), clock=clock)
    writer.fence()
    writer.append(note(0))
    proxy.on(lost_answer, method="PUT")
    assert writer.flush()
    writer.append(note(1))
    assert writer.flush()
    assert all_notes(bucket) == [0, 1]
    assert writer.seq == len(bucket.ls()) == 3
    assert writer.folded == []


def test_a_lost_append_is_sent_again_with_identical_bytes(bucket, through, proxy, clock, lost_request):
    writer = writer_of(through(bucket), clock=clock)
    writer.append(note(0))
    proxy.on(lost_request, method="PUT", times=3)
    writer.append(note(1))
    assert writer.flush()
    sent = {request.body for request in proxy.requests if request.method == "PUT"}
    assert len(sent) == 1
    assert all_notes(bucket) == [0, 1]


def test_no_record_is_lost_or_moved_in_an_outage(bucket, through, proxy, clock):
    writer = writer_of(through(bucket), clock=clock)
    writer.append(note(0))
    proxy.down()
    for n in range(1, 6):
        clock.advance(10)
        assert 0 < writer.step() <= 10
        assert isinstance(writer.trouble, AnswerLost)
        assert writer.unflushed == n
        writer.append(note(n))
    assert not writer.flush(timeout=30)
    proxy.up()
    assert writer.flush()
    assert writer.trouble is None
    assert all_notes(bucket) == [0, 1, 2, 3, 4, 5]


def test_attempts_come_less_often_in_a_long_outage(clock):
    bucket = MemoryBucket(MemoryStore(clock, lambda *_: "lost"))
    writer = writer_of(bucket, clock=clock)
    writer.append(note(0))
    clock.advance(1)
    waits = []
    for _ in range(8):
        waits.append(writer.step())
        assert writer.step() == pytest.approx(waits[-1])  # asked again too early, it does nothing
        clock.advance(waits[-1])
    assert waits == [0.5, 1, 2, 4, 8, 10, 10, 10]


def test_a_refusal_is_kept_as_trouble_and_tried_again(bucket, through, proxy, clock):
    writer = writer_of(through(bucket), clock=clock)
    writer.append(note(0))
    proxy.on(net.answer(403, "AccessDenied"), method="PUT")
    clock.advance(1)
    writer.step()
    assert isinstance(writer.trouble, AccessDenied)
    assert writer.error is None
    assert writer.flush()
    assert all_notes(bucket) == [0]


def test_nothing_is_sent_while_writing_is_forbidden(bucket, clock):
    allowed = False
    writer = writer_of(bucket, clock=clock, may_write=lambda: allowed)
    writer.append(note(0))
    clock.advance(1)
    assert writer.step() > 0
    assert not writer.flush()
    with pytest.raises(LockLost):
        writer.fence()
    assert bucket.ls() == ()
    assert writer.unflushed == 1
    writer.append(note(1))
    allowed = True
    assert writer.flush()
    assert all_notes(bucket) == [0, 1]
    assert writer.seq == 1  # what gathered meanwhile goes together


def test_a_record_that_cannot_be_written_is_refused_at_once(bucket):
    writer = writer_of(bucket)
    with pytest.raises(ValueError):
        writer.append_many([note(0), Failed(T, "\udcff", "", 0)])
    assert writer.unflushed == 0


def test_the_thread_flushes_what_comes(bucket):
    writer = writer_of(bucket)
    written = threading.Semaphore(0)
    bucket.client.meta.events.register("after-call.s3.PutObject", lambda **_: written.release())
    writer.start()
    writer.append(note(0))
    assert written.acquire(timeout=30)
    writer.append_many(note(n) for n in range(1, 3 * MAX_BATCH_RECORDS))
    assert written.acquire(timeout=30)
    assert writer.close()
    writer.stop()
    assert all_notes(bucket) == list(range(3 * MAX_BATCH_RECORDS))


def test_many_threads_may_append(bucket):
    writer = writer_of(bucket)
    writer.start()

    def work(k: int) -> None:
        for n in range(200):
            writer.append(note(1000 * k + n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close()
    notes = all_notes(bucket)
    assert sorted(notes) == sorted(1000 * k + n for k in range(8) for n in range(200))
    for k in range(8):
        mine = [n for n in notes if n // 1000 == k]
        assert mine == sorted(mine)


# --- two writers ---


def test_a_superseded_writer_appends_nothing_more_ever(bucket, through, proxy, clock):
    old = writer_of(through(bucket), "old", 1, clock=clock)
    old.fence()
    old.append(note(0))
    assert old.flush()
    new = writer_of(bucket, "new", 2)
    new.fence()
    old.append(note(1))
    assert not old.flush()
    assert old.superseded
    assert isinstance(old.error, Superseded)
    assert old.error.exit_code == 12
    assert "agent new, epoch 2" in str(old.error)
    n_writes = proxy.count("PUT")
    old.append(note(2))
    assert old.step() == math.inf
    assert not old.close([Stop(T, "farewell")])
    with pytest.raises(Superseded):
        old.fence()
    assert proxy.count("PUT") == n_writes
    assert clock.slept == []  # nor does it wait for what will not come
    new.append(note(3))
    assert new.close()
    assert all_notes(bucket) == [0, 3]


def test_an_equal_epoch_of_another_agent_supersedes_too(bucket):
    one, other = writer_of(bucket, "one", 1), writer_of(bucket, "other", 1)
    one.fence()
    other.append(note(0))
    assert not other.flush()
    assert other.superseded
    with pytest.raises(Superseded):
        writer_of(bucket, "third", 1).fence()


def test_an_old_writer_cannot_put_up_a_fence(bucket):
    writer_of(bucket, "new", 2).fence()
    with pytest.raises(Superseded):
        writer_of(bucket, "old", 1).fence()
    assert len(bucket.ls()) == 1


def test_an_epoch_given_before_shows_once_the_whole_log_is_read(bucket):
    writer_of(bucket, "first", 2).fence()
    sha = next(iter(reader_of(bucket).read_all())).sha256
    put(bucket, 1, raw(1, sha, agent_id="dead", epoch=1))  # behind it: its epoch is the log's last
    second = writer_of(bucket, "second", 2)
    second.fence()
    history = DeliveryHistory()
    for segment in reader_of(bucket).read_all():
        history.add_client(segment)
    with pytest.raises(Superseded, match=r"first has written .* under epoch 2"):
        second.check_owner(history.last_client)
    second.append(note(0))
    assert second.flush()
    assert second.superseded
    assert all_notes(bucket) == []
    third = writer_of(bucket, "third", 3)
    third.fence()
    history.add_client(list(reader_of(bucket).read_all())[-1])
    third.check_owner(history.last_client)
    assert third.error is None


def test_a_fence_follows_the_last_segment_without_reading_the_log(bucket, through, proxy):
    old = writer_of(bucket, "old", 1)
    for n in range(20):
        old.append(note(n))
        assert old.flush()
    new = writer_of(through(bucket), "new", 2)
    new.fence()
    assert proxy.count("GET", "jsonl$") == 1
    new.append(note(20))
    assert new.flush()
    assert all_notes(bucket) == list(range(21))
    assert last_epoch(bucket, PREFIX, writer="client") == 2


def test_a_late_segment_of_a_dead_owner_is_chained_to(bucket, through, proxy):
    old = writer_of(bucket, "old", 1)
    old.append(note(0))
    assert old.flush()
    old.append(note(1))
    new = writer_of(through(bucket), "new", 2)

    def meanwhile(exchange: net.Exchange) -> None:
        assert old.flush()  # between the look at the log's end and the fence
        exchange.send(exchange.forward().raw)

    proxy.on(meanwhile, method="PUT")
    new.fence()
    new.append(note(2))
    assert new.flush()
    old.append(note(3))
    assert not old.flush()
    assert old.superseded
    assert all_notes(bucket) == [0, 1, 2]
    assert new.seq == len(bucket.ls()) == 4


def test_what_an_older_owner_appends_behind_the_fence_is_folded_in_and_does_not_count(bucket):
    writer = writer_of(bucket, "new", 2)
    writer.fence()
    fence_sha = next(iter(reader_of(bucket).read_all())).sha256
    put(bucket, 1, raw(1, fence_sha, agent_id="old", epoch=1, records=[note(0)]))
    writer.append(note(1))
    assert writer.flush()
    assert [(s.header.agent_id, s.superseded) for s in writer.folded] == [("old", True)]
    assert all_notes(bucket) == [1]
    assert writer.seq == 3


@pytest.mark.parametrize(
    ("occupant", "why"),
    [
        (b"garbage", "end of a line"),
        (b"", "empty"),
        (raw(1, "0" * 64, agent_id="old", epoch=1), "does not follow"),
        (raw(7, "0" * 64, agent_id="old", epoch=1), "segment 7"),
        (b" " * (MAX_SEGMENT + 1), "more than"),
    ],
)
def test_an_occupant_that_is_no_link_breaks_the_log(bucket, occupant, why):
    writer = writer_of(bucket, "new", 2)
    writer.fence()
    put(bucket, 1, occupant)
    writer.append(note(0))
    assert not writer.flush()
    assert isinstance(writer.error, LogBroken)
    assert writer.error.segment == f"{bucket.prefix}{PREFIX}0000000001.jsonl"
    assert why in str(writer.error)
    assert len(bucket.ls()) == 2


# --- reading ---


def fill(bucket, n: int, **options) -> LogWriter:
    writer = writer_of(bucket, **options)
    for k in range(n):
        writer.append(note(k))
        assert writer.flush()
    return writer


def test_update_gives_out_what_steps_have_found(bucket, clock):
    reader = reader_of(bucket, clock=clock)
    assert reader.update() == []
    writer = fill(bucket, 2)
    assert reader.update() == []
    reader.step()
    assert notes_of(reader.update()) == [0, 1]
    assert reader.update() == []
    writer.append(note(2))
    assert writer.flush()
    clock.advance(10)
    reader.step()
    assert notes_of(reader.update()) == [2]


def test_an_idle_poll_is_one_request_however_long_the_log(bucket, through, proxy, clock):
    fill(bucket, 12)
    reader = reader_of(through(bucket), clock=clock)
    reader.step()
    assert len(reader.update()) == 12
    before = len(proxy.requests)
    clock.advance(10)
    reader.step()
    new = proxy.requests[before:]
    assert [request.method for request in new] == ["GET"]
    assert "start-after=" in new[0].query
    assert "0000000011.jsonl" in new[0].query


def test_polls_come_less_often_while_nothing_comes(bucket, clock):
    reader = reader_of(bucket, clock=clock)
    waits = []
    for _ in range(9):
        waits.append(reader.step())
        assert reader.step() == pytest.approx(waits[-1])  # asked again too early, it does nothing
        clock.advance(waits[-1])
    assert waits[0] == 1
    assert waits == sorted(waits)
    assert waits[-1] == 10
    fill(bucket, 1)
    assert reader.step() == 1


def test_who_is_in_a_hurry_looks_soon_and_more_often_after_each_find(bucket, clock):
    reader = reader_of(bucket, clock=clock)
    for _ in range(6):
        clock.advance(reader.step())
    writer = fill(bucket, 1)
    assert reader.step() == 1
    reader.poll_now()
    assert reader.step() == pytest.approx(0.04)
    waits = []
    for _ in range(40):
        clock.advance(reader.step())
        waits.append(reader.step())
    assert sum(wait == pytest.approx(0.04) for wait in waits) in (24, 25)  # a second long
    assert 0.125 in waits
    assert waits == sorted(waits)
    assert waits[-1] == 10
    writer.append(note(1))
    assert writer.flush()
    clock.advance(10)
    assert reader.step() == 0.125


def test_whoever_waits_for_what_a_reader_finds_is_told(bucket, clock):
    reader = reader_of(bucket, clock=clock)
    reader.step()
    assert not reader.has_found
    fill(bucket, 1)
    clock.advance(10)
    reader.step()
    assert reader.has_found
    assert notes_of(reader.update()) == [0]
    assert not reader.has_found


def test_a_long_log_is_read_in_order_by_many(bucket, through, proxy, monkeypatch):
    monkeypatch.setattr(log, "_MAX_FETCHED", 8)
    fill(bucket, 20)
    far = through(bucket)
    segments = list(reader_of(far).read_all())
    assert notes_of(segments) == list(range(20))
    assert proxy.count("GET", "jsonl$") == 20
    assert proxy.count("GET") - proxy.count("GET", "jsonl$") == 1  # LIST


def test_what_was_listed_and_then_could_not_be_read_is_listed_again(bucket, clock, monkeypatch):
    monkeypatch.setattr(log, "_MAX_FETCHED", 3)
    fill(bucket, 10)
    reader = reader_of(bucket, clock=clock)
    assert reader.step() == 0
    get = bucket.get
    monkeypatch.setattr(bucket, "get", unanswered)
    reader.step()
    assert isinstance(reader.trouble, AnswerLost)
    monkeypatch.setattr(bucket, "get", get)
    clock.advance(10)
    while reader.step() == 0:
        clock.advance(0.1)
    assert notes_of(reader.update()) == list(range(10))


def unanswered(*_: object, **__: object) -> None:
    raise AnswerLost("no answer")


def test_one_poll_takes_no_more_than_its_budget(bucket, clock, monkeypatch):
    fill(bucket, 10)
    size = next(bucket.list()).size
    monkeypatch.setattr(log, "READ_BUDGET", 4 * size + 50)
    reader = reader_of(bucket, clock=clock)
    taken = []
    while reader.step() == 0:
        taken.append(len(reader.update()))
    taken.append(len(reader.update()))
    assert sum(taken) == 10
    assert max(taken) <= 5
    assert min(taken) >= 1


def test_a_segment_larger_than_the_budget_is_read_all_the_same(bucket, monkeypatch):
    monkeypatch.setattr(log, "READ_BUDGET", 10)
    fill(bucket, 3)
    assert all_notes(bucket) == [0, 1, 2]


@pytest.mark.parametrize("limit", ["_MAX_WAITING", "_MAX_WAITING_RECORDS"])
def test_polling_waits_while_nobody_takes_what_is_found(bucket, clock, monkeypatch, limit):
    monkeypatch.setattr(log, limit, 2)
    writer = fill(bucket, 2)
    reader = reader_of(bucket, clock=clock)
    reader.step()
    writer.append(note(2))
    assert writer.flush()
    clock.advance(10)
    reader.step()
    assert notes_of(reader.update()) == [0, 1]
    reader.step()
    assert notes_of(reader.update()) == [2]


@pytest.mark.parametrize(
    ("damage", "seq", "why"),
    [
        (lambda bucket: bucket.rm(segment_key(PREFIX, 3)), 3, "missing"),
        (lambda bucket: bucket.rm(segment_key(PREFIX, 0)), 0, "missing"),
        (lambda bucket: put(bucket, 3, b"junk\n"), 3, "header"),
        (lambda bucket: put(bucket, 3, raw(3, "0" * 64)), 3, "does not follow"),
        (lambda bucket: put(bucket, 3, bucket.read(segment_key(PREFIX, 4))), 3, "segment 4"),
        (lambda bucket: put(bucket, 3, bucket.read(segment_key(PREFIX, 3))[:-1]), 3, "end of a line"),
        (lambda bucket: put(bucket, 3, b" " * (MAX_SEGMENT + 1)), 3, "more than"),
        (lambda bucket: put(bucket, 7, b""), 6, "missing"),
    ],
    ids=["a gap", "no beginning", "junk", "forged", "doubled", "cut", "too large", "a gap at the end"],
)
@pytest.mark.parametrize("fetchers", [1, 8])
def test_a_broken_log_is_given_out_up_to_the_break_which_is_named(bucket, damage, seq, why, fetchers):
    fill(bucket, 6)
    damage(bucket)
    reader = reader_of(bucket, fetchers=fetchers)
    got = []
    with pytest.raises(LogBroken) as broken:  # noqa: PT012 - what came before counts
        for segment in reader.read_all():
            got.append(segment)  # noqa: PERF402 - a list() would lose them
    assert notes_of(got) == list(range(seq))
    assert broken.value.segment == f"{bucket.prefix}{segment_key(PREFIX, seq)}"
    assert why in str(broken.value)
    stepped = reader_of(bucket, fetchers=fetchers)
    while stepped.step() < math.inf:  # a gap is looked at twice
        pass
    if seq > 0:
        assert notes_of(stepped.update()) == list(range(seq))
    for _ in range(2):
        with pytest.raises(LogBroken):
            stepped.update()


def test_a_segment_too_large_is_not_even_fetched(bucket, through, proxy):
    put(bucket, 0, b" " * (MAX_SEGMENT + 1))
    with pytest.raises(LogBroken):
        list(reader_of(through(bucket)).read_all())
    assert proxy.count("GET", "jsonl$") == 0


def test_a_listing_that_misses_a_segment_for_a_moment_breaks_nothing(clock):
    class Blinking(MemoryBucket):
        """Lists a segment only from the second time on, as a listing made while others write may."""

        n_listings = 0

        def list(self, prefix="", start_after=None):
            self.n_listings += 1
            for entry in super().list(prefix, start_after):
                if self.n_listings > 1 or "0000000001" not in entry.key:
                    yield entry

    bucket = Blinking(MemoryStore(clock))
    writer = writer_of(MemoryBucket(bucket.store), clock=clock)
    for n in range(3):
        writer.append(note(n))
        assert writer.flush()
    assert notes_of(reader_of(bucket).read_all()) == [0, 1, 2]


def test_strange_objects_in_the_log_are_passed_over_but_not_without_end(bucket, monkeypatch):
    fill(bucket, 2)
    for n in range(3):
        bucket.put(f"{PREFIX}strange {n}", b"")
    bucket.put(f"{PREFIX}0000000000.jsonl.bak", b"")
    assert all_notes(bucket) == [0, 1]
    monkeypatch.setattr(log, "MAX_STRANGE", 3)
    with pytest.raises(LogBroken, match="no segments"):
        all_notes(bucket)


def test_a_failing_poll_is_trouble_until_one_succeeds(bucket, through, proxy, clock):
    fill(bucket, 1)
    reader = reader_of(through(bucket), clock=clock)
    proxy.down()
    clock.advance(reader.step())
    assert isinstance(reader.trouble, AnswerLost)
    assert reader.polls_ok_at is None
    assert reader.update() == []
    proxy.up()
    now = clock.monotonic()
    reader.step()
    assert reader.trouble is None
    assert reader.polls_ok_at == now
    assert notes_of(reader.update()) == [0]


@pytest.mark.parametrize("fetchers", [1, 8])
def test_what_was_read_before_a_failure_is_given_out_once(bucket, through, proxy, clock, fetchers):
    fill(bucket, 8)
    proxy.on(net.drop(), path="0000000005.jsonl$")
    reader = reader_of(through(bucket), clock=clock, fetchers=fetchers)
    assert reader.step() == 0
    assert notes_of(reader.update()) == [0, 1, 2, 3, 4]
    reader.step()
    assert notes_of(reader.update()) == [5, 6, 7]
    assert reader.trouble is None


def test_reading_all_goes_on_after_a_failure(bucket, through, proxy, clock):
    fill(bucket, 8)
    proxy.on(net.drop(), path="0000000005.jsonl$", times=20)
    reader = reader_of(through(bucket), clock=clock)
    got = []
    with pytest.raises(AnswerLost):  # noqa: PT012 - what came before counts
        for segment in reader.read_all():
            got.append(segment)  # noqa: PERF402 - a list() would lose them
    proxy.calm()
    got += reader.read_all()
    assert notes_of(got) == list(range(8))


def test_an_answer_cut_short_breaks_no_log(bucket, through, proxy, clock):
    fill(bucket, 3)
    for after in (10, 200, 400, 600):
        proxy.on(net.cut_answer(after=after), path="jsonl$")
    assert notes_of(reader_of(through(bucket), clock=clock).read_all()) == [0, 1, 2]


def test_the_thread_finds_what_comes(bucket):
    reader = reader_of(bucket)
    listed = threading.Semaphore(0)
    bucket.client.meta.events.register("after-call.s3.ListObjectsV2", lambda **_: listed.release())
    fill(bucket, 2)
    reader.start()
    found = []
    while len(found) < 2:
        assert listed.acquire(timeout=30)
        found += reader.update()
    reader.stop()
    assert notes_of(found) == [0, 1]


def test_a_reader_goes_on_from_a_chain(bucket):
    writer = fill(bucket, 3)
    first = reader_of(bucket)
    assert len(list(first.read_all())) == 3
    writer.append(note(3))
    assert writer.flush()
    assert notes_of(reader_of(bucket, chain=first.chain).read_all()) == [3]


def test_a_validators_log_says_which_client_it_serves(bucket):
    prefix = "staging/log/validator/0000/"
    writer = LogWriter(bucket, prefix, agent_id="v", epoch=3, client_epoch=7, chain=LogChain("validator"))
    writer.fence()
    writer.append(Keepalive(T))
    assert writer.close()
    assert json.loads(bucket.read(segment_key(prefix, 1)).splitlines()[0])["client_epoch"] == 7
    segments = list(LogReader(bucket, prefix, writer="validator").read_all())
    assert [(s.header.epoch, s.header.client_epoch) for s in segments] == [(3, 7), (3, 7)]


def test_the_last_epoch_of_a_log_that_is_not_there_or_not_legible_is_nought(bucket):
    assert last_epoch(bucket, PREFIX, writer="client") == 0
    put(bucket, 0, b"junk")
    assert last_epoch(bucket, PREFIX, writer="client") == 0


class Listed:
    """A bucket in which nothing but these keys can be listed; counts the pages that were asked for."""

    prefix = ""

    def __init__(self, seqs, others=()):
        self.seqs, self.others, self.n_pages = seqs, others, 0

    def list(self, prefix, start_after=None):
        self.n_pages += 1
        first = 0 if start_after is None else segment_seq(prefix, start_after) + 1
        found = (segment_key(prefix, seq) for seq in self.seqs[bisect.bisect_left(self.seqs, first) :])
        keys = heapq.merge(found, sorted(prefix + other for other in self.others))
        return (SimpleNamespace(key=key) for key in keys if start_after is None or key > start_after)


@given(
    seqs=st.sets(st.one_of(st.integers(0, 99), st.integers(0, 10**10 - 1), st.just(10**10 - 1)), max_size=60),
    others=st.sets(
        st.sampled_from(["!", "00", "0000000007.json", "5", "99999999999.jsonl", "x"]), max_size=4
    ),
    page=st.integers(5, 9),
)
def test_the_last_segment_is_found_among_whatever_else_lies_there(seqs, others, page):
    with mock.patch.object(log, "_PAGE", page):
        assert last_seq(Listed(sorted(seqs), others), PREFIX) == max(seqs, default=None)


def test_the_end_of_a_log_of_millions_of_segments_is_found_in_some_dozen_pages():
    bucket = Listed(range(5_000_000))
    assert last_seq(bucket, PREFIX) == 4_999_999
    assert bucket.n_pages < 40


def test_a_log_full_of_what_is_no_segment_is_broken_and_is_not_listed_to_its_end(
    bucket, through, proxy, monkeypatch
):
    monkeypatch.setattr(log, "_PAGE", 5)
    fill(bucket, 1)
    for n in range(30):
        bucket.put(f"{PREFIX}!{n}", b"")
    looking = through(bucket)
    assert last_epoch(looking, PREFIX, writer="client") == 0
    with pytest.raises(LogBroken, match="objects lie there that are no segments"):
        writer_of(looking, "new", 2).fence()
    assert proxy.count("GET") == 2


# --- any sequence of events ---


@given(st.data())
def test_whatever_is_lost_the_log_is_one_chain_with_every_record_once(data):
    """Owners follow each other, the dead write on, requests and answers are lost, nobody ever tells."""
    clock = VirtualClock()
    fates = st.sampled_from(["ok", "ok", "ok", "lost", "mute"])
    calm = False
    store = MemoryStore(clock, lambda *_: "ok" if calm else data.draw(fates))
    bucket = MemoryBucket(store)
    writers: list[LogWriter] = []
    appended: dict[int, list[int]] = {}
    count = 0
    reader = reader_of(bucket, clock=clock, fetchers=1)
    followed: list[int] = []
    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["new owner", "append", "append", "step", "step", "read"])):
            case "new owner":
                epoch = len(appended) + 1
                writer = writer_of(bucket, f"agent{epoch}", epoch, clock=clock)
                appended[epoch] = []
                try:
                    writer.fence()
                except AnswerLost:
                    continue
                writers.append(writer)
            case "append" if writers:
                writer = data.draw(st.sampled_from(writers))
                writer.append(note(count))
                if writer.error is None:
                    appended[writer._epoch].append(count)
                count += 1
            case "step" if writers:
                clock.advance(data.draw(st.sampled_from([0.1, 1, 20])))
                data.draw(st.sampled_from(writers)).step()
            case "read":
                clock.advance(20)
                reader.step()
                followed += notes_of(reader.update())
    calm = True
    flushed = {writer._epoch: writer.flush() for writer in writers}
    while (wait := reader.step()) == 0 or reader.trouble or reader.update():
        followed += notes_of(reader.update())
        clock.advance(wait + 20)
    segments = list(reader_of(bucket, fetchers=1).read_all())
    in_log = notes_of(segments)
    assert len(in_log) == len(set(in_log))
    for writer in writers:
        of_this = [n for n in in_log if n in appended[writer._epoch]]
        assert of_this == appended[writer._epoch][: len(of_this)]  # none skipped, none moved
        if flushed[writer._epoch]:
            assert of_this == appended[writer._epoch]
    if writers:
        newest = max(writers, key=lambda w: w._epoch)
        assert newest.error is None or len(appended) > newest._epoch
