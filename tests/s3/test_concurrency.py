"""How many requests at once: found out, and lowered when S3 asks for it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.s3.concurrency import FIRST, MOST, Concurrency


def play(pace, seconds, *, latency, capacity, start=0.0, size=0):
    """Let a store answer: each request takes `latency`, and no more than `capacity` a second are answered."""
    now = start
    while now < start + seconds:
        rate = min(pace.limit / latency, capacity)
        now += 1 / rate
        pace.answered(size, now, busy=True)
    return now


def test_more_requests_are_made_while_they_bring_more():
    pace = Concurrency()
    play(pace, 5, latency=0.03, capacity=10_000)
    assert 256 <= pace.limit <= MOST  # 10,000 a second at 30 ms are 300 under way


def test_no_more_are_made_than_help():
    pace = Concurrency()
    play(pace, 5, latency=0.001, capacity=5_000)
    assert pace.limit <= 2 * FIRST


def test_a_store_that_becomes_faster_is_noticed():
    pace = Concurrency()
    now = play(pace, 5, latency=0.03, capacity=500)
    slow = pace.limit
    play(pace, 40, latency=0.03, capacity=5_000, start=now)
    assert pace.limit >= 4 * slow


@pytest.mark.parametrize("at", [0.05, 0.1, 0.3])
def test_one_stumble_of_the_machine_does_not_keep_it_low(at):
    pace = Concurrency()
    now = play(pace, at, latency=0.03, capacity=10_000)
    now = play(pace, 0.25, latency=0.25, capacity=10_000, start=now)
    play(pace, 2.5, latency=0.03, capacity=10_000, start=now)
    assert pace.limit >= 128


def test_as_many_as_there_may_be_stay_where_all_of_them_bring_more():
    pace = Concurrency(most=128)
    now = play(pace, 5, latency=0.1, capacity=10_000)
    for _ in range(40):
        assert pace.limit == 128
        now = play(pace, 0.5, latency=0.1, capacity=10_000, start=now)


def test_what_brings_nothing_is_tried_ever_less_often():
    pace = Concurrency()
    tried, now = [], 0.0
    while now < 120.0:
        before = pace.limit
        now = play(pace, 0.01, latency=0.001, capacity=5_000, start=now)
        if pace.limit > before:
            tried.append(now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert pauses[-1] > 14.0
    assert len(tried) < 20


def test_it_is_lowered_when_s3_asks_for_it_and_comes_back():
    pace = Concurrency(64)
    pace.throttled(100.0)
    pace.throttled(100.1)  # the same crowd of answers
    assert pace.limit == 32
    pace.throttled(101.5)
    assert pace.limit == 16
    play(pace, 200, latency=0.1, capacity=1000, start=103.0)
    assert pace.limit == 64


def test_there_are_never_more_than_may_be_open():
    assert Concurrency(5000, 100).limit == 100
    pace = Concurrency(None, 20)
    play(pace, 20, latency=0.03, capacity=10_000)
    assert 8 <= pace.limit <= 20
    assert Concurrency(None, 4).limit == 4


def test_idle_time_says_nothing_about_the_store():
    pace = Concurrency()
    for i in range(1000):
        pace.answered(0, i * 1.0, busy=False)
    assert pace.limit == FIRST


@given(
    st.none() | st.integers(1, 2000),
    st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.integers(0, 2**40)), max_size=200),
)
def test_it_never_leaves_its_bounds(n, events):
    pace = Concurrency(n)
    now = 0.0
    for seconds, throttled, size in events:
        now += seconds
        if throttled:
            pace.throttled(now)
        else:
            pace.answered(size, now, busy=True)
        assert 1 <= pace.limit <= (MOST if n is None else min(n, MOST))
