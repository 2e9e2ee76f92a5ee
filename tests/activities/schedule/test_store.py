"""The store: what is in it is data, each database does, and it is its owner's alone."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import stat
import threading

import pytest
import sqlalchemy as sa
from apscheduler.triggers.cron import CronTrigger

from upload_client.activities.schedule import store as store_module
from upload_client.activities.schedule.document import load
from upload_client.activities.schedule.outlook import look
from upload_client.activities.schedule.service import Service
from upload_client.activities.schedule.store import Store, StoreUnreachable, open_engine
from upload_client.core.lease import ProcessIdentity
from upload_client.core.schedule import Claim, RunState
from upload_client.errors import UsageError
from upload_client.support.clock import SYSTEM

SCHEDULE = "store: {store}\njobs: {{a: {{every: 1h, read: {{text: x}}, write: {{file: x}}}}}}"


@pytest.fixture(params=["sqlite:///schedule.sqlite", "memory", "postgresql"])
def url(request):
    """Each database in turn."""
    if request.param != "postgresql":
        yield request.param
        return
    server = os.environ.get("UPLOAD_CLIENT_TEST_POSTGRESQL")
    if not server:
        pytest.skip("UPLOAD_CLIENT_TEST_POSTGRESQL is not set: not run against PostgreSQL")
    yield server
    engine = open_engine(server, None)
    with engine.begin() as db:
        for table in ("upload_client_due", "upload_client_jobs", "upload_client_runs"):
            db.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()


@pytest.fixture
def store(url, tmp_path):
    store = Store(open_engine(url, tmp_path), SYSTEM)
    store.create()
    yield store
    store.engine.dispose()


def test_a_run_is_taken_once_and_what_came_of_it_is_remembered(store):
    assert store.claim("a", 1000.0).claim is Claim.TAKE
    assert store.claim("a", 1000.0).claim is Claim.BUSY
    assert store.claim("a", 2000.0).claim is Claim.BUSY
    assert store.beat() == []
    assert store.busy() == {"a"}
    assert store.end("a", 1000.0, RunState.FAILED, 4, "it broke off, ü")
    assert store.claim("a", 1000.0).claim is Claim.DONE
    assert store.last("a").message == "it broke off, ü"
    assert store.claim("a", 1000.0, again=True).claim is Claim.TAKE
    assert store.end("a", 1000.0, RunState.SUCCEEDED, 0, "")
    assert (store.last("a").exit_code, store.last("a").state) == (0, RunState.SUCCEEDED)
    assert not store.end("a", 1000.0, RunState.FAILED, 1, "")


def test_a_failure_is_noted_down_whatever_characters_its_message_has(store):
    assert store.claim("a", 1000.0).claim is Claim.TAKE
    assert store.end("a", 1000.0, RunState.FAILED, 1, "no \udcff\0 name")
    assert store.last("a").message == r"no \udcff\x00 name"
    assert store.busy() == set()


def test_of_many_who_want_the_same_run_one_gets_it(store, url, tmp_path):
    if url == "memory":
        pytest.skip("of a memory there is one user")
    taken, barrier = [], threading.Barrier(8)

    def want(n):
        other = Store(open_engine(url, tmp_path), SYSTEM, ProcessIdentity(f"machine{n}", "b", "n", n, "s"))
        other.create()
        barrier.wait(60)
        for due in range(10):
            if other.claim("a", float(due)).claim is Claim.TAKE:
                taken.append(due)
                other.end("a", float(due), RunState.SUCCEEDED, 0, "")
        other.engine.dispose()

    threads = [threading.Thread(target=want, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken))
    assert taken


def test_a_schedule_runs_on_each_database(url, tmp_path, caplog):
    path = tmp_path / "s.yaml"
    path.write_text(SCHEDULE.format(store=url).replace("every: 1h", "every: 1s"), encoding="utf-8")
    service = Service(load(path))
    service.start()
    while service.store.last("a") is None:
        service._wake.wait(service.step())
        service._wake.clear()
    service.stop()
    (seen,) = look(load(path))
    assert (seen.last is None) == (url == "memory")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class Evil:
    """Does something when it is read."""

    def __reduce__(self):
        return os.system, ("touch was-here",)


class Sneaky:
    """Gets at something through what a job may have."""

    def __reduce__(self):
        import builtins

        return builtins.getattr, (CronTrigger, "__init__")


@pytest.mark.parametrize(
    "evil", [Evil(), Sneaky(), CronTrigger(hour=1, timezone="UTC")], ids=lambda it: type(it).__name__
)
def test_what_stands_in_the_store_is_read_as_data_and_what_is_no_job_is_left_out(
    tmp_path, monkeypatch, evil, caplog
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "s.yaml"
    path.write_text(SCHEDULE.format(store="sqlite:///x.sqlite"), encoding="utf-8")
    service = Service(load(path))
    service.start()
    with service.store.engine.begin() as db:
        db.execute(
            sa.text("UPDATE upload_client_due SET job_state = :evil, next_run_time = 0"),
            {"evil": pickle.dumps(evil)},
        )
    assert service.step() is not None  # it does not end for that
    assert not (tmp_path / "was-here").exists()
    assert "is no part of a job" in caplog.text
    service._fix()
    assert service.store.due().keys() == {"a"}
    assert "a: no longer in the store; taken up again" in caplog.text
    service.stop()


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_the_file_is_read_by_its_owner_alone(tmp_path):
    open_engine("sqlite:///x.sqlite", tmp_path)
    assert stat.S_IMODE((tmp_path / "x.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("sqlite:///not/there/x.sqlite", UsageError, "No such file or directory"),
        ("postgresql+nothing://host/db", UsageError, "postgresql+nothing"),
    ],
)
def test_a_store_that_cannot_be_is_named(tmp_path, url, error, words):
    with pytest.raises(error) as caught:
        open_engine(url, tmp_path)
    assert words in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
@pytest.mark.parametrize("name", ["a?b", "50%41.db", "file:x?mode=memory", "a#b"])
def test_any_file_name_is_that_file(tmp_path, name):
    store = Store(open_engine(f"sqlite:///{name}", tmp_path), SYSTEM)
    store.create()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"SQLite format 3")


def test_a_database_that_is_none_is_named_without_its_statements(tmp_path):
    (tmp_path / "x.sqlite").write_bytes(b"this is no database at all, but a text of some length")
    store = Store(open_engine("sqlite:///x.sqlite", tmp_path), SYSTEM)
    with pytest.raises(
        StoreUnreachable, match=r"the store .*x\.sqlite cannot .*file is not a database"
    ) as caught:
        store.create()
    assert "CREATE" not in str(caught.value)


def test_a_server_that_says_nothing_is_not_waited_for_forever(tmp_path, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setattr(store_module, "_CONNECT", 2)  # the shortest that there is
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db"
        with pytest.raises(StoreUnreachable, match="timeout"):
            Store(open_engine(url, tmp_path), SYSTEM).create()


def test_to_look_at_a_schedule_makes_no_store(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SCHEDULE.format(store="sqlite:///x.sqlite"), encoding="utf-8")
    (seen,) = look(load(path))
    assert len(seen.next) == 5
    assert not (tmp_path / "x.sqlite").exists()
