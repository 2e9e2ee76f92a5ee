"""Where a delivery stands, by rules alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.closing import Closed
from upload_client.core.delivery_status import (
    DeliveryPhase,
    DeliveryStatus,
    Evidence,
    ObservedLock,
    ObservedReceipt,
    as_json,
    as_moment,
)
from upload_client.core.hand_over import HandOver
from upload_client.core.history import DeliveryHistory
from upload_client.core.lease import LockBody
from upload_client.core.observed import FileState, ObservedLanding, parse_index
from upload_client.core.records import (
    Crash,
    Failed,
    Found,
    Init,
    Keepalive,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import Records, Segment
from upload_client.core.status import status_of, with_landing
from upload_client.core.times import milliseconds, timestamp
from upload_client.core.uploads import Upload, parse_upload_id

BEGAN = milliseconds("2026-01-02T03:00:00.000Z") / 1000
CRC, ETAG = "yH2GHg==", "ab" * 16
FOUND = Found(100, CRC, ETAG)


def at(seconds: float) -> str:
    return timestamp(BEGAN + seconds)


def client(epoch: int, *records) -> Segment:
    return Segment(SegmentHeader(1, 0, f"client{epoch}", epoch, None), Records(records), "")


def validator(epoch: int, *records, serves: int = 1) -> Segment:
    return Segment(SegmentHeader(1, 0, f"validator{epoch}", epoch, None, serves), Records(records), "")


def init(epoch: int = 1, seconds: float = 0, n_files: int = 4, n_bytes: int = 400) -> Init:
    return Init(at(seconds), epoch, "staging/index/00000001.csv", "0" * 64, n_files, n_bytes)


def sent(path: str, upload: str, seconds: float) -> Transferred:
    return Transferred(at(seconds), path, Upload(*parse_upload_id(upload), 100, CRC, ETAG), 0)


def verdict(path: str, upload: str, seconds: float, status="ok", message="") -> Verdict:
    return Verdict(at(seconds), path, upload, 0, status, message, FOUND)


def lock(state="held", *, epoch=1, written=0.0, date=10.0, said=None, **more) -> ObservedLock:
    """A lock written and looked at so many seconds after the beginning, by the store's clock."""
    body = LockBody(
        agent_id=f"client{epoch}",
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
        acquired_at=at(0),
        refreshed_at=at(written if said is None else said),
        **more,
    )
    return ObservedLock(body, BEGAN + written, BEGAN + date)


def index(*paths: str, will: str = "true", size: str = "100"):
    rows = "".join(f"{path},,{size},{will}\n" for path in paths)
    return parse_index(("path,checksum,size,will_transfer\n" + rows).encode())


def status(history=None, owned=None, now=10.0, **more) -> DeliveryStatus:
    evidence = Evidence(now=BEGAN + now, lock=owned, history=history, **more)
    return status_of(evidence, dataset="toy", delivery_id="d1", transfer_type="staging")


def codes(found: DeliveryStatus) -> list[str]:
    return [problem.code for problem in found.problems]


@pytest.fixture
def history() -> DeliveryHistory:
    made = DeliveryHistory()
    made.add_client(client(1, init()))
    return made


RECEIPT = ObservedReceipt("staging/receipt/00000001.json", 1, BEGAN + 9)


def test_a_delivery_of_which_nothing_is_there_says_so():
    found = status(DeliveryHistory())
    assert (found.phase, codes(found)) == (DeliveryPhase.MISSING, ["missing"])
    assert "there is no delivery toy/d1" in found.headline


@pytest.mark.parametrize("note", [None, Closed("2026-01-02T03:04:05.678Z", "thank you")])
def test_of_a_closed_delivery_whose_run_broke_off_nobody_is_told_to_run_it_again(history, note):
    found = status(history, lock(date=303), 303, index=index("a"), closed=note)
    assert found.leaves_landing is (note is not None)
    (problem,) = found.problems
    said = "Run the same command again" if note is None else "The receiver has closed"
    assert problem.todo.startswith(said)
    if note is not None:
        assert found.headline.endswith(
            "; the receiver has taken this delivery over and closed it on 2026-01-02T03:04:05.678Z: thank you"
        )


@pytest.mark.parametrize(
    "trace",
    [{"owned": lock("released")}, {"any_trace": True}, {"receipt": RECEIPT}],
)
def test_a_delivery_that_was_only_looked_at_has_not_begun(trace):
    found = status(DeliveryHistory(), **trace)
    assert (found.phase, codes(found)) == (DeliveryPhase.NOT_BEGUN, [])
    assert "not begun" in found.headline


def test_a_delivery_that_was_handed_over_says_where_to(history):
    history.add_client(client(1, sent("a", "1-0", 4), Stop(at(5), "complete")))
    history.add_validator(validator(1, verdict("a", "1-0", 4)))
    record = HandOver(
        *("toy", "d1", "staging", 1, RECEIPT.key, "a" * 64, "s3://landing/", "s3://archive/toy/", 1, 100),
        *("b" * 64, at(9), "agent"),
    )
    found = status(history, lock("released"), index=index("a"), receipt=RECEIPT, hand_over=record)
    assert found.phase is DeliveryPhase.COMPLETE
    assert found.headline.endswith("and the receipt is written; handed over to s3://archive/toy/")
    assert as_json(found)["hand_over"] == record.as_json()


def test_a_run_without_a_plan_is_preparing(history):
    assert status(DeliveryHistory(), lock()).phase is DeliveryPhase.PREPARING
    assert status(history, lock(epoch=2)).phase is DeliveryPhase.PREPARING
    history.add_client(client(2))
    found = status(history, lock(epoch=2))
    assert (found.phase, codes(found)) == (DeliveryPhase.PREPARING, [])
    assert "preparing" in found.headline
    assert found.rate is None


def test_a_run_goes_through_its_phases(history):
    rows = index("a", "b")
    history.add_client(client(1, sent("a", "1-0", 4)))
    found = status(history, lock(), index=rows)
    assert (found.phase, found.files) == (
        DeliveryPhase.TRANSFERRING,
        {"ready": 1, "failed": 0, "done": 1, "valid": 0, "invalid": 0, "total": 2},
    )
    assert found.n_bytes["total"] == 200
    assert "are being sent" in found.headline
    history.add_client(client(1, sent("b", "1-1", 6)))
    history.add_validator(validator(1, verdict("a", "1-0", 7)))
    assert status(history, lock(), index=rows).phase is DeliveryPhase.WAITING
    assert "1 without a verdict" in status(history, lock(), index=rows).headline
    history.add_validator(validator(1, verdict("b", "1-1", 8)))
    assert status(history, lock(), index=rows).phase is DeliveryPhase.FINISHING
    assert "last checks" in status(history, lock(), index=rows).headline
    history.add_client(client(1, Stop(at(9), "complete")))
    assert not status(history, lock(), index=rows).phase.live
    done = status(history, lock("released", written=9), index=rows, receipt=RECEIPT)
    assert (done.phase, codes(done), done.rate, done.eta_seconds) == (DeliveryPhase.COMPLETE, [], None, None)
    assert done.headline.startswith("complete: 2 of 2 files valid")
    assert done.run is not None
    assert (done.run.ended, done.run.reason) == ("stop", "complete")
    without = status(history, lock("released", written=9), index=rows)
    assert (without.phase, codes(without)) == (DeliveryPhase.ENDED, ["no_receipt"])


def test_a_run_that_found_nothing_to_do_leaves_it_complete(history):
    history.add_client(client(1, sent("a", "1-0", 4), Stop(at(5), "complete")))
    history.add_validator(validator(1, verdict("a", "1-0", 4)))
    history.add_client(client(2, Stop(at(9), "nothing to do: all files are delivered and valid")))
    found = status(history, lock("released", epoch=2), index=index("a"), receipt=RECEIPT)
    assert (found.phase, codes(found)) == (DeliveryPhase.COMPLETE, [])


def test_what_was_done_to_the_bucket_after_the_verdicts_is_told(history):
    history.add_client(client(1, sent("a", "1-0", 4), Stop(at(5), "complete")))
    history.add_validator(validator(1, verdict("a", "1-0", 4)))
    complete = status(history, lock("released"), index=index("a"), receipt=RECEIPT)
    none = {"added": (), "replaced": (), "gone": ()}
    as_judged = with_landing(complete, ObservedLanding(0, 0, 0, none))
    assert (codes(as_judged), as_judged.headline) == ([], complete.headline)
    harmed = ObservedLanding(12, 1, 1, {"added": ("x\x1b", "y"), "replaced": ("a",), "gone": ("b",)})
    told = with_landing(complete, harmed)
    assert codes(told) == ["objects_gone", "objects_replaced", "objects_added"]
    assert told.headline.startswith(f"{complete.headline}; 1 no longer in the bucket; 1 replaced")
    assert "12 objects in the landing place that this delivery does not have: x\\x1b, y and 10 more" in (
        told.problems[2].what
    )
    assert "1 object of this delivery no longer in the bucket: b" in told.problems[0].what
    assert as_json(told)["landing"]["named"]["replaced"] == ["a"]


def test_how_a_run_ended_is_told_with_what_to_do(history):
    rows = index("a", "b", "c", "d")
    history.add_client(client(1, *(sent(path, f"1-{n}", 4) for n, path in enumerate("abc"))))
    history.add_client(client(1, Failed(at(5), "d", "permission denied", 0), Stop(at(8), "interrupted")))
    history.add_validator(validator(1, verdict("a", "1-0", 7), verdict("b", "1-1", 7, "failure", "torn")))
    found = status(history, lock("released"), index=rows)
    assert found.phase is DeliveryPhase.ENDED
    assert found.headline == "ended: 1 of 4 files valid; 1 invalid; 1 not judged; 1 not transferred"
    assert codes(found) == ["invalid_files", "failed_files", "stopped", "not_judged"]
    assert all(problem.todo for problem in found.problems)
    assert [(kind.state, kind.reason) for kind in found.wrong] == [
        ("invalid", "torn"),
        ("failed", "permission denied"),
    ]


def test_how_valid_files_were_judged_is_counted(history):
    ways = (
        ("size", "csv"),
        ("size", "csv"),
        ("size", "fits not opened: astropy is not installed"),
        ("size",),
    )
    history.add_client(client(1, *(sent(path, f"1-{n}", 4) for n, path in enumerate("abcd"))))
    history.add_validator(
        validator(1, *(replace(verdict(path, f"1-{n}", 7), checks=ways[n]) for n, path in enumerate("abcd")))
    )
    found = status(history, lock("released"), index=index(*"abcd"))
    assert list(found.opened.items()) == [
        ("csv", 2),
        ("not opened: astropy is not installed", 1),
        ("not opened: size and checksum alone were compared", 1),
    ]
    assert as_json(found)["opened"][0] == {"how": "csv", "files": 2}


def test_more_than_one_reason_is_said_to_be(history):
    history.add_client(client(1, *(sent(path, f"1-{n}", 4) for n, path in enumerate("abcd"))))
    said = [verdict("a", "1-0", 7, "failure", "torn"), verdict("b", "1-1", 7, "failure", "torn")]
    history.add_validator(validator(1, *said, verdict("c", "1-2", 7, "failure", "wet")))
    one = status(history, lock("released"), index=index(*"abcd"))
    assert "torn (2), and 1 other reason" in next(p.what for p in one.problems if p.code == "invalid_files")
    history.add_validator(validator(1, verdict("d", "1-3", 7, "failure", "odd")))
    two = status(history, lock("released"), index=index(*"abcd"))
    assert "and 2 other reasons" in next(p.what for p in two.problems if p.code == "invalid_files")


def test_a_crash_is_told(history):
    history.add_client(client(1, Crash(at(5), "the disk is gone")))
    found = status(history, lock("released"), index=index("a"))
    assert (found.phase, codes(found)) == (DeliveryPhase.CRASHED, ["crashed"])
    assert "the disk is gone" in found.problems[0].what
    assert found.headline == "ended by an error: 0 of 1 file valid; 1 not sent"


def test_a_run_that_was_killed_has_broken_off_when_its_lease_is_over(history):
    rows = index("a")
    assert status(history, lock(date=302), 302, index=rows).phase is DeliveryPhase.TRANSFERRING
    found = status(history, lock(date=303), 303, index=rows)
    assert (found.phase, codes(found)) == (DeliveryPhase.BROKEN_OFF, ["broken_off"])
    assert found.headline.startswith("broken off: 0 of 1")
    assert found.lock is not None
    assert (found.lock.state, found.lock.until, found.lock.seconds_left) == ("expired", None, None)
    assert found.problems[0].severity == "error"


def test_a_lock_is_told_with_who_has_it_and_until_when(history):
    found = status(history, lock(written=4, date=10)).lock
    assert found is not None
    assert (found.state, found.agent_id, found.user, found.host) == ("held", "client1", "maria", "ship")
    assert (found.pid, found.epoch, found.since, found.refreshed_at) == (7, 1, at(0), at(4))
    assert (found.until, found.seconds_left, found.lease_seconds) == (at(306), 296, 300)
    assert not found.for_other_type


def test_a_lock_that_says_that_it_is_of_the_other_transfer_type_is_believed_before_any_log(history):
    history.add_client(client(1, Stop(at(5), "complete")))
    found = status(history, lock(epoch=2, transfer_type="sample"), index=index("a"))
    assert found.lock is not None
    assert (found.lock.for_other_type, found.lock.transfer_type) == (True, "sample")
    assert found.phase is DeliveryPhase.ENDED
    assert codes(found) == ["other_type_at_work"]
    assert "is sending the sample, which shares a lock with the whole delivery" in found.problems[0].what
    found = status(history, lock(epoch=2, transfer_type="staging"), index=index("a"), other_epoch=2)
    assert found.lock is not None
    assert not found.lock.for_other_type
    assert found.phase is DeliveryPhase.PREPARING


def test_a_lock_of_the_other_transfer_type_says_nothing_of_this_one(history):
    history.add_client(client(1, Stop(at(5), "complete")))
    found = status(history, lock(epoch=2), index=index("a"), other_epoch=2)
    assert found.lock is not None
    assert found.lock.for_other_type
    assert found.phase is DeliveryPhase.ENDED
    assert codes(found) == ["other_type_at_work"]
    assert codes(status(history, lock("released", epoch=2), index=index("a"), other_epoch=2)) == []


def test_a_lock_that_cannot_be_read_is_said_to_be(history):
    found = status(history, ObservedLock(None, BEGAN, BEGAN + 9), index=index("a"))
    assert found.lock is not None
    assert (found.lock.state, found.lock.agent_id) == ("unreadable", None)
    assert codes(found) == ["lock_unreadable", "broken_off"]
    assert ObservedLock(None, 0, 9).skew is None
    assert as_json(found)["lock"]["refreshed_at"] == at(0)


def test_a_broken_log_says_nothing_but_that():
    found = status(None, lock(), log_broken="the log is broken at x: a gap")
    assert (found.phase, codes(found)) == (DeliveryPhase.LOG_BROKEN, ["log_broken"])
    assert found.headline.endswith("Somebody holds the lock.")
    assert (found.files["total"], found.run, found.validator) == (0, None, None)
    assert not status(None, None, log_broken="x").headline.endswith("lock.")


def test_the_rate_is_that_of_the_last_minutes_of_this_run(history):
    rows = index(*"abcde")
    history.add_client(client(1, sent("a", "1-0", 50), sent("b", "1-1", 880), sent("c", "1-2", 890)))
    history.add_validator(validator(1, verdict("a", "1-0", 60), verdict("b", "1-1", 895)))
    found = status(history, lock(written=900, date=900), 900, index=rows)
    assert found.rate is not None
    assert found.rate.seconds == 300
    assert found.rate.bytes_per_second == pytest.approx(200 / 300)
    assert found.rate.files_per_second == pytest.approx(2 / 300)
    assert found.rate.verdicts_per_second == pytest.approx(1 / 300)
    assert found.eta_seconds == pytest.approx(3 * 300)  # two to send, three to judge


def test_where_nothing_came_lately_the_rate_is_that_of_the_whole_run(history):
    history.add_client(client(1, sent("a", "1-0", 50)))
    found = status(history, lock(written=900, date=900), 900, index=index(*"ab"))
    assert found.rate is not None
    assert (found.rate.seconds, found.rate.files_per_second) == (900, pytest.approx(1 / 900))
    assert found.eta_seconds is None  # no verdict so far: nobody knows


def test_a_run_of_which_nothing_came_has_no_rate(history):
    found = status(history, lock(), index=index("a"))
    assert (found.phase, found.rate, found.eta_seconds) == (DeliveryPhase.TRANSFERRING, None, None)


@pytest.mark.parametrize("hours", [-2, -1, 1, 2])
def test_whichever_way_the_clocks_are_wrong_the_last_minutes_are_the_same(hours):
    off = hours * 3600
    made = DeliveryHistory()
    early, late = sent("a", "1-0", 100 + off), sent("b", "1-1", 880 + off)
    made.add_client(client(1, init(seconds=off), early, late))
    made.add_validator(validator(1, verdict("a", "1-0", 110 - off), verdict("b", "1-1", 890 - off)))
    judge = lock(written=895, date=900, said=895 - off)
    found = status(
        made,
        lock(written=899, date=900, said=899 + off),
        900,
        validator_locks={0: judge},
        index=index(*"abc"),
    )
    assert found.rate is not None
    assert (found.rate.seconds, found.rate.files_per_second) == (300, pytest.approx(1 / 300))
    assert found.rate.verdicts_per_second == pytest.approx(1 / 300)


def test_clocks_that_are_wrong_on_either_side_change_no_rate(history):
    """The client's clock is an hour ahead, the validator's an hour behind: their locks say so."""
    made = DeliveryHistory()
    made.add_client(client(1, init(seconds=3600), sent("a", "1-0", 3650)))
    made.add_validator(validator(1, ValidatorInit(at(-3590), "v", 1), verdict("a", "1-0", -3540)))
    judge = lock(written=60, date=100, said=-3540)
    found = status(
        made, lock(written=60, date=100, said=3660), 100, validator_locks={0: judge}, index=index(*"ab")
    )
    assert found.rate is not None
    assert (found.rate.seconds, found.rate.files_per_second) == (100, pytest.approx(0.01))
    assert found.rate.verdicts_per_second == pytest.approx(0.01)
    assert found.run is not None
    assert found.validator is not None
    assert (found.run.clock_ahead_seconds, found.run.silent_seconds) == (3600, 50)
    assert (found.validator.silent_seconds, found.validator.validator_id) == (40, "v")
    assert codes(found) == ["clock_skew"]
    assert "60 min ahead" in found.problems[0].what
    behind = status(history, lock(written=9000, said=9, date=9001), 9001, index=index("a"))
    slow = status(history, lock(written=100, said=9, date=101), 101, index=index("a"))
    assert "91 s behind" in next(p.what for p in slow.problems if p.code == "clock_skew")
    assert "2 h 29 min behind" in next(p.what for p in behind.problems if p.code == "clock_skew")


@given(
    ended=st.sampled_from([None, "stop", "crash"]),
    verdicts=st.lists(st.sampled_from(["ok", "failure", "error"]), max_size=4),
    failed=st.booleans(),
    ahead=st.sampled_from([0.0, 7200.0]),
)
def test_whatever_is_wrong_running_it_again_is_the_last_step(ended, verdicts, failed, ahead):
    made = DeliveryHistory()
    made.add_client(client(1, init(), *(sent(f"f{n}", f"1-{n}", 1) for n in range(len(verdicts)))))
    if failed:
        made.add_client(client(1, Failed(at(2), "g", "is not there", 0, "missing")))
    said = (verdict(f"f{n}", f"1-{n}", 3, word) for n, word in enumerate(verdicts))
    made.add_validator(validator(1, *said))
    if ended is not None:
        made.add_client(client(1, (Stop if ended == "stop" else Crash)(at(4), "it stopped early")))
    rows = index(*(f"f{n}" for n in range(len(verdicts))), *["g"] * failed, "h")
    found = status(made, lock("released", clock_ahead=ahead), index=rows)
    again = [problem.todo.startswith("Run the same command again") for problem in found.problems]
    assert again == sorted(again)


def test_a_wrong_clock_is_told_of_although_its_owner_writes_the_stores_time(history):
    found = status(history, lock(written=60, date=100, clock_ahead=-7200.0), 100, index=index("a"))
    assert found.run is not None
    assert (found.run.clock_ahead_seconds, found.run.silent_seconds) == (-7200, 100)
    assert codes(found) == ["clock_skew"]
    assert "2 h 00 min behind" in found.problems[0].what
    fixed = status(history, lock(written=60, date=100, clock_ahead=0.0), 100, index=index("a"))
    assert codes(fixed) == []


def test_a_client_that_writes_nothing_is_told_of_while_it_holds_the_lock(history):
    assert codes(status(history, lock(date=119, written=119), 119, index=index("a"))) == []
    found = status(history, lock(date=125, written=120), 125, index=index("a"))
    assert codes(found) == ["client_silent"]
    assert "2 min" in found.problems[0].what


def test_a_validator_is_watched_while_somebody_waits_for_it(history):
    rows = index("a", "b")
    history.add_client(client(1, sent("a", "1-0", 5), Keepalive(at(190))))
    history.add_validator(validator(1, ValidatorInit(at(6), "v", 1)))
    silent = status(history, lock(written=200, date=200), 200, index=rows)
    assert codes(silent) == ["validator_silent"]
    assert "3 min" in silent.problems[0].what
    history.add_validator(validator(1, Shutdown(at(199), "error", "")))
    assert codes(status(history, lock(written=200, date=200), 200, index=rows)) == ["validator_left"]
    history.add_validator(validator(2, Keepalive(at(199))))
    found = status(history, lock(written=200, date=200), 200, index=rows, validator_locks={0: lock(epoch=9)})
    assert codes(found) == []
    assert found.validator is not None
    assert (found.validator.epoch, found.validator.validator_id) == (2, None)
    mute = DeliveryHistory()
    mute.add_client(client(1, init(), sent("a", "1-0", 5), Keepalive(at(190))))
    mute.add_validator(validator(1))
    assert codes(status(mute, lock(written=200, date=200), 200, index=rows)) == []


def test_of_several_validators_the_one_is_told_of_that_there_is_most_reason_to_look_at(history):
    def told():
        found = status(history, lock(written=200, date=200), 200, index=index("a", "b")).validator
        assert found is not None
        return found.validator_id, found.shard, found.shards

    history.add_client(client(1, sent("a", "1-0", 5), Keepalive(at(190))))
    for shard in range(3):
        history.add_validator(validator(1, ValidatorInit(at(6), f"v{shard}", 1, 3)), shard)
    history.add_validator(validator(1, Stop(at(9))), 0)
    history.add_validator(validator(1, Keepalive(at(190))), 1)
    assert told() == ("v2", 2, 3)  # silent for longer than the other that has not left
    history.add_validator(validator(1, Shutdown(at(195), "error", "")), 1)
    assert told() == ("v1", 1, 3)


def test_where_the_index_is_not_there_the_log_says_how_many_files_there_are(history):
    history.add_client(client(1, sent("a", "1-0", 5)))
    found = status(history, lock())
    assert (found.files["total"], found.n_bytes["total"]) == (4, 400)
    history.add_client(client(1, *(sent(f"x{n}", f"1-{n + 1}", 5) for n in range(9))))
    found = status(history, lock())
    assert (found.files["total"], found.n_bytes["total"]) == (10, 1000)


def test_the_most_severe_problem_comes_first(history):
    history.add_client(client(1, sent("a", "1-0", 4)))
    history.add_validator(validator(1, verdict("a", "1-0", 7, "failure", "torn")))
    found = status(history, lock(date=400), 400, index=index("a", "b"))
    assert codes(found) == ["invalid_files", "broken_off"]


def test_as_json_it_is_one_object_that_any_reader_takes(history):
    history.add_client(client(1, sent("a", "1-0", 4), sent("b", "1-1", 4)))
    history.add_validator(validator(1, verdict("a", "1-0", 7, "failure", "torn")))
    seen = lock(written=8)
    assert seen.body is not None
    seen = replace(seen, body=replace(seen.body, host="\ud800"))
    told = json.loads(
        json.dumps(as_json(status(history, seen, index=index("a", "b"), receipt=RECEIPT)), allow_nan=False)
    )
    assert (told["schema_version"], told["kind"], told["phase"]) == (1, "status", "waiting_for_verdicts")
    assert told["lock"]["host"] == "\\ud800"
    assert told["wrong"] == [
        {
            "state": "invalid",
            "reason": "torn",
            "todo": told["wrong"][0]["todo"],
            "code": None,
            "files": 1,
            "paths": ["a"],
        }
    ]
    assert told["receipt"] == {"key": RECEIPT.key, "epoch": 1, "written_at": at(9)}
    assert told["bytes"]["total"] == 200
    assert told["last"] == [{"path": "a", "state": "invalid", "message": "torn", "at": at(7), "code": None}]
    strange = as_json(replace(status(history, seen), eta_seconds=float("inf")))
    assert strange["eta_seconds"] is None


@given(st.text(max_size=30))
@example("2026-02-30T00:00:00.000Z")
@example("yesterday")
def test_a_text_is_a_moment_in_the_form_of_the_logs_or_none(text):
    found = as_moment(text)
    assert found is None or timestamp(found / 1000) == text


def test_a_moment_is_one():
    assert as_moment(at(0)) == BEGAN * 1000


def test_a_client_that_has_ended_is_believed_about_its_files(history):
    files = [FileState("a", "invalid", 9, message="torn"), FileState("b", "done", 9)]
    found = status(history, lock("released"), index=index("a", "b"), files=lambda: iter(files))
    assert (found.files["invalid"], found.files["done"], found.files["total"]) == (1, 1, 2)
