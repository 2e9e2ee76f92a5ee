"""How clients are made."""

from __future__ import annotations

import copy
import gzip
import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore
import msgspec
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader

from upload_client.errors import UsageError
from upload_client.s3 import clients, descriptions


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
    read = 0
    for path in (Path(botocore.__file__).parent / "data" / service).rglob("*.json*"):
        way = gzip.open if path.suffix == ".gz" else open
        # By the method beneath, since what tests have botocore read is kept by path, whoever reads it.
        ours, theirs = (
            kind()._load_file(str(path), way) for kind in (descriptions.Descriptions, JSONFileLoader)
        )
        assert json.dumps(ours) == json.dumps(theirs)
        assert type(ours) is dict
        read += 1
    assert read >= 2
    assert descriptions.Descriptions().load_file("nowhere") is None


ENDPOINTS = Path(botocore.__file__).parent / "data/endpoints.json"


def services(n: int) -> tuple[dict, dict]:
    """Those of a partition, as they are read here, and as they stand there."""
    ours = descriptions.Descriptions()._load_file(str(ENDPOINTS), open)
    whole = json.loads(ENDPOINTS.read_bytes())
    assert json.dumps(ours) == json.dumps(whole)
    ours = descriptions.Descriptions()._load_file(str(ENDPOINTS), open)
    return ours["partitions"][n]["services"], whole["partitions"][n]["services"]


def test_where_services_are_is_read_a_service_at_a_time():
    ours, whole = services(0)
    assert ours.get("s3") == whole["s3"]
    assert ours["ec2"] == whole["ec2"]
    assert ours.get("a-service-that-is-not-there", 7) == 7
    with pytest.raises(KeyError):
        ours["a-service-that-is-not-there"]
    assert "acm" in ours
    read = {name for name in whole if not isinstance(dict.__getitem__(ours, name), msgspec.Raw)}
    assert read == {"s3", "ec2"}
    assert ours == whole


@pytest.mark.parametrize(
    "way",
    [dict, copy.copy, copy.deepcopy, lambda read: read.copy(), lambda read: {**read}, lambda read: read],
)
def test_a_copy_of_the_services_is_one_of_what_is_said_of_them(way):
    ours, whole = services(1)
    copied = way(ours)
    assert list(copied.items()) == list(whole.items())
    assert list(way(services(1)[0]).values()) == list(whole.values())


@pytest.mark.parametrize(
    "text",
    ['{"partitions": [{"defaults": NaN, "services": {}}]}', '{"version": 3}', '{"partitions": [{}]}', "[]"],
)
def test_a_file_of_another_form_is_read_as_botocore_reads_it(tmp_path, text):
    (tmp_path / "endpoints.json").write_text(text, "utf-8")
    read = descriptions.Descriptions()._load_file(str(tmp_path / "endpoints.json"), open)
    assert str(read) == str(json.loads(text))


def test_without_msgspec_descriptions_are_read_whole(monkeypatch):
    monkeypatch.setattr(descriptions, "msgspec", None)
    read = descriptions.Descriptions()._load_file(str(ENDPOINTS), open)
    assert type(read["partitions"][0]["services"]) is dict
    assert read == json.loads(ENDPOINTS.read_bytes())


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
