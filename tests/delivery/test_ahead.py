"""A validator that is asked for before the index is there: beside the plan, where neither can forbid one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from delivery.conftest import Delivery, make_data
from waiting import until

from upload_client import UploadClient
from upload_client.aws import pipeline
from upload_client.delivery import startup
from upload_client.delivery.run import Run
from upload_client.errors import NotReachable, PipelineRefused


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", 3)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The key of each request to the starter, with an asterisk where the index was there."""
    real, asked = startup._request_validator, []

    def request(run: Run, places: Any, epoch: int, wanted: Any) -> Any:
        asked.append(f"{wanted.attempt}{'*' if places.control.ls('staging/index/') else ''}")
        return real(run, places, epoch, wanted)

    monkeypatch.setattr(startup, "_request_validator", request)
    return asked


def client_of(delivery: Delivery, data: Path, **options: Any) -> UploadClient:
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        transfer_type="staging",
        source=data,
        settings=delivery.settings,
        output_dir=delivery.receiver.output,
        **options,
    )


def first(answer: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the first request to the starter come to this, and the others to it."""
    real, answers = pipeline.start, [answer]
    monkeypatch.setattr(pipeline, "start", lambda *about: answers.pop()() if answers else real(*about))


def last_words(delivery: Delivery, n: int) -> dict[str, Any]:
    """The last record in the client's segment of this number."""
    return json.loads(delivery.control(f"staging/log/client/{n:010d}.jsonl").splitlines()[-1])


def said_by_validators(delivery: Delivery) -> bytes:
    sandbox = delivery.receiver.sandbox
    log = f"{delivery.dataset}/{delivery.delivery_id}/staging/log/validator/"
    found = (
        sandbox.client("s3").list_objects_v2(Bucket=sandbox.control_bucket, Prefix=log).get("Contents", ())
    )
    names = [entry["Key"].partition("staging/")[2] for entry in found]
    return b"".join(delivery.control(f"staging/{name}") for name in names)


def refuse() -> None:
    raise PipelineRefused([{"code": "not_expected", "message": "there is no index"}])


def get_lost() -> None:
    raise NotReachable("nobody answers")


def test_of_a_new_delivery_it_is_asked_for_once_and_beside_the_plan(delivery, data, asked, monkeypatch):
    """The index is written only once the starter was asked: else it would be waited for."""
    real = startup.survey

    def late(*survey):
        until(lambda: asked, why="the validator is asked for")
        return real(*survey)

    monkeypatch.setattr(startup, "survey", late)
    assert client_of(delivery, data).run().exit_code == 0
    assert asked == ["1"]
    assert client_of(delivery, data).run().exit_code == 0  # nothing is left to do
    (data / "3.csv").write_text("a,b\n3,1\n", "utf-8")
    assert client_of(delivery, data).run().exit_code == 0
    assert asked == ["1", "1*"]  # only the plan tells whether a delivery that has begun needs one


@pytest.mark.parametrize("answer", [refuse, get_lost])
def test_a_refusal_without_an_index_does_not_count(delivery, data, asked, monkeypatch, answer):
    first(answer, monkeypatch)
    assert client_of(delivery, data).run().exit_code == 0
    assert asked == ["1", "1*"]


def test_where_the_receiver_expects_something_it_is_asked_for_with_the_index(delivery, data, asked):
    sandbox = delivery.receiver.sandbox
    key = f"{delivery.dataset}/{delivery.delivery_id}/expectations.yaml"
    sandbox.client("s3").put_object(
        Bucket=sandbox.control_bucket, Key=key, Body=b"version: 1\ndelivery:\n  required: [absent.csv]\n"
    )
    with pytest.raises(PipelineRefused, match=r"absent\.csv"):
        client_of(delivery, data).run()
    assert asked == ["1*"]


def test_who_wants_to_see_the_plan_first_has_not_asked_for_one(delivery, data, asked):
    with client_of(delivery, data) as client:
        client.connect()
        assert asked == []
        client.write_index()
        client.initiate_transfer()
        assert asked == ["1*"]


def test_one_that_was_asked_for_is_told_when_there_is_no_plan(delivery, data, asked, monkeypatch):
    def fails(*_):
        until(client._run.ahead.done, why="the starter has answered")
        raise OSError("the disk is gone")

    monkeypatch.setattr(startup, "survey", fails)
    client = client_of(delivery, data)
    with pytest.raises(OSError, match="gone"):
        client.run()
    assert asked == ["1"]
    assert last_words(delivery, 1)["kind"] == "crash"
    assert delivery.lock()["state"] == "released"
    until(lambda: b'"stop"' in said_by_validators(delivery), why="the validator leaves")


def test_one_that_was_asked_for_is_told_when_the_run_is_stopped_meanwhile(delivery, data, asked, monkeypatch):
    real = startup.survey

    def stopped(run, *survey):
        client.stop()
        return real(run, *survey)

    monkeypatch.setattr(startup, "survey", stopped)
    client = client_of(delivery, data)
    assert client.run().exit_code == 130
    assert asked == ["1"]
    assert last_words(delivery, 1)["kind"] == "stop"
