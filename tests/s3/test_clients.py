"""How clients are made."""

from __future__ import annotations

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
