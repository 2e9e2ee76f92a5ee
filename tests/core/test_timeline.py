"""A delivery over time: nothing is lost, pauses are left out, steps are few."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.observed import FileState
from upload_client.core.timeline import MAX_INTERVALS, MAX_STEPS, timeline
from upload_client.core.times import EARLIEST, LATEST

HOUR = 3600


def file(
    sent: float | None, judged: float | None = None, *, state="valid", size: int | None = 10
) -> FileState:
    """Sent and judged so many seconds after 1970."""
    return FileState(
        "f",
        state,
        size,
        None if sent is None else int(sent * 1000),
        None if judged is None else int(judged * 1000),
    )


def test_of_nothing_there_is_no_timeline():
    found = timeline([file(None, state="ready"), file(None, 5, state="failed")])
    assert (found.intervals, found.active, found.step) == ((), 0, 1)


def test_what_was_sent_and_judged_is_put_into_steps():
    found = timeline(
        [
            file(100, 101),
            file(100.5, 102, state="invalid", size=None),
            file(103, state="done"),
            file(103, 104),
        ]
    )
    assert (found.step, found.active) == (1, 4)
    (interval,) = found.intervals
    assert (interval.start, len(interval)) == (100, 5)
    assert interval.sent == [2, 0, 0, 2, 0]
    assert interval.sent_bytes == [10, 0, 0, 20, 0]
    assert interval.valid == [0, 1, 0, 0, 1]
    assert interval.invalid == [0, 0, 1, 0, 0]


def test_a_night_between_two_runs_is_left_out():
    evening = [file(t, t + 5) for t in range(0, HOUR, 10)]
    morning = [file(t, t + 5) for t in range(12 * HOUR, 13 * HOUR, 10)]
    found = timeline([*evening, *morning])
    assert [interval.start for interval in found.intervals] == [0, 12 * HOUR]
    assert found.step == 60
    assert found.active < 2 * HOUR


def test_a_short_silence_or_one_that_is_short_beside_the_rest_is_no_pause():
    assert len(timeline([file(0), file(599)]).intervals) == 1
    assert len(timeline([file(0), file(601)]).intervals) == 2
    long = [file(t) for t in range(0, 10 * HOUR, 300)]
    assert len(timeline([*long, file(10 * HOUR + 3000)]).intervals) == 1
    assert len(timeline([*long, file(12 * HOUR)]).intervals) == 2


def test_of_many_pauses_the_longest_are_left_out():
    found = timeline([file(HOUR * 24 * n**2) for n in range(20)])
    assert len(found.intervals) == MAX_INTERVALS
    assert len(found.intervals[-1]) == 1


def test_a_verdict_without_a_moment_is_in_no_step():
    (interval,) = timeline([file(5)]).intervals
    assert (interval.sent, interval.valid) == ([1], [0])


moments = st.integers(EARLIEST, LATEST) | st.integers(0, 10**9) | st.integers(0, 10**5)


@given(
    st.lists(
        st.builds(
            FileState,
            st.just("f"),
            st.sampled_from(["done", "valid", "invalid"]),
            st.integers(0, 9),
            moments,
            moments,
        ),
        min_size=1,
        max_size=60,
    )
)
def test_nothing_is_lost_whatever_the_clocks_said(files):
    found = timeline(files)
    total = [
        sum(map(sum, column))
        for column in zip(*((s.sent, s.sent_bytes, s.valid, s.invalid) for s in found.intervals), strict=True)
    ]
    assert total == [
        len(files),
        sum(f.size for f in files),
        sum(f.state == "valid" for f in files),
        sum(f.state == "invalid" for f in files),
    ]
    assert sum(map(len, found.intervals)) <= MAX_STEPS + 2 * MAX_INTERVALS
    assert len(found.intervals) <= MAX_INTERVALS
