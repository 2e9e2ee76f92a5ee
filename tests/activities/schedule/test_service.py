"""A schedule in virtual time: daylight saving, sleep, clocks that jump, kills, several processes."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import logging
import shutil
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.activities import Activity, ActivityRunner
from upload_client.activities.errors import NotDelivered
from upload_client.activities.schedule import store as store_module
from upload_client.activities.schedule.document import load
from upload_client.activities.schedule.outlook import as_json, look
from upload_client.core.schedule import RunState

BERLIN = ZoneInfo("Europe/Berlin")


def schedule(jobs: str, *, zone="UTC", store="sqlite:///schedule.sqlite") -> str:
    lines = [f"timezone: {zone}", f"store: {store}", "jobs:"]
    for line in jobs.strip().splitlines():
        name, _, when = line.strip().partition(" ")
        lines.append(f"  {name}: {{{when}, read: {{text: x}}, write: {{file: x}}}}")
    return "\n".join(lines)


NIGHTLY = schedule('nightly cron: "0 0 * * *"')
HOURLY = schedule("hourly every: 1h")


def at(world, text, zone=dt.UTC):
    """Set the clock, before anything is started."""
    world.clock.time = dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


# --- when it is due ---


def test_a_job_runs_at_each_time_of_its_line_for_that_time(world, until):
    path = world.write(
        schedule('nightly cron: "30 2 * * mon-fri"\nquarterly every: 15m', zone="Europe/Berlin")
    )
    until(world.process(path).start(), days=7)
    assert world.runs("nightly", BERLIN) == [f"07-{day} 02:30" for day in (21, 22, 23, 24, 27)]
    assert len(world.runs("quarterly")) == 7 * 24 * 4 + 1
    assert all(ran.began == ran.run for ran in world.ran)


def test_a_weekday_line_does_not_miss_the_monday_after_clocks_were_set(world, until):
    at(world, "2027-03-26T12:00")
    path = world.write(schedule('nightly cron: "0 0 * * mon-fri"', zone="Europe/Berlin"))
    until(world.process(path).start(), days=5)
    assert world.runs("nightly", BERLIN) == ["03-29 00:00", "03-30 00:00", "03-31 00:00"]


@pytest.mark.parametrize(
    ("day", "line", "times"),
    [
        ("2027-03-28", "30 2 * * *", ["03-28 03:00"]),
        ("2027-03-28", "0 2,3 * * *", ["03-28 03:00"]),
        ("2026-10-25", "30 2 * * *", ["10-25 02:30"]),
        ("2027-03-28", "0 1-4 * * *", ["03-28 01:00", "03-28 03:00", "03-28 04:00"]),
        ("2026-10-25", "0 * 25 10 *", [f"10-25 {h:02}:00" for h in (0, 1, 2, 2, *range(3, 24))]),
    ],
)
def test_daylight_saving_leaves_no_time_out_and_does_none_twice(world, until, day, line, times):
    at(world, f"{day}T00:00", BERLIN)
    world.clock.time -= 60
    path = world.write(schedule(f'nightly cron: "{line}"', zone="Europe/Berlin"))
    until(world.process(path).start(), hours=25)
    assert [time for time in world.runs("nightly", BERLIN) if time.startswith(day[5:])] == times


def test_a_leap_day_comes_every_four_years(world, until):
    path = world.write(schedule('leap cron: "0 0 29 2 *"'))
    process = world.process(path).start()
    for _ in range(7):
        until(process, days=1)
        world.clock.time += 364 * 86400  # asleep
    assert [f"{ran.run:%Y-%m-%d}" for ran in world.ran] == ["2028-02-29", "2032-02-29"]


def test_a_job_that_is_due_once_runs_once_and_then_nothing_is_to_come(world, until, caplog):
    text = schedule("xmas at: 2026-07-21T18:00", zone="Europe/Berlin")
    process = world.process(world.write(text)).start()
    until(process, days=2)
    assert world.runs("xmas", BERLIN) == ["07-21 18:00"]
    assert process.service.step() is None
    until(world.process(world.write(text)).start(), days=2)
    assert len(world.ran) == 1
    assert "is in the past" not in caplog.text


def test_a_time_that_was_past_before_the_job_was_known_is_told_and_does_not_run(world, until, caplog):
    until(world.process(world.write(schedule("late at: 2026-01-01T00:00"))).start(), days=2)
    assert world.ran == []
    assert "late: at 2026-01-01T00:00:00 is in the past: it does not run" in caplog.text


# --- what was missed ---


def test_what_was_missed_while_the_machine_was_off_runs_once_for_the_last_time_that_was_missed(world, until):
    path = world.write(schedule('nightly cron: "0 0 * * *"\nsoon at: 2026-07-22T00:00'))
    world.process(path).start().kill()
    world.clock.sleep(3 * 86400 + 3600)
    until(world.process(path).start(), hours=3)
    assert world.runs("nightly") == ["07-23 00:00"]
    assert world.runs("soon") == ["07-22 00:00"]


def test_a_machine_that_slept_for_three_days_runs_once_when_it_wakes(world, until):
    process = world.process(world.write(HOURLY)).start()
    until(process, hours=2)
    world.clock.time += 3 * 86400 + 1800  # the monotonic clock stood still
    until(process, hours=1)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 13:00", "07-20 14:00", "07-23 14:00", "07-23 15:00"]


def test_a_year_of_seconds_that_were_missed_takes_no_time_and_no_memory(world, until):
    path = world.write(schedule('often every: 1s\nminutely cron: "* * * * *"'))
    world.process(path).start().kill()
    world.clock.sleep(366 * 86400)
    until(world.process(path).start(), seconds=0)
    assert len(world.ran) == 2


def test_a_job_that_takes_longer_than_its_interval_never_overlaps_and_runs_once_for_what_it_missed(
    world, until
):
    world.seconds["hourly"] = 2.5 * 3600
    until(world.process(world.write(HOURLY)).start(), hours=10)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 14:00", "07-20 17:00", "07-20 19:00", "07-20 22:00"]
    for ran, following in itertools.pairwise(world.ran):
        assert ran.ended <= following.began


def test_a_day_that_took_longer_than_a_day_costs_no_other_day(world, until):
    world.seconds["nightly"] = 25 * 3600
    until(world.process(world.write(NIGHTLY)).start(), days=5)
    assert world.runs("nightly") == [
        "07-21 00:00",
        "07-22 00:00",
        "07-23 00:00",
        "07-24 00:00",
        "07-25 00:00",
    ]


# --- clocks that jump ---


def test_a_clock_that_goes_back_repeats_nothing_and_leaves_nothing_out(world, until, caplog):
    process = world.process(world.write(HOURLY)).start()
    until(process, hours=3)
    world.clock.time -= 5400
    until(process, hours=4)
    assert world.runs("hourly") == [f"07-20 {hour}:00" for hour in range(12, 18)]
    assert "the clock was set back by 5400 s" in caplog.text


def test_a_clock_that_was_a_year_ahead_for_a_moment_does_not_stop_the_schedule_for_a_year(world, until):
    process = world.process(world.write(NIGHTLY)).start()
    until(process, hours=1)
    world.clock.time += 365 * 86400
    until(process, minutes=1)
    world.clock.time -= 365 * 86400
    until(process, days=2)
    assert world.runs("nightly") == ["07-20 00:00", "07-21 00:00", "07-22 00:00"]
    assert [f"{ran.run:%Y}" for ran in world.ran] == ["2027", "2026", "2026"]


def test_a_clock_that_was_ahead_when_the_process_ended_does_not_stop_the_next_one(world, until):
    path = world.write(NIGHTLY)
    world.clock.time += 365 * 86400
    world.process(path).start().kill()
    world.clock.time -= 365 * 86400
    until(world.process(path).start(), days=2)
    assert world.runs("nightly") == ["07-21 00:00", "07-22 00:00"]


def test_after_a_clock_that_was_ahead_the_last_run_is_told_and_not_that_of_next_year(
    world, until, monkeypatch
):
    monkeypatch.setattr(store_module, "KEPT", 4)
    process = world.process(world.write(HOURLY)).start()
    world.clock.time += 365 * 86400
    until(process, hours=6)
    world.clock.time -= 365 * 86400
    until(process, hours=5)
    store = process.service.store
    assert (
        f"{dt.datetime.fromtimestamp(store.last('hourly').due, dt.UTC):%Y-%m-%d %H:%M}" == "2026-07-20 23:00"
    )
    with store.engine.begin() as db:
        found = db.execute(sa.text("SELECT due FROM upload_client_runs ORDER BY due")).scalars()
        years = [dt.datetime.fromtimestamp(due, dt.UTC).year for due in found]
    assert years == [2026] * 4 + [2027] * 4  # nothing that is true made way for what is to come


def test_another_process_whose_clock_was_ahead_does_not_stop_this_one(world, until):
    path = world.write(NIGHTLY)
    process = world.process(path).start()
    until(process, hours=1)
    world.clock.time += 365 * 86400
    other = world.process(path, machine="n").start()
    until(other, minutes=1)
    other.stop()
    world.clock.time -= 365 * 86400 + 60
    world.clock.uptime -= 60
    until(process, days=2)
    assert [f"{ran.run:%m-%d}" for ran in world.ran if ran.run.year == 2026] == ["07-21", "07-22"]


def test_a_clock_that_is_set_back_while_the_store_is_gone_does_not_stop_the_schedule(world, until):
    process = world.process(world.write(NIGHTLY)).start()
    world.clock.time += 365 * 86400
    until(process, minutes=1)
    world.clock.time -= 365 * 86400
    with _cannot_be_written(process):
        until(process, minutes=2)
    until(process, days=2)
    assert [f"{ran.run:%m-%d}" for ran in world.ran if ran.run.year == 2026] == ["07-21", "07-22"]


# --- several processes ---


@pytest.mark.parametrize("machines", ["mm", "mn"])
def test_two_processes_on_one_store_run_each_time_once(world, looks_often, until, machines):
    path = world.write(schedule('nightly cron: "0 0 * * *"\nhourly every: 1h'))
    world.seconds = {"nightly": 1800, "hourly": 4000}
    processes = [world.process(path, machine=machine).start() for machine in machines]
    until(*processes, hours=13)
    for job in ("nightly", "hourly"):
        assert len(set(world.runs(job))) == len(world.runs(job))
        ran = [one for one in world.ran if one.job == job]
        for one, following in itertools.pairwise(ran):
            assert one.ended <= following.began
    assert (len(world.runs("nightly")), len(world.runs("hourly"))) == (1, 12)


def test_jobs_of_another_file_on_the_same_store_are_left_to_its_process(world, looks_often, until):
    one = world.process(world.write(schedule("a every: 1h"), "one.yaml"))
    both = world.process(world.write(schedule("a every: 1h\nb every: 1h"), "both.yaml"))
    one.start()
    both.start()
    until(one, both, hours=3)
    assert world.runs("a") == world.runs("b") == [f"07-20 {hour}:00" for hour in (12, 13, 14, 15)]
    assert all(ran.process == f"m{both.me.pid}" for ran in world.ran if ran.job == "b")


def test_what_is_no_longer_in_the_file_is_not_run_and_what_is_new_or_changed_is(world, until):
    first = world.process(world.write(schedule("a every: 1h\nb every: 1h"))).start()
    until(first, hours=1)
    first.kill()
    until(world.process(world.write(schedule("b every: 2h\nc every: 3h"))).start(), hours=6)
    assert world.runs("a") == ["07-20 12:00", "07-20 13:00"]
    assert world.runs("b")[2:] == ["07-20 14:00", "07-20 16:00", "07-20 18:00"]
    assert world.runs("c") == ["07-20 15:00", "07-20 18:00"]


# --- kills and stops ---


@pytest.mark.parametrize("machine", ["m", "another"])
def test_what_was_cut_off_is_told_and_run_again_for_the_same_time(world, looks_often, until, caplog, machine):
    path = world.write(NIGHTLY)
    world.seconds["nightly"] = 3600
    first = world.process(path).start()
    until(first, hours=12, minutes=20)
    first.kill()
    world.clock.sleep(600)
    second = world.process(path, machine=machine).start()
    until(second, hours=3)
    assert world.runs("nightly") == ["07-21 00:00", "07-21 00:00"]
    assert "nightly: the run for 2026-07-21 00:00 UTC was cut off" in caplog.text
    waited = world.ran[1].began - dt.datetime(2026, 7, 21, 0, 30, tzinfo=dt.UTC)
    # Of a process of another machine nobody knows at once that it is gone.
    assert waited < dt.timedelta(seconds=1) if machine == "m" else waited < dt.timedelta(minutes=4)
    assert {
        "kind": "run",
        "job": "nightly",
        "run": "2026-07-21T00:00:00+00:00",
        "state": "cut_off",
    } in second.events


def test_what_was_cut_off_and_what_was_missed_meanwhile_both_run_one_after_the_other(world, until):
    path = world.write(NIGHTLY)
    world.seconds["nightly"] = 3600
    first = world.process(path).start()
    until(first, hours=12, minutes=20)
    first.kill()
    world.clock.sleep(3 * 86400)
    until(world.process(path).start(), hours=4)
    assert world.runs("nightly") == ["07-21 00:00", "07-21 00:00", "07-24 00:00"]
    assert world.ran[1].ended <= world.ran[2].began


def test_what_is_cut_off_three_times_is_given_up_and_told(world, until):
    path = world.write(NIGHTLY)
    world.seconds["nightly"] = 3600
    process = world.process(path).start()
    until(process, hours=12)
    for _ in range(3):
        until(process, minutes=20)
        process.kill()
        process = world.process(path).start()
    until(process, hours=2)
    (seen,) = look(load(path), clock=world.clock)
    assert (seen.last.state, seen.last.message) == (RunState.FAILED, "it was cut off 3 times")


def test_what_was_stopped_in_order_is_gone_on_with_at_the_next_start_and_was_not_cut_off(
    world, until, caplog
):
    path = world.write(NIGHTLY)
    world.seconds["nightly"] = 3600
    first = world.process(path).start()
    until(first, hours=12, minutes=20)
    first.stop()
    (seen,) = look(load(path), clock=world.clock)
    assert (seen.unfinished.state, seen.last, seen.running) == (RunState.STOPPED, None, None)
    until(world.process(path).start(), hours=3)
    assert world.runs("nightly") == ["07-21 00:00", "07-21 00:00"]
    assert "cut off" not in caplog.text
    (seen,) = look(load(path), clock=world.clock)
    assert (seen.unfinished, seen.last.state) == (None, RunState.SUCCEEDED)


def test_a_run_that_has_just_begun_when_all_are_stopped_is_told_to_be_stopped_as_others_are(
    world, until, caplog
):
    caplog.set_level("INFO")
    process = world.process(world.write(HOURLY)).start()
    world.seconds["hourly"] = 60
    until(process, seconds=30)  # it is launched, and has not taken its place among those that run
    process.stop()
    assert [one["state"] for one in process.events] == ["began", "stopped"]
    assert caplog.text.count("hourly: is being stopped") == 1


def test_a_signal_that_comes_while_a_run_is_started_is_not_lost_and_nor_is_the_run(world, until, monkeypatch):
    path = world.write(HOURLY)
    process = world.process(path).start()
    asked = []

    def comes(job, due):
        asked.append(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(process.service, "_claim", comes)
    with pytest.raises(KeyboardInterrupt):
        process.service.run(lambda: bool(asked))
    assert asked == ["hourly"]
    process.kill()
    until(world.process(path).start(), hours=1)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 13:00"]


def test_who_was_taken_for_dead_notes_nothing_down_any_more(world, looks_often, until, caplog):
    """A machine slept in the middle of a run, and another one went on with it."""
    path = world.write(NIGHTLY)
    world.seconds["nightly"] = 3600
    sleeper, other = world.process(path).start(), world.process(path, machine="other").start()
    until(sleeper, hours=12, minutes=20)
    until(other, hours=2)  # the sleeper does not move
    assert [ran.process for ran in world.ran] == [f"m{sleeper.me.pid}", f"other{other.me.pid}"]
    until(sleeper, other, minutes=5)
    assert "another process considers this run dead" in caplog.text
    (seen,) = look(load(path), clock=world.clock)
    assert seen.last.state is RunState.SUCCEEDED
    assert len(world.ran) == 2


def test_an_unfinished_run_of_a_job_that_is_no_more_is_given_up(world, until, caplog):
    world.seconds["nightly"] = 3600
    first = world.process(world.write(NIGHTLY)).start()
    until(first, hours=12, minutes=20)
    first.kill()
    until(world.process(world.write(HOURLY)).start(), hours=1)
    assert "nightly: an unfinished run is given up" in caplog.text


EVENTS = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 300)),
    st.tuples(st.just("sleep"), st.integers(1, 3000)),
    st.tuples(st.just("ahead"), st.integers(1, 3000)),
    st.tuples(st.sampled_from(["kill", "stop", "start"]), st.integers(0, 1)),
)


@given(st.lists(EVENTS, min_size=2, max_size=25), st.integers(5, 150))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_happens_to_processes_and_machine_each_time_runs_to_its_end_once(
    world, until, events, minutes
):
    """Minutes pass, the machine sleeps, its clock jumps ahead, two processes are killed, stopped, started."""
    world.ran.clear()
    world.clock.time, world.clock.uptime = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC).timestamp(), 0.0
    path = world.write(
        schedule('hourly every: 1h\nnightly cron: "0 0 * * *"').replace(
            "schedule.sqlite", f"{len(list(world.folder.iterdir()))}.sqlite"
        )
    )
    world.seconds = {"hourly": minutes * 60, "nightly": 90 * 60}
    processes: list = [None, None]
    gone: dict[int, dt.datetime] = {}

    def leave(n, how):
        if processes[n] is not None:
            for _, _, ran in processes[n].pending:
                gone[id(ran)] = world.now
            getattr(processes[n], how)()
            processes[n] = None

    for what, n in [("start", 0), *events, ("start", 0)]:
        if what == "pass":
            until(*filter(None, processes), minutes=n)
        elif what == "sleep":
            world.clock.time += n * 60
        elif what == "ahead":
            world.clock.time += n * 60
            world.clock.uptime += n * 60
        elif what == "start" and processes[n] is None:
            processes[n] = world.process(path).start()
        elif what in {"kill", "stop"}:
            leave(n, what)
    world.seconds = {}
    until(*filter(None, processes), hours=27)
    for job in ("hourly", "nightly"):
        ran = [one for one in world.ran if one.job == job]
        whole = [one.run for one in ran if one.ended is not None and id(one) not in gone]
        assert len(whole) == len(set(whole)), job
        for one, following in itertools.pairwise(ran):
            assert (gone.get(id(one)) or one.ended) <= following.began, job
    for seen in look(load(path), clock=world.clock):
        assert seen.unfinished is None, seen.job
        assert seen.running is None, seen.job
        late = world.now - max(ran.run for ran in world.ran if ran.job == seen.job)
        assert (
            late
            <= {"hourly": dt.timedelta(minutes=60 + minutes), "nightly": dt.timedelta(hours=26)}[seen.job]
        )
    for n in (0, 1):
        leave(n, "kill")


# --- what came of it ---


def test_a_failure_is_remembered_with_its_code_and_words(world, until):
    path = world.write(NIGHTLY)
    world.fails["nightly"] = NotDelivered("it broke \x1b[2J off")
    until(world.process(path).start(), days=1)
    (seen,) = look(load(path), clock=world.clock)
    assert (seen.last.state, seen.last.exit_code, seen.last.message) == (
        RunState.FAILED,
        4,
        "it broke \x1b[2J off",
    )
    assert as_json(seen, dt.UTC)["last"]["exit_code"] == 4


def test_a_store_that_is_gone_for_a_while_costs_no_run(world, until, caplog, monkeypatch):
    from sqlalchemy.exc import OperationalError

    process = world.process(world.write(HOURLY)).start()
    real = process.service.store.engine.begin
    ends = world.clock.time + 3 * 3600

    def begin():
        if world.clock.time < ends and world.clock.time > ends - 2.9 * 3600:
            raise OperationalError("secret statement", {}, Exception("disk I/O error"))
        return real()

    monkeypatch.setattr(process.service.store.engine, "begin", begin)
    until(process, hours=5)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 15:00", "07-20 16:00", "07-20 17:00"]
    assert "disk I/O error; it is tried again" in caplog.text
    assert "secret statement" not in caplog.text


@contextlib.contextmanager
def _cannot_be_written(process):
    """Have SQLite write nothing inside, as where its disk is full; to read goes on."""
    engine = process.service.store.engine

    def begin(connection):
        connection.exec_driver_sql("PRAGMA query_only = ON")

    def end(connection):
        connection.exec_driver_sql("PRAGMA query_only = OFF")

    sa.event.listen(engine, "begin", begin)
    yield
    sa.event.remove(engine, "begin", begin)
    sa.event.listen(engine, "begin", end)


def test_a_store_that_can_be_read_alone_is_asked_in_peace_and_costs_no_run(world, until, caplog):
    process = world.process(world.write(HOURLY)).start()
    until(process, minutes=59)
    steps = []
    real = process.service.step
    process.service.step = lambda: steps.append(world.clock.time) or real()
    with _cannot_be_written(process):
        until(process, minutes=2)
    assert len(steps) < 20  # every five seconds
    assert caplog.text.count("cannot claim a run of hourly") == 1
    until(process, minutes=2)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 13:00"]


def test_a_store_that_was_put_back_is_used_again_and_no_other_one_is_made_meanwhile(world, until, caplog):
    process = world.process(world.write(HOURLY)).start()
    engine = process.service.store.engine

    def begin(connection):  # as outside of tests: SQLite sees by its journal that a file was moved
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")

    sa.event.listen(engine, "begin", begin)
    until(process, minutes=30)
    store, backup = world.folder / "schedule.sqlite", world.folder / "backup"
    shutil.copy(store, backup)
    store.unlink()
    until(process, minutes=90)
    assert not store.exists()
    assert "unable to open database file; it is tried again" in caplog.text
    shutil.copy(backup, store)
    until(process, minutes=61)
    assert world.runs("hourly") == ["07-20 12:00", "07-20 14:00", "07-20 15:00"]


def test_a_file_that_is_changed_while_it_runs_is_told_of_once_and_show_says_what_counts(
    world, looks_often, until, caplog
):
    path = world.write(HOURLY)
    process = world.process(path).start()
    until(process, minutes=1)
    world.write(schedule("hourly every: 2h\nnew every: 1h"))
    changed = f"{path} was changed: all goes on as it stood there at the start; start it anew"
    until(process, minutes=10)
    assert caplog.text.count(changed) == 1
    hourly, new = look(load(path), clock=world.clock)
    assert "the store has it due on 2026-07-20 13:00:00 UTC: the file was changed" in hourly.notes[0]
    assert new.notes == ("the store does not have it yet: it is due from the next start of the schedule on",)
    process.stop()
    world.process(path).start()
    assert [seen.notes for seen in look(load(path), clock=world.clock)] == [(), ()]


class _Mails:
    """A handler whose mail finds no server until there is one."""

    def __init__(self):
        self.is_unsent, self.is_there, self.tried = False, False, []

    def handle_failure(self, exception, metadata):
        self.tried.append(str(exception))
        self.is_unsent = not self.is_there

    handle_success = handle_failure


def mailing(process, mails):
    def make(job, run):
        return ActivityRunner(_Fails(), mails, mails)

    process.service._make = make


class _Fails(Activity):
    def start(self):
        raise NotDelivered("it broke off")


def test_a_mail_that_found_no_server_is_sent_once_there_is_one(world, looks_often, until):
    mails = _Mails()
    mailing(process := world.process(world.write(NIGHTLY)).start(), mails)
    until(process, hours=13)
    n_tried = len(mails.tried)
    assert 5 <= n_tried <= 8  # after 1, 2, 4, … minutes
    mails.is_there = True
    until(process, hours=3)
    assert mails.tried == ["it broke off"] * (n_tried + 1)


def test_a_mail_that_finds_no_server_for_a_day_or_until_the_end_is_given_up_and_that_is_logged(
    world, looks_often, until, caplog
):
    mails = _Mails()
    mailing(
        process := world.process(world.write(schedule("once at: 2026-07-20T13:00\nlater at: 2030-01-01"))),
        mails,
    )
    process.start()
    until(process, hours=30)
    assert "once: nobody is notified of the run for 2026-07-20 13:00 UTC any more" in caplog.text
    n_tried = len(mails.tried)
    until(process, hours=3)
    assert len(mails.tried) == n_tried < 35
    other = world.process(world.write(schedule("other at: 2026-07-22T00:00"), "other.yaml"), machine="n")
    mailing(other.start(), mails)
    until(other, hours=20)
    other.service.stop()
    assert "other: nobody was notified of the run for 2026-07-22 00:00 UTC by mail" in caplog.text


def test_what_was_missed_and_has_other_times_now_is_told(world, until, caplog):
    path = world.write(schedule('nightly cron: "0 2 * * *"\nonce at: 2026-07-21T02:00'))
    world.process(path).start().kill()
    world.clock.time += 86400
    world.write(schedule('nightly cron: "0 4 * * *"\nonce at: 2026-07-21T03:00'))
    world.process(path).start()
    for job in ("nightly", "once"):
        assert f"{job}: the run for 2026-07-21 02:00 UTC was missed, and is not made up for" in caplog.text
    assert "once: at 2026-07-21T03:00:00 is in the past: it does not run" in caplog.text


def test_a_job_that_has_run_once_and_is_to_run_at_another_time_that_is_past_is_told(world, until, caplog):
    path = world.write(schedule("once at: 2026-07-20T13:00"))
    process = world.process(path).start()
    until(process, hours=2)
    process.stop()
    world.write(schedule("once at: 2026-07-20T13:30"))
    world.process(path).start()
    assert "once: at 2026-07-20T13:30:00 is in the past: it does not run" in caplog.text
    (seen,) = look(load(path), clock=world.clock)
    assert seen.notes == ("this is in the past: it does not run",)


def test_what_is_no_more_in_the_store_is_taken_up_again(world, until, looks_often, caplog):
    process = world.process(world.write(HOURLY)).start()
    until(process, hours=2)
    with process.service.store.engine.begin() as db:
        db.execute(sa.text("DELETE FROM upload_client_due"))
    until(process, hours=3)
    assert world.runs("hourly")[-2:] == ["07-20 16:00", "07-20 17:00"]
    assert "hourly: no longer in the store; taken up again" in caplog.text


def test_a_thousand_jobs_run_at_their_times(world, until):
    jobs = "\n".join(f'job{n} cron: "{n % 60} {n % 24} * * *"' for n in range(1000))
    until(world.process(world.write(schedule(jobs, store="memory"))).start(), hours=23.99)
    assert len(world.ran) == 1000
    assert len({ran.job for ran in world.ran}) == 1000
    assert all(ran.began == ran.run for ran in world.ran)


def test_a_year_passes_without_growth(world, until, caplog):
    import gc

    caplog.set_level(logging.CRITICAL)
    jobs = 'daily cron: "30 2 * * *"\nweekly cron: "0 0 * * 0"'
    process = world.process(world.write(schedule(jobs, zone="Europe/Berlin", store="memory"))).start()

    def pass_time(days):
        until(process, days=days)
        n = len(world.ran)
        world.ran.clear()
        process.events.clear()
        gc.collect()
        return n, len(gc.get_objects())

    _, before = pass_time(30)
    n, after = pass_time(366)
    assert n == 366 + 52
    assert after < before + 1000
    assert process.service.store.count() <= 2 * 500


def test_what_is_remembered_of_a_job_is_bounded(world, until, monkeypatch):
    from upload_client.activities.schedule import store

    monkeypatch.setattr(store, "KEPT", 7)
    process = world.process(world.write(HOURLY)).start()
    until(process, days=2)
    assert process.service.store.count() == 7
