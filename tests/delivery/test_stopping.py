"""A run is stopped from outside: by another thread, a signal handler, a scheduler's exception."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pandas as pd
import pytest
from delivery.conftest import Delivery, make_data

from upload_client import NothingToDoError, Outcome, UploadClient, errors
from upload_client.core import records
from upload_client.core.layout import Layout
from upload_client.delivery import plan, startup
from upload_client.events import Event, FileChanged, Message, Phase
from upload_client.index import scan
from upload_client.s3.bucket import Bucket
from upload_client.support.clock import Clock


class Reported:
    """Calls something at the first event of a kind."""

    def __init__(self, when: Callable[[Event], object], call: Callable[[], object]) -> None:
        self.when, self.call = when, call
        self.called = False

    def handle(self, event: Event) -> None:
        if not self.called and self.when(event):
            self.called = True
            self.call()

    def close(self) -> None:
        pass


def client_of(delivery: Delivery, data: Path, **options) -> UploadClient:
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        file_index=options.pop("index", None) if "index" in options else scan(data),
        transfer_type="staging",
        source=data,
        settings=delivery.settings,
        session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
        output_dir=delivery.receiver.output,
        n_threads=2,
        **options,
    )


def in_order(delivery: Delivery, client: UploadClient, outcome: Outcome | None) -> None:
    """The run has ended as after Ctrl-C, and the next one goes on."""
    assert outcome is not None
    assert outcome.exit_code == 130, outcome
    assert client.done
    lock = delivery.lock()
    assert lock is None or lock["state"] == "released"


def phase(name: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Phase) and event.phase == name


def sent(event: Event) -> bool:
    return isinstance(event, FileChanged) and event.state == "done"


def kinds_in_log(delivery: Delivery) -> list[str]:
    """The kinds of the records in the client's log, in their order."""
    sandbox = delivery.receiver.sandbox
    control = Bucket(
        sandbox.control_bucket,
        prefix=f"{delivery.dataset}/{delivery.delivery_id}/staging/log/client/",
        client=sandbox.client("s3"),
    )
    lines = [line for key in control.ls() for line in control.read(key).splitlines()]
    return [kind for line in lines if (kind := json.loads(line)["kind"]) != "segment"]


def test_a_run_tells_its_log_that_it_lives_while_it_looks_whether_all_is_there(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million files, that and the receipt take longer than a validator waits for a sign of life."""

    def finishing() -> None:
        monkeypatch.setattr(records, "KEEPALIVE_SECONDS", 0.0)

    client = client_of(delivery, data, reporter=Reported(phase("finishing"), finishing))
    assert client.run().exit_code == 0
    kinds = kinds_in_log(delivery)
    assert kinds[-1] == "stop"
    assert kinds.count("keepalive") >= 3  # as many as requests: a listing, one of unfinished uploads, …


def test_a_run_tells_its_log_that_it_lives_while_it_reads_what_it_is_to_send(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that came to another machine with other times are read, terabytes perhaps, before `init`."""
    with client_of(delivery, data) as client:
        assert client.run().exit_code == 0
    for path in data.rglob("*.csv"):
        os.utime(path, (1, 1))
    n_before = len(kinds_in_log(delivery))
    reporter = Reported(
        lambda event: isinstance(event, Phase) and event.phase == "planning",
        lambda: monkeypatch.setattr(records, "KEEPALIVE_SECONDS", 0.0),
    )
    with pytest.raises(NothingToDoError), client_of(delivery, data, reporter=reporter) as client:
        client.connect()
    kinds = kinds_in_log(delivery)[n_before:]
    assert kinds[-1] == "stop"
    assert kinds.count("keepalive") >= len(list(data.rglob("*.csv")))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return make_data(tmp_path / "many", 60)


WHEN = [phase("connecting"), phase("planning"), phase("starting"), sent, phase("judging")]


@pytest.mark.parametrize("how", ["stop", "quit"])
@pytest.mark.parametrize("when", WHEN, ids=["connecting", "planning", "starting", "sending", "judging"])
def test_a_run_is_stopped_by_another_thread_in_any_phase(
    delivery: Delivery, many: Path, when, how: str
) -> None:
    def from_elsewhere() -> None:
        thread = threading.Thread(target=getattr(client, how))
        thread.start()
        thread.join(60)
        assert not thread.is_alive()

    client = client_of(delivery, many)
    outcome = client.run(reporter=Reported(when, from_elsewhere))
    in_order(delivery, client, outcome)
    assert "stopped by the program" in str(outcome.error)
    with client_of(delivery, many) as again:
        assert again.run().exit_code == 0


def test_a_client_that_is_at_work_in_one_thread_is_refused_to_another_and_goes_on(
    delivery: Delivery, many: Path
) -> None:
    refused: list[str] = []

    def from_elsewhere() -> None:
        for call in (client.run, client.connect, client.update, client.transfer_next_file):
            try:
                call()
            except errors.InvalidState as error:
                refused.append(str(error))

    def in_a_thread() -> None:
        thread = threading.Thread(target=from_elsewhere)
        thread.start()
        thread.join(60)

    client = client_of(delivery, many)
    outcome = client.run(reporter=Reported(sent, in_a_thread))
    assert refused == ["this client is at work in another thread"] * 4
    assert outcome.exit_code == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks nothing")
def test_a_fork_of_a_process_that_has_connected_ends_nothing_there(delivery: Delivery, many: Path) -> None:
    def in_the_fork() -> int:
        with client:
            try:
                client.update()
            except errors.InvalidState as error:
                return 0 if "is a fork" in str(error) else 2
        return 3

    with client_of(delivery, many) as client:
        client.connect()
        client.initiate_transfer()
        if not (child := os.fork()):
            os._exit(in_the_fork())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        while client.transfer_next_file() is not None:
            client.update()
        while not client.update(timeout=1):
            pass
    assert client.outcome is not None
    assert client.outcome.exit_code == 0


def test_two_runs_of_one_name_try_the_store_with_objects_of_their_own(
    delivery: Delivery, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = startup.probe_store

    def noted(bucket: Bucket, layout: Layout, name: str, **options) -> None:
        tried.append(name)
        real(bucket, layout, name, **options)

    monkeypatch.setattr(startup, "probe_store", noted)
    for _ in range(2):
        with client_of(delivery, many, own_agent_id="nightly") as client:
            assert client.run().exit_code == 0
    assert len(set(tried)) == 2
    assert "nightly" not in tried


def test_a_run_that_is_stopped_lists_no_more_of_what_others_have_put_where_it_lands(
    delivery: Delivery, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million objects of others are a thousand pages. How far it is, is told."""
    listed: list[int] = []
    told: list[str] = []

    def pages(landing: Bucket):
        for n in range(1000):
            listed.append(n)
            if n == 2:
                client.stop()
            yield [f"other/{n}-{k}" for k in range(1000)], [1] * 1000, ["0" * 32] * 1000

    class Heard(Reported):
        def handle(self, event: Event) -> None:
            if isinstance(event, Message):
                told.append(event.text)

    monkeypatch.setattr(plan, "pages_of", pages)
    monkeypatch.setattr(startup, "_LISTING_NOTICE_SECONDS", 0.0)
    client = client_of(delivery, many)
    outcome = client.run(reporter=Heard(lambda _: False, lambda: None))
    in_order(delivery, client, outcome)
    assert listed == [0, 1, 2]
    assert "listing the landing bucket: 2,000 objects so far" in told


def test_who_was_stopped_before_it_ran_does_nothing(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many)
    client.stop()
    outcome = client.run()
    in_order(delivery, client, outcome)
    assert delivery.lock() is None


def test_after_the_end_nothing_is_left_to_stop(delivery: Delivery, many: Path) -> None:
    with client_of(delivery, many) as client:
        outcome = client.run()
        client.stop()
        client.quit()
    assert client.outcome is outcome
    assert outcome.exit_code == 0


def test_step_by_step_the_next_step_ends_it(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many)
    client.connect()
    client.initiate_transfer()
    client.transfer_next_file()
    client.stop()
    assert client.update()
    in_order(delivery, client, client.outcome)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_handler_may_stop_it_whatever_it_interrupts(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many)
    before = signal.signal(signal.SIGUSR1, lambda *_: client.stop())
    try:
        outcome = client.run(reporter=Reported(sent, lambda: signal.raise_signal(signal.SIGUSR1)))
    finally:
        signal.signal(signal.SIGUSR1, before)
    in_order(delivery, client, outcome)


def test_it_is_stopped_while_the_starter_does_not_answer(
    delivery: Delivery, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, answered = threading.Event(), threading.Event()

    def start(*_) -> None:
        client.stop()
        answers.wait(240)
        answered.set()

    monkeypatch.setattr("upload_client.aws.pipeline.start", start)
    client = client_of(delivery, many)
    try:
        outcome = client.run()
        assert not answered.is_set()
    finally:
        answers.set()
    in_order(delivery, client, outcome)


def test_it_is_stopped_while_a_large_file_is_read_to_find_out_whether_it_has_landed(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upload_client.support.local_file import LocalFile

    data = make_data(tmp_path / "data", 2)
    with client_of(delivery, data) as first:
        assert first.run().exit_code == 0
    for path in data.rglob("*.csv"):
        os.utime(path, (1, 1))  # its time has changed: only its content can tell
    read = LocalFile.read

    def slowly(self: LocalFile, size: int, offset: int = 0) -> bytes:
        client.stop()
        return read(self, size, offset)

    monkeypatch.setattr(LocalFile, "read", slowly)
    monkeypatch.setattr("upload_client.delivery.plan._BLOCK", 10)
    client = client_of(delivery, data)
    in_order(delivery, client, client.run())


class Cancelled(BaseException):
    """As schedulers raise it: no `Exception`, so that nobody swallows it."""


class TaskFailed(Exception):  # noqa: N818 - as theirs is named
    """As schedulers raise it from a signal handler."""


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize("error", [Cancelled(), SystemExit(3)])
def test_whatever_cuts_a_run_short_the_lock_is_given_back_and_it_goes_on(
    delivery: Delivery, many: Path, error: BaseException
) -> None:
    client = client_of(delivery, many)
    with pytest.raises(type(error)):
        client.run(reporter=Reported(sent, raising(error)))
    in_order(delivery, client, client.outcome)


def test_who_is_stopped_and_then_thrown_out_was_stopped(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many)

    def stop_and_raise() -> None:
        client.stop()
        raise TaskFailed

    in_order(delivery, client, client.run(reporter=Reported(sent, stop_and_raise)))


def test_an_exception_thrown_into_its_thread_ends_it_in_order(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            client.run(reporter=Reported(sent, started.set))
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            raised.append(error)

    started = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(60)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Cancelled))
    thread.join(30)
    assert not thread.is_alive()
    if raised:  # else it had come to its end before
        assert isinstance(raised[0], Cancelled)
        in_order(delivery, client, client.outcome)
    assert delivery.lock()["state"] == "released"


def test_a_sleep_of_the_callers_thread_ends_where_it_is_stopped() -> None:
    from upload_client.support.clock import StoppableClock

    class Virtual(Clock):
        now = 100.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    checks: list[float] = []

    def check() -> None:
        checks.append(virtual.now)
        if virtual.now >= 102.0:
            raise Cancelled

    virtual = Virtual()
    clock = StoppableClock(virtual, check, 0.5)
    clock.sleep(1.25)
    assert checks == [100.0, 100.5, 101.0, 101.25]
    with pytest.raises(Cancelled):
        clock.sleep(100.0)
    assert virtual.now < 103.0
    assert clock.wall() == pytest.approx(time.time(), abs=60)


def test_an_empty_index_is_no_way_around_it(delivery: Delivery, many: Path) -> None:
    client = client_of(delivery, many, index=pd.DataFrame({"path": ["part0/table_00000.csv"]}))
    client.stop()
    in_order(delivery, client, client.run())


BRIEF = {"UPLOAD_CLIENT_STANDSTILL": "4"}


def test_a_run_that_nobody_reads_ends_by_itself_and_gives_the_lock_back(delivery: Delivery, tmp_path: Path):
    data = make_data(tmp_path / "many", 800)
    with subprocess.Popen(
        delivery.command("--source", data),
        env={**os.environ, **BRIEF},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # and nobody reads it
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 5, said
    assert "nobody reads what this program writes" in said
    lock = delivery.lock()
    assert lock is not None
    assert lock["state"] == "released"


HANGING = """
import os, sys, time
listed = os.scandir
def scandir(path="."):
    if str(path).endswith("dead"):
        time.sleep(3600)
    return listed(path)
os.scandir = scandir
from upload_client.cli.app import main
main()
"""


def test_a_folder_that_never_answers_ends_a_run_with_a_reason(delivery: Delivery, tmp_path: Path):
    (tmp_path / "dead").mkdir()
    command = delivery.command("--source", tmp_path / "dead")
    done = subprocess.run(
        [command[0], "-c", HANGING, *command[3:]],
        env={**os.environ, **BRIEF},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "the folder with the data does not answer" in done.stderr
    assert "Traceback" not in done.stderr
