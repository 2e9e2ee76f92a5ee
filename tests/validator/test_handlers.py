"""The two Lambda functions: started only for the owner, once, and answered in words."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from validator.by_hand import AGENT, Client
from waiting import until

pytest.importorskip("moto")

from upload_client.aws import pipeline
from upload_client.core.lease import LockBody
from upload_client.core.records import Shutdown, Stop, ValidatorInit, Verdict
from upload_client.errors import PipelineRefused
from upload_client.s3.bucket import Bucket
from upload_client.sandbox import Sandbox
from upload_client.sandbox.sandbox import START_FUNCTION, WORK_FUNCTION

MEDDLING = Path(__file__).with_name("meddling.py")
QUICK = {"poll_seconds": 0.05, "poll_longest_seconds": 0.2, "busy_seconds": 5}


@dataclass
class Site:
    """A sandbox, and one delivery's client, which owns it."""

    sandbox: Sandbox
    dataset: str
    client: Client

    def request(self, **changes) -> dict:
        return {
            "protocol": 1,
            "dataset": self.dataset,
            "delivery_id": "d1",
            "transfer_type": "staging",
            "agent_id": AGENT,
            "epoch": self.client.epoch,
            "idempotency_key": f"{AGENT}-{self.client.epoch}-1",
        } | changes

    def start(self, **changes) -> str:
        lambdas = self.sandbox.client("lambda")
        return pipeline.start(lambdas, START_FUNCTION, self.request(**changes)).validator_id

    def refusal(self, **changes) -> str:
        with pytest.raises(PipelineRefused) as caught:
            self.start(**changes)
        (error,) = caught.value.errors
        assert error["message"]
        return error["code"]

    def workers_started(self) -> int:
        return sum(f"/{WORK_FUNCTION}/" in request.path for request in self.sandbox.requests)

    def heard(self, kind: type) -> list:
        return [record for record in self.client.heard() if isinstance(record, kind)]

    def wait_for(self, kind: type, n: int = 1) -> list:
        until(lambda: len(self.heard(kind)) >= n, why=lambda: self.sandbox.log.read_text()[-3000:])
        return self.heard(kind)


def site_in(sandbox: Sandbox) -> Site:
    dataset = f"toy{secrets.token_hex(4)}"
    s3 = sandbox.client("s3")
    control = Bucket(sandbox.control_bucket, prefix=f"{dataset}/d1/", client=s3)
    landing = Bucket(sandbox.landing_bucket, prefix=f"{dataset}/d1/staging/", client=s3)
    client = Client(control, landing)
    client.begin()
    return Site(sandbox, dataset, client)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(validator=QUICK) as sandbox:
        yield sandbox


@pytest.fixture
def site(sandbox) -> Iterator[Site]:
    site = site_in(sandbox)
    yield site
    site.client.stop()  # so that no worker outlives its test for long


def test_the_owner_gets_a_validator_that_judges_and_leaves_with_its_client(site):
    name = site.start()
    (init,) = site.heard(ValidatorInit)
    assert (init.validator_id, init.client_epoch) == (name, 1)
    upload = site.client.deliver("a.csv")
    (verdict,) = site.wait_for(Verdict)
    assert (verdict.status, verdict.upload) == ("ok", upload.id)
    site.client.stop()
    assert site.wait_for(Stop)


def test_a_start_that_is_repeated_says_the_same_and_starts_no_second_worker(site):
    before = site.workers_started()
    name = site.start()
    assert site.start() == name
    site.client.stop()
    site.wait_for(Stop)
    # Even when that worker has left already.
    assert site.start() == name
    assert site.workers_started() == before + 1
    assert len(site.heard(ValidatorInit)) == 1


def test_who_asks_again_while_their_validator_is_at_work_is_told_its_name(site):
    """Another attempt than the first: its answer came too late, or was lost."""
    before = site.workers_started()
    name = site.start()
    assert site.start(idempotency_key=f"{AGENT}-1-2") == name
    assert site.workers_started() == before + 1
    assert len(site.heard(ValidatorInit)) == 1


def test_while_the_validator_of_another_client_is_there_a_start_is_told_that_it_is_busy(refusing, site):
    site.client.own(at="staging/validator", agent_id="oldvalidator")
    assert refusing({}) == "validator_busy"


def test_a_later_client_gets_its_own_validator_once_the_old_one_has_left(site):
    site.start()
    later = site.client.successor()
    site.client = later
    name = site.start(agent_id=later.agent, epoch=2, idempotency_key=f"{later.agent}-2-1")
    assert [record.reason for record in site.heard(Shutdown)] == ["superseded"]
    assert [(init.client_epoch, init.validator_id) for init in site.heard(ValidatorInit)][-1] == (2, name)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"agent_id": "somebodyels"}, "not_the_owner"),
        ({"epoch": 2}, "not_the_owner"),
        ({"delivery_id": "other"}, "not_the_owner"),
        ({"protocol": 2}, "unsupported_protocol"),
        ({"protocol": None}, "unsupported_protocol"),
        ({"dataset": "../up"}, "invalid_request"),
        ({"dataset": {"a": 1}}, "invalid_request"),
        ({"delivery_id": "a/b"}, "invalid_request"),
        ({"transfer_type": "other"}, "invalid_request"),
        ({"agent_id": 7}, "invalid_request"),
        ({"epoch": "1"}, "invalid_request"),
        ({"epoch": True}, "invalid_request"),
        ({"epoch": 0}, "invalid_request"),
        ({"idempotency_key": ""}, "invalid_request"),
        ({"idempotency_key": "x" * 10_000}, "invalid_request"),
    ],
    ids=str,
)
def test_anybody_else_is_refused_with_a_reason(refusing, changes, code):
    assert refusing(changes) == code


@pytest.fixture
def refusing(site, monkeypatch) -> Callable[[dict], str]:
    """The start handler, called in this process."""
    from upload_client.validator import handlers

    settings = {
        "control_bucket": site.sandbox.control_bucket,
        "landing_bucket": site.sandbox.landing_bucket,
        "worker_function": WORK_FUNCTION,
        "endpoint_url": site.sandbox.endpoint_url,
        "busy_seconds": 0,
    }
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", json.dumps(settings))

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 30_000

    def refuse(changes: dict) -> str:
        answer = handlers.start(site.request(**changes), Context())
        assert answer["status"] == "failure"
        (error,) = answer["errors"]
        assert error["message"].isprintable()
        refuse.told.append(error["message"])
        return error["code"]

    refuse.told = []
    return refuse


def test_a_start_loads_nothing_that_judges_and_a_worker_has_all_before_it_is_invoked():
    program = (
        "import sys\n"
        "from upload_client.validator import handlers\n"
        "judging = {f'upload_client.validator.{name}' for name in ('checks', 'pipeline', 'serving')}\n"
        "judging |= {'upload_client.expectations.model', 'yaml'}\n"
        "handlers.start\n"
        "print(sorted(judging & set(sys.modules)))\n"
        "handlers.work\n"
        "print(sorted(judging - set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["[]", "[]"]


def test_a_worker_looks_for_garbage_in_nothing_that_was_imported_and_in_all_that_it_makes():
    program = (
        "import gc\n"
        "from upload_client.validator import handlers\n"
        "for event in ({}, {}):\n"
        "    try:\n"
        "        handlers.work(event, None)\n"
        "    except ValueError:\n"
        "        print(gc.get_freeze_count())\n"
        "    kept = [[] for _ in range(10_000)]\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPLOAD_CLIENT")}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    first, second = map(int, said.split())
    assert first > 10_000
    assert second <= first


def test_events_that_are_no_requests_are_refused_in_words(refusing, monkeypatch):
    from upload_client.validator import handlers

    for event in (None, [], "x", 3, {}, {"protocol": 1}):
        answer = handlers.start(event, None)
        assert answer["status"] == "failure", event
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", "{}")
    assert refusing({}) == "misconfigured"


@pytest.mark.parametrize(
    "change",
    [{"state": "released"}, {"agent_id": "another"}, {"epoch": 9}],
    ids=str,
)
def test_a_lock_that_is_not_held_by_this_agent_is_no_ground_to_start(refusing, site, change):
    site.client.own(**change)
    assert refusing({}) == "not_the_owner"


def test_whether_others_deliver_something_is_told_to_nobody(refusing, site, monkeypatch):
    from upload_client.validator import handlers

    said = set()

    def ask() -> None:
        refusing.told.clear()
        assert refusing({"agent_id": "somebodyels"}) == "not_the_owner"
        said.update(refusing.told)

    ask()  # somebody else has it
    site.client.own(state="released")
    ask()
    site.client.control.put("owned", b"garbage")
    ask()
    site.client.control.rm("owned")
    ask()  # nobody has ever had it
    site.client.own(agent_id="somebodyels")
    monkeypatch.setattr(handlers, "GRACE", -10_000)  # its lease is long over
    ask()
    assert said == {"agent somebodyels does not hold the lock of this delivery"}


def test_a_delivery_has_one_start_at_a_time(refusing, site):
    site.client.own(at="staging/starting", agent_id="another")
    assert refusing({}) == "validator_busy"
    assert refusing.told[-1] == "another start for this delivery is under way"
    assert site.heard(ValidatorInit) == []
    site.client.own(at="staging/starting", agent_id="another", state="released")
    site.start()
    assert LockBody.decode(site.client.control.read("staging/starting")).state == "released"


def test_a_lock_that_is_missing_or_garbled_is_no_ground_to_start(refusing, site):
    site.client.control.put("owned", b"garbage")
    assert refusing({}) == "not_the_owner"
    site.client.control.rm("owned")
    assert refusing({}) == "not_the_owner"


def test_an_event_cannot_lead_it_elsewhere(site):
    """Buckets and prefixes are the receiver's word, whatever an event says."""
    site.start(
        control_bucket="evil", landing_bucket="evil", landing_prefix="evil/", endpoint_url="http://evil"
    )
    site.client.deliver("a.csv")
    (verdict,) = site.wait_for(Verdict)
    assert verdict.status == "ok"


def test_a_worker_that_says_nothing_is_a_failure_in_words():
    quick = QUICK | {"start_seconds": 1.5}
    with Sandbox(validator=quick, work_handler=f"{MEDDLING}:silent") as sandbox:
        assert site_in(sandbox).refusal() == "validator_not_started"


def test_without_a_worker_function_it_is_a_failure_in_words():
    with Sandbox(validator=QUICK | {"worker_function": "nobody"}) as sandbox:
        assert site_in(sandbox).refusal() == "validator_not_started"


@pytest.mark.long
def test_a_worker_whose_time_runs_out_says_so_and_the_next_one_goes_on_without_judging_twice():
    with Sandbox(validator=QUICK, lambda_seconds=6) as sandbox:
        site = site_in(sandbox)
        paths = []
        for attempt in (1, 2):
            name = site.start(idempotency_key=f"{AGENT}-1-{attempt}")
            for n in range(3):
                paths.append(f"{attempt}/{n}.csv")
                site.client.deliver(paths[-1])
            shutdowns = site.wait_for(Shutdown, attempt)
            assert shutdowns[-1].reason == "time"
            assert site.heard(ValidatorInit)[-1].validator_id == name
        assert Counter(verdict.path for verdict in site.heard(Verdict)) == dict.fromkeys(paths, 1)
        lock = LockBody.decode(site.client.control.read("staging/validator"))
        assert (lock.state, lock.epoch) == ("released", 2)
        assert "timed out" not in sandbox.log.read_text()


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on this system")
@pytest.mark.long
def test_after_a_worker_was_killed_the_next_one_judges_what_it_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_WAS_KILLED", str(tmp_path / "was killed"))
    with Sandbox(validator=QUICK, work_handler=f"{MEDDLING}:killed_at_first") as sandbox:
        site = site_in(sandbox)
        site.client.deliver("a.csv")
        site.start()
        assert site.heard(Verdict) == []
        # This machine sees that the holder of the validator's lock is dead, and does not wait for its lease.
        site.start(idempotency_key=f"{AGENT}-1-2")
        (verdict,) = site.wait_for(Verdict)
        assert verdict.status == "ok"
        site.client.stop()
        site.wait_for(Stop)
