"""A server that sends without end, or nests without end, costs neither the memory nor a traceback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import ClassVar

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from upload_client.aws.auth import fetch_parameter
from upload_client.errors import NotReachable
from upload_client.s3 import answer_size, clients
from upload_client.s3.bucket import (
    AccessDenied,
    Bucket,
    NotFound,
    PreconditionFailed,
    StoreError,
    whole_crc32,
)
from upload_client.settings import Settings

DEEP = 100_000


class Hostile(BaseHTTPRequestHandler):
    status, head, piece = 200, b"", b""
    n_sent = n_requests = 0
    enough: threading.Event
    more: ClassVar[dict[str, str]] = {}

    def answer(self) -> None:
        kind = type(self)
        kind.n_requests += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(kind.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("x-amz-request-id", "1")
        for name, value in kind.more.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(kind.head)
            while kind.piece:
                self.wfile.write(kind.piece)
                kind.n_sent += len(kind.piece)
                if len(kind.piece) == 1 and kind.enough.wait(0.02):
                    return
        except OSError:
            return

    do_GET = do_PUT = do_POST = do_HEAD = answer  # noqa: N815

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[type[Hostile]]:
    handler = type("Handler", (Hostile,), {"enough": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(hostile) -> Bucket:
    return Bucket("bucket", prefix="p/", client=clients.s3_client(session(), settings(hostile)))


def session() -> boto3.Session:
    return boto3.Session("x", "x", region_name="us-east-1")


def settings(hostile) -> Settings:
    return Settings(endpoint_url=hostile.url, settings_parameter="/x", region="us-east-1")


ASK = {
    "list": lambda bucket: list(bucket.list()),
    "get": lambda bucket: bucket.read("k", 100),
    "put": lambda bucket: bucket.put("k", b"x"),
}


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize("ask", ASK)
def test_an_answer_without_end_is_no_answer(hostile, bucket, monkeypatch, status, ask):
    monkeypatch.setattr(answer_size, "MAX_ANSWER", 1024 * 1024)
    hostile.status, hostile.head, hostile.piece = status, b"<Error><Code>X</Code><Message>", b"x" * 65536
    with pytest.raises(StoreError):
        ASK[ask](bucket)
    assert hostile.n_sent < 64 * 1024 * 1024  # buffers of the system included


def test_a_store_that_sends_the_object_when_asked_about_its_parts_is_asked_once(hostile, bucket):
    hostile.piece = b"x" * 65536
    etag = "0" * 32 + "-9"
    assert [whole_crc32(bucket, "k", etag) for _ in range(3)] == [None] * 3
    assert hostile.n_requests == 1
    assert hostile.n_sent < 32 * 1024 * 1024  # of what has no end; buffers of the system included


def test_a_store_that_refuses_a_question_about_parts_is_asked_about_the_next_object(hostile, bucket):
    hostile.status, hostile.head = 403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    assert [whole_crc32(bucket, "k", "0" * 32 + "-9") for _ in range(3)] == [None] * 3
    assert hostile.n_requests == 3


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("ask", ["list", "get"])
def test_an_answer_that_is_nested_without_end_is_none(hostile, bucket, status, ask):
    hostile.status = status
    hostile.head = b'<?xml version="1.0"?>' + b"<a>" * DEEP + b"</a>" * DEEP
    try:
        ASK[ask](bucket)
    except StoreError:
        return
    assert status == 200  # an object may hold that, and in a listing it is nothing that is known


@pytest.mark.parametrize("status", [200, 400])
def test_json_that_is_nested_without_end_is_none(hostile, status):
    hostile.status, hostile.head = status, b'{"Parameter":' + b"[" * DEEP + b"]" * DEEP + b"}"
    with pytest.raises(NotReachable):
        fetch_parameter(session(), settings(hostile))


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (403, AccessDenied), (412, PreconditionFailed)]
)
def test_a_refusal_with_a_checksum_is_the_refusal_that_it_is(hostile, bucket, status, error):
    hostile.status, hostile.more = status, {"x-amz-checksum-crc32": "AAAAAA=="}
    hostile.head = b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>" if status == 404 else b""
    with pytest.raises(error):
        bucket.read("k", 100)


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("ask", ASK)
def test_a_store_that_redirects_everything_is_asked_a_few_times(hostile, bucket, status, ask):
    hostile.status, hostile.more = status, {"Location": "http://127.0.0.1:1/"}
    with pytest.raises(StoreError):
        ASK[ask](bucket)
    assert hostile.n_requests < 10


def test_what_is_streamed_is_left_to_who_reads_it(hostile, bucket, monkeypatch):
    monkeypatch.setattr(answer_size, "MAX_ANSWER", 10)
    hostile.head = b"x" * 5000
    assert bucket.client.get_object(Bucket="bucket", Key="k")["Body"].read() == hostile.head


@pytest.mark.parametrize("error", ["ReadTimeoutError", "ProtocolError"])
def test_a_body_that_breaks_off_is_botocores_own_trouble_which_it_sends_again(error):
    import botocore.exceptions
    import urllib3.exceptions

    from upload_client.s3.answer_size import watch

    broken = {
        "ReadTimeoutError": urllib3.exceptions.ReadTimeoutError(None, "http://x", "slow"),
        "ProtocolError": urllib3.exceptions.ProtocolError("cut"),
    }[error]

    def stream():
        yield b"<a"
        raise broken

    answer = SimpleNamespace(status_code=200, headers={}, raw=SimpleNamespace(stream=stream))
    session = SimpleNamespace(send=lambda _: answer)
    watch(SimpleNamespace(_endpoint=SimpleNamespace(http_session=session)))
    with pytest.raises((botocore.exceptions.ReadTimeoutError, botocore.exceptions.ConnectionClosedError)):
        session.send(SimpleNamespace(stream_output=False, url="http://x"))


@pytest.mark.parametrize(
    ("service", "ask", "arguments"),
    [
        ("cognito-idp", "initiate_auth", {"AuthFlow": "USER_AUTH", "ClientId": "x"}),
        ("cognito-identity", "get_id", {"IdentityPoolId": "eu-central-1:x"}),
        ("ssm", "get_parameter", {"Name": "/x"}),
        ("sts", "get_caller_identity", {}),
        ("lambda", "get_account_settings", {}),
    ],
)
def test_who_answers_a_byte_at_a_time_holds_nobody_for_ever(hostile, service, ask, arguments, monkeypatch):
    monkeypatch.setattr(clients, "_WHOLE_SECONDS", 0.1)
    hostile.head, hostile.piece = b'{"', b" "
    for seconds in (0.4, 4.0, 40.0):  # on a busy machine nobody may have come to the first byte
        once = {"read_timeout": seconds, "retries": {"total_max_attempts": 1}}
        made = clients.client(session(), service, settings(hostile), **once)
        with pytest.raises(ReadTimeoutError):
            getattr(made, ask)(**arguments)
        if hostile.n_sent:
            break
    assert hostile.n_sent  # it was still at it
    hostile.enough.set()
