"""Credentials that end in mid-delivery and are not renewed: one clear message, exit 10, and it can go on."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials
from delivery.conftest import Delivery, content, make_data
from faults import proxy as net
from faults.conftest import Network, Told, client_of
from faults.proxy import Exchange

from upload_client.errors import LoginRefused

REFUSAL = "the login of maria has ended and is not renewed"


class Login:
    """A session of temporary credentials that a test can end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.n_refused = 0
        self._credentials = RefreshableCredentials.create_from_metadata(
            self._fetched(3600), refresh_using=self._refresh, method="test"
        )
        session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        session._credentials = self._credentials
        self.session = boto3.Session(region_name="us-east-1", botocore_session=session)

    def end(self) -> None:
        self.over.set()
        self._credentials._expiry_time = dt.datetime.now(dt.UTC)

    def _refresh(self) -> dict[str, str]:
        if self.over.is_set():
            self.n_refused += 1
            raise LoginRefused(REFUSAL)
        return self._fetched(3600)

    def _fetched(self, seconds: float) -> dict[str, str]:
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        return {
            "access_key": "ASIASANDBOX",
            "secret_key": "sandbox",
            "token": "sandbox",
            "expiry_time": end.isoformat(),
        }


@pytest.mark.parametrize("engine", ["direct", pytest.param("boto3", marks=pytest.mark.long)])
def test_a_login_that_is_not_renewed_ends_the_run_with_exit_10_and_the_next_goes_on(
    delivery: Delivery, tmp_path: Path, network: Network, engine: str
) -> None:
    data = make_data(tmp_path / "data", 60)
    login, told = Login(), Told()

    def end(x: Exchange) -> None:
        x.send(x.forward().raw)
        login.end()

    def too_late(_) -> bool:
        return login.over.is_set()

    network.s3.on(end, method="PUT", path=r"^/landing-(?!.*/upload-client-probe-)", nth=8)
    network.s3.on(net.answer(400, "ExpiredToken"), when=too_late, times=None)
    more = {"engine": engine}
    client = client_of(
        delivery, data, network.settings, session=login.session, reporter=told, n_threads=1, more=more
    )
    with client:
        outcome = client.run()
    assert outcome.exit_code == 10, outcome
    assert REFUSAL in str(outcome.error)
    assert 0 < len(delivery.landed()) < 60
    assert all(file.state != "failed" or file.retries == 0 for file in client.files)
    with client_of(delivery, data, steal=client.agent_id) as following:
        again = following.run()
    assert again.exit_code == 0, again
    assert again.files_sent <= 60 - 8
    assert delivery.landed() == content(data)
