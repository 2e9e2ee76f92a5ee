"""What no run can have written is told from what one may have, by epochs alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.soundness import MAX_LEAP, backed, first_leap, unbacked

epochs = st.lists(st.integers(1, 50), max_size=20).map(sorted)


@pytest.mark.parametrize(
    ("log", "leaps_at"),
    [
        ([], None),
        ([1, 1, 2, 2, 3], None),
        ([99_999_999], 0),
        ([1, 2, 99_999_999, 3], 2),
        ([MAX_LEAP, 2 * MAX_LEAP, 1], None),
        ([MAX_LEAP + 1], 0),
    ],
)
def test_a_log_is_sound_up_to_the_segment_whose_epoch_leaps(log, leaps_at):
    assert first_leap(log) == leaps_at


@given(epochs, epochs, st.none() | st.integers(1, 60))
def test_of_honest_epochs_all_are_backed(staging, sample, lock):
    highest = backed([staging, sample], lock)
    assert highest == max([0, *staging, *sample, lock or 0])
    assert unbacked([(epoch, f"index/{epoch}") for epoch in [*staging, *sample]], highest) == []


@pytest.mark.parametrize(
    ("logs", "lock", "highest"),
    [
        ([[1, 2], [3]], 4, 4),
        ([[1, 2], [3]], 99_999_999, 3),
        ([[1, 99_999_999], []], 2, 2),
        ([[1, 99_999_999], []], None, 1),
        ([], None, 0),
    ],
)
def test_what_leaps_backs_nothing(logs, lock, highest):
    assert backed(logs, lock) == highest


def test_keys_far_beyond_all_runs_are_named():
    keys = [(3, "index/3"), (99_999_999, "index/99999999"), (5 + MAX_LEAP, "receipt/x")]
    assert unbacked(keys, 5) == [(99_999_999, "index/99999999")]
    assert unbacked(keys, 4) == [(5 + MAX_LEAP, "receipt/x"), (99_999_999, "index/99999999")]
