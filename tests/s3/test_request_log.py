"""The log of requests: one line for each attempt, with what names it, and nothing else."""

from __future__ import annotations

import logging
import re

import boto3
import pytest
from faults import proxy as net
from faults.proxy import Proxy

from upload_client.s3.bucket import AccessDenied, AnswerLost, Bucket
from upload_client.s3.clients import s3_client
from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import PutObject

LOG = "upload_client.s3.request_log"


class At:
    """Where a client's services are."""

    endpoints: dict[str, str] = {}  # noqa: RUF012 # empty for all

    def __init__(self, url: str) -> None:
        self.endpoint_url = url


@pytest.fixture
def proxy(moto_server):
    with Proxy(moto_server) as one:
        yield one


@pytest.fixture
def bucket(proxy):
    keys = boto3.Session("an-access-key", "a-secret-key", "a-session-token", "us-east-1")
    client = s3_client(keys, At(proxy.url))
    client.create_bucket(Bucket="request-log")
    yield Bucket("request-log", prefix="d/1/", client=client)
    client.close()


@pytest.fixture
def log(caplog, bucket):  # after what makes the bucket, so that this is not in it
    """The lines so far: level and text."""
    caplog.set_level(logging.DEBUG, "upload_client")
    caplog.clear()
    return lambda: [(one.levelname, one.getMessage()) for one in caplog.records if one.name == LOG]


def direct_put(bucket, key="a.csv"):
    wire = DirectWire(bucket)
    try:
        return wire.perform(PutObject(key, b"a" * 6, "jJBd7w==", None))
    finally:
        wire.close()


def test_each_request_is_a_line_with_key_status_attempt_time_and_id(bucket, log):
    bucket.put("owned", b"{}")
    ((level, line),) = log()
    assert level == "DEBUG"
    assert re.fullmatch(
        r"PUT PutObject 127\.0\.0\.1:\d+/request-log/d/1/owned: 200, attempt 1, \d+\.\d ms, request id \w+",
        line,
    )


def test_so_is_a_request_over_a_direct_connection(proxy, bucket, log):
    proxy.on(net.answer(200, headers='ETag: "e"\r\nx-amz-request-id: R1\r\nx-amz-id-2: H1\r\n'), method="PUT")
    assert direct_put(bucket).ok
    (line,) = [text for _, text in log()]
    assert re.fullmatch(
        r"PUT PutObject 127\.0\.0\.1:\d+/request-log/d/1/a\.csv: 200, attempt 1, \d+\.\d ms, "
        r"request id R1, host id H1",
        line,
    )


def test_a_refusal_is_logged_even_where_success_is_not_and_its_error_names_the_request(
    proxy, bucket, log, caplog
):
    caplog.set_level(logging.INFO, "upload_client")
    refusal = net.answer(403, "AccessDenied", headers="x-amz-request-id: R2\r\nx-amz-id-2: H2\r\n")
    proxy.on(refusal, method="PUT", times=None)
    with pytest.raises(AccessDenied, match=r"\(request id R2\)$"):
        bucket.put("owned", b"{}")
    refused = direct_put(bucket)
    assert (refused.request_id, refused.host_id) == ("R2", "H2")
    assert [level for level, _ in log()] == ["INFO", "INFO"]
    for _, line in log():
        assert re.search(r": 403 AccessDenied, attempt 1, .* request id R2, host id H2$", line)
    assert bucket.head("nothing") is None
    assert len(log()) == 3


def test_each_attempt_of_a_request_that_finds_no_answer_is_a_line(proxy, bucket, log):
    proxy.on(net.drop(), method="PUT", times=None)
    with pytest.raises(AnswerLost):
        bucket.put("owned", b"{}")
    lines = [text for _, text in log()]
    assert [re.search(r"no answer \w+, attempt \d", line)[0] for line in lines] == [
        f"no answer ConnectionClosedError, attempt {n}" for n in (1, 2, 3)
    ]


def test_a_direct_connection_that_s3_closed_meanwhile_is_an_attempt_of_its_own(proxy, bucket, log):
    wire = DirectWire(bucket)
    try:
        proxy.on(net.answer(200, headers='ETag: "e"\r\n'), method="PUT")
        assert wire.perform(PutObject("a", b"", "AAAAAA==", None)).ok
        proxy.on(net.drop(), method="PUT")
        assert wire.perform(PutObject("b", b"", "AAAAAA==", None)).ok
    finally:
        wire.close()
    of_b = [text for _, text in log() if "/d/1/b:" in text]
    assert "no answer ConnectionClosed, attempt 1" in of_b[0]
    assert ": 200, attempt 2," in of_b[1]


def test_what_is_asked_of_botocore_only_to_learn_from_it_is_no_request(bucket, log):
    DirectWire(bucket).close()
    assert log() == []


def test_no_line_holds_a_key_a_token_or_a_signature(bucket, log):
    bucket.put("owned", b"{}")
    list(bucket.list("x"))
    direct_put(bucket)
    assert len(log()) == 3
    for _, line in log():
        assert not re.search("an-access-key|a-secret-key|a-session-token|AWS4|[Ss]ignature", line)


def test_a_name_cannot_write_a_line_of_its_own(proxy, bucket, log):
    proxy.on(net.answer(403, "\x1b[2J"), method="PUT", times=None)
    with pytest.raises(AccessDenied):
        bucket.put("a\nFAKE \x1b[2J", b"")
    direct_put(bucket, "a\nFAKE \x1b[2J")
    assert len(log()) == 2
    for _, line in log():
        assert line.isprintable()
        assert r"d/1/a\nFAKE \x1b[2J: 403" in line
