"""How clients are made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

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
