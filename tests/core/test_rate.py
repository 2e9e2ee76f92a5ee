"""A cap on bytes a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.rate import BURST, RateLimit


def test_within_a_burst_nothing_waits() -> None:
    limit = RateLimit(1000)
    assert limit.wait(5.0) == 0.0
    assert limit.spend(int(1000 * BURST), 5.0) == 0.0
    assert limit.wait(5.0) == 0.0


def test_what_is_owed_beyond_a_burst_is_waited_for() -> None:
    limit = RateLimit(1000)
    limit.spend(2000, 0.0)
    assert limit.wait(0.0) == pytest.approx(2.0 - BURST)
    assert limit.wait(1.0) == pytest.approx(1.0 - BURST)
    assert limit.wait(2.0) == 0.0


def test_a_piece_is_a_tenth_of_a_second_but_neither_tiny_nor_huge() -> None:
    assert RateLimit(1000_000).piece == 100_000
    assert RateLimit(1024).piece == 1024
    assert RateLimit(10**12).piece == 1024**2


def test_a_quiet_time_is_not_saved_up() -> None:
    limit = RateLimit(1000)
    limit.spend(1000, 0.0)
    limit.spend(1000, 100.0)
    assert limit.wait(100.0) == pytest.approx(1.0 - BURST)


@given(
    st.lists(st.tuples(st.integers(1, 10**8), st.floats(0, 5)), min_size=1, max_size=50),
    st.floats(1e3, 1e9),
)
def test_whoever_waits_as_told_never_sends_faster_than_allowed(sends: list, rate: float) -> None:
    limit, now, total = RateLimit(rate), 0.0, 0
    for n_bytes, pause in sends:
        now += pause
        now += limit.spend(n_bytes, now)
        # All that went before this one has been paid for, but for a burst.
        assert total <= (now + BURST) * rate * (1 + 1e-9) + 1
        total += n_bytes
