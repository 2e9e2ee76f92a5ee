"""The lock of a delivery: who may take it, who keeps it, who must stop."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.files import TRANSFER_TYPES
from upload_client.core.lease import (
    DEFAULT_LEASE,
    GRACE,
    MAX_BODY,
    MAX_EPOCH,
    MAX_LEASE,
    MIN_LEASE,
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
    may_unlock,
    next_epoch,
    read_back,
)
from upload_client.core.text import for_log

HERE = ProcessIdentity("machine", "boot", "pid:[1]", 41, "1000")
HELD = LockBody(
    agent_id="abcdefghijk",
    nonce="n1",
    epoch=7,
    state="held",
    host="elsewhere",
    machine_id="machine",
    boot_id="boot",
    pid_ns="pid:[1]",
    pid=40,
    started="900",
    user="ada",
    acquired_at="2026-01-02T03:04:05.678Z",
    refreshed_at="2026-01-02T03:04:05.678Z",
)

ascii_words = st.characters(codec="ascii", exclude_categories=["Cc"])
names = st.text(ascii_words, min_size=1, max_size=20)
words = st.text(max_size=20).filter(str.isprintable)  # what else is in one is not read as it was written
known = st.none() | st.text(ascii_words, min_size=1, max_size=12)
bodies = st.builds(
    LockBody,
    agent_id=names,
    nonce=names,
    epoch=st.integers(1, MAX_EPOCH),
    state=st.sampled_from(["held", "released"]),
    host=words,
    machine_id=known,
    boot_id=known,
    pid_ns=known,
    pid=st.integers(1, 2**22),
    started=known,
    user=words,
    acquired_at=st.text(ascii_words, max_size=12),
    refreshed_at=st.text(ascii_words, max_size=12),
    lease_seconds=st.integers(MIN_LEASE, MAX_LEASE),
    clock_ahead=st.none() | st.floats(-1e9, 1e9),
    transfer_type=st.sampled_from([None, *TRANSFER_TYPES]),
)


def runs(_pid, _started):
    return True


def is_dead(_pid, _started):
    return False


def nobody_asks(_pid, _started):
    pytest.fail("whether the process runs tells nothing here")


# ------------------------------------------------------------------------------------------------ the body


@given(bodies)
def test_a_lock_is_read_as_it_was_written(body):
    assert LockBody.decode(body.encode()) == body


@given(bodies, st.text(max_size=500), st.text(max_size=500))
@example(HELD, "\N{GRINNING FACE}" * 300, "\N{GRINNING FACE}" * 300)
def test_a_lock_fits_whatever_the_machine_and_the_person_are_called(body, host, user):
    long = replace(body, host=host, user=user)
    assert len(long.encode()) <= MAX_BODY
    read = LockBody.decode(long.encode())
    assert (read.host, read.user) == (for_log(host[:48], 48), for_log(user[:48], 48))


@given(st.text(max_size=60))
def test_what_a_lock_tells_of_its_holder_is_in_one_line_each(text):
    read = LockBody.decode(
        replace(HELD, agent_id=f"a{text}", host=text, user=text, acquired_at=text).encode()
    )
    assert f"{read.agent_id}{read.host}{read.user}{read.acquired_at}".isprintable()


def test_a_lock_that_cannot_fit_is_not_written():
    with pytest.raises(ValueError, match="larger than the 2048"):
        replace(HELD, agent_id="a" * 2000).encode()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    LockBody.decode(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(asdict(HELD))), json_values))
def test_a_tampered_lock_is_read_within_bounds_or_not_at_all(changes):
    body = LockBody.decode(json.dumps(asdict(HELD) | changes).encode())
    if body is not None:
        assert MIN_LEASE <= body.lease_seconds <= MAX_LEASE
        assert 1 <= body.epoch <= MAX_EPOCH
        assert body.state in {"held", "released"}
        assert body.agent_id
        assert body.pid >= 0
        assert LockBody.decode(body.encode()) == body


def encoded(**changes):
    return json.dumps(asdict(HELD) | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'"held"',
        b"{}",
        b"[" * MAX_BODY,
        b'{"a":' * 400,
        encoded() + b" " * MAX_BODY,
        encoded()[:-1],
        encoded()[:-1] + b', "state": "released"}',  # a key twice
        encoded(agent_id=""),
        encoded(agent_id=3),
        encoded(nonce=None),
        encoded(epoch=0),
        encoded(epoch=-1),
        encoded(epoch=True),
        encoded(epoch=1.0),
        encoded(epoch="7"),
        encoded(epoch=MAX_EPOCH + 1),
        encoded(epoch=10**1000),
        encoded(state="free"),
        encoded(state=["held"]),
        encoded(version=0),
        encoded(version="1"),
        encoded(version=True),
    ],
)
def test_a_lock_that_says_nothing_certain_is_unreadable(data):
    assert LockBody.decode(data) is None


@pytest.mark.parametrize(
    ("told", "taken_as"),
    [
        (60, 60),
        (60.5, 61),
        (1, MIN_LEASE),
        (-5, MIN_LEASE),
        (10**9, MAX_LEASE),
        (10**400, MAX_LEASE),
        (-(10**400), MIN_LEASE),
        (1e300, MAX_LEASE),
        (None, DEFAULT_LEASE),
        ("60", DEFAULT_LEASE),
        (True, DEFAULT_LEASE),
        (math.nan, DEFAULT_LEASE),
        (math.inf, DEFAULT_LEASE),
    ],
)
def test_an_odd_lease_is_taken_as_the_nearest_that_is_allowed_or_the_default(told, taken_as):
    assert LockBody.decode(encoded(lease_seconds=told)).lease_seconds == taken_as


def test_odd_details_are_taken_as_unknown():
    body = LockBody.decode(encoded(host=3, user=None, machine_id=[], boot_id="", pid="x", started=5, more={}))
    assert (body.host, body.user, body.machine_id, body.boot_id, body.pid, body.started) == (
        "",
        "",
        None,
        None,
        0,
        None,
    )


@pytest.mark.parametrize(
    ("told", "taken_as"),
    [
        (-7200.5, -7200.5),
        (60, 60.0),
        (True, None),
        ("60", None),
        (math.nan, None),
        (math.inf, None),
        (1e12, None),
    ],
)
def test_a_clock_that_is_ahead_by_an_odd_figure_is_not_known(told, taken_as):
    assert LockBody.decode(encoded(clock_ahead=told)).clock_ahead == taken_as


@pytest.mark.parametrize("told", [None, "", "Sample", "both", 1, ["sample"], {}])
def test_a_lock_that_names_no_transfer_type_is_of_either(told):
    assert LockBody.decode(encoded(transfer_type=told)).transfer_type is None


def test_a_lock_of_a_version_that_names_no_transfer_type_is_read():
    fields = asdict(HELD)
    del fields["transfer_type"]
    assert LockBody.decode(json.dumps(fields).encode()) == HELD


def test_refresh_and_release_keep_which_of_the_two_is_delivered():
    sample = replace(HELD, transfer_type="sample").refreshed(nonce="n2", at="later", clock_ahead=None)
    assert sample.transfer_type == sample.released(nonce="n3", at="last").transfer_type == "sample"


def test_refresh_and_release_keep_who_and_which_epoch_under_a_new_nonce():
    refreshed = HELD.refreshed(nonce="n2", at="later", clock_ahead=3.5)
    assert refreshed == replace(HELD, nonce="n2", refreshed_at="later", clock_ahead=3.5)
    released = refreshed.released(nonce="n3", at="last")
    assert (released.state, released.epoch, released.agent_id, released.nonce) == (
        "released",
        7,
        HELD.agent_id,
        "n3",
    )


# ---------------------------------------------------------------------------------------------- may I take it

ages = st.floats(-10, 10_000, allow_nan=False)


@given(body=bodies, age=ages, steal=st.none() | st.text(max_size=3))
def test_a_live_lease_is_never_given_away_by_the_stores_clock(body, age, steal):
    body = replace(body, state="held")
    decision = may_take(body, age=age, identity=HERE, is_running=runs, steal=steal)
    live = age <= body.lease_seconds + GRACE
    if live and steal != body.agent_id:
        assert isinstance(decision, Refuse)
        assert decision.why is WhyRefused.HELD
        assert decision.holder == body
        assert decision.seconds_left == body.lease_seconds + GRACE - age
    else:
        assert isinstance(decision, Take)


@given(body=bodies, mine=st.builds(ProcessIdentity, known, known, known, st.just(1), known))
def test_a_process_is_dead_only_where_it_is_certain_that_it_would_be_seen(body, mine):
    body = replace(body, state="held")
    decision = may_take(body, age=0, identity=mine, is_running=is_dead)
    places = (body.machine_id, body.boot_id, body.pid_ns)
    certain = None not in places and places == (mine.machine_id, mine.boot_id, mine.pid_ns)
    assert isinstance(decision, Take) == certain


def test_the_lock_of_a_dead_process_of_this_machine_is_taken():
    asked = []

    def is_running(pid, started):
        asked.append((pid, started))
        return False

    decision = may_take(HELD, age=0, identity=HERE, is_running=is_running)
    assert decision == Take(WhyTaken.DEAD)
    assert asked == [(40, "900")]
    assert isinstance(may_take(HELD, age=0, identity=HERE, is_running=runs), Refuse)


@pytest.mark.parametrize("part", ["machine_id", "boot_id", "pid_ns"])
@pytest.mark.parametrize("value", [None, "", "another"])
def test_nobody_elses_process_is_looked_for_here(part, value):
    for body, identity in [
        (replace(HELD, **{part: value}), HERE),
        (HELD, replace(HERE, **{part: value})),
        (replace(HELD, **{part: None}), replace(HERE, **{part: None})),
    ]:
        assert isinstance(may_take(body, age=0, identity=identity, is_running=nobody_asks), Refuse)


def test_a_lock_without_a_process_is_not_taken_for_that_of_a_dead_one():
    body = replace(HELD, pid=0)
    assert isinstance(may_take(body, age=0, identity=HERE, is_running=nobody_asks), Refuse)


def test_a_released_lock_is_taken_at_once():
    body = replace(HELD, state="released")
    assert may_take(body, age=0, identity=HERE, is_running=nobody_asks) == Take(WhyTaken.RELEASED)


@pytest.mark.parametrize(("age", "taken"), [(301, False), (302, False), (302.001, True), (303, True)])
def test_an_old_lock_is_taken_only_after_lease_and_grace(age, taken):
    decision = may_take(HELD, age=age, identity=HERE, is_running=runs)
    assert (decision == Take(WhyTaken.EXPIRED)) == taken
    unreadable = may_take(None, age=age, identity=HERE, is_running=nobody_asks)
    assert (unreadable == Take(WhyTaken.EXPIRED)) == taken
    if not taken:
        assert unreadable == Refuse(WhyRefused.UNREADABLE, None, 302 - age)


def test_an_age_that_is_no_number_gives_nothing_away():
    for body in (HELD, None):
        assert isinstance(may_take(body, age=math.nan, identity=HERE, is_running=runs), Refuse)


def test_a_lock_is_stolen_by_its_holders_name_only():
    def take(body, steal):
        return may_take(body, age=0, identity=HERE, is_running=runs, steal=steal)

    assert take(HELD, HELD.agent_id) == Take(WhyTaken.STOLEN)
    assert isinstance(take(HELD, "zzzzzzzzzzz"), Refuse)
    assert isinstance(take(None, HELD.agent_id), Refuse)
    assert take(replace(HELD, state="released"), HELD.agent_id) == Take(WhyTaken.RELEASED)
    assert take(replace(HELD, version=2), HELD.agent_id) == Take(WhyTaken.STOLEN)


@pytest.mark.parametrize("state", ["held", "released"])
def test_the_lock_of_a_newer_version_is_not_touched_however_old(state):
    newer = LockBody.decode(encoded(version=2, state=state))
    decision = may_take(newer, age=10**6, identity=HERE, is_running=nobody_asks)
    assert decision == Refuse(WhyRefused.NEWER, newer, math.inf)


@pytest.mark.parametrize("age", [0, 10_000])
@pytest.mark.parametrize("state", ["held", "released"])
def test_with_a_name_that_is_not_the_holders_nothing_is_taken_from_the_dead_either(age, state):
    body = replace(HELD, state=state)
    decision = may_take(
        body, age=age, identity=HERE, is_running=is_dead, steal="zzzzzzzzzzz", from_nobody_else=True
    )
    assert decision == Refuse(WhyRefused.ANOTHER, body, max(302 - age, 0))
    taken = may_take(
        body, age=age, identity=HERE, is_running=is_dead, steal=HELD.agent_id, from_nobody_else=True
    )
    assert isinstance(taken, Take)


# --------------------------------------------------------------------------------------- may a person unlock


@pytest.mark.parametrize(
    ("age", "heard", "alive"),
    [
        (0, None, True),
        (59.9, None, True),
        (60, None, False),
        (200, 59, True),
        (200, 60, False),
        (10, 500, True),
    ],
)
def test_a_holder_that_was_heard_of_within_a_minute_is_taken_for_alive(age, heard, alive):
    refusal = may_unlock(HELD, age=age, silence=heard, agent=HELD.agent_id)
    assert refusal == (Refuse(WhyRefused.ALIVE, HELD, 302 - age) if alive else None)


@pytest.mark.parametrize("age", [0, 100, 10_000])
def test_whoever_is_named_wrongly_is_refused_whether_the_holder_lives_or_not(age):
    refusal = may_unlock(HELD, age=age, silence=age, agent="zzzzzzzzzzz")
    assert refusal == Refuse(WhyRefused.ANOTHER, HELD, max(302 - age, 0))


def test_of_a_lock_that_cannot_be_read_nobody_can_say_whose_it_is():
    assert may_unlock(None, age=0, silence=0, agent=HELD.agent_id) is None


# ------------------------------------------------------------------------------------------------ the epoch


@given(st.none() | bodies, st.lists(st.none() | st.integers(0, MAX_EPOCH - 1)))
def test_a_new_epoch_is_above_all_that_were_ever_seen(body, seen):
    if body and body.epoch == MAX_EPOCH:
        body = None
    epoch = next_epoch(body, *seen)
    everything = [0, *([body.epoch] if body else []), *(number for number in seen if number is not None)]
    assert epoch == max(everything) + 1


def test_a_deleted_or_garbled_lock_does_not_turn_the_epoch_back():
    assert next_epoch(None) == 1
    assert next_epoch(None, 12, None, 3) == 13
    assert next_epoch(replace(HELD, epoch=2), 12) == 13


def test_epochs_end_where_keys_have_no_room_for_them():
    assert next_epoch(None, MAX_EPOCH - 1) == MAX_EPOCH
    with pytest.raises(EpochsExhausted, match="100000000"):
        next_epoch(replace(HELD, epoch=MAX_EPOCH))


# ---------------------------------------------------------------------------------------------- the read-back


@pytest.mark.parametrize(
    ("found", "whose"),
    [
        (HELD, ReadBack.MINE),
        (replace(HELD, nonce="an earlier write of mine"), ReadBack.MINE_WRITE_AGAIN),
        (replace(HELD, agent_id="zzzzzzzzzzz"), ReadBack.NOT_MINE),
        (replace(HELD, epoch=8), ReadBack.NOT_MINE),
        (replace(HELD, epoch=6), ReadBack.NOT_MINE),  # of an earlier run under the same name
        (replace(HELD, nonce="n0", state="released"), ReadBack.NOT_MINE),
        (replace(HELD, state="released"), ReadBack.NOT_MINE),
        (None, ReadBack.NOT_MINE),
    ],
)
def test_a_read_back_tells_whose_the_lock_is(found, whose):
    assert read_back(found, wrote=HELD) is whose


def test_a_release_whose_answer_was_lost_is_read_back_too():
    release = HELD.released(nonce="n2", at="later")
    assert read_back(release, wrote=release) is ReadBack.MINE
    assert read_back(HELD, wrote=release) is ReadBack.MINE_WRITE_AGAIN
    assert read_back(replace(release, nonce="n9"), wrote=release) is ReadBack.NOT_MINE


@given(bodies, bodies)
def test_no_lock_of_another_agent_or_epoch_is_ever_taken_for_mine(found, wrote):
    if (found.agent_id, found.epoch) != (wrote.agent_id, wrote.epoch):
        assert read_back(found, wrote=wrote) is ReadBack.NOT_MINE


# --------------------------------------------------------------------------------------------- my own lease

moments = st.floats(0, 1e9)
steps = st.floats(0, 1e5)


@given(mono=moments, wall=moments, mono_step=steps, wall_step=st.floats(-1e5, 1e5))
def test_the_clock_that_went_further_counts(mono, wall, mono_step, wall_step):
    lease = Lease(300, mono, wall)
    now = (mono + mono_step, wall + wall_step)
    age = max(now[0] - mono, now[1] - wall)
    assert lease.age(*now) == age
    assert lease.status(*now) is (
        LeaseStatus.FRESH
        if age < 75
        else LeaseStatus.REFRESH_DUE
        if age < 150
        else LeaseStatus.HOLD_WRITES
        if age < 300
        else LeaseStatus.EXPIRED
    )
    assert (lease.refresh_in(*now) == 0) == (age >= 75)


@pytest.mark.parametrize(
    ("age", "status", "refresh_in"),
    [
        (0, LeaseStatus.FRESH, 75),
        (74.9, LeaseStatus.FRESH, 0.1),
        (75, LeaseStatus.REFRESH_DUE, 0),
        (149.9, LeaseStatus.REFRESH_DUE, 0),
        (150, LeaseStatus.HOLD_WRITES, 0),
        (299.9, LeaseStatus.HOLD_WRITES, 0),
        (300, LeaseStatus.EXPIRED, 0),
    ],
)
def test_a_lease_is_refreshed_after_a_quarter_and_doubted_after_half(age, status, refresh_in):
    lease = Lease(300, 1000, 5000)
    assert lease.status(1000 + age, 5000) is status
    assert lease.refresh_in(1000 + age, 5000) == pytest.approx(refresh_in)


def test_a_laptop_that_slept_notices_though_its_monotonic_clock_stood_still():
    lease = Lease(300, 1000.0, 5000.0)
    assert lease.status(1001.0, 5000.0 + 3600) is LeaseStatus.EXPIRED


def test_a_wall_clock_set_back_does_not_lengthen_the_lease():
    lease = Lease(300, 1000.0, 5000.0)
    assert lease.status(1300.0, 5000.0 - 3600) is LeaseStatus.EXPIRED


@given(
    seconds=st.integers(MIN_LEASE, MAX_LEASE),
    sent=moments,
    on_the_way=st.floats(0, 100),
    past_the_lease=st.floats(-2, 6),
)
def test_my_time_runs_out_before_anyone_else_may_take_the_lock(seconds, sent, on_the_way, past_the_lease):
    """On true time. The store dates the write when it arrives, and tells whole seconds, cut off."""
    modified = math.floor(sent + on_the_way)
    now = sent + on_the_way + seconds + past_the_lease
    body = replace(HELD, lease_seconds=seconds)
    if isinstance(may_take(body, age=math.floor(now) - modified, identity=HERE, is_running=runs), Take):
        assert Lease(seconds, sent, sent).status(now, now) is LeaseStatus.EXPIRED
