"""No password, key or token in anything that is said, logged or written down, whatever goes wrong."""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Said
from faults import proxy as net
from faults.conftest import Network, control_bucket
from faults.proxy import Exchange


class Listener:
    """Passes everything on, and notes down the secrets in what Cognito answers."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    def __call__(self, x: Exchange) -> None:
        answered = x.forward()
        with contextlib.suppress(ValueError):
            self._note(json.loads(answered.body))
        x.send(answered.raw)

    def _note(self, said: object) -> None:
        if isinstance(said, dict):
            for name, value in said.items():
                if isinstance(value, str) and re.search("Token|SecretKey|SECRET_BLOCK", name):
                    self.heard.add(value)
                self._note(value)


def sentinels(delivery: Delivery, listener: Listener) -> set[str]:
    profile = tomllib.loads(delivery.receiver.sandbox.profile.read_text())
    password = profile["sandbox_password"]
    assert len(listener.heard) >= 3, "tokens at the least"
    return {password, "sentinel-of-the-environment", *listener.heard}


def everything(delivery: Delivery, said: Said, state: Path) -> dict[str, str]:
    """All that a run says and leaves behind."""
    found = {"stdout": said.stdout, "stderr": said.stderr}
    logs = list(state.rglob("*.log"))
    assert logs, "a run keeps its log"
    for path in (*logs, *delivery.receiver.output.iterdir()):
        found[path.name] = path.read_text("utf-8", "replace")
    bucket = control_bucket(delivery)
    for key in bucket.ls():
        found[key] = bucket.read(key).decode("utf-8", "replace")
    return found


def nothing(_: Network) -> None:
    pass


def denied(network: Network) -> None:
    network.s3.on(net.answer(403, "AccessDenied"), method="PUT", path="/staging/part", times=None)


def expired(network: Network) -> None:
    network.s3.on(net.answer(400, "ExpiredToken"), method="PUT", path="/staging/part", times=None)


def unsigned(network: Network) -> None:
    network.s3.on(net.answer(403, "SignatureDoesNotMatch"), method="PUT", path="/owned$", times=None)


def nonsense(network: Network) -> None:
    def fault(x: Exchange) -> None:
        x.forward()
        x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense!")

    network.rest.on(fault, method="POST", path="/invocations$", times=None)


def no_settings(network: Network) -> None:
    refusal = net.answer(400, "AccessDeniedException")
    network.rest.on(refusal, when=lambda r: "GetParameter" in r.headers.get("x-amz-target", ""), times=None)


def no_credentials(network: Network) -> None:
    refusal = net.answer(500, "InternalErrorException")
    network.rest.on(refusal, when=lambda r: "GetCredentials" in r.headers.get("x-amz-target", ""), times=None)


def gone(network: Network) -> None:
    def fault(x: Exchange) -> None:
        x.proxy.down()

    network.s3.on(fault, method="PUT", path="/index/")


@pytest.mark.parametrize("happen", [nothing, denied, unsigned, nonsense, no_settings])
def test_no_secret_is_told(delivery: Delivery, data: Path, network: Network, tmp_path: Path, happen) -> None:
    no_secret_is_told(delivery, data, network, tmp_path, happen)


@pytest.mark.long
@pytest.mark.parametrize("happen", [expired, no_credentials, gone])
def test_nor_in_rarer_cases(delivery: Delivery, data: Path, network: Network, tmp_path: Path, happen) -> None:
    no_secret_is_told(delivery, data, network, tmp_path, happen)


def no_secret_is_told(delivery: Delivery, data: Path, network: Network, tmp_path: Path, happen) -> None:
    listener = Listener()
    happen(network)
    network.rest.on(listener, when=lambda r: "invocations" not in r.path, times=None)
    environment = {
        **network.env,
        "AWS_SECRET_ACCESS_KEY": "sentinel-of-the-environment",
        "AWS_SESSION_TOKEN": "sentinel-of-the-environment",
    }
    state = tmp_path / "state"
    environment["XDG_STATE_HOME"] = str(state)
    said = delivery.run("--source", data, "--debug", "-vv", "--max-retries", "0", env=environment)
    assert (said.exit_code == 0) == (happen is nothing), said
    for secret in sentinels(delivery, listener):
        for where, text in everything(delivery, said, state).items():
            assert secret not in text, f"a secret in {where}"
