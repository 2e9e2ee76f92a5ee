"""Figures as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.events import FileChanged, Planned, Progress
from upload_client.support import figures


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


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, " 0 %"), (0.056, " 5 %"), (0.999, "99 %"), (1.0, "100%"), (2.0, "100%")]
)
def test_a_share_is_rounded_down_and_takes_four_columns(share, text):
    assert figures.percent(share) == text


def test_of_nothing_all_is_done():
    assert (figures.share(0, 0), figures.share(1, 2), figures.share(3, 2), figures.share(-1, 2)) == (
        1,
        0.5,
        1,
        0,
    )


def progress(seconds, done=0, sent=0, *, kept=0, judged=0, bytes_total=10_000, files_total=10):
    return Progress(
        counts={"valid": judged, "ready": 10 - judged},
        bytes_sent=done,
        bytes_done=done,
        bytes_kept=kept,
        bytes_total=bytes_total,
        files_sent=sent,
        files_total=files_total,
        seconds=seconds,
    )


def pace(*seen):
    made = figures.Rates()
    for one in seen:
        made.see(one)
    return made


def test_before_anything_moved_nobody_knows_how_long_it_takes():
    assert pace().seconds_left == float("inf")
    assert pace().idle == 0
    started = pace(progress(0))
    assert (started.bytes_per_second, started.seconds_left) == (0, float("inf"))


def test_the_slowest_of_bytes_files_and_verdicts_says_how_long_it_takes():
    assert pace(progress(0), progress(2, 5_000, 4, files_total=5)).bytes_per_second == 2_500
    assert pace(progress(0), progress(2, 5_000, 4, files_total=5)).seconds_left == 2
    assert pace(progress(0), progress(2, 5_000, 4, files_total=10)).seconds_left == 3
    assert pace(progress(0), progress(2, 5_000, 4, judged=4)).seconds_left == 3


def test_what_was_seen_for_a_moment_only_says_nothing():
    for seen in ([progress(0), progress(1, 5_000, 2)], [progress(second) for second in range(30)]):
        made = pace(*seen)
        assert (made.bytes_per_second, made.seconds_left) == (0, float("inf"))


def test_the_time_before_anything_moved_is_no_part_of_the_pace():
    made = pace(*(progress(second) for second in range(30)), progress(30, 2_000), progress(32, 6_000))
    assert made.bytes_per_second == pytest.approx(2_000, rel=0.1)


def test_what_no_longer_moves_has_no_pace():
    """Not some bytes a second, and a day, for a last file that nobody judges."""
    made = pace(*(progress(second, 1000 * second, second, judged=9) for second in range(11)))
    for second in range(11, 60):
        made.see(progress(second, 10_000, 10, judged=9))
    assert (made.bytes_per_second, made.seconds_left) == (0, float("inf"))
    assert figures.pace(made.bytes_per_second, made.seconds_left) == ""


def test_the_pace_says_what_is_known_alone():
    assert figures.pace(0, float("inf")) == ""
    assert figures.pace(2048, float("inf")) == "2.0 KiB/s"
    assert figures.pace(2048, 75) == "2.0 KiB/s, 1:15 left"
    assert figures.pace(0, 75) == "1:15 left"
    assert figures.pace(0, 0) == ""


@pytest.mark.parametrize(
    ("n_bytes", "of_bytes", "n_files_left", "of_files", "share"),
    [
        (50, 100, 1, 2, "50 %"),
        (100, 100, 1, 2, "99 %"),  # a last empty file
        (100, 100, 0, 2, "100%"),
        (0, 0, 1, 4, "75 %"),
        (0, 0, 0, 0, "100%"),
    ],
)
def test_one_rule_says_which_share_is_sent(n_bytes, of_bytes, n_files_left, of_files, share):
    assert figures.percent(figures.sent(n_bytes, of_bytes, n_files_left, of_files)) == share


def test_few_large_files_say_nothing_about_how_long_many_small_ones_take():
    assert pace(progress(0), progress(10, 5_000, 1, files_total=1000)).seconds_left == 10


def test_many_small_files_behind_large_ones_are_taken_to_go_as_fast_as_such_files_have_gone():
    small = [progress(second, 100 * second, 50 * second, files_total=1000) for second in range(4)]
    large = [progress(second, 1000 * (second - 3), 150, files_total=1000) for second in range(4, 9)]
    assert pace(*small).seconds_left == pytest.approx(9700 / 100)
    assert pace(*small, *large).seconds_left == pytest.approx(850 / 50)


def test_when_all_is_sent_the_verdicts_say_how_long_it_takes_however_slow():
    assert pace(progress(0), progress(10, 10_000, 10, judged=1)).seconds_left == 90


def test_when_all_is_sent_and_judged_nothing_is_left():
    assert pace(progress(0), progress(10, 10_000, 10, judged=10)).seconds_left == 0


def test_the_pace_is_that_of_the_last_seconds_and_changes_gently():
    made = pace(*[progress(second, second * 1000, bytes_total=10**9) for second in range(100)])
    assert made.bytes_per_second == pytest.approx(1000)
    made.see(progress(100, 99_000, bytes_total=10**9))
    assert 900 < made.bytes_per_second < 1000
    for second in range(101, 200):
        made.see(progress(second, 99_000 + (second - 100) * 10, bytes_total=10**9))
    assert made.bytes_per_second == pytest.approx(10, rel=0.05)


def test_what_was_kept_is_no_part_of_the_pace():
    assert pace(progress(0), progress(1, 5_000, kept=5_000)).bytes_per_second == 0


def test_a_file_sent_again_takes_its_bytes_back_but_the_pace_is_never_negative():
    assert pace(progress(0, 5_000), progress(1, 0)).bytes_per_second == 0


def test_how_long_nothing_has_moved_is_known():
    made = pace(progress(0), progress(1, 10), progress(9, 10))
    assert made.idle == 8
    made.see(progress(10, 10, judged=1))
    assert made.idle == 0


@given(
    st.lists(
        st.builds(
            progress,
            st.floats(0, 1e6),
            st.integers(0, 10**15),
            st.integers(0, 10**7),
            kept=st.integers(0, 10**15),
            judged=st.integers(0, 10),
        )
    )
)
def test_whatever_is_seen_rates_are_finite_and_nothing_takes_less_than_no_time(seen):
    made = pace(*seen)
    for rate in (made.bytes_per_second, made.files_per_second, made.verdicts_per_second):
        assert 0 <= rate < float("inf")
    assert made.seconds_left >= 0


def test_a_hundred_files_gone_wrong_are_told_and_then_that_there_are_more():
    told = figures.FileNotices(0)
    shown = [told.announces(FileChanged(str(n), "failed")) for n in range(101)]
    assert shown == [True] * 100 + [False]
    assert told.left_out
    assert not told.announces(FileChanged("x", "invalid"))
    assert not told.left_out


def test_a_file_that_fails_at_each_try_is_told_of_once():
    told = figures.FileNotices(0)
    assert [told.announces(FileChanged("x", "failed")) for _ in range(3)] == [True, False, False]
    assert told.announces(FileChanged("x", "invalid"))
    assert not told.left_out


def test_with_v_every_outcome_is_told_and_without_it_only_what_went_wrong():
    states = ["ready", "pending", "transferring", "done", "valid", "failed", "invalid"]
    assert [s for s in states if figures.FileNotices(1).announces(FileChanged("x", s))] == states[3:]
    assert [s for s in states if figures.FileNotices(0).announces(FileChanged("x", s))] == states[5:]
    told = figures.FileNotices(1)
    assert all(told.announces(FileChanged("x", "failed")) for _ in range(200))
    assert not told.left_out
