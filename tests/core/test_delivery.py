"""A run of a delivery: the client's states, its watch over the validator, its exit code."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.client_states import (
    CLIENT_TRANSITIONS,
    ClientState,
    IllegalMove,
    next_client_state,
    too_many_invalid,
)
from upload_client.core.exits import ExitCode, exit_code
from upload_client.core.records import (
    Cursor,
    IndexJudged,
    Keepalive,
    PassedOver,
    SegmentHeader,
    Shutdown,
    Stop,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import Records, Segment
from upload_client.core.standstill import Standstill, Stuck, why_still, why_stuck
from upload_client.core.states import STATES
from upload_client.core.validator_watch import ValidatorWatch, Watch

T = "2026-01-02T03:04:05.678Z"
MINE = 7


# --- exit codes ---


def counts(**some):
    return dict.fromkeys(STATES, 0) | some


@pytest.mark.parametrize(
    ("some", "code"),
    [
        ({}, 0),
        ({"valid": 9}, 0),
        ({"valid": 9, "invalid": 1}, 3),
        ({"valid": 9, "invalid": 1, "failed": 1}, 4),
        ({"ready": 1}, 4),
        ({"pending": 1}, 4),
        ({"transferring": 1}, 4),
        ({"valid": 9, "invalid": 1, "failed": 1, "done": 1}, 5),
    ],
)
def test_the_exit_code_says_the_worst_of_the_counts(some, code):
    assert exit_code(counts(**some)) == code


@given(st.fixed_dictionaries({state: st.integers(0, 2) for state in STATES}))
def test_only_a_delivery_with_nothing_but_valid_files_ends_with_0(some):
    assert (exit_code(some) == 0) == all(state == "valid" or not n for state, n in some.items())


def test_exit_codes_are_the_documented_ones():
    assert sorted(ExitCode) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 130]


@pytest.mark.parametrize(
    ("n", "limit", "too_many"),
    [(0, 10, False), (10, 10, False), (11, 10, True), (99, 0, False), (2, 1, True), (1, 1, False)],
)
def test_more_invalid_files_than_allowed_stop_a_run(n, limit, too_many):
    assert too_many_invalid(n, limit) is too_many


# --- the client's states ---


def test_a_client_goes_the_way_of_the_protocol():
    state = ClientState.INITIALIZING
    seen = [state]
    for event in ("built", "connected", "started", "all_sent", "all_judged"):
        state = next_client_state(state, event)
        seen.append(state)
    assert seen == ["initializing", "unconnected", "ready", "running", "pending_validation", "complete"]
    assert next_client_state(state, "quit") == "complete"


@pytest.mark.parametrize("state", ["unconnected", "ready", "running", "pending_validation"])
def test_a_client_may_find_everything_judged_at_any_time_before_the_end(state):
    assert next_client_state(ClientState(state), "all_judged") == "complete"


@pytest.mark.parametrize("state", list(ClientState))
def test_how_a_client_ended_is_not_forgotten(state):
    quit_ = next_client_state(state, "quit") if state != "quit" else state
    assert quit_ == (state if state in ("complete", "crashed", "quit") else "quit")
    if state in ("crashed", "quit"):
        with pytest.raises(IllegalMove):
            next_client_state(state, "crash")
    else:
        assert next_client_state(state, "crash") == "crashed"


def test_a_client_that_has_ended_does_nothing_more():
    events = {event for _, event in CLIENT_TRANSITIONS}
    for state, event in product(ClientState, events):
        if (state, event) not in CLIENT_TRANSITIONS:
            with pytest.raises(IllegalMove, match=f"no {event} for a client that is {state}"):
                next_client_state(state, event)
        elif state.terminal:
            assert CLIENT_TRANSITIONS[state, event].terminal
    assert [state for state in ClientState if state.terminal] == ["complete", "crashed", "quit"]


# --- the watch over the validator ---


def wrote(*said, serves=MINE, superseded=False) -> Segment:
    header = SegmentHeader(1, 0, "validator", 1, None, client_epoch=serves)
    return Segment(header, Records(said), "", superseded=superseded)


@pytest.fixture
def watch() -> ValidatorWatch:
    """A watch over a validator that has just been started, at 0 seconds."""
    made = ValidatorWatch(MINE, silence=120.0, busy=300.0)
    assert made.starting() == 1
    made.started()
    made.polled(0.0)
    return made


def wait(watch: ValidatorWatch, start: float, seconds: float) -> float:
    """Poll every 10 seconds, in vain."""
    end = start + seconds
    while start < end:
        start = min(start + 10.0, end)
        watch.polled(start)
    return start


def test_nothing_is_expected_of_a_validator_that_was_not_started():
    watch = ValidatorWatch(MINE)
    wait(watch, 0.0, 1000.0)
    assert watch.advice() is Watch.WAIT


def test_a_silent_validator_is_started_once_more_and_then_given_up(watch):
    now = wait(watch, 0.0, 119.9)
    assert watch.advice() is Watch.WAIT
    now = wait(watch, now, 0.2)
    assert watch.advice() is Watch.START_AGAIN
    assert watch.starting() == 2
    watch.started()
    assert watch.advice() is Watch.WAIT
    now = wait(watch, now, 100.0)
    watch.receive(wrote(Keepalive(T)))
    now = wait(watch, now, 119.0)
    assert watch.advice() is Watch.WAIT
    wait(watch, now, 12.0)
    assert watch.advice() is Watch.SILENT


def test_that_it_is_started_again_is_no_sign_of_life(watch):
    watch.receive(wrote(ValidatorInit(T, "v1", MINE)))
    assert not watch.awaited
    now = wait(watch, 0.0, 120.0)
    watch.starting()
    watch.started()
    watch.polled(now)
    wait(watch, now, 60.0)
    assert (watch.silent_for, watch.unheard_for, watch.awaited) == (60.0, 180.0, True)
    watch.receive(wrote(Keepalive(T)))
    assert (watch.silent_for, watch.unheard_for, watch.awaited) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    "said",
    [
        (),
        (Keepalive(T),),
        (Verdict(T, "a", "1-1", 0, "ok"),),
        (Cursor(T, 1),),
        (ValidatorInit(T, "v", MINE),),
    ],
)
def test_whatever_a_validator_writes_for_this_client_is_a_sign_of_life(watch, said):
    now = wait(watch, 0.0, 119.0)
    watch.receive(wrote(*said))
    assert watch.silent_for == 0.0
    wait(watch, now, 119.0)
    assert watch.advice() is Watch.WAIT


def test_what_a_validator_writes_for_another_client_is_none(watch):
    for said in (Keepalive(T), Stop(T), Shutdown(T, "time"), Verdict(T, "a", "1-1", 0, "ok")):
        watch.receive(wrote(said, serves=MINE - 1))
        watch.receive(wrote(said, serves=MINE + 1))
        watch.receive(wrote(said, superseded=True))
    assert watch.advice() is Watch.WAIT
    wait(watch, 0.0, 120.0)
    assert watch.advice() is Watch.START_AGAIN


def test_silence_counts_only_while_the_client_can_read(watch):
    now = wait(watch, 0.0, 100.0)
    watch.poll_failed()
    now += 1000.0
    watch.polled(now)
    assert watch.silent_for == 100.0
    wait(watch, now, 20.0)
    assert watch.advice() is Watch.START_AGAIN


def test_a_laptop_that_slept_has_not_waited_for_so_long(watch):
    watch.polled(100_000.0)
    assert watch.advice() is Watch.WAIT
    assert watch.silent_for == 30.0


def test_the_time_that_a_start_takes_is_not_silence(watch):
    watch.polled(10.0)
    watch.starting()
    watch.started()
    watch.polled(300.0)
    assert watch.silent_for == 0.0


def test_a_validator_whose_time_runs_out_is_started_again_however_often(watch):
    for attempt in range(2, 40):
        watch.receive(wrote(Verdict(T, "a", "1-1", 0, "ok"), Shutdown(T, "time")))
        assert watch.advice() is Watch.START_AGAIN
        assert watch.starting() == attempt
        if attempt % 2:
            watch.receive(wrote(ValidatorInit(T, f"v{attempt}", MINE)))  # before the starter's answer
        watch.started()
        assert watch.advice() is Watch.WAIT
    wait(watch, 0.0, 130.0)
    assert watch.advice() is Watch.START_AGAIN  # the one for silence is still left


@pytest.mark.parametrize("reason", ["error", "a reason of a later version"])
def test_a_validator_that_left_because_of_an_error_is_started_once_more(watch, reason):
    watch.receive(wrote(Shutdown(T, reason, "out of memory")))
    assert watch.advice() is Watch.START_AGAIN
    watch.starting()
    watch.started()
    watch.receive(wrote(Shutdown(T, reason)))
    assert watch.advice() is Watch.LEFT


def test_silence_and_error_share_the_one_restart(watch):
    wait(watch, 0.0, 130.0)
    watch.starting()
    watch.started()
    watch.receive(wrote(Shutdown(T, "error")))
    assert watch.advice() is Watch.LEFT


@pytest.mark.parametrize("farewell", [Stop(T), Shutdown(T, "superseded")])
def test_a_validator_that_is_done_or_serves_a_later_client_is_not_started_again(watch, farewell):
    watch.receive(wrote(farewell))
    assert watch.advice() is Watch.LEFT


def test_a_new_validator_takes_the_place_of_one_that_left(watch):
    watch.receive(wrote(ValidatorInit(T, "v1", MINE), Shutdown(T, "time")))
    assert (watch.validator_id, watch.gone) == ("v1", "time")
    assert watch.shards == 1
    watch.receive(wrote(ValidatorInit(T, "v2", MINE, 4)))
    assert watch.shards == 4
    assert (watch.validator_id, watch.gone) == ("v2", None)
    assert watch.advice() is Watch.WAIT


def test_one_that_left_concerns_more_than_one_that_never_came_and_that_more_than_a_silent_one():
    left, absent, silent, well = (ValidatorWatch(MINE) for _ in range(4))
    for each in (left, silent, well):
        each.receive(wrote(ValidatorInit(T, "v", MINE)))
    left.receive(wrote(Shutdown(T, "error")))
    wait(silent, 0.0, 50.0)
    assert sorted((well, left, silent, absent), key=lambda each: each.concern) == [well, silent, absent, left]


def test_a_start_is_tried_again_while_an_old_validator_is_leaving_and_no_longer(watch):
    assert watch.busy(1000.0)
    assert watch.busy(1299.0)
    assert not watch.busy(1300.0)
    watch.started()
    assert watch.busy(2000.0)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("poll"), st.floats(0, 60)),
            st.tuples(st.just("fail"), st.none()),
            st.tuples(st.just("receive"), st.sampled_from([Keepalive(T), Shutdown(T, "error"), Stop(T)])),
        ),
        max_size=40,
    )
)
def test_no_story_makes_more_than_one_restart_unless_time_ran_out(story):
    watch = ValidatorWatch(MINE)
    watch.starting()
    watch.started()
    now, restarts = 0.0, 0
    for what, detail in story:
        if what == "poll":
            now += detail
            watch.polled(now)
        elif what == "fail":
            watch.poll_failed()
        else:
            watch.receive(wrote(detail))
        if watch.advice() is Watch.START_AGAIN:
            restarts += 1
            watch.starting()
            watch.started()
    assert restarts <= 1
    assert watch.attempt == 1 + restarts


# --- what a validator passes over, and a run that gets nowhere ---


def test_how_far_all_is_judged_and_what_was_passed_over_counts_only_for_this_client(watch):
    assert (watch.cursor, watch.passed_over, watch.problem) == (-1, 0, "")
    watch.receive(wrote(Cursor(T, 4), PassedOver(T, 3, 2, ("line 2: no ETag",))))
    watch.receive(wrote(Cursor(T, 9), PassedOver(T, 8, 1), serves=MINE - 1))
    assert (watch.cursor, watch.passed_over, watch.problem) == (4, 2, "line 2: no ETag")
    # One that takes its place reads the log anew, and says so again.
    watch.receive(wrote(Cursor(T, 2), PassedOver(T, 3, 2, ("line 2: no ETag",)), PassedOver(T, 5, 1)))
    assert (watch.cursor, watch.passed_over) == (4, 3)


def test_the_word_on_the_index_counts_only_for_this_client(watch):
    assert (watch.judges_index, watch.index) == (False, None)
    watch.receive(wrote(ValidatorInit(T, "v", MINE, judges_index=True)))
    watch.receive(wrote(IndexJudged(T, ("'m.json' is missing",)), serves=MINE - 1))
    assert (watch.judges_index, watch.index) == (True, None)
    watch.receive(wrote(said := IndexJudged(T)))
    assert watch.index == said


def test_a_validator_that_passes_over_more_than_there_can_be_is_not_believed_for_ever(watch):
    watch.receive(wrote(*(PassedOver(T, seq, 1) for seq in range(2000))))
    assert watch.passed_over == 1000


def test_a_run_in_which_nothing_grows_stands_still():
    still = Standstill(60.0)
    assert not still.see(0.0, 1, 5)
    assert not still.see(30.0, 1, 5)
    assert not still.see(59.0, 0, 5)  # to and fro is no way
    assert still.seconds == 59.0
    assert not still.see(60.0, 1, 6)
    assert not still.see(90.0, 2, 0)
    assert not still.see(119.0, 2, 6)
    assert not still.see(149.0, 2, 6)
    assert still.see(150.0, 2, 6)


def test_a_machine_that_slept_has_not_stood_still_for_so_long():
    still = Standstill(60.0)
    still.see(0.0, 1)
    assert not still.see(10_000.0, 1)
    assert still.seconds == 30.0
    assert still.see(10_030.0, 1)


def test_it_says_what_a_run_that_gets_nowhere_waits_for():
    assert why_still(counts(valid=3), 3600) == "nothing has moved for 60 minutes: nobody knows why"
    assert why_still(counts(done=2, ready=1), 3600, passed_over=1, trouble="no network") == (
        "nothing has moved for 60 minutes: 1 file is not sent; 2 files are in S3 and have no verdict of the"
        " receiver's validator; it could not read 1 line of this run's log; no network"
    )


def looked(stuck: Stuck, *moments: float, signs: object = "here") -> list[bool]:
    return [stuck.see(moment, signs) for moment in moments]


def test_a_thread_is_stuck_that_is_in_the_same_place_for_too_long():
    stuck = Stuck(60)
    assert looked(stuck, 0, 15, 30, 45, 59, 60) == [False] * 5 + [True]
    assert looked(stuck, 70, 80, 95, 110, 125, 129, 130, signs="there") == [False] * 6 + [True]


def test_a_process_that_was_suspended_is_not_stuck():
    assert looked(Stuck(60), 0, 15, 7200, 7215, 7230, 7245, 7259, 7260) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (["/x/upload_client/ui/lines.py", "/x/upload_client/delivery/loop.py"], "nobody reads"),
        (["C:\\x\\upload_client\\index\\folder.py"], "does not answer"),
        (["/usr/lib/python3/os.py", "/x/upload_client/support/local_file.py"], "does not answer"),
        (["/usr/lib/python3/ssl.py"], "does not return"),
    ],
)
def test_it_says_what_a_thread_is_stuck_in(files, why):
    assert why in why_stuck(files, 3600)
    assert why_stuck(files, 3600).startswith("nothing has moved for 60 minutes: ")
    assert why_stuck(files, 90).startswith("nothing has moved for 90 seconds: ")
