"""What may pass is waited out at the start; what does not pass in time ends with 7, and a loop goes on."""

from __future__ import annotations

import json
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import proxy as net
from faults.proxy import Proxy, Request

from upload_client.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def network(sandbox: Sandbox) -> Iterator[Proxy]:
    with Proxy(sandbox.endpoint_url) as made:
        yield made


@pytest.fixture
def deliver(sandbox, network, data, tmp_path, run, monkeypatch) -> Callable:
    """Deliver through a network that can be broken."""
    text = re.sub(r"https?://127\.0\.0\.1:\d+", network.url, sandbox.profile.read_text("utf-8"))
    profile = tmp_path / "profile.toml"
    profile.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def deliver(*arguments):
        place = ["--profile", profile, "--dataset", "sample", "--delivery-id", secrets.token_hex(6)]
        return run(*place, "--source", data, "-q", *arguments)

    return deliver


def asks(target: str) -> Callable[[Request], bool]:
    return lambda request: target in request.headers.get("x-amz-target", "")


def service(target: str, path: str = "") -> dict:
    return {"when": asks(target)} if target else {"path": path}


STAGES = {
    "login": service("InitiateAuth"),
    "proof": service("RespondToAuthChallenge"),
    "identity": service("GetId"),
    "credentials": service("GetCredentialsForIdentity"),
    "settings": service("GetParameter"),
    "probe": service("", "/probe/"),
    "lock": service("", "/owned$"),
}
TO_S3 = ("probe", "lock")


def throttled(x: net.Exchange) -> None:
    body = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'
    head = (
        f"HTTP/1.1 400 x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    x.send(head.encode() + body)


@pytest.mark.parametrize(
    ("stage", "refusal"),
    [
        ("login", net.answer(500, "InternalErrorException")),
        ("proof", net.drop()),
        ("identity", net.answer(429, "TooManyRequestsException")),
        ("credentials", net.answer(503, "ServiceUnavailable")),
        ("settings", throttled),
        ("probe", net.answer(503, "SlowDown")),
        ("lock", net.drop()),
    ],
    ids=list(STAGES),
)
def test_what_may_pass_is_waited_out_at_the_start(deliver, network, stage, refusal):
    # Botocore asks three times by itself: so often that it has to be asked again.
    network.on(refusal, **STAGES[stage], times=4)
    said = deliver("--patience", "60", *["--dry-run"] * (stage not in TO_S3))
    assert said.code == 0, said.err


@pytest.mark.parametrize("stage", ["login", "credentials", "settings", "lock"])
def test_what_does_not_pass_ends_with_7_and_says_so(deliver, network, stage):
    network.on(net.answer(500, "InternalErrorException"), **STAGES[stage], times=None)
    said = deliver("--patience", "0", "--json")
    assert said.code == 7, said.err
    assert json.loads(said.out.splitlines()[-1])["exit_code"] == 7
    assert "Traceback" not in said.err


def test_a_network_that_is_down_is_waited_for_and_then_told(run, tmp_path, sandbox, data):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        text = re.sub(r"https?://127\.0\.0\.1:\d+", url, sandbox.profile.read_text("utf-8"))
        profile = tmp_path / "profile.toml"
        profile.write_text(text, encoding="utf-8")
        began = time.monotonic()
        place = ("--profile", profile, "--dataset", "sample", "--delivery-id", "1")
        said = run(*place, "--source", data, "--patience", "1")
    assert said.code == 7
    assert time.monotonic() - began >= 1
    assert "asking again for up to 1 s" in said.err
    assert "Connection refused" in said.err
    assert "network" in said.err
    for command in (["status"], ["unlock", "--steal", "x"], ["report"], ["check", "--clean"]):
        assert run(*command, *place, "--patience", "0").code == 7, command


def test_a_starter_out_of_reach_is_told_before_anything_is_sent(deliver, network, sandbox, tmp_path):
    profile = tmp_path / "profile.toml"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f'[endpoints]\nlambda = "http://127.0.0.1:{nobody.getsockname()[1]}"\n'
        text = profile.read_text("utf-8").replace("[endpoints]\n", dead)
        assert dead in text
        profile.write_text(text, encoding="utf-8")
        before = len(sandbox.requests)
        said = deliver("--patience", "1")
    assert said.code == 7, said.err
    assert "the receiver's starter" in said.err
    landed = f"/{sandbox.landing_bucket}/"
    sent = [one for one in sandbox.requests[before:] if one.method == "PUT" and landed in one.path]
    sent = [one for one in sent if "/upload-client-probe-" not in one.path]  # which the store refuses
    assert sent == []


@pytest.mark.parametrize(
    ("place", "status", "error", "code"),
    [
        (STAGES["lock"] | {"method": "PUT"}, 403, "AccessDenied", 10),
        (STAGES["probe"], 403, "AccessDenied", 10),
        ({"when": lambda request: "control" in request.path.split("/")[1]}, 404, "NoSuchBucket", 2),
    ],
    ids=["lock", "probe", "bucket"],
)
def test_a_refusal_that_ends_it_is_said_once_and_is_nothing_unexpected(
    deliver, network, place, status, error, code
):
    network.on(net.answer(status, error), **place, times=None)
    said = deliver("--patience", "0")
    assert said.code == code, said.err
    assert said.err.count(error) == 1
    assert "Traceback" not in said.err


PAGE = b"<html><head><title>Hotel Wi-Fi</title></head><body>log in</body></html>"


def portal(status: int) -> net.Fault:
    head = f"HTTP/1.1 {status} x\r\ncontent-type: text/html\r\ncontent-length: {len(PAGE)}\r\n\r\n"

    def fault(x: net.Exchange) -> None:
        x.send(head.encode() + PAGE)

    return fault


@pytest.mark.parametrize(
    ("stage", "status"), list(zip(STAGES, [200, 302, 403, 404, 200, 404, 200], strict=True))
)
def test_a_portal_that_answers_in_place_of_a_service_is_told_as_what_it_is(deliver, network, stage, status):
    network.on(portal(status), **STAGES[stage], times=None)
    said = deliver("--patience", "0")
    assert said.code == 7, said.err
    assert "<html>" not in said.err
    assert "HTML page" in said.err
    assert "KeyError" not in said.err


@pytest.mark.parametrize("stage", ["login", "identity", "settings"])
@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (302, b"location: https://portal.test/?token=s3cr3t", b"", "leads elsewhere"),
        (307, b"location: /login", b"", "leads elsewhere"),
        (451, b"content-type: text/plain", b"<h1>blocked</h1>", "HTML page"),
    ],
)
def test_whoever_answers_in_place_of_a_service_is_told_as_that(
    deliver, network, stage, status, headers, body, told
):
    head = b"HTTP/1.1 %d x\r\n%b\r\ncontent-length: %d\r\n\r\n" % (status, headers, len(body))
    network.on(lambda x: x.send(head + body), **STAGES[stage], times=None)
    said = deliver("--patience", "0")
    assert said.code == 7, said.err
    assert told in said.err
    assert "s3cr3t" not in said.err
    assert "<h1>" not in said.err


@pytest.mark.parametrize(
    ("status", "body"), [(403, b""), (403, b'{"message": "no"}'), (400, b"[1]"), (418, b"x")]
)
def test_a_refusal_of_the_login_without_a_name_is_none_of_the_login_servers(deliver, network, status, body):
    kind = b"content-type: application/json"
    head = b"HTTP/1.1 %d x\r\n%b\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body))
    network.on(lambda x: x.send(head + body), **STAGES["login"], times=None)
    said = deliver("--patience", "0")
    assert said.code == 7, said.err
    assert "not one of Cognito's" in said.err


@pytest.mark.parametrize(
    ("stage", "body"),
    [
        ("login", b"{}"),
        ("proof", b'{"AuthenticationResult": {}}'),
        ("identity", b"[]"),
        ("credentials", b'{"Credentials": []}'),
        ("settings", b'{"Parameter": null}'),
    ],
)
def test_an_answer_that_lacks_what_it_must_have_is_none(deliver, network, stage, body):
    def odd(x: net.Exchange) -> None:
        kind = "application/x-amz-json-1.1"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        x.send(head.encode() + body)

    network.on(odd, **STAGES[stage], times=None)
    said = deliver("--patience", "0")
    assert said.code == 7, said.err
    assert "KeyError" not in said.err
    assert "unexpected" not in said.err


def test_the_documented_loop_goes_on_after_7():
    page = (ROOT / "docs" / "how-to" / "unattended.md").read_text("utf-8")
    again = re.search(r"^ *([0-9|]+)\) sleep", page, re.MULTILINE)
    assert again is not None
    assert "7" in again[1].split("|")
