"""One owner at a time, whatever the network, the clocks and the people do."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from faults import proxy as net
from faults.memory import MemoryBucket, MemoryStore, VirtualClock
from hypothesis import given
from hypothesis import strategies as st

from upload_client.control.identity import current_process, is_running, new_agent_id
from upload_client.control.lock import LAST_CHANCE, Lock, epoch_floor
from upload_client.control.log import LogWriter
from upload_client.core.layout import Layout
from upload_client.core.lease import DEFAULT_LEASE, GRACE, MAX_BODY, LockBody, ProcessIdentity
from upload_client.core.segments import LogChain
from upload_client.errors import EpochRefused, Locked, LockLost
from upload_client.s3.bucket import AnswerLost, Bucket, NotFound, ObjectTooLarge

ELSEWHERE = ProcessIdentity("other machine", "other boot", "other namespace", 1, "1")


def lock_of(bucket, agent_id="holder", **options) -> Lock:
    return Lock(bucket, "owned", agent_id=agent_id, **({"lease_seconds": 300} | options))


def body_of(bucket) -> LockBody:
    body = LockBody.decode(bucket.read("owned"))
    assert body is not None
    return body


class Later(Bucket):
    """The same bucket, so many seconds later by the store's clock."""

    def __init__(self, bucket: Bucket, seconds: float) -> None:
        super().__init__(bucket.name, prefix=bucket.prefix, client=bucket.client)
        self.seconds = seconds

    def get(self, key, **options):
        try:
            fetched = super().get(key, **options)
        except ObjectTooLarge as error:
            error.found = replace(error.found, date=error.found.date + self.seconds)
            raise
        return replace(fetched, date=fetched.date + self.seconds)


# --- taking it ---


def test_the_first_gets_the_lock_and_says_who_it_is(bucket):
    lock = lock_of(bucket)
    assert not lock.may_write
    assert lock.acquire(0) == lock.epoch == 1
    assert lock.may_write
    body = body_of(bucket)
    assert (body.agent_id, body.epoch, body.state, body.lease_seconds) == ("holder", 1, "held", 300)
    assert body.process == current_process()
    assert len(bucket.read("owned")) <= MAX_BODY


def test_the_second_is_told_who_has_it_and_until_when(bucket):
    lock_of(bucket, identity=ELSEWHERE).acquire(0)
    second = lock_of(bucket, "second")
    with pytest.raises(Locked) as refused:
        second.acquire(0)
    holder = body_of(bucket)
    assert refused.value.exit_code == 11
    assert refused.value.delivery == bucket.prefix.rstrip("/")
    assert refused.value.agent_id == "holder"
    assert (refused.value.host, refused.value.user) == (holder.host, holder.user)
    assert refused.value.since == holder.acquired_at
    assert refused.value.until > holder.acquired_at
    assert (second.state, second.epoch, second.may_write) == ("free", 0, False)
    assert body_of(bucket) == holder


def test_it_is_told_whether_the_sample_or_the_whole_is_delivered(bucket):
    lock_of(bucket, identity=ELSEWHERE, transfer_type="sample").acquire(0)
    assert body_of(bucket).transfer_type == "sample"
    with pytest.raises(Locked, match="is locked for the sample by agent holder") as refused:
        lock_of(bucket, "second", transfer_type="staging").acquire(0)
    assert refused.value.transfer_type == "sample"
    assert "`upload-client status --sample`" in refused.value.hint


def test_only_a_holder_that_says_that_it_delivers_the_other_one_is_passed_over(bucket):
    one = lock_of(bucket, identity=ELSEWHERE, transfer_type="sample")
    one.acquire(0)
    lock_of(bucket, "looks").check_free(besides="sample")
    for besides in ("staging", None):
        with pytest.raises(Locked):
            lock_of(bucket, "looks").check_free(besides=besides)
    one.release()
    lock_of(bucket, identity=ELSEWHERE).acquire(0)  # as a version that does not say so
    with pytest.raises(Locked, match="is locked by agent holder"):
        lock_of(bucket, "looks").check_free(besides="sample")


def test_taking_it_twice_is_taking_it_once(bucket):
    lock = lock_of(bucket)
    assert lock.acquire(0) == lock.acquire(0) == 1


def test_epochs_only_grow(bucket):
    lock_of(bucket).acquire(41)
    assert body_of(bucket).epoch == 42
    bucket.rm("owned")
    assert lock_of(bucket, "second").acquire(42) == 43
    assert lock_of(bucket, "third").acquire(7, steal="second") == 44


def test_of_fifty_who_start_at_once_one_gets_it(bucket):
    machines = [replace(ELSEWHERE, machine_id=f"machine {n}") for n in range(50)]
    locks = [lock_of(bucket, f"agent{n}", identity=machines[n]) for n in range(50)]
    start = threading.Barrier(50)
    outcomes: list[object] = [None] * 50

    def run(n: int) -> None:
        start.wait()
        try:
            outcomes[n] = locks[n].acquire(0)
        except Exception as error:  # noqa: BLE001 - looked at below
            outcomes[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = [n for n in range(50) if outcomes[n] == 1]
    assert [n for n in range(50) if locks[n].may_write] == owners
    assert len(owners) == 1
    assert {type(outcome) for n, outcome in enumerate(outcomes) if n not in owners} == {Locked}
    assert body_of(bucket).agent_id == f"agent{owners[0]}"


def test_a_name_given_twice_makes_no_two_owners(bucket):
    class Blind(Later):
        """Sees no lock the first time: the other one was faster by a moment."""

        seen = False

        def get(self, key, **options):
            if not self.seen:
                self.seen = True
                raise NotFound(key)
            return super().get(key, **options)

    lock_of(bucket, "same", identity=ELSEWHERE).acquire(0)
    second = lock_of(Blind(bucket, 0), "same")
    with pytest.raises(Locked):
        second.acquire(0)
    assert not second.may_write


def test_a_lost_answer_to_the_first_write_is_no_conflict(bucket, through, proxy, clock, lost_answer):
    proxy.on(lost_answer, method="PUT")
    lock = lock_of(through(bucket), clock=clock)
    assert lock.acquire(0) == 1
    assert lock.may_write
    assert body_of(bucket).agent_id == "holder"
    lock.refresh()  # it knows the right ETag


def test_a_lost_first_write_is_made_again(bucket, through, proxy, clock, lost_request):
    proxy.on(lost_request, method="PUT")
    lock = lock_of(through(bucket), clock=clock)
    assert lock.acquire(0) == 1
    assert body_of(bucket).agent_id == "holder"
    lock.refresh()


@pytest.mark.parametrize("fault", [net.swallow_answer(), net.drop()])
def test_lost_answers_to_write_and_read_back_are_survived(bucket, through, proxy, clock, fault):
    proxy.on(fault, method="PUT", times=1)
    proxy.on(fault, method="GET", nth=2, times=2)
    lock = lock_of(through(bucket), clock=clock)
    assert lock.acquire(0) == 1
    lock.refresh()
    assert body_of(bucket).epoch == 1


def test_a_store_that_takes_no_write_is_not_said_to_be_locked(bucket, through, proxy, clock):
    proxy.on(net.answer(503, "SlowDown"), method="PUT", times=None)
    with pytest.raises(AnswerLost, match="SlowDown"):
        lock_of(through(bucket), clock=clock).acquire(0)
    assert proxy.count("PUT") == 4


def test_botocore_asking_again_by_itself_is_no_conflict(bucket, through, proxy, clock):
    proxy.on(net.swallow_answer(), method="PUT", times=2)
    lock = lock_of(through(bucket, retries={"mode": "standard", "total_max_attempts": 3}), clock=clock)
    assert lock.acquire(0) == 1
    assert proxy.count("PUT") == 3


def test_what_an_outage_left_unclear_is_given_back(bucket, through, proxy, clock):
    proxy.on(net.swallow_answer(), method="PUT")
    proxy.on(net.drop(), method="GET", nth=2, times=None)
    lock = lock_of(through(bucket), clock=clock)
    with pytest.raises(AnswerLost):
        lock.acquire(0)
    assert not lock.may_write
    assert body_of(bucket).state == "held"
    proxy.calm()
    lock.release()
    assert body_of(bucket).state == "released"


# --- taking it over ---


def test_a_lock_is_taken_over_only_when_the_stores_clock_says_so(bucket):
    lock_of(bucket, lease_seconds=60, identity=ELSEWHERE).acquire(0)
    with pytest.raises(Locked):
        lock_of(Later(bucket, 60 + GRACE - 5), "second").acquire(0)
    assert lock_of(Later(bucket, 60 + GRACE + 1), "second").acquire(0) == 2
    assert body_of(bucket).agent_id == "second"


def test_the_own_clock_has_no_say_in_it(bucket, clock):
    lock_of(bucket, lease_seconds=60, identity=ELSEWHERE).acquire(0)
    clock.advance(1_000_000)
    with pytest.raises(Locked):
        lock_of(bucket, "second", clock=clock).acquire(0)


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b"null", b"[" * 3000, b"x" * (MAX_BODY + 1)])
def test_an_unreadable_lock_is_held_until_the_longest_lease_is_over(bucket, junk):
    bucket.put("owned", junk)
    with pytest.raises(Locked) as refused:
        lock_of(Later(bucket, DEFAULT_LEASE - 10)).acquire(5)
    assert refused.value.agent_id == ""
    assert lock_of(Later(bucket, DEFAULT_LEASE + GRACE + 1)).acquire(5) == 6


def test_a_dead_process_of_this_machine_holds_nothing(bucket):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = current_process()
    if not here.shares_processes_with(here):
        pytest.skip("this platform does not tell which machine and boot this is")
    lock_of(bucket, identity=replace(here, pid=dead.pid, started="1")).acquire(0)
    assert lock_of(bucket, "second").acquire(0) == 2


def test_a_process_of_another_boot_is_not_taken_for_dead(bucket):
    here = current_process()
    lock_of(bucket, identity=replace(here, boot_id="another", pid=2**22 - 1)).acquire(0)
    with pytest.raises(Locked):
        lock_of(bucket, "second").acquire(0)


def test_a_living_process_of_this_machine_keeps_its_lock(bucket):
    lock_of(bucket).acquire(0)
    with pytest.raises(Locked):
        lock_of(bucket, "second").acquire(0)


def test_a_lock_is_stolen_by_its_holders_name_only(bucket):
    first = lock_of(bucket, identity=ELSEWHERE)
    first.acquire(0)
    with pytest.raises(Locked):
        lock_of(bucket, "thief").acquire(0, steal="somebody")
    assert lock_of(bucket, "thief").acquire(0, steal="holder") == 2
    with pytest.raises(LockLost, match="agent thief has it, epoch 2"):
        first.refresh()


# --- keeping it ---


def test_writing_stops_at_half_the_lease_without_a_confirmation(bucket, clock):
    lock = lock_of(bucket, lease_seconds=100, clock=clock)
    lock.acquire(0)
    clock.advance(49.9)
    assert lock.may_write
    clock.advance(0.2)
    assert not lock.may_write
    assert lock.step() == 25
    assert lock.may_write


def test_a_refresh_is_made_when_a_quarter_of_the_lease_has_passed(bucket, clock):
    lock = lock_of(bucket, lease_seconds=100, clock=clock)
    assert lock.step() == math.inf
    lock.acquire(0)
    nonce = body_of(bucket).nonce
    clock.advance(10)
    assert lock.step() == 15
    assert body_of(bucket).nonce == nonce
    clock.advance(15)
    assert lock.step() == 25
    assert body_of(bucket).nonce != nonce
    assert body_of(bucket).epoch == 1


def test_a_laptop_that_slept_notices_before_it_writes(bucket, clock):
    lock = lock_of(bucket, lease_seconds=100, clock=clock)
    lock.acquire(0)
    clock.advance(3600, monotonic=False)
    assert not lock.may_write
    lock.step()  # nobody came meanwhile
    assert lock.may_write
    assert lock.state == "held"


def test_a_laptop_that_slept_too_long_has_lost(bucket, clock):
    lock = lock_of(bucket, lease_seconds=100, clock=clock, identity=ELSEWHERE)
    lock.acquire(0)
    clock.advance(3600, monotonic=False)
    lock_of(Later(bucket, 3600), "second").acquire(0)
    assert lock.step() == math.inf
    assert lock.state == "lost"
    with pytest.raises(LockLost, match="agent second has it"):
        lock.check_held()


def test_the_lease_counts_from_before_the_write_was_sent(clock):
    class Slow(MemoryBucket):
        def put(self, *args, **options):
            clock.advance(40)
            return super().put(*args, **options)

    lock = lock_of(Slow(MemoryStore(clock)), lease_seconds=100, clock=clock)
    lock.acquire(0)
    clock.advance(9)
    assert lock.may_write
    clock.advance(2)
    assert not lock.may_write


def test_a_lost_answer_to_a_refresh_loses_nothing(bucket, through, proxy, clock, lost_answer):
    lock = lock_of(through(bucket), clock=clock)
    lock.acquire(0)
    proxy.on(lost_answer, method="PUT")
    lock.refresh()
    lock.refresh()
    assert lock.may_write
    assert lock.trouble is None


def test_a_lost_refresh_is_made_again(bucket, through, proxy, clock, lost_request):
    lock = lock_of(through(bucket), clock=clock)
    lock.acquire(0)
    proxy.on(lost_request, method="PUT")
    before = body_of(bucket).nonce
    lock.refresh()
    assert body_of(bucket).nonce != before
    lock.refresh()


@pytest.mark.parametrize(
    ("meddle", "said"),
    [
        (lambda bucket: bucket.rm("owned"), "it is gone"),
        (lambda bucket: bucket.put("owned", b"garbage"), "unreadable"),
        (lambda bucket: lock_of(bucket, "thief").acquire(0, steal="holder"), "agent thief has it"),
        (
            lambda bucket: bucket.put(
                "owned", body_of(bucket).released(nonce="other", at="2026-01-01T00:00:00.000Z").encode()
            ),
            "released",
        ),
    ],
    ids=["deleted", "garbled", "stolen", "released by somebody"],
)
def test_a_lock_meddled_with_is_lost_and_nothing_more_is_written(bucket, through, proxy, clock, meddle, said):
    lock = lock_of(through(bucket), lease_seconds=100, clock=clock, identity=ELSEWHERE)
    lock.acquire(0)
    meddle(bucket)
    left = bucket.ls()
    clock.advance(30)
    assert lock.step() == math.inf
    assert lock.state == "lost"
    assert not lock.may_write
    with pytest.raises(LockLost, match=said) as lost:
        lock.check_held()
    assert lost.value.exit_code == 12
    n_writes = proxy.count("PUT")
    lock.step()
    lock.release()
    with pytest.raises(LockLost):
        lock.refresh()
    assert proxy.count("PUT") == n_writes
    assert bucket.ls() == left


def test_an_outage_shorter_than_the_lease_is_survived(bucket, through, proxy, clock):
    lock = lock_of(through(bucket), lease_seconds=300, clock=clock)
    lock.acquire(0)
    clock.advance(75)
    proxy.down()
    waited = 0.0
    while waited < 120:
        wait = lock.step()
        assert isinstance(lock.trouble, AnswerLost)
        clock.advance(wait)
        waited += wait
    assert lock.state == "held"
    assert not lock.may_write
    proxy.up()
    lock.step()
    assert lock.may_write
    assert lock.trouble is None


def test_a_laptop_has_a_moment_to_find_its_network_after_its_sleep(bucket, through, proxy, clock):
    lock = lock_of(through(bucket), lease_seconds=300, clock=clock)
    lock.acquire(0)
    clock.advance(5000, monotonic=False)
    proxy.down()
    clock.advance(lock.step())
    assert not lock.may_write
    proxy.up()
    lock.step()
    assert lock.may_write


def test_an_outage_past_the_lease_loses_the_lock(bucket, through, proxy, clock):
    lock = lock_of(through(bucket), lease_seconds=300, clock=clock)
    lock.acquire(0)
    clock.advance(75)
    proxy.down()
    waited = 75.0
    while (wait := lock.step()) < math.inf:
        clock.advance(wait)
        waited += wait
    assert 300 + LAST_CHANCE <= waited < 300 + LAST_CHANCE + 20
    assert lock.state == "lost"
    with pytest.raises(LockLost, match="could not be refreshed") as lost:
        lock.check_held()
    assert isinstance(lost.value.__cause__, AnswerLost)
    proxy.up()
    n_writes = proxy.count("PUT")
    assert lock.step() == math.inf
    assert proxy.count("PUT") == n_writes


def test_the_thread_keeps_the_lock(bucket, clock):
    lock = lock_of(bucket, lease_seconds=100, clock=clock)
    lock.acquire(0)
    written = threading.Event()
    bucket.client.meta.events.register("after-call.s3.PutObject", lambda **_: written.set())
    lock.start()
    lock.start()  # once is enough
    clock.advance(30)
    assert written.wait(30)
    lock.release()
    assert body_of(bucket).state == "released"


# --- giving it back ---


def test_what_is_released_can_be_taken_at_once_and_the_epoch_grows(bucket):
    first = lock_of(bucket, identity=ELSEWHERE)
    first.acquire(0)
    first.release()
    assert (first.state, first.may_write) == ("released", False)
    assert (body_of(bucket).state, body_of(bucket).agent_id, body_of(bucket).epoch) == (
        "released",
        "holder",
        1,
    )
    assert lock_of(bucket, "second").acquire(0) == 2


def test_releasing_twice_or_what_was_never_taken_does_nothing(bucket):
    lock = lock_of(bucket)
    lock.release()
    assert bucket.ls() == ()
    lock.acquire(0)
    lock.release()
    nonce = body_of(bucket).nonce
    lock.release()
    assert body_of(bucket).nonce == nonce


def test_a_release_is_sure_whatever_happens_to_the_answer(bucket, through, proxy, clock, lost_answer):
    lock = lock_of(through(bucket), clock=clock)
    lock.acquire(0)
    proxy.on(lost_answer, method="PUT")
    lock.release()
    assert lock.state == "released"
    assert body_of(bucket).state == "released"


def test_a_lock_whose_last_write_was_confirmed_is_given_back_in_one_request(bucket, through, proxy, clock):
    lock = lock_of(through(bucket), clock=clock)
    lock.acquire(0)
    before = proxy.count("GET"), proxy.count("PUT")
    lock.release()
    assert (proxy.count("GET"), proxy.count("PUT")) == (before[0], before[1] + 1)
    assert body_of(bucket).state == "released"


def test_a_lost_release_is_made_again(bucket, through, proxy, clock, lost_request):
    lock = lock_of(through(bucket), clock=clock)
    lock.acquire(0)
    proxy.on(lost_request, method="PUT")
    lock.release()
    assert body_of(bucket).state == "released"


def test_the_lock_of_somebody_else_is_not_released(bucket):
    first = lock_of(bucket)
    first.acquire(0)
    lock_of(bucket, "thief", identity=ELSEWHERE).acquire(0, steal="holder")
    with pytest.raises(LockLost):
        first.release()
    assert (body_of(bucket).agent_id, body_of(bucket).state) == ("thief", "held")


def test_a_refresh_that_ends_during_the_release_allows_no_writing(clock):
    started, go_on = threading.Event(), threading.Event()

    class Hanging(MemoryBucket):
        hangs = False

        def put(self, *args, **options):
            if self.hangs:
                self.hangs = False
                started.set()
                assert go_on.wait(30)
            return super().put(*args, **options)

    bucket = Hanging(MemoryStore(clock))
    lock = lock_of(bucket, clock=clock)
    lock.acquire(0)
    bucket.hangs = True
    refreshing = threading.Thread(target=lock.refresh)
    refreshing.start()
    assert started.wait(30)
    with pytest.raises(AnswerLost, match="hangs"):
        lock.release(timeout=0.01)
    assert not lock.may_write
    go_on.set()
    refreshing.join()
    assert not lock.may_write
    lock.release()
    assert json.loads(bucket.read("owned"))["state"] == "released"


# --- any sequence of events ---


@given(st.data())
def test_never_do_two_believe_that_they_may_write(data):
    """Two agents, one store that loses requests and answers, time that passes, laptops that sleep."""
    clock = VirtualClock()
    store = MemoryStore(clock, lambda *_: data.draw(st.sampled_from(["ok", "ok", "ok", "lost", "mute"])))
    locks: list[Lock] = []
    for name in ("one", "two"):
        identity = replace(ELSEWHERE, machine_id=name)
        locks.append(
            Lock(
                MemoryBucket(store), "owned", agent_id=name, lease_seconds=60, clock=clock, identity=identity
            )
        )
    epochs = [0]
    for _ in range(data.draw(st.integers(1, 30))):
        lock = data.draw(st.sampled_from(locks))
        match data.draw(st.sampled_from(["acquire", "step", "refresh", "release", "wait", "wait"])):
            case "wait":
                clock.advance(data.draw(st.sampled_from([1, 14, 16, 31, 61, 63, 64])))
            case "acquire":
                if lock.state in {"free", "released"}:
                    try:
                        epochs.append(lock.acquire(0))
                        assert epochs[-1] > epochs[-2]
                    except (Locked, AnswerLost):
                        pass
            case "step":
                lock.step()
            case operation:
                with contextlib.suppress(LockLost, AnswerLost):
                    getattr(lock, operation)()
        assert sum(lock.may_write for lock in locks) <= 1


# --- epochs, identities ---


def test_the_floor_is_the_highest_epoch_of_logs_indexes_and_receipts(bucket):
    staging, sample = (Layout("toy", "d1", kind) for kind in ("staging", "sample"))
    assert epoch_floor(bucket, staging) == 0
    bucket.put(staging.index(3), b"")
    assert epoch_floor(bucket, staging) == 3
    bucket.put(sample.receipt(5), b"")
    assert epoch_floor(bucket, staging) == 5
    LogWriter(bucket, staging.client_log(), agent_id="a", epoch=7, chain=LogChain("client")).fence()
    assert epoch_floor(bucket, sample) == 7
    LogWriter(bucket, sample.client_log(), agent_id="a", epoch=9, chain=LogChain("client")).fence()
    assert epoch_floor(bucket, staging) == 9
    bucket.put("staging/index/junk.csv", b"")
    bucket.put("sample/log/client/0000000001.jsonl", b"junk")
    assert epoch_floor(bucket, staging) == 7


def test_the_floor_of_a_new_delivery_takes_one_request(bucket, through, proxy):
    layout = Layout("toy", "d1", "staging")
    bucket.put("probe/store", b"")
    assert epoch_floor(through(bucket), layout) == 0
    assert proxy.count("GET") == 1
    bucket.put(layout.index(3), b"")
    assert epoch_floor(through(bucket), layout) == 3
    assert proxy.count("GET") == 5  # and nothing is asked about a sample


@pytest.mark.parametrize(
    "key",
    ["staging/index/99999999.csv", "sample/receipt/99999999.json", "sample/index/99999999.csv"],
)
def test_an_epoch_beyond_all_is_refused_as_what_it_is(bucket, key):
    layout = Layout("toy", "d1", "staging")
    bucket.put(key, b"")
    with pytest.raises(EpochRefused, match=f"{bucket.prefix}{key} claims epoch 99999999"):
        epoch_floor(bucket, layout)
    bucket.rm(key)
    lock = lock_of(bucket)
    lock.acquire(0)
    lock.release()
    bucket.put("owned", replace(body_of(bucket), epoch=99_999_999).encode())
    with pytest.raises(EpochRefused, match="owned claims epoch 99999999"):
        lock_of(bucket).acquire(0)


@pytest.mark.parametrize(
    "key",
    ["staging/index/x/99999999.csv", "staging/index/99999999.json", "sample/receipt/99999999.csv"],
)
def test_a_key_that_only_looks_like_an_index_claims_nothing(bucket, key):
    bucket.put(key, b"")
    assert epoch_floor(bucket, Layout("toy", "d1", "staging")) == 0


def test_agent_ids_are_eleven_lowercase_letters_and_never_the_same():
    ids = {new_agent_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(name) == 11 and name.isalpha() and name.islower() and name.isascii() for name in ids)


def test_a_process_runs_until_it_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = current_process()
    assert is_running(me.pid, me.started)
    assert is_running(me.pid, None)
    assert is_running(child.pid, None)
    if sys.platform != "win32":
        assert not is_running(me.pid, "some other time")
    child.communicate(b"\n")
    if sys.platform != "win32":
        assert not is_running(child.pid, None)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_waits_to_be_buried_does_not_run():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    from upload_client.control.identity import _start_time

    started = _start_time(child.pid)
    assert is_running(child.pid, started)
    child.stdin.close()
    child.stdout.read()
    while _start_time(child.pid) != "ended":  # its pipe closes a moment before it ends
        pass
    assert not is_running(child.pid, started)
    child.wait()


def test_copies_of_one_snapshot_are_not_taken_for_one_machine(monkeypatch):
    from upload_client.control import identity

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "validator")
    identity._machine.cache_clear()
    try:
        me = current_process()
        assert (me.machine_id, me.boot_id, me.pid_ns) == (None, None, None)
        assert not me.shares_processes_with(me)
    finally:
        identity._machine.cache_clear()
