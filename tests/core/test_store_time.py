"""The time that is written down: this machine's clock, until the store says that it is wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.store_time import Answered, StoreTime

TRUE = 1_790_000_000.5  # when the monotonic clock was at 0, by the store


def answer(now: float, *, ahead: float = 0.0, took: float = 0.1, odd: float = 0.0) -> Answered:
    """An answer that came at `now`, to a machine whose clock is ahead by that, from a store that is odd."""
    return Answered(math.floor(TRUE + now - took / 2 + odd), now - took, now, TRUE + now + ahead)


def machine(ahead: float, *answers: Answered) -> StoreTime:
    time = StoreTime(TRUE + ahead, 0.0)
    for each in answers:
        time.see(each)
    return time


@pytest.mark.parametrize("ahead", [-7200.0, -61.5, 61.5, 7200.0])
def test_where_the_clocks_differ_by_more_than_a_minute_the_time_is_the_stores(ahead):
    time = machine(ahead, answer(1, ahead=ahead), answer(2, ahead=ahead))
    assert time.at(10.0) == pytest.approx(TRUE + 10, abs=1.2)
    assert time.ahead == pytest.approx(ahead, abs=1.2)


@pytest.mark.parametrize("ahead", [-59.0, 0.0, 59.0])
def test_where_they_agree_it_is_this_machines(ahead):
    time = machine(ahead, answer(1, ahead=ahead), answer(2, ahead=ahead))
    assert time.at(10.0) == TRUE + ahead + 10
    assert abs(time.ahead or 0) <= 59


def test_before_a_second_answer_nothing_is_known():
    time = machine(7200.0)
    assert (time.at(3.0), time.ahead) == (TRUE + 7203, None)
    time.see(answer(1, ahead=7200.0))
    assert (time.at(3.0), time.ahead) == (TRUE + 7203, None)
    time.see(answer(2, ahead=7200.0))
    assert time.at(3.0) == pytest.approx(TRUE + 3, abs=1.2)


def test_one_odd_answer_changes_nothing_first_or_last():
    odd = answer(1, odd=86_400.0)
    for answers in ([odd, answer(2)], [answer(0.5), odd], [answer(0.5), answer(0.7), answer(0.9), odd]):
        time = machine(0.0, *answers)
        assert time.at(5.0) == TRUE + 5
        assert time.ahead == 0.0


def test_a_store_without_a_clock_is_not_asked_for_the_time():
    for date in (0.0, -1e9, 2e11, math.nextafter(4e9, 5e9)):
        time = machine(0.0, *[Answered(date, 0.0, 1.0, TRUE + 1)] * 5)
        assert (time.at(9.0), time.ahead) == (TRUE + 9, None)


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
def test_a_clock_that_is_set_while_the_run_goes_on_changes_no_time_and_is_noticed(jump):
    time = machine(0.0, *(answer(n) for n in range(1, 6)))
    assert time.at(6.0) == TRUE + 6
    for n in range(7, 12):
        time.see(answer(n, ahead=jump))
        assert time.at(n) == TRUE + n
    assert time.ahead == pytest.approx(jump, abs=1.2)


def test_after_the_machine_has_slept_the_time_is_right_again():
    """Its monotonic clock stood still for an hour, and its wall clock did not."""
    slept = 3600.0
    time = machine(0.0, answer(1), answer(2))
    assert time.at(2.5) == TRUE + 2.5
    for n in (3, 4, 5):
        at = Answered(math.floor(TRUE + n + slept), n - 0.1, n, TRUE + n + slept)
        time.see(at)
    assert time.at(6.0) == pytest.approx(TRUE + 6 + slept)
    assert time.ahead == 0.0


def test_an_answer_that_was_long_on_its_way_proves_nothing():
    """The process was stopped for two minutes: the answers are old, and the clocks are right."""
    late = [Answered(math.floor(TRUE + 5), 4.9, 125.0, TRUE + 125)] * 5
    time = machine(0.0, answer(1), answer(2), *late)
    assert (time.at(126.0), time.ahead) == (TRUE + 126, 0.0)


@given(
    ahead=st.floats(-1e6, 1e6),
    steps=st.lists(
        st.tuples(
            st.floats(0.001, 100),  # until the next answer
            st.floats(0, 50),  # that it took
            st.floats(-1e6, 1e6),  # what is done to the clock before it
            st.floats(-1e6, 1e6) | st.just(0.0),  # how wrong the store is
        ),
        max_size=30,
    ),
)
def test_once_known_it_never_goes_back(ahead, steps):
    time, now, known = StoreTime(TRUE + ahead, 0.0), 0.0, -math.inf
    for wait, took, change, odd in steps:
        now += wait
        ahead += change
        time.see(answer(now, ahead=ahead, took=took, odd=odd))
        if time.ahead is not None:
            assert time.at(now) >= known
            known = time.at(now)


@given(
    ahead=st.floats(-1e6, 1e6),
    waits=st.lists(st.floats(0.001, 100), min_size=2, max_size=20),
    changes=st.data(),
)
def test_whatever_is_done_to_the_clock_the_time_stays_within_a_minute_of_the_stores(ahead, waits, changes):
    time, now = StoreTime(TRUE + ahead, 0.0), 0.0
    for n, wait in enumerate(waits):
        now += wait
        time.see(answer(now, ahead=ahead))
        if n:
            assert abs(time.at(now) - (TRUE + now)) <= 62
        ahead += changes.draw(st.sampled_from([0.0, 0.0, -7200.0, 7200.0]))
