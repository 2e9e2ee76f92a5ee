"""Figures as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.events import FileChanged, Planned, Progress
from upload_client.ui import figures


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10**6, "976.6 KiB"),
        (2**40, "1.0 TiB"),
    ],
)
def test_sizes_are_in_binary_units(n, text):
    assert figures.size(n) == text


@given(st.integers(0, 10**18))
def test_any_size_takes_at_most_nine_columns(n):
    assert len(figures.size(n)) <= 9


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (7.4, "0:07"),
        (59.9, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (183_600, "2 d 03:00"),
        (float("inf"), "-:--"),
        (float("nan"), "-:--"),
        (-1, "-:--"),
    ],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert figures.duration(seconds) == text


def test_one_file_is_not_several():
    assert (figures.files(1), figures.files(0), figures.files(2000)) == ("1 file", "0 files", "2,000 files")


def test_states_without_files_are_left_out_and_the_rest_is_in_the_order_of_life():
    assert figures.counts({"valid": 3, "failed": 0, "ready": 1}) == [("ready", 1), ("valid", 3)]


def test_a_plan_says_how_much_there_is_to_send():
    assert figures.plan(Planned(counts={}, n_files=0, n_bytes=0)) == "Nothing to send."
    assert figures.plan(Planned(counts={}, n_files=1, n_bytes=2048)) == "1 file to send, 2.0 KiB."


def progress(seconds, bytes_sent, files_sent, bytes_total=10_000):
    return Progress(
        counts={}, bytes_sent=bytes_sent, bytes_total=bytes_total, files_sent=files_sent, seconds=seconds
    )


def test_before_anything_moved_nobody_knows_how_long_it_takes():
    pace = figures.Pace()
    assert pace.seconds_left(10) == float("inf")
    pace.see(progress(0, 0, 0))
    assert (pace.bytes_per_second, pace.seconds_left(10)) == (0, float("inf"))


def test_the_slower_of_bytes_and_files_says_how_long_it_takes():
    pace = figures.Pace()
    pace.see(progress(0, 0, 0))
    pace.see(progress(10, 5_000, 1))
    assert pace.bytes_per_second == 500
    assert pace.seconds_left(2) == 10
    assert pace.seconds_left(11) == 100


def test_when_all_is_sent_nothing_is_left():
    pace = figures.Pace()
    pace.see(progress(0, 0, 0))
    pace.see(progress(10, 10_000, 4))
    assert pace.seconds_left(4) == 0


def test_the_pace_is_that_of_the_last_seconds():
    pace = figures.Pace()
    for second in range(100):
        pace.see(progress(second, second * 1000, second, bytes_total=10**9))
    for second in range(100, 130):
        pace.see(progress(second, 100_000 + (second - 100) * 10, 100, bytes_total=10**9))
    assert pace.bytes_per_second == pytest.approx(10)


def test_a_file_sent_again_takes_its_bytes_back_but_the_pace_is_never_negative():
    pace = figures.Pace()
    pace.see(progress(0, 5_000, 0))
    pace.see(progress(1, 0, 0))
    assert pace.bytes_per_second == 0


def test_a_hundred_files_gone_wrong_are_told_and_then_that_there_are_more():
    told = figures.FilesTold(0)
    shown = [told.tell(FileChanged(str(n), "failed")) for n in range(101)]
    assert shown == [True] * 100 + [False]
    assert told.left_out
    assert not told.tell(FileChanged("x", "invalid"))
    assert not told.left_out


def test_a_file_that_fails_at_each_try_is_told_of_once():
    told = figures.FilesTold(0)
    assert [told.tell(FileChanged("x", "failed")) for _ in range(3)] == [True, False, False]
    assert told.tell(FileChanged("x", "invalid"))
    assert not told.left_out


def test_with_v_every_outcome_is_told_and_without_it_only_what_went_wrong():
    states = ["ready", "pending", "transferring", "done", "valid", "failed", "invalid"]
    assert [s for s in states if figures.FilesTold(1).tell(FileChanged("x", s))] == states[3:]
    assert [s for s in states if figures.FilesTold(0).tell(FileChanged("x", s))] == states[5:]
    told = figures.FilesTold(1)
    assert all(told.tell(FileChanged("x", "failed")) for _ in range(200))
    assert not told.left_out
