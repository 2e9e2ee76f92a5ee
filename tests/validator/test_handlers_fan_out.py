"""Several validators for one delivery: all are started for its client, and later the one that is missed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from validator.by_hand import AGENT, LAYOUT, Client

pytest.importorskip("moto")

from upload_client.core.layout import MAX_SHARDS, segment_key
from upload_client.core.record_encoding import encode
from upload_client.core.records import Record, Shutdown, ValidatorInit
from upload_client.core.segments import LogChain, encode_segment
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket
from upload_client.validator import handlers

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:shards"


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Serving:
    """What the validator of a shard writes: its lock and its log."""

    def __init__(self, client: Client, shard: int) -> None:
        self.client, self.shard = client, shard
        self.chain = LogChain("validator")
        self.epoch = 0

    def begin(self, name: str, client_epoch: int = 1, shards: int = 3) -> None:
        self.epoch += 1
        self.client.own(at=LAYOUT.validator_lock(self.shard), agent_id=name, epoch=self.epoch)
        init = ValidatorInit(self.client.now(), name, client_epoch, shards)
        self.say(init, name=name, client_epoch=client_epoch)

    def leave(self) -> None:
        lock = LAYOUT.validator_lock(self.shard)
        self.client.own(at=lock, agent_id="gone", epoch=self.epoch, state="released")

    def say(self, record: Record, *, name: str, client_epoch: int = 1) -> None:
        header = self.chain.header(agent_id=name, epoch=self.epoch, client_epoch=client_epoch)
        data = encode_segment(header, [encode(record)])
        key = segment_key(LAYOUT.validator_log(self.shard), header.seq)
        self.client.control.put(key, data, if_none_match=True)
        self.chain.appended(header, data)


@dataclass
class Aws:
    """Lambda and Step Functions: what is started speaks up at once."""

    serving: list[Serving]
    invoked: list[dict] = field(default_factory=list)
    executions: dict[str, dict] = field(default_factory=dict)
    mute: set[int] = field(default_factory=set)
    instead: dict[int, str] = field(default_factory=dict)
    """Shards in which another one that was started at the same time was quicker."""

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 # Lambda's
        assert (FunctionName, InvocationType) == ("work", "Event")
        self.invoked.append(json.loads(Payload))
        self._run(self.invoked[-1])

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002, N803 # as above
        assert stateMachineArn == MACHINE
        if name in self.executions:
            answer: Any = {
                "Error": {"Code": "ExecutionAlreadyExists", "Message": name},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
            raise ClientError(answer, "StartExecution")
        self.executions[name] = json.loads(input)
        for event in self.executions[name]["workers"]:
            self._run(event)

    def _run(self, event: dict) -> None:
        shard = event["shard"]
        if shard not in self.mute:
            self.serving[shard].begin(self.instead.get(shard, event["validator_id"]))

    @property
    def started(self) -> list[int]:
        """Shards for which a worker was started, in this order."""
        executed = [event for execution in self.executions.values() for event in execution["workers"]]
        return [event["shard"] for event in [*self.invoked, *executed]]


@dataclass
class Site:
    """A store, and in it a delivery with the client that owns it."""

    endpoint_url: str
    s3: Any
    bucket: str
    dataset: str = "toy"
    delivery_id: str = "d1"

    def __post_init__(self) -> None:
        control = Bucket(self.bucket, prefix=f"{self.dataset}/{self.delivery_id}/", client=self.s3)
        self.client = Client(control, control)
        self.client.begin()
        self.serving = [Serving(self.client, shard) for shard in range(3)]

    def request(self, **changes) -> dict:
        return {
            "protocol": 1,
            "dataset": self.dataset,
            "delivery_id": self.delivery_id,
            "transfer_type": "staging",
            "agent_id": AGENT,
            "epoch": 1,
            "idempotency_key": f"{AGENT}-1-1",
        } | changes


@pytest.fixture
def site_names() -> dict[str, str]:
    return {}


@pytest.fixture
def site(moto_server, session, site_names) -> Site:
    s3 = clients.s3_client(session, SimpleNamespace(endpoint_url=moto_server, endpoints={}))
    bucket = f"control-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=bucket)
    return Site(moto_server, s3, bucket, **site_names)


@pytest.fixture
def serving(site) -> list[Serving]:
    return site.serving


@pytest.fixture
def aws(serving, monkeypatch) -> Aws:
    aws = Aws(serving)
    real = clients.client

    def client(session, service, settings=None, **config):
        if service == "s3":
            return real(session, service, settings, **config)
        assert config["retries"]["total_max_attempts"] == 1  # a second request could start a second worker
        return aws

    monkeypatch.setattr(clients, "client", client)
    return aws


@pytest.fixture
def start(site, aws, monkeypatch) -> Callable[..., dict]:
    """Call the start handler of a receiver with three validators; settings by name, the event's as `ask`."""

    def start(ask: dict | None = None, **settings) -> dict:
        settings = {
            "control_bucket": site.bucket,
            "landing_bucket": "landing",
            "endpoint_url": site.endpoint_url,
            "worker_function": "work",
            "shards": 3,
            "busy_seconds": 0,
            "start_seconds": 0.01,
            **settings,
        }
        monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", json.dumps(settings))
        return handlers.start(site.request(**(ask or {})), Context())

    return start


def refusal(answer: dict) -> tuple[str, str]:
    assert answer["status"] == "failure"
    (error,) = answer["errors"]
    return error["code"], error["message"]


def test_a_client_that_begins_gets_a_validator_for_each_shard(start, aws, site):
    answer = start()
    assert aws.started == [0, 1, 2]
    assert [event["shards"] for event in aws.invoked] == [3, 3, 3]
    names = [event["validator_id"] for event in aws.invoked]
    assert answer == {"status": "success", "validator_id": names[0], "shards": 3}
    assert len(set(names)) == 3
    assert all(name.isalpha() and name.islower() and len(name) == 11 for name in names)
    # What Lambda has from `start` says all that the worker wants to know.
    assert {**aws.invoked[1], "validator_id": ""} == {
        "dataset": site.dataset,
        "delivery_id": "d1",
        "transfer_type": "staging",
        "epoch": 1,
        "validator_id": "",
        "shard": 1,
        "shards": 3,
    }


def test_the_first_shard_is_served_under_the_name_that_a_single_validator_would_have(start, aws, monkeypatch):
    start()
    for shard in (1, 2):
        aws.serving[shard].leave()
    monkeypatch.setattr(handlers, "_ALIVE_SECONDS", -1)  # of another name, it would be in the way
    name = aws.invoked[0]["validator_id"]
    assert start(shards=1) == {"status": "success", "validator_id": name, "shards": 1}


def test_the_one_that_is_missed_is_started_again_alone_whatever_the_settings_say_by_now(start, aws, serving):
    serving[0].begin("atworkalready")
    answer = start({"shard": 2, "shards": 3, "idempotency_key": f"{AGENT}-1-2"}, shards=1)
    assert aws.started == [2]
    assert answer == {"status": "success", "validator_id": aws.invoked[0]["validator_id"], "shards": 3}


def test_where_there_were_more_those_beyond_have_to_leave_first(start, aws, serving):
    serving[2].begin("oldvalidator", client_epoch=9)
    code, message = refusal(start(shards=2))
    assert code == "validator_busy"
    assert "oldvalidator" in message
    assert aws.started == []
    serving[2].leave()
    assert start(shards=2)["shards"] == 2
    assert aws.started == [0, 1]


def test_how_many_there_are_is_not_the_clients_to_say(start, aws, serving):
    serving[0].begin("ofanotherone", client_epoch=9, shards=60)
    code, message = refusal(start({"shard": 1, "shards": 60}))
    assert code == "invalid_request"
    assert "not 60" in message
    assert aws.started == []


def test_a_start_that_is_repeated_says_the_same_and_starts_nothing_again(start, aws):
    answer = start()
    assert start() == answer
    assert aws.started == [0, 1, 2]


def test_where_an_earlier_start_got_half_way_the_next_one_starts_the_rest(start, aws, serving):
    serving[0].begin("atworkalready")
    serving[1].begin("atworkaswell")
    answer = start()
    assert aws.started == [2]
    assert answer == {"status": "success", "validator_id": "atworkalready", "shards": 3}


def test_one_shard_with_an_old_validator_makes_it_busy_and_nothing_is_started(start, aws, serving):
    serving[1].begin("oldvalidator", client_epoch=9)
    code, message = refusal(start())
    assert code == "validator_busy"
    assert "oldvalidator" in message
    assert "shard 1 of 3" in message
    assert aws.started == []


@pytest.mark.parametrize("how", ["has said goodbye", "has long said nothing"])
def test_a_validator_that_is_not_at_work_does_not_count_although_its_lock_is_held(
    start, aws, serving, site, monkeypatch, how
):
    serving[1].begin("leaving")
    if how == "has said goodbye":
        serving[1].say(Shutdown(site.client.now(), "time"), name="leaving")
    else:
        monkeypatch.setattr(handlers, "_ALIVE_SECONDS", -1)
    assert refusal(start({"shard": 1, "shards": 3}))[0] == "validator_busy"


def test_who_was_quicker_to_take_the_lock_counts_as_started(start, aws):
    aws.instead[1] = "quicker"
    assert start({"shard": 1, "shards": 3})["validator_id"] == "quicker"


def test_where_the_validator_of_another_client_was_quicker_it_is_busy_and_may_be_asked_again(
    start, aws, serving, monkeypatch
):
    """Its lock was free a moment ago: it was started again, or started late, by a client that has gone."""
    monkeypatch.setattr(aws, "_run", lambda _: serving[1].begin("oldvalidator", client_epoch=9))
    code, message = refusal(start({"shard": 1, "shards": 3}))
    assert code == "validator_busy"
    assert "oldvalidator" in message
    assert "shard 1 of 3" in message


def test_what_somebody_said_before_is_no_first_word(start, aws, serving, site):
    serving[1].begin("gone")
    serving[1].say(Shutdown(site.client.now(), "time"), name="gone")
    site.client.control.rm(LAYOUT.validator_lock(1))
    aws.mute = {1}
    code, message = refusal(start({"shard": 1, "shards": 3}))
    assert (code, "shard 1 of 3" in message) == ("validator_not_started", True)


def test_a_shard_that_says_nothing_is_named(start, aws):
    aws.mute = {0, 2}
    code, message = refusal(start())
    assert (code, "shard 0, 2 of 3" in message) == ("validator_not_started", True)
    # The next attempt starts those two only.
    aws.mute = set()
    assert start({"idempotency_key": f"{AGENT}-1-2"})["status"] == "success"
    assert aws.started == [0, 1, 2, 0, 2]


def test_a_state_machine_is_started_once_for_all_of_them(start, aws, site):
    answer = start(state_machine=MACHINE)
    assert aws.invoked == []
    ((name, given),) = aws.executions.items()
    assert name == f"{site.dataset}-d1-{answer['validator_id']}"
    assert [(event["shard"], event["shards"]) for event in given["workers"]] == [(0, 3), (1, 3), (2, 3)]


def test_an_execution_that_is_there_already_is_the_one_that_was_asked_for(start, aws):
    aws.mute = {1}
    for _ in range(2):
        code, message = refusal(start(state_machine=MACHINE))
        assert (code, "is silent (shard 1 of 3" in message) == ("validator_not_started", True)
    assert len(aws.executions) == 1


@pytest.mark.parametrize("site_names", [{"dataset": "a.b-" + "c" * 59, "delivery_id": "9." + "d" * 61}])
def test_the_name_of_an_execution_is_one_whatever_the_delivery_is_called(aws, start, site_names):
    """https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html: at most 80 characters."""
    assert start(state_machine=MACHINE)["status"] == "success"
    (name,) = aws.executions
    assert len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "ask",
    [
        {"shard": 0, "shards": 0},
        {"shard": 0, "shards": MAX_SHARDS + 1},
        {"shard": 0, "shards": "3"},
        {"shard": 0, "shards": True},
        {"shard": 0, "shards": 3.0},
        {"shard": 0},
        {"shards": 3},
        {"shard": -1, "shards": 3},
        {"shard": 3, "shards": 3},
        {"shard": "0", "shards": 3},
        {"shard": False, "shards": 3},
    ],
    ids=str,
)
def test_what_is_no_shard_is_refused(start, aws, ask):
    assert refusal(start(ask))[0] == "invalid_request"
    assert aws.started == []


def test_where_processes_validate_it_waits_for_each_of_them(start, aws, serving):
    serving[0].begin("processzero")
    serving[2].begin("processtwo")
    code, message = refusal(start(worker_function=None))
    assert (code, "shard 1 of 3" in message) == ("validator_not_started", True)
    serving[1].begin("processone")
    assert start(worker_function=None) == {
        "status": "success",
        "validator_id": "processzero",
        "shards": 3,
    }
    assert start({"shard": 1, "shards": 3}, worker_function=None)["validator_id"] == "processone"
    assert aws.started == []
