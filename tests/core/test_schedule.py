"""When something is due, in every zone; what was missed; and who may run it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.lease import ProcessIdentity
from upload_client.core.schedule import (
    LEASE,
    Claim,
    Holder,
    RunState,
    claim,
    daylight_saving,
    is_alive,
    latest_due,
    may_help,
    moments,
    next_moment,
    parse_duration,
    repeats,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Asia/Beirut",
        "America/Havana", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca",
        "Pacific/Apia", "UTC",
    )
]  # fmt: skip
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def at_times(*times: tuple[int, int]):
    """Local times that come each day."""

    def walls(after: datetime) -> Iterator[datetime]:
        day = after.replace(hour=0, minute=0, second=0, microsecond=0)
        while True:
            for hour, minute in sorted(times):
                wall = day.replace(hour=hour, minute=minute)
                if wall > after:
                    yield wall
            day += timedelta(days=1)

    return walls


def every_minutes(n: int):
    return at_times(*((hour, minute) for hour in range(24) for minute in range(0, 60, n)))


def fires(walls, zone, start, n, *, every=False):
    found, at = [], start
    for _ in range(n):
        at = next_moment(walls, zone, at, every=every)
        found.append(at)
    return found


# --- durations ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1d", 86400),
        ("2w", 1209600),
    ],
)
def test_a_duration_is_understood(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "h", "1x", "-1h", "1.5h", "0s", "99999999w", "\u0661h", "1h!"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


# --- local times ---


def test_a_time_that_does_not_exist_is_the_moment_at_which_clocks_go_forward():
    assert moments(local("2027-03-28T02:30"), BERLIN, every=False) == [utc("2027-03-28T01:00")]
    assert moments(local("2027-03-28T02:30"), BERLIN, every=True) == []


def test_a_time_that_is_there_twice_is_its_first_moment_or_both():
    first, second = utc("2026-10-25T00:30"), utc("2026-10-25T01:30")
    assert moments(local("2026-10-25T02:30"), BERLIN, every=False) == [first]
    assert moments(local("2026-10-25T02:30"), BERLIN, every=True) == [first, second]


def test_a_midnight_that_does_not_exist_is_not_left_out():
    santiago = ZoneInfo("America/Santiago")
    days = fires(at_times((0, 0)), santiago, datetime(2026, 9, 4, 12, tzinfo=santiago), 3)
    assert [f"{day.astimezone(santiago):%m-%d %H:%M}" for day in days] == [
        "09-05 00:00",
        "09-06 01:00",
        "09-07 00:00",
    ]


def test_a_day_that_a_country_has_left_out_is_run_at_its_end():
    apia = ZoneInfo("Pacific/Apia")
    days = fires(at_times((12, 0)), apia, datetime(2011, 12, 28, 13, tzinfo=apia), 4)
    assert [f"{day.astimezone(apia):%m-%d %H:%M}" for day in days] == [
        "12-29 12:00", "12-31 00:00", "12-31 12:00", "01-01 12:00",
    ]  # fmt: skip


def test_two_times_that_do_not_exist_are_one_moment():
    found = fires(at_times((2, 0), (2, 30), (3, 0)), BERLIN, utc("2027-03-27T12:00"), 4)
    assert found[:2] == [utc("2027-03-28T01:00"), utc("2027-03-29T00:00")]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@given(
    start=st.datetimes(local("2026-01-01"), local("2027-12-31")),
    times=st.sets(st.tuples(st.integers(0, 23), st.integers(0, 59)), min_size=1, max_size=3),
    every=st.booleans(),
)
@example(start=local("2027-03-27T12:00"), times={(0, 0)}, every=False)
def test_moments_come_in_order_and_each_is_a_local_time_that_was_named_or_the_end_of_a_gap(
    zone, start, times, every
):
    at = start.replace(tzinfo=UTC)
    for _ in range(4):
        following = next_moment(at_times(*times), zone, at, every=every)
        assert following > at
        assert following - at <= timedelta(hours=73 if every else 49)
        wall = following.astimezone(zone)
        if (wall.hour, wall.minute) not in times:
            before = (following - timedelta(seconds=1)).astimezone(zone)
            assert wall.utcoffset() > before.utcoffset()
        at = following


@pytest.mark.parametrize("zone", ZONES, ids=str)
@given(st.datetimes(local("2026-01-01"), local("2027-12-31")))
def test_what_runs_each_half_hour_runs_each_half_hour_whatever_clocks_do(zone, start):
    at = start.replace(tzinfo=UTC, minute=0, second=0, microsecond=0)
    at = next_moment(every_minutes(30), zone, at, every=True)
    assert next_moment(every_minutes(30), zone, at, every=True) - at == timedelta(minutes=30)


def test_a_line_that_names_nothing_any_more_is_never_due():
    assert next_moment(lambda _: iter([]), BERLIN, utc("2026-01-01T00:00"), every=False) is None


def test_the_last_moment_of_a_line_is_found_though_nothing_follows():
    found = next_moment(
        lambda _: iter([local("2026-01-02T00:00")]), BERLIN, utc("2026-01-01T00:00"), every=False
    )
    assert found == utc("2026-01-01T23:00")


@pytest.mark.parametrize(
    ("line", "every"),
    [
        ("0 0 * * *", False),
        ("* 0 * * *", True),
        ("*/5 3 * * *", True),
        ("0 * * * *", True),
        ("0 */2 * * *", True),
    ],
)
def test_a_line_with_a_star_as_hour_or_minute_runs_as_often_as_there_is_such_a_time(line, every):
    assert repeats(line) is every


# --- what was missed ---


def each(step: timedelta):
    def following(after: datetime) -> datetime:
        since = after - utc("2026-01-01T00:00")
        return utc("2026-01-01T00:00") + step * (since // step + 1)

    return following


@pytest.mark.parametrize(
    ("step", "now", "last"),
    [
        (timedelta(days=1), "2026-01-01T00:00", "2026-01-01T00:00"),
        (timedelta(days=1), "2026-01-04T03:00", "2026-01-04T00:00"),
        (timedelta(days=1), "2026-01-04T00:00", "2026-01-04T00:00"),
        (timedelta(seconds=10), "2026-01-01T01:00:35", "2026-01-01T01:00:30"),
        (MINUTE, "2027-01-01T00:00:30", "2027-01-01T00:00"),
        (timedelta(days=400), "2026-12-31T00:00", "2026-01-01T00:00"),
    ],
)
def test_of_what_was_missed_the_last_moment_counts(step, now, last):
    asked = []

    def following(after):
        asked.append(after)
        return each(step)(after)

    assert latest_due(following, utc("2026-01-01T00:00"), utc(now)) == utc(last)
    assert len(asked) < 30  # a year of minutes is not gone through


def test_the_last_moment_is_found_where_a_local_time_is_there_twice():
    """Python takes the two for one time, as long as both are of one zone."""

    def following(after):
        return next_moment(every_minutes(60), BERLIN, after, every=True).astimezone(BERLIN)

    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    first = datetime(2026, 10, 25, 1, tzinfo=BERLIN)
    assert latest_due(following, first, second) == utc("2026-10-25T01:00")
    assert latest_due(following, first, second.replace(fold=0)) == utc("2026-10-25T00:00")


def test_what_is_due_once_stays_due():
    assert latest_due(lambda _: None, utc("2026-01-01T00:00"), utc("2026-06-01T00:00")) == utc(
        "2026-01-01T00:00"
    )


# --- daylight saving, told before ---


def told(walls, *, every, start="2026-07-01T00:00"):
    return [str(one) for one in daylight_saving(walls, BERLIN, utc(start), every=every)]


def test_what_daylight_saving_does_is_said_before_it_happens():
    assert told(at_times((2, 30)), every=False) == [
        "2026-10-25: 02:30 is there twice, as clocks go back: it runs the first time only",
        "2027-03-28: 02:30 does not exist, as clocks go forward: it runs at 03:00",
    ]
    assert told(at_times((2, 0), (2, 30)), every=False)[1] == (
        "2027-03-28: 02:00 and 02:30 do not exist, as clocks go forward: it runs at 03:00, once"
    )
    assert told(every_minutes(5), every=True) == [
        "2026-10-25: 02:00 and 02:05 and 10 more are there twice, as clocks go back: it runs both times",
        "2027-03-28: 02:00 and 02:05 and 10 more do not exist, as clocks go forward: it does not run then",
    ]
    assert told(at_times((2, 30)), every=True)[1] == (
        "2027-03-28: 02:30 does not exist, as clocks go forward: it does not run then"
    )
    assert told(at_times((4, 0)), every=False) == []


def test_more_times_than_anybody_counts_are_not_counted_out():
    walls = [local("2026-10-25T02:00") + timedelta(milliseconds=100 * n) for n in range(20_000)]
    (found,) = daylight_saving(lambda _: iter(walls), BERLIN, utc("2026-07-01T00:00"), every=True, days=200)
    assert found.n == 10_000


def test_a_line_that_ends_names_no_further_times():
    assert list(daylight_saving(lambda _: iter([]), BERLIN, utc("2026-07-01T00:00"), every=False)) == []


# --- who may run it ---

ME = ProcessIdentity("machine", "boot", "ns", 1, "start")
OTHER = ProcessIdentity("elsewhere", "boot", "ns", 1, "start")


def holder(process):
    return Holder(process, 1, 0.0, "host", 0.0)


@pytest.mark.parametrize("runs", [True, False])
def test_a_process_of_this_machine_is_there_as_long_as_it_runs(runs):
    assert is_alive(holder(ME), ME, lambda pid, started: runs, 1e9) is runs


def test_a_process_elsewhere_is_there_as_long_as_it_gives_a_sign_of_life():
    assert is_alive(holder(OTHER), ME, lambda *_: False, LEASE - 1)
    assert not is_alive(holder(OTHER), ME, lambda *_: True, LEASE)


@pytest.mark.parametrize(
    ("held", "state", "alive", "decided"),
    [
        (False, None, False, Claim.TAKE),
        (False, RunState.SUCCEEDED, False, Claim.DONE),
        (False, RunState.FAILED, False, Claim.DONE),
        (False, RunState.STOPPED, False, Claim.TAKE_OVER),
        (True, None, True, Claim.BUSY),
        (True, RunState.RUNNING, True, Claim.BUSY),
        (True, RunState.SUCCEEDED, True, Claim.BUSY),
        (True, RunState.RUNNING, False, Claim.TAKE_OVER),
        (True, None, False, Claim.TAKE),
    ],
)
def test_a_run_may_begin_once_for_each_moment_and_never_beside_another(held, state, alive, decided):
    assert claim(holder(OTHER) if held else None, state, alive=alive) is decided


def test_another_try_may_help_after_what_passes_by_itself():
    assert [code for code in (*range(15), 130) if may_help(code)] == [1, 4, 5, 7, 11, 12]
