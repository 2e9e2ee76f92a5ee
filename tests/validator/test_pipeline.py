"""A validator follows a client's log, says something about every upload once, and leaves when it should."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter

import pytest
from faults.memory import MemoryBucket, MemoryStore, VirtualClock
from validator.by_hand import LAYOUT, Client, Inline, drive, raw

from upload_client.control.log import LogReader, LogWriter
from upload_client.core.layout import segment_key, shard_of
from upload_client.core.lease import LockBody
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    Cursor,
    Found,
    IndexJudged,
    Init,
    Keepalive,
    PassedOver,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.times import milliseconds
from upload_client.core.uploads import Upload
from upload_client.errors import Locked, TooManyInvalid
from upload_client.s3.bucket import AnswerLost, Bucket, StoreError
from upload_client.s3.store_clock import StoreClock
from upload_client.support.clock import Clock
from upload_client.validator import pipeline
from upload_client.validator.checks import Abandoned, Judgement
from upload_client.validator.judging import Judging
from upload_client.validator.pipeline import Validator


class Yes:
    """A judge that finds everything as announced, and counts."""

    def __init__(self) -> None:
        self.judged = Counter()
        self.stopped = False

    def judge(self, path: str, announced: Upload) -> Judgement:
        self.judged[path, announced.id] += 1
        return Judgement("ok", "", Found(announced.size, announced.crc32, announced.etag), ("size",))

    def stop(self) -> None:
        self.stopped = True


class Slow(Inline):
    """Gives futures that end when the test says so."""

    def __init__(self) -> None:
        self.tasks = []

    def submit(self, fn, /, *args, **kwargs):
        from concurrent.futures import Future

        future = Future()
        self.tasks.append((future, fn, args))
        return future

    def do(self, n: int | None = None) -> None:
        todo, self.tasks = self.tasks[:n], self.tasks[n:] if n is not None else []
        for future, fn, args in todo:
            try:
                future.set_result(fn(*args))
            except Exception as error:  # noqa: BLE001 — as an executor does
                future.set_exception(error)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def memory(clock):
    """A delivery in memory, on virtual time: ``memory.client``, ``memory.validator(…)``."""

    class Memory:
        def __init__(self) -> None:
            self.store = MemoryStore(clock)
            self.control = MemoryBucket(self.store, LAYOUT.root)
            self.landing = MemoryBucket(self.store, "landing/")
            self.client = Client(self.control, self.landing)
            self.client.clock = clock
            self.client.begin()
            self.judge = Yes()

        def validator(self, name: str = "validatorxy", **options) -> Validator:
            options = {
                "client_epoch": 1,
                "poll_seconds": 1.0,
                "executor": Inline(),
                "judge": self.judge,
            } | options
            return Validator(
                self.control,
                LAYOUT,
                Judging(options.pop("judge"), options.pop("executor"), clock=clock),
                validator_id=name,
                clock=clock,
                **options,
            )

    return Memory()


def work(validator: Validator, clock: VirtualClock, until=None, steps: int = 2000) -> None:
    """Let it work on virtual time: after each step as much passes as it may wait."""
    for _ in range(steps):
        if validator.outcome is not None or (until is not None and until()):
            return
        clock.advance(min(validator.step(), 1.0) + 0.001)
    raise AssertionError(f"it did not come to that in {steps} steps")


# --- judging, against real stores ---


def test_every_upload_gets_its_verdict_and_the_validator_leaves_when_the_client_has(client, make_validator):
    good = client.deliver("good.csv")
    bad = client.deliver("deep/bad.csv", b"a,b\n1,2,3\n")
    validator = make_validator()
    validator.begin()
    later = client.deliver("later.json", b"{}")
    client.stop()
    drive(validator)
    assert validator.outcome == "stop"
    verdicts = {verdict.path: verdict for verdict in client.verdicts()}
    assert {path: verdict.status for path, verdict in verdicts.items()} == {
        "good.csv": "ok",
        "deep/bad.csv": "failure",
        "later.json": "ok",
    }
    for path, upload in (("good.csv", good), ("deep/bad.csv", bad), ("later.json", later)):
        assert verdicts[path].found == Found(upload.size, upload.crc32, upload.etag)
        assert (verdicts[path].upload, verdicts[path].ask) == (upload.id, 0)
    heard = client.heard()
    assert isinstance(heard[0], ValidatorInit)
    assert (heard[0].validator_id, heard[0].client_epoch) == ("validatorxy", 1)
    assert isinstance(heard[-1], Stop)


class WrongClock(Clock):
    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_validator_whose_clock_is_wrong_writes_down_the_stores_time(client, control, make_validator, hours):
    clock = StoreClock(WrongClock(3600.0 * hours))
    clock.watch(control.client)
    client.deliver("good.csv")
    validator = make_validator(clock=clock)
    validator.begin()
    client.stop()
    drive(validator)
    for record in client.heard():
        assert abs(milliseconds(record.t) / 1000 - time.time()) < 60, record
    lock = LockBody.decode(control.get(LAYOUT.validator_lock(), limit=2048).body)
    assert lock is not None
    assert abs(milliseconds(lock.acquired_at) / 1000 - time.time()) < 60
    assert lock.clock_ahead == pytest.approx(3600 * hours, abs=5)


def test_an_object_that_changes_between_upload_and_verdict_is_a_failure_that_says_so(
    client, landing, make_validator
):
    client.deliver("a.csv")
    landing.put("a.csv", b"a,b\n1,9\n")
    client.deliver("b.csv")
    landing.rm("b.csv")
    client.stop()
    validator = make_validator()
    validator.begin()
    drive(validator)
    said = {verdict.path: verdict for verdict in client.verdicts()}
    assert said["a.csv"].status == "failure"
    assert "CRC32" in said["a.csv"].message or "ETag" in said["a.csv"].message
    assert (said["b.csv"].status, said["b.csv"].message) == ("failure", "it is not there")


def test_hostile_announcements_harm_nobody_and_the_sound_one_among_them_is_judged(
    client, landing, make_validator
):
    upload = client.send("good.csv", b"a,b\n1,2\n")
    fields = {
        "kind": "transferred",
        "t": client.now(),
        "path": "x.csv",
        "upload": "1-7",
        "ask": 0,
        "size": 1,
        "crc32": "AAAAAA==",
        "etag": "0" * 32,
    }
    lines = [
        raw(**fields | {"path": "../../owned"}),
        raw(**fields | {"path": "/etc/passwd", "upload": "1-8"}),
        raw(**fields | {"path": "a/../../../b", "upload": "1-9"}),
        raw(**fields | {"path": ["x"]}),
        raw(**fields | {"path": "x" * 5000}),
        raw(**fields | {"size": "many"}),
        raw(**fields | {"size": -1}),
        raw(**fields | {"size": 2**70}),
        raw(**fields | {"size": float("nan")}),
        raw(**fields | {"ask": True}),
        raw(**fields | {"upload": "1-7; rm"}),
        raw(**fields | {"upload": "999999-1"}),
        raw(**fields | {"crc32": "AAAA"}),
        raw(**fields | {"etag": 'x"\r\nX-Evil: 1'}),
        raw(**fields | {"t": "yesterday"}),
        raw(**fields, source={"a": 1}),
        b"[" * 60_000,
        b'{"kind": "transferred"',
        b"\xff\xfe\x00",
        b'{"kind": "transferred", "path": "a", "path": "b"}',
        b'{"kind": "unheard of"}',
        b"x" * 70_000,
        b"null",
        b"",
        encode(Transferred(client.now(), "good.csv", upload, 0)),
    ]
    client.write(*lines)
    client.stop()
    asked = []
    landing.client.meta.events.register(
        "before-call.s3", lambda params, **_: asked.append(params["url_path"]), unique_id="asked"
    )
    validator = make_validator()
    validator.begin()
    drive(validator)
    landing.client.meta.events.unregister("before-call.s3", unique_id="asked")
    assert validator.outcome == "stop"
    (passed_over,) = (record for record in client.heard() if isinstance(record, PassedOver))
    assert (passed_over.seq, passed_over.lines) == (2, 19)
    assert passed_over.problems[0] == "line 5: no path"
    said = {verdict.path: verdict for verdict in client.verdicts()}
    assert said.pop("good.csv").status == "ok"
    assert set(said) == {"../../owned", "/etc/passwd", "a/../../../b"}
    for verdict in said.values():
        assert (verdict.status, verdict.found) == ("failure", None)
        assert verdict.message.startswith("the path ")
    assert not [path for path in asked if ".." in path or "passwd" in path]


def test_a_log_that_is_broken_ends_the_validator_with_a_word_that_names_the_segment(client, make_validator):
    client.deliver("a.csv")
    validator = make_validator()
    validator.begin()
    drive(validator, client.verdicts)
    client.control.put(segment_key(LAYOUT.client_log(), client.chain.next_seq), b"garbage")
    with pytest.raises(Exception, match="the log is broken"):
        drive(validator)
    # The same, as `run` takes it.
    other = make_validator("othervalid")
    validator._lock.release()
    assert other.run() == "error"
    last = client.heard()[-1]
    assert isinstance(last, Shutdown)
    assert last.reason == "error"
    assert "0000000003.jsonl" in last.message


def test_two_validators_never_serve_at_once(client, make_validator):
    first = make_validator("firstvalid")
    first.begin()
    second = make_validator("secondvali")
    with pytest.raises(Locked):
        second.run()
    client.stop()
    drive(first)
    assert [type(record) for record in client.heard()].count(ValidatorInit) == 1
    third = make_validator("thirdvalid")
    assert third.run() == "stop"


# --- several that share the files ---


def verdicts_of(memory, shard: int) -> list[Verdict]:
    reader = LogReader(memory.control, LAYOUT.validator_log(shard), writer="validator")
    records = [record for segment in reader.read_all() for record in segment.records]
    return [record for record in records if isinstance(record, Verdict)]


def test_of_several_each_judges_its_share_and_knows_how_far_it_is(memory, clock):
    paths = {shard: [f"{n}.csv" for n in range(20) if shard_of(f"{n}.csv", 2) == shard] for shard in (0, 1)}
    validators = [memory.validator(f"validator{shard}", shard=shard, shards=2) for shard in (0, 1)]
    for validator in validators:
        validator.begin()
    for n in range(20):
        memory.client.deliver(f"{n}.csv")
    memory.client.stop()
    work(validators[1], clock)
    assert validators[1].backlog == 0
    assert {v.path for v in verdicts_of(memory, 1)} == set(paths[1])
    assert memory.client.verdicts() == []
    work(validators[0], clock)
    assert [v.outcome for v in validators] == ["stop", "stop"]
    assert sorted(v.path for v in memory.client.verdicts()) == sorted(paths[0])
    assert max(memory.judge.judged.values()) == 1
    inits = [record for record in memory.client.heard() if isinstance(record, ValidatorInit)]
    assert [init.shards for init in inits] == [2]


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 2)])
def test_what_more_or_fewer_of_them_have_judged_is_not_judged_again(memory, clock, before, after):
    for n in range(12):
        memory.client.deliver(f"{n}.csv")
    for shard in range(before - 1):  # the last one never came
        first = memory.validator(f"first{shard}", shard=shard, shards=before)
        first.begin()
        work(first, clock, lambda first=first: first.backlog == 0 and not first._writer.unflushed)
        first._lock.release()
    memory.client.stop()
    for shard in range(after):
        then = memory.validator(f"then{shard}", shard=shard, shards=after)
        then.begin()
        work(then, clock)
        assert then.outcome == "stop"
    assert Counter(path for path, _ in memory.judge.judged.elements()) == {f"{n}.csv": 1 for n in range(12)}


def test_the_first_one_knows_how_the_delivery_stands_once_the_others_have_left(memory, clock):
    for n in range(12):
        memory.client.deliver(f"{n}.csv")
    memory.client.stop()
    validators = [memory.validator(f"validator{shard}", shard=shard, shards=3) for shard in range(3)]
    for validator in validators:
        validator.begin()
    work(validators[0], clock)
    work(validators[1], clock)
    n_judged = len(verdicts_of(memory, 0)) + len(verdicts_of(memory, 1))
    began = clock.monotonic()
    validators[0].await_others(patience=60.0)  # the third says nothing
    assert 60 <= clock.monotonic() - began < 70
    assert validators[0].tally().valid == n_judged < 12
    validators[2]._leave("time")  # and another one goes on
    validators[2]._finish()
    began = clock.monotonic()
    validators[0].await_others(patience=60.0)
    assert clock.monotonic() - began >= 60
    following = memory.validator("following", shard=2, shards=3)
    following.begin()
    work(following, clock)
    began = clock.monotonic()
    validators[0].await_others(patience=60.0)
    assert clock.monotonic() == began
    assert validators[0].tally().valid == 12


def test_an_outage_while_it_waits_for_the_others_is_waited_through(memory, clock):
    memory.client.deliver("a.csv")
    memory.client.stop()
    first, other = (memory.validator(f"validator{shard}", shard=shard, shards=2) for shard in (0, 1))
    for validator in (first, other):
        validator.begin()
        work(validator, clock)
    until = clock.monotonic() + 5
    memory.store.fate = lambda *_: "lost" if clock.monotonic() < until else "ok"
    first.await_others()
    assert first.tally().valid == 1


# --- judging once ---


def test_an_upload_that_is_asked_about_again_is_not_judged_again(memory, clock):
    upload = memory.client.deliver("a.csv")
    validator = memory.validator()
    validator.begin()
    work(validator, clock, memory.client.verdicts)
    memory.client.announce("a.csv", upload, ask=1)
    work(validator, clock, lambda: len(memory.client.verdicts()) == 2)
    first, again = memory.client.verdicts()
    assert (first.ask, again.ask) == (0, 1)
    assert (again.status, again.found, again.upload) == (first.status, first.found, first.upload)
    assert memory.judge.judged["a.csv", upload.id] == 1


def test_a_failure_is_repeated_too_with_its_message(memory, clock):
    class No(Yes):
        def judge(self, path, announced):
            super().judge(path, announced)
            return Judgement("failure", "broken", None, ("size",))

    judge = No()
    upload = memory.client.deliver("a.csv")
    validator = memory.validator(judge=judge)
    validator.begin()
    memory.client.announce("a.csv", upload, ask=1)
    work(validator, clock, memory.client.verdicts)
    memory.client.announce("a.csv", upload, ask=2)
    memory.client.stop()
    work(validator, clock)
    assert [(v.ask, v.status, v.message) for v in memory.client.verdicts()] == [
        (1, "failure", "broken"),
        (2, "failure", "broken"),
    ]
    assert sum(judge.judged.values()) == 1


def test_what_could_not_be_judged_is_judged_when_it_is_asked_about_again(memory, clock):
    class Later(Yes):
        def judge(self, path, announced):
            if not self.judged:
                super().judge(path, announced)
                return Judgement("error", "S3 is down")
            return super().judge(path, announced)

    judge = Later()
    upload = memory.client.deliver("a.csv")
    validator = memory.validator(judge=judge)
    validator.begin()
    work(validator, clock, memory.client.verdicts)
    memory.client.announce("a.csv", upload, ask=1)
    memory.client.stop()
    work(validator, clock)
    assert [(v.ask, v.status) for v in memory.client.verdicts()] == [(0, "error"), (1, "ok")]


def test_an_unexpected_exception_of_one_judgement_is_an_error_of_that_file_only(memory, clock):
    class Trips(Yes):
        def judge(self, path, announced):
            if path == "bad.csv":
                raise ZeroDivisionError("secret detail")
            return super().judge(path, announced)

    memory.client.deliver("bad.csv")
    memory.client.deliver("good.csv")
    memory.client.stop()
    validator = memory.validator(judge=Trips())
    validator.begin()
    work(validator, clock)
    said = {v.path: (v.status, v.message) for v in memory.client.verdicts()}
    assert said == {"bad.csv": ("error", "it could not be judged: ZeroDivisionError"), "good.csv": ("ok", "")}


def test_only_the_later_of_two_uploads_gets_a_verdict_when_it_comes_while_the_first_is_judged(memory, clock):
    executor = Slow()
    first = memory.client.deliver("a.csv")
    validator = memory.validator(executor=executor)
    validator.begin()
    validator.step()
    assert len(executor.tasks) == 1
    second = memory.client.deliver("a.csv", b"a,b\n3,4\n")
    clock.advance(1.1)
    validator.step()
    executor.do()
    validator.step()
    executor.do()
    memory.client.stop()
    work(validator, clock)
    assert [v.upload for v in memory.client.verdicts()] == [second.id]
    assert set(memory.judge.judged) == {("a.csv", first.id), ("a.csv", second.id)}


def test_a_question_that_comes_while_it_is_judged_is_answered_by_that_judgement(memory, clock):
    executor = Slow()
    upload = memory.client.deliver("a.csv")
    validator = memory.validator(executor=executor)
    validator.begin()
    validator.step()
    memory.client.announce("a.csv", upload, ask=1)
    memory.client.stop()
    clock.advance(1.1)
    validator.step()
    executor.do()
    work(validator, clock)
    assert [(v.upload, v.ask) for v in memory.client.verdicts()] == [(upload.id, 1)]
    assert memory.judge.judged["a.csv", upload.id] == 1


def test_the_cursor_never_passes_what_is_not_judged(memory, clock):
    executor = Slow()
    validator = memory.validator(executor=executor, width=2)
    validator.begin()
    seqs = [memory.client.announce(f"{n}.csv", memory.client.send(f"{n}.csv", b"a\n")) for n in range(6)]

    def cursor() -> int:
        return max((r.seq for r in memory.client.heard() if isinstance(r, Cursor)), default=-1)

    for n in range(6):
        for _ in range(4):
            clock.advance(1.1)
            validator.step()
        judged = {v.path for v in memory.client.verdicts()}
        assert judged == {f"{k}.csv" for k in range(n)}
        assert cursor() == seqs[n] - 1
        executor.do(1)
    clock.advance(1.1)
    validator.step()
    assert cursor() == seqs[-1]


def test_no_more_of_the_log_is_read_than_can_be_judged_soon(memory, clock, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_UNJUDGED", 3)
    executor = Slow()
    validator = memory.validator(executor=executor, width=2)
    validator.begin()
    for n in range(3):
        memory.client.deliver(f"{n}.csv")
    clock.advance(1.1)
    validator.step()
    assert len(executor.tasks) == 2
    for n in range(3, 6):
        memory.client.deliver(f"{n}.csv")
    before = len(memory.store.log)
    for _ in range(5):
        clock.advance(2)
        validator.step()
    read = [key for operation, key, _ in memory.store.log[before:] if operation in ("LIST", "GET")]
    assert not [key for key in read if "log/client" in key]
    # That a later client is there it learns all the same.
    memory.client.successor()
    clock.advance(11)
    validator.step()
    executor.do()
    work(validator, clock)
    assert validator.outcome == "superseded"


# --- leaving ---


def test_before_its_time_runs_out_it_leaves_and_the_next_one_goes_on_without_judging_twice(memory, clock):
    executor = Slow()
    for n in range(10):
        memory.client.deliver(f"{n}.csv")
    end = clock.monotonic() + 100
    first = memory.validator(
        "firstvalid",
        executor=executor,
        width=4,
        seconds_left=lambda: end - clock.monotonic(),
        leave_seconds=20,
    )
    first.begin()
    first.step()
    executor.do()
    first.step()
    assert len(executor.tasks) == 4
    clock.advance(81)
    first.step()  # leaves when what is under way has ended
    assert first.outcome is None
    executor.do()
    first.step()
    assert first.outcome == "time"
    last = memory.client.heard()[-1]
    assert isinstance(last, Shutdown)
    assert last.reason == "time"
    assert len(memory.client.verdicts()) == 8

    second = memory.validator("secondvali")
    second.begin()
    memory.client.stop()
    work(second, clock)
    assert second.outcome == "stop"
    verdicts = memory.client.verdicts()
    assert sorted(v.path for v in verdicts) == sorted(f"{n}.csv" for n in range(10))
    assert set(memory.judge.judged.values()) == {1}


def test_when_its_time_runs_out_it_does_not_wait_long_for_what_is_under_way(memory, clock):
    class Long(Yes):
        def judge(self, path, announced):
            if self.stopped:
                raise Abandoned
            return super().judge(path, announced)

    executor, judge = Slow(), Long()
    memory.client.deliver("a.csv")
    end = clock.monotonic() + 100
    validator = memory.validator(
        executor=executor, judge=judge, seconds_left=lambda: end - clock.monotonic(), leave_seconds=20
    )
    validator.begin()
    validator.step()
    clock.advance(81)
    validator.step()
    assert not judge.stopped
    clock.advance(6)
    validator.step()
    assert judge.stopped
    executor.do()
    validator.step()
    assert validator.outcome == "time"
    assert memory.client.verdicts() == []
    assert not [record for record in memory.client.heard() if isinstance(record, Cursor) and record.seq >= 2]


def test_a_later_client_supersedes_it_and_its_verdicts_so_far_are_kept(memory, clock):
    executor = Slow()
    memory.client.deliver("a.csv")
    memory.client.deliver("b.csv")
    validator = memory.validator(executor=executor, width=1)
    validator.begin()
    validator.step()
    later = memory.client.successor()
    clock.advance(1.1)
    validator.step()
    assert validator.outcome is None
    executor.do()
    validator.step()
    assert validator.outcome == "superseded"
    assert [v.path for v in later.verdicts()] == ["a.csv"]
    following = memory.validator("following", client_epoch=2)
    following.begin()
    work(following, clock, lambda: len(later.verdicts()) == 2)
    assert Counter(v.path for v in later.verdicts()) == {"a.csv": 1, "b.csv": 1}
    inits = [record for record in later.heard() if isinstance(record, ValidatorInit)]
    assert [init.client_epoch for init in inits] == [1, 2]


def test_after_a_crash_of_the_client_it_judges_what_was_announced_and_leaves(memory, clock):
    memory.client.deliver("a.csv")
    memory.client.crash()
    validator = memory.validator()
    validator.begin()
    work(validator, clock)
    assert validator.outcome == "stop"
    assert [v.path for v in memory.client.verdicts()] == ["a.csv"]


def kinds(memory) -> list[str]:
    said = (record for record in memory.client.heard() if not isinstance(record, Cursor | Keepalive))
    return [type(record).__name__ for record in said]


def test_of_the_index_as_a_whole_it_speaks_before_it_judges_a_file(memory, clock):
    memory.client.deliver("a.csv")
    memory.client.stop()
    validator = memory.validator(judge_index=lambda: (("'m.json' is missing",), "not_expected"))
    validator.begin()
    work(validator, clock)
    assert kinds(memory) == ["ValidatorInit", "IndexJudged", "Verdict", "Stop"]
    init, said = memory.client.heard()[:2]
    assert init.judges_index
    assert (said.problems, said.code) == (("'m.json' is missing",), "not_expected")


def test_that_it_is_there_is_said_before_it_looks_at_an_index_that_may_be_large(memory, clock):
    said = []
    validator = memory.validator(judge_index=lambda: (said.extend(kinds(memory)), ((), None))[1])
    validator.begin()
    assert said == ["ValidatorInit"]
    memory.client.stop()
    work(validator, clock)
    assert kinds(memory) == ["ValidatorInit", "IndexJudged", "Stop"]


def test_an_index_that_is_not_there_yet_is_waited_for_and_judged_before_what_it_announces(memory, clock):
    memory.client.stop()
    asked = []
    late = memory.client.successor()
    validator = memory.validator(client_epoch=2, judge_index=lambda: (asked.append(1), ((), None))[1])
    validator.begin()
    work(validator, clock, until=lambda: clock.monotonic() > 5)
    assert not asked
    late.write(Init(late.now(), 2, LAYOUT.index(2), "0" * 64, 1, 0))
    late.deliver("a.csv")
    late.stop()
    work(validator, clock)
    assert kinds(memory) == ["ValidatorInit", "IndexJudged", "Verdict", "Stop"]
    assert asked == [1]


def test_while_nobody_can_say_what_was_agreed_on_nothing_is_judged(memory, clock):
    answers = [AnswerLost("no answer"), AnswerLost("no answer"), StoreError("no right to look")]

    def ask():
        if answers:
            assert not memory.client.verdicts()
            raise answers.pop(0)
        return (), None

    memory.client.deliver("a.csv")
    memory.client.stop()
    validator = memory.validator(judge_index=ask)
    validator.begin()
    work(validator, clock)
    said = next(record for record in memory.client.heard() if isinstance(record, IndexJudged))
    assert said.problems == ("the index cannot be looked at: no right to look",)
    assert said.code == "misconfigured"
    assert [verdict.status for verdict in memory.client.verdicts()] == ["ok"]


def test_after_an_early_stop_it_leaves_at_once(memory, clock):
    executor = Slow()
    memory.client.deliver("a.csv")
    memory.client.stop("too many of them", TooManyInvalid.code)
    validator = memory.validator(executor=executor, judge=(judge := Yes()))
    validator.begin()
    validator.step()
    assert judge.stopped
    work(validator, clock)
    assert validator.outcome == "stop"
    assert memory.client.verdicts() == []


def test_it_leaves_a_client_that_is_silent_past_its_lease_but_not_before(memory, clock):
    memory.client.own(lease_seconds=60)
    memory.client.deliver("a.csv")
    validator = memory.validator()
    validator.begin()
    work(validator, clock, memory.client.verdicts)
    began = clock.monotonic()
    memory.client.write(Keepalive(memory.client.now()))
    work(validator, clock)
    assert validator.outcome == "error"
    assert 60 < clock.monotonic() - began < 90
    last = memory.client.heard()[-1]
    assert isinstance(last, Shutdown)
    assert "silent" in last.message


def test_while_the_client_cannot_be_heard_it_is_not_silent(memory, clock):
    memory.client.own(lease_seconds=60)
    validator = memory.validator(lease_seconds=3600)
    validator.begin()
    validator.step()
    memory.store.fate = lambda operation, key: "lost" if "log/client" in key else "ok"
    began = clock.monotonic()
    while clock.monotonic() - began < 600:
        clock.advance(min(validator.step(), 1.0) + 0.001)
    assert validator.outcome is None
    memory.store.fate = lambda _operation, _key: "ok"
    memory.client.deliver("a.csv")
    work(validator, clock, memory.client.verdicts)


def test_outages_one_after_the_other_do_not_add_up_to_a_silence(memory, clock):
    memory.client.own(lease_seconds=60)
    validator = memory.validator(lease_seconds=3600, poll_longest_seconds=1.0)
    validator.begin()
    for _ in range(5):
        memory.store.fate = lambda operation, key: "lost" if "log/client" in key else "ok"
        began = clock.monotonic()
        while clock.monotonic() - began < 100:
            clock.advance(min(validator.step(), 1.0) + 0.001)
        memory.store.fate = lambda _operation, _key: "ok"
        clock.advance(1.1)
        validator.step()
    assert validator.outcome is None


def test_it_says_every_ten_seconds_that_it_is_there(memory, clock):
    memory.client.own(lease_seconds=3600)
    validator = memory.validator()
    validator.begin()
    began = clock.monotonic()
    while clock.monotonic() - began < 65:
        clock.advance(min(validator.step(), 1.0) + 0.001)
    keepalives = [record for record in memory.client.heard() if isinstance(record, Keepalive)]
    assert len(keepalives) == 6


def test_a_validator_that_has_lost_its_lock_writes_nothing_more(memory, clock):
    executor = Slow()
    memory.client.deliver("a.csv")
    validator = memory.validator(executor=executor)
    validator.begin()
    validator.step()
    lock = LockBody.decode(memory.control.read(LAYOUT.validator_lock()))
    import dataclasses

    stolen = dataclasses.replace(lock, agent_id="thief", epoch=lock.epoch + 1, nonce="other")
    memory.control.put(LAYOUT.validator_lock(), stolen.encode())
    clock.advance(40)  # a refresh is due
    n = len(memory.client.heard())
    executor.do()
    work(validator, clock)
    assert validator.outcome == "lock lost"
    assert len(memory.client.heard()) == n
    assert LockBody.decode(memory.control.read(LAYOUT.validator_lock())).agent_id == "thief"


def test_while_its_lock_is_not_confirmed_it_writes_nothing_and_afterwards_it_does(memory, clock):
    executor = Slow()
    memory.client.own(lease_seconds=3600)
    memory.client.deliver("a.csv")
    validator = memory.validator(executor=executor, lease_seconds=60)
    validator.begin()
    validator.step()
    memory.store.fate = lambda operation, key: "lost" if key == LAYOUT.validator_lock() else "ok"
    clock.advance(31)
    validator.step()
    executor.do()
    n = len(memory.client.heard())
    for _ in range(5):
        clock.advance(1.1)
        validator.step()
    assert len(memory.client.heard()) == n
    memory.store.fate = lambda _operation, _key: "ok"
    work(validator, clock, memory.client.verdicts)
    assert validator.outcome is None


def test_a_validator_whose_log_has_a_newer_writer_leaves_without_a_word(memory, clock):
    memory.client.deliver("a.csv")
    validator = memory.validator()
    validator.begin()
    reader = LogReader(memory.control, LAYOUT.validator_log(), writer="validator", clock=clock)
    list(reader.read_all())
    header = reader.chain.header(agent_id="newer", epoch=9, client_epoch=1)
    memory.control.put(
        segment_key(LAYOUT.validator_log(), header.seq), encode_segment(header), if_none_match=True
    )
    work(validator, clock)
    assert validator.outcome == "lock lost"
    assert memory.client.verdicts() == []


def test_a_validator_with_an_epoch_that_another_had_says_so_and_leaves_for_a_newer_one(memory, clock):
    memory.client.deliver("a.csv")
    log = LAYOUT.validator_log()
    first = LogWriter(
        memory.control, log, agent_id="first", epoch=2, chain=LogChain("validator"), client_epoch=1
    )
    first.fence()
    chain = LogChain("validator")
    chain.next_seq, chain.tail_sha = 1, first._chain.tail_sha
    late = encode_segment(chain.header(agent_id="dead", epoch=1, client_epoch=1), [])
    memory.control.put(segment_key(log, 1), late)
    validator = memory.validator()
    assert validator.run() == "error"
    assert memory.client.verdicts() == []
    following = memory.validator("followingxy")
    following.begin()
    work(following, clock, memory.client.verdicts)
    assert [v.path for v in memory.client.verdicts()] == ["a.csv"]


def test_the_lock_is_given_back_and_refreshed_before_that(memory, clock):
    memory.client.own(lease_seconds=3600)
    validator = memory.validator(lease_seconds=60)
    validator.begin()
    first = LockBody.decode(memory.control.read(LAYOUT.validator_lock()))
    began = clock.monotonic()
    while clock.monotonic() - began < 200:
        clock.advance(min(validator.step(), 1.0) + 0.001)
    later = LockBody.decode(memory.control.read(LAYOUT.validator_lock()))
    assert (later.epoch, later.state) == (first.epoch, "held")
    assert later.nonce != first.nonce
    memory.client.stop()
    work(validator, clock)
    assert LockBody.decode(memory.control.read(LAYOUT.validator_lock())).state == "released"


def test_nothing_is_announced_of_an_epoch_above_the_clients_own(memory, clock):
    """A client's log cannot speak for a later client: such announcements get no verdict."""
    upload = memory.client.send("a.csv", b"a\n")
    import dataclasses

    memory.client.announce("a.csv", dataclasses.replace(upload, epoch=5))
    memory.client.announce("b.csv", memory.client.send("b.csv", b"a\n"))
    memory.client.stop()
    validator = memory.validator()
    validator.begin()
    work(validator, clock)
    assert [v.path for v in memory.client.verdicts()] == ["b.csv"]


def test_a_dead_owners_late_segment_is_passed_over(memory, clock):
    old = Client(memory.control, memory.landing)
    old.clock = clock
    later = memory.client.successor()
    old.chain = LogChain("client")
    for segment in range(later.chain.next_seq):
        old.chain.accept(segment, memory.control.read(segment_key(LAYOUT.client_log(), segment)))
    old.deliver("late.csv")  # epoch 1, behind epoch 2's fence
    later.chain = old.chain
    later.deliver("a.csv")
    later.stop()
    validator = memory.validator(client_epoch=2)
    validator.begin()
    work(validator, clock)
    assert [v.path for v in later.verdicts()] == ["a.csv"]


def test_where_something_came_it_looks_again_as_soon_as_that_is_judged(memory, clock):
    slow = Slow()
    validator = memory.validator(executor=slow, poll_seconds=3.0)
    validator.begin()
    memory.client.deliver("a.csv")
    validator.step()
    memory.client.deliver("b.csv")
    clock.advance(0.5)
    validator.step()
    slow.do()
    clock.advance(0.5)
    validator.step()
    assert memory.judge.judged.keys() == {("a.csv", "1-1")}
    assert validator.backlog == 1  # "b.csv", two seconds before its time


def test_where_the_next_segment_is_likely_to_be_the_last_it_looks_more_often_for_a_second(memory, clock):
    memory.client.begin(5)
    validator = memory.validator()
    validator.begin()

    def pauses(n: int) -> list[float]:
        looks, read_all = [], validator._reader.read_all
        validator._reader.read_all = lambda: looks.append(clock.monotonic()) or read_all()
        work(validator, clock, lambda: len(looks) > n)
        validator._reader.read_all = read_all
        return [later - earlier for earlier, later in itertools.pairwise(looks)]

    memory.client.deliver("a.csv")
    memory.client.deliver("b.csv")
    assert min(pauses(2)) > 0.4  # three more files are to come, and two have
    memory.client.deliver("c.csv")
    memory.client.deliver("d.csv")
    then = pauses(10)
    assert sum(pause < 0.3 for pause in then) >= 4
    assert then[-1] >= 1.0


def test_it_works_in_threads_as_it_does_step_by_step(client, checker, control):
    from concurrent.futures import ThreadPoolExecutor

    for n in range(40):
        client.deliver(f"{n}.csv")
    client.stop()
    with ThreadPoolExecutor(4) as threads:
        validator = Validator(
            control, LAYOUT, Judging(checker, threads), validator_id="threads", client_epoch=1, width=8
        )
        assert validator.run() == "stop"
    assert {v.path for v in client.verdicts()} == {f"{n}.csv" for n in range(40)}
    assert {v.status for v in client.verdicts()} == {"ok"}
    assert isinstance(control, Bucket)


def test_once_it_has_left_it_waits_for_nothing_more(memory, clock):
    memory.client.deliver("a.csv")
    memory.client.stop()
    validator = memory.validator()
    waited_after_it_left = []

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited_after_it_left.append(validator.outcome is not None)
            clock.advance(timeout or 0.0)
            return True

    validator._wake = Wake()
    assert validator.run() == "stop"
    assert not any(waited_after_it_left)
