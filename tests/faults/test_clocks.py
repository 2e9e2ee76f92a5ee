"""A client whose clock is wrong: it is told so, and it harms nobody."""

from __future__ import annotations

import csv
import datetime as dt
import json
import time
from pathlib import Path

import pytest
import waiting
from delivery.conftest import Delivery
from faults import proxy as net
from faults.conftest import (
    Movable,
    Network,
    Told,
    all_sent,
    client_of,
    control_bucket,
    log_of,
    until_done,
)
from faults.proxy import Request

from upload_client import Outcome
from upload_client.core.layout import Layout
from upload_client.events import Event, Message, Phase
from upload_client.reports.observer import StatusReporter
from upload_client.s3.store_clock import StoreClock

LIBRARIES = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
]


@pytest.fixture
def faketime() -> dict[str, str]:
    """Environment of a process whose wall clock a test sets, by ``FAKETIME``."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    return {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


NO_LOGIN = {
    "UPLOAD_CLIENT_AUTH": "aws",
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
}
"""Environment of a run that needs none: the sandbox's are good for less than 20 minutes."""


def too_skewed(minutes: float):
    """Whether a request was signed further from now than AWS allows."""

    def matches(request: Request) -> bool:
        signed = request.headers.get("x-amz-date")
        if signed is None:
            return False
        at = dt.datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        return abs((dt.datetime.now(dt.UTC) - at).total_seconds()) > 60 * minutes

    return matches


def date() -> str:
    return f"Date: {dt.datetime.now(dt.UTC):%a, %d %b %Y %H:%M:%S GMT}\r\n"


@pytest.mark.parametrize(("offset", "said"), [("+20m", "20 min ahead"), ("-20m", "20 min behind")])
def test_a_signature_refused_for_its_time_is_explained_by_the_clock(
    delivery: Delivery, data: Path, network: Network, faketime: dict[str, str], offset: str, said: str
) -> None:
    skewed = net.answer(403, "RequestTimeTooSkewed", headers=date())
    network.s3.on(skewed, when=too_skewed(15), times=None)
    outcome = delivery.run("--source", data, env={**network.env, **faketime, **NO_LOGIN, "FAKETIME": offset})
    assert outcome.exit_code not in (0, 12), outcome
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert delivery.landed() == {}


@pytest.mark.long
def test_credentials_that_have_ended_by_a_wrong_clock_are_a_refused_login_that_says_why(
    delivery: Delivery, data: Path, faketime: dict[str, str]
) -> None:
    outcome = delivery.run("--source", data, env={**faketime, "FAKETIME": "+2h"})
    assert outcome.exit_code == 10, outcome
    assert "2 h 0 min ahead" in outcome.stderr
    assert "Set this machine's clock" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert delivery.lock() is None
    assert delivery.run("--source", data).exit_code == 0


def at(moment: str) -> float:
    return dt.datetime.fromisoformat(moment).timestamp()


def moments_of(delivery: Delivery, outcome: Outcome) -> dict[str, list[str]]:
    """Everything about a run that says when, by where it says so."""
    assert outcome.receipt_file is not None
    assert outcome.state_csv is not None
    receipt = json.loads(outcome.receipt_file.read_text())
    with outcome.state_csv.open() as file:
        rows = list(csv.DictReader(file))
    records = [
        record.t
        for writer in ("client", "validator")
        for segment in log_of(delivery, writer)
        for record in segment.records
    ]
    lock = delivery.lock()
    assert lock is not None
    return {
        "records": records,
        "lock": [lock["acquired_at"], lock["refreshed_at"]],
        "receipt": [receipt["finished_at"], *(file["sent_at"] for file in receipt["files"])],
        "state": [row["transferred_at"] for row in rows] + [row["judged_at"] for row in rows],
    }


class SetWhenSending(Told):
    """Sets the machine's clock as soon as files are sent."""

    def __init__(self, clock: Movable, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def handle(self, event: Event) -> None:
        super().handle(event)
        if isinstance(event, Phase) and event.phase == "sending":
            self.clock.ahead += self.seconds


HOURS = [-3.0, 3.0]


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize(
    ("when", "engine"), [("before", "boto3"), ("before", "direct"), ("meanwhile", "direct")]
)
def test_whatever_the_clock_says_all_that_is_written_down_has_the_stores_time(
    delivery: Delivery, data: Path, hours: float, when: str, engine: str
) -> None:
    clock = Movable(3600 * hours if when == "before" else 0.0)
    told = SetWhenSending(clock, 3600 * hours if when == "meanwhile" else 0.0)
    began = time.time()
    with client_of(delivery, data, clock=clock, reporter=told, more={"engine": engine}) as client:
        outcome = client.run()
    ended = time.time()
    assert outcome.exit_code == 0, outcome
    for where, moments in moments_of(delivery, outcome).items():
        assert moments
        for moment in moments:
            assert began - 5 <= at(moment) <= ended + 5, where
    if when == "before":
        codes = [event.code for event in told.events if isinstance(event, Message)]
        assert codes.count("clock_skew") == 1
        assert f"3 h 0 min {'behind' if hours < 0 else 'ahead of'} the store's" in told.messages[0]


@pytest.mark.parametrize("hours", HOURS)
def test_a_status_tells_of_a_wrong_clock_while_the_run_lives(
    delivery: Delivery, data: Path, hours: float
) -> None:
    client = all_sent(delivery, data, clock=Movable(3600 * hours))
    try:
        reporter = StatusReporter(
            control_bucket(delivery), Layout(delivery.dataset, delivery.delivery_id, "staging")
        )
        # Its log is written by a thread of its own: the first segment may be on its way.
        waiting.until(lambda: (run := reporter.look().run) is not None and run.began_at is not None, 60)
        seen = reporter.look()
        assert seen.run is not None
        assert seen.run.clock_ahead_seconds == pytest.approx(3600 * hours, abs=5)
        assert seen.run.silent_seconds is not None
        assert seen.run.silent_seconds < 60
        assert "clock_skew" in [problem.code for problem in seen.problems]
    finally:
        until_done(client)
    assert client.outcome is not None
    assert client.outcome.exit_code == 0


def test_a_run_after_one_whose_clock_was_ahead_writes_a_receipt_that_ends_last(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run before was of a version that took its own clock's word."""
    with monkeypatch.context() as patched:
        patched.setattr(StoreClock, "watch", lambda *_: None)
        client = all_sent(delivery, data, clock=Movable(7200.0))
        client.quit()
    with client_of(delivery, data) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert outcome.receipt_file is not None
    receipt = json.loads(outcome.receipt_file.read_text())
    sent = max(file["sent_at"] for file in receipt["files"])
    assert at(sent) > time.time() + 3600
    assert receipt["finished_at"] >= sent
