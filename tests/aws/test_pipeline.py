"""The starter is asked once, whatever happens; what it says is judged, never believed blindly."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from faults import proxy as net
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upload_client.aws.pipeline import READ_TIMEOUT, Started, lambda_client, start
from upload_client.errors import PipelineBusy, PipelineRefused
from upload_client.s3.bucket import AnswerLost

REQUEST = {
    "protocol": 1,
    "dataset": "toy",
    "delivery_id": "d1",
    "transfer_type": "staging",
    "agent_id": "abcdefghijk",
    "epoch": 3,
    "idempotency_key": "abcdefghijk-3-1",
}
STARTED = json.dumps({"status": "success", "validator_id": "validatorxy"}).encode()


class Lambda(BaseHTTPRequestHandler):
    """Lambda's Invoke, as far as its client can tell."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("X-Amz-Invocation-Type"), json.loads(body)))
        status, headers, answer = self.server.says
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def starter():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lambda)
    server.asked, server.says = [], (200, {}, STARTED)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class At:
    """Settings that say where services are."""

    endpoint_url: str | None
    endpoints: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def wire(starter):
    with net.Proxy(f"http://127.0.0.1:{starter.server_port}") as made:
        yield made


@pytest.fixture
def client(wire, session):
    made = lambda_client(session, At(wire.url))
    yield made
    made.close()


def refusal(starter, client, answer: object, **headers: str) -> PipelineRefused:
    starter.says = (200, headers, answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    with pytest.raises(PipelineRefused) as refused:
        start(client, "starter", REQUEST)
    return refused.value


def test_a_start_gives_the_validators_id(starter, client):
    assert start(client, "starter", REQUEST) == Started("validatorxy", 1)
    assert starter.asked == [("/2015-03-31/functions/starter/invocations", "RequestResponse", REQUEST)]


def test_a_refusal_names_its_reasons(starter, client):
    errors = [{"code": "not_owner", "message": "who are you?"}, {"code": "bad_name", "message": "no"}]
    refused = refusal(starter, client, {"status": "failure", "errors": errors})
    assert list(refused.errors) == errors
    assert refused.exit_code == 13
    assert not isinstance(refused, PipelineBusy)
    assert "who are you?" in str(refused)


def test_what_a_starter_says_is_one_line_each(starter, client):
    said = {"status": "failure", "errors": [{"code": "x\nFORGED", "message": "y\r\nFORGED\x1b[2J"}]}
    starter.says = 200, {}, json.dumps(said).encode()
    with pytest.raises(PipelineRefused) as caught:
        start(client, "start", REQUEST)
    assert list(caught.value.errors) == [{"code": r"x\nFORGED", "message": r"y\r\nFORGED\x1b[2J"}]
    said = {"errorType": "x\nFORGED", "errorMessage": "y\nFORGED"}
    starter.says = 200, {"X-Amz-Function-Error": "Unhandled"}, json.dumps(said).encode()
    with pytest.raises(PipelineRefused) as caught:
        start(client, "start", REQUEST)
    assert str(caught.value).isprintable()


def test_a_busy_validator_may_be_asked_for_again(starter, client):
    errors = [{"code": "validator_busy", "message": "still leaving"}]
    assert isinstance(refusal(starter, client, {"status": "failure", "errors": errors}), PipelineBusy)


def test_a_function_that_failed_has_refused(starter, client):
    said = {"errorType": "Sandbox.Timedout", "errorMessage": "timed out", "stackTrace": ["…"]}
    refused = refusal(starter, client, said, **{"X-Amz-Function-Error": "Unhandled"})
    assert refused.errors == ({"code": "Sandbox.Timedout", "message": "timed out"},)


def test_a_success_of_a_function_that_failed_does_not_count(starter, client):
    refusal(starter, client, STARTED, **{"X-Amz-Function-Error": "Unhandled"})


@pytest.mark.parametrize(
    "answer",
    [
        b"not JSON",
        b"\xff",
        b"null",
        b"[]",
        b"[" * 100_000,
        b"1" * 5000,
        b" " * 300_000,
        {"status": "success"},
        {"status": "success", "validator_id": ""},
        {"status": "success", "validator_id": 7},
        {"status": "perhaps", "validator_id": "validatorxy"},
        {"validator_id": "validatorxy"},
        {"status": "failure"},
        {"status": "failure", "errors": "no"},
        {"status": "failure", "errors": [1, None, ["x"]]},
        {"status": "failure", "errors": [{"code": {"a": 1}, "message": None}]},
    ],
)
def test_an_answer_that_is_not_understood_is_a_refusal(starter, client, answer):
    assert len(str(refusal(starter, client, answer))) < 5000


def test_a_long_answer_is_cut_to_what_a_person_can_read(starter, client):
    errors = [{"code": "x" * 5000, "message": "y" * 5000}] * 20
    refused = refusal(starter, client, {"status": "failure", "errors": errors})
    assert len(refused.errors) == 20
    assert max(len(text) for error in refused.errors for text in error.values()) == 1000


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["status", "errors", "code"]), inner),
    )
)
def test_no_answer_is_worse_than_a_refusal(starter, client, answer):
    assert isinstance(refusal(starter, client, answer), PipelineRefused)


@pytest.mark.parametrize(
    "fault",
    [
        net.swallow_answer(),
        net.cut_answer(),
        net.cut_answer(after=-1),
        net.reset(),
        net.reset(forward=False),
        net.drop(),
        net.half_close(hold=0.2),
        net.answer(500, "ServiceException"),
        net.answer(503, "ServiceUnavailable"),
        net.answer(429, "TooManyRequestsException"),
    ],
)
@pytest.mark.parametrize("config", [None, {"retries": {"max_attempts": 5, "mode": "adaptive"}}])
def test_a_lost_answer_is_no_refusal_and_never_asked_for_again(starter, wire, session, fault, config):
    client = lambda_client(session, At(wire.url), config)
    wire.on(fault)
    with pytest.raises(AnswerLost):
        start(client, "starter", REQUEST)
    assert len(wire.requests) == 1
    assert len(starter.asked) <= 1


@pytest.mark.parametrize(
    ("status", "code"), [(404, "ResourceNotFoundException"), (403, "AccessDeniedException")]
)
def test_a_function_that_may_not_be_called_has_refused(wire, client, status, code):
    wire.on(net.answer(status, code, headers=f"x-amzn-errortype: {code}\r\n"))
    with pytest.raises(PipelineRefused, match=code) as refused:
        start(client, "starter", REQUEST)
    assert len(wire.requests) == 1
    assert refused.value.errors[0]["code"] == code


def test_an_empty_answer_is_a_lost_one(starter, client):
    starter.says = (200, {}, b"")
    with pytest.raises(AnswerLost):
        start(client, "starter", REQUEST)


def test_the_client_waits_long_enough_whatever_it_is_told(session, starter):
    at = At("http://127.0.0.1:9")
    assert lambda_client(session, at).meta.config.read_timeout == READ_TIMEOUT == 300
    config = {"read_timeout": 5, "connect_timeout": 3, "retries": {"max_attempts": 7}}
    made = lambda_client(session, at, config).meta.config
    assert (made.read_timeout, made.connect_timeout) == (300, 3)
    assert made.retries["total_max_attempts"] == 1
    assert lambda_client(session, at, {"read_timeout": 900}).meta.config.read_timeout == 900
