"""How clients are made."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader

from upload_client.errors import UsageError
from upload_client.s3 import clients


def test_sessions_of_many_validators_share_the_descriptions_of_services_and_nothing_else(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    one, other = clients.one_of_many(), clients.one_of_many()
    made = [clients.s3_client(session) for session in (one, other)]
    loaders = [session._session.get_component("data_loader") for session in (one, other)]
    assert loaders[0] is loaders[1]
    assert len(loaders[0].search_paths) == len(set(loaders[0].search_paths))
    assert one._session is not other._session
    assert made[0].meta.events is not made[1].meta.events
    assert [client.meta.region_name for client in made] == ["eu-west-3"] * 2


@pytest.mark.parametrize("there", ["1.35.99", "1.9.0"])
def test_a_boto3_that_is_too_old_is_told_with_its_version(monkeypatch, there):
    monkeypatch.setattr("botocore.__version__", there)
    monkeypatch.setattr("boto3.__version__", there)
    with pytest.raises(UsageError, match=rf"the boto3 here is {re.escape(there)}, and too old"):
        clients.client(None, "s3")


def test_the_oldest_boto3_that_is_taken_is_the_one_that_is_asked_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"boto3>={'.'.join(map(str, clients.OLDEST_BOTO3))}" in project["project"]["dependencies"]


@pytest.mark.parametrize("condition", [{"IfNoneMatch": "*"}, {"IfMatch": '"e"'}, {}])
@pytest.mark.parametrize("old", [True, False])
def test_a_copy_has_its_condition_with_a_boto3_that_does_not_know_it(condition, old):
    session = boto3.Session("a", "b", region_name="us-east-1")
    client = clients.s3_client(session)
    known = client.meta.service_model.operation_model("CopyObject").input_shape.members
    if old:
        for name in ("IfMatch", "IfNoneMatch"):
            known.pop(name, None)
    sent = []

    def send(request, **_):
        sent.append(request.headers)
        body = SimpleNamespace(stream=lambda **_: iter([b"<CopyObjectResult/>"]))
        return AWSResponse(request.url, 200, {}, body)

    client.meta.events.register_first("before-send.s3.CopyObject", send)
    client.copy_object(Bucket="b", Key="k", CopySource={"Bucket": "b", "Key": "s"}, **condition)
    (headers,) = sent
    given = {"IfNoneMatch": "If-None-Match", "IfMatch": "If-Match"}
    for name, header in given.items():
        found = headers.get(header)
        assert (found.decode() if isinstance(found, bytes) else found) == condition.get(name)
    signed = headers["Authorization"].decode()
    assert all(given[name].lower() in signed for name in condition)


def test_a_client_is_made_without_a_look_at_all_services_and_a_session_of_others_stays_as_it_is(monkeypatch):
    looked = []
    real = Loader.list_available_services

    def look(loader, type_name):
        looked.append(type_name)
        return real(loader, type_name)

    monkeypatch.setattr(Loader, "list_available_services", look)
    assert clients.s3_client().meta.service_model.service_name == "s3"
    assert clients.s3_client(clients.one_of_many()).meta.service_model.service_name == "s3"
    assert looked == []
    with pytest.raises(DataNotFoundError):
        clients.client(None, "a-service-that-is-not-there")
    theirs = boto3.Session()
    clients.s3_client(theirs)
    assert {"s3", "sts"} <= set(theirs.get_available_services())


@pytest.mark.parametrize("service", ["cognito-idp", "cognito-identity", "ssm", "s3", "lambda", "sns"])
def test_descriptions_of_services_are_what_botocore_itself_reads_in_the_same_order(service):
    ours, theirs = clients._quicken(Loader()), Loader()
    for kind in ("service-2", "endpoint-rule-set-1"):
        read = [json.dumps(loader.load_service_model(service, kind)) for loader in (ours, theirs)]
        assert read[0] == read[1]
    assert clients._Descriptions().load_file("nowhere") is None


@pytest.mark.parametrize("patience", [0, 6, 60, 120, 86_400])
def test_a_service_that_says_nothing_is_waited_for_no_longer_than_was_asked_for(patience):
    limits = clients.time_outs(patience)
    settings = SimpleNamespace(endpoints={}, endpoint_url="http://127.0.0.1:9")
    made = clients.client(boto3.Session(region_name="eu-central-1"), "ssm", settings, **limits).meta.config
    for silent in (made.connect_timeout, made.read_timeout):
        assert 5 <= silent <= 60
        assert clients.RETRIES["total_max_attempts"] * silent <= max(15, patience)


def test_a_variable_that_is_set_to_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    with pytest.raises(UsageError, match="no client of s3 can be made") as told:
        clients.s3_client()
    assert "Unset AWS_DEFAULT_REGION" in told.value.hint
