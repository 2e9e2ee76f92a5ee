"""What botocore reaches is reached, in the way botocore would; what it signs otherwise is left to it."""

from __future__ import annotations

import base64
import datetime as dt
import socket
import threading

import boto3
import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import RefreshableCredentials

from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.route import NoRoute, Route
from upload_client.s3.sigv4 import UNSIGNED_PAYLOAD
from upload_client.s3.wire import GetObject, HeadObject, PutObject, UploadPart
from upload_client.transfer import DataRoot, TransferTask, send_files

KEY = "a folder/ü + %41~"
CRC = "yH2GHg=="


@pytest.fixture
def client():
    def make(token=None, endpoint_url=None, region="eu-central-1", **config):
        session = boto3.Session(
            aws_access_key_id="AKID",
            aws_secret_access_key="secret",
            aws_session_token=token,
            region_name=region,
        )
        config = Config(request_checksum_calculation="when_required", **config)
        return session.client("s3", endpoint_url=endpoint_url, config=config)

    return make


def sent_by_botocore(client, operation, **arguments):
    """The request botocore would send, as (method, URL, headers)."""
    sent = []

    class NoBody:
        def stream(self, **_):
            return iter(())

    def stop(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 200, {"ETag": '"e"'}, NoBody())

    client.meta.events.register_first(f"before-send.s3.{operation}", stop)
    getattr(client, xform_name(operation))(**arguments)
    client.meta.events.unregister(f"before-send.s3.{operation}", stop)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in sent[0].headers.items()
    }
    return sent[0].url, headers


def sent_by_us(route, request, payload=UNSIGNED_PAYLOAD):
    lines = route.head(request, payload).decode().removesuffix("\r\n\r\n").split("\r\n")
    target = lines[0].split(" ")[1]
    headers = dict(line.split(":", 1) for line in lines[1:])
    scheme = "https" if route.address.tls else "http"
    return f"{scheme}://{headers.pop('host')}{target}", headers


OURS_ALONE = {"authorization", "x-amz-content-sha256", "x-amz-date"}
THEIRS_ALONE = {
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "expect",
    "host",  # where boto3 was loaded before us, and signs by awscrt
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
}
EVERY_OPTION = {
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "arn:aws:kms:eu-central-1:123456789012:key/1",
    "StorageClass": "STANDARD_IA",
    "Tagging": "project=a%20b&x=%C3%BC",
    "RequestPayer": "requester",
    "ExpectedBucketOwner": "123456789012",
}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"s3": {"addressing_style": "path"}},
        {"s3": {"addressing_style": "virtual"}},
        {"s3": {"use_accelerate_endpoint": True}},
        {"use_dualstack_endpoint": True},
        {"use_fips_endpoint": True, "region": "us-east-1"},
        {"endpoint_url": "http://127.0.0.1:4566"},
        {"endpoint_url": "https://storage.example.com:9000/"},
        {"endpoint_url": "http://[::1]:9000"},
        {"endpoint_url": "https://storage.example.com", "s3": {"addressing_style": "virtual"}},
        {"region": "cn-north-1"},
        {"token": "temporary+/="},
    ],
    ids=str,
)
@pytest.mark.parametrize("options", [{}, EVERY_OPTION], ids=["plain", "options"])
def test_requests_go_where_botocore_sends_them_and_say_the_same(client, config, options):
    made = client(**config)
    route = Route(Bucket("my-bucket", prefix="pre fix/", client=made), options)
    key = "pre fix/" + KEY

    url, headers = sent_by_botocore(
        made,
        "PutObject",
        Bucket="my-bucket",
        Key=key,
        Body=b"x",
        ChecksumCRC32=CRC,
        IfNoneMatch="*",
        **options,
    )
    our_url, our_headers = sent_by_us(route, PutObject(KEY, b"x", CRC, None))
    assert our_url == url
    assert strip(our_headers, OURS_ALONE) == strip(headers, THEIRS_ALONE)
    assert scope(our_headers) == scope(headers)

    options = {
        name: value for name, value in options.items() if name in ("RequestPayer", "ExpectedBucketOwner")
    }
    url, headers = sent_by_botocore(
        made,
        "UploadPart",
        Bucket="my-bucket",
        Key=key,
        Body=b"xy",
        ChecksumCRC32=CRC,
        UploadId="u/+=",
        PartNumber=12,
        **options,
    )
    our_url, our_headers = sent_by_us(route, UploadPart(KEY, "u/+=", 12, b"xy", CRC))
    assert query(our_url) == query(url)
    assert strip(our_headers, OURS_ALONE) == strip(headers, THEIRS_ALONE)

    common = {"Bucket": "my-bucket", "Key": key, "ChecksumMode": "ENABLED", **options}
    for operation, condition, request in (
        ("GetObject", {"IfMatch": '"e%1"'}, GetObject(KEY, "e%1", 10)),
        ("HeadObject", {}, HeadObject(KEY)),
    ):
        url, headers = sent_by_botocore(made, operation, **common, **condition)
        our_url, our_headers = sent_by_us(route, request)
        assert our_url == url
        assert strip(our_headers, OURS_ALONE) == strip(headers, THEIRS_ALONE)
        assert scope(our_headers) == scope(headers)


def strip(headers, names):
    kept = {name: value for name, value in headers.items() if name not in names}
    kept.pop("user-agent", None)  # botocore counts the features used in it
    return kept


def query(url):
    path, _, text = url.partition("?")
    return path, sorted(text.split("&"))


def scope(headers):
    text = headers["authorization"]
    return text[: text.index("SignedHeaders")]


def test_an_access_point_is_reached(client):
    arn = "arn:aws:s3:eu-central-1:123456789012:accesspoint/landing"
    made = client()
    url, _ = sent_by_botocore(
        made, "PutObject", Bucket=arn, Key="k", Body=b"", ChecksumCRC32=CRC, IfNoneMatch="*"
    )
    assert sent_by_us(Route(Bucket(arn, client=made)), PutObject("k", b"", CRC, None))[0] == url


@pytest.mark.parametrize(
    ("url", "unsigned", "config", "signed"),
    [
        ("https://s3.example.com", False, {}, False),
        ("http://s3.example.com", False, {}, True),
        ("http://s3.example.com", True, {}, False),
        ("https://s3.example.com", False, {"s3": {"payload_signing_enabled": True}}, True),
    ],
)
def test_content_is_signed_where_nothing_else_protects_it(client, url, unsigned, config, signed):
    bucket = Bucket("b", client=client(endpoint_url=url, **config))
    assert Route(bucket, unsigned_payload=unsigned).sign_payload is signed


def test_what_is_not_signed_with_version_4_is_left_to_botocore(client):
    for made, name in [
        (client(signature_version=botocore.UNSIGNED), "b"),
        (client(signature_version="s3"), "b"),
    ]:
        with pytest.raises(NoRoute):
            Route(Bucket(name, client=made))


def test_no_credentials_no_lean_wire(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    made = boto3.Session(region_name="us-east-1").client("s3")
    with pytest.raises(NoRoute):
        DirectWire(Bucket("b", client=made))
    # The delivery says so file by file, through boto3.
    (tmp_path / "a").write_bytes(b"x")
    task = TransferTask(0, "a", str(tmp_path / "a"), "a")
    (outcome,) = send_files([task], DataRoot(tmp_path), Bucket("b", client=made))
    assert (outcome.ok, outcome.credentials) == (False, True)


def test_refreshed_credentials_are_taken_over():
    session = botocore.session.Session()
    serial = iter(range(10))
    expiry = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)).isoformat()

    def refresh():
        n = next(serial)
        return {"access_key": f"AKID{n}", "secret_key": "s", "token": f"token{n}", "expiry_time": expiry}

    # So short-lived that botocore refreshes whenever it is asked.
    session._credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    made = boto3.Session(botocore_session=session, region_name="us-east-1").client("s3")
    route = Route(Bucket("b", client=made))
    first = route.signer.keys
    assert route.renew()
    second = route.signer.keys
    assert first.token != second.token
    headers = sent_by_us(route, PutObject("k", b"", CRC, None))[1]
    assert headers["x-amz-security-token"] == second.token
    assert second.access_key in headers["authorization"]


def test_a_request_of_another_thread_passes_while_the_way_is_learned(client):
    """The client is shared: taking a request out of it must take no other one."""
    made = client(endpoint_url="http://127.0.0.1:9", retries={"total_max_attempts": 1}, connect_timeout=1)
    bucket = Bucket("b", client=made)
    errors = []
    stop = threading.Event()

    def others():
        while not stop.is_set():
            try:
                made.put_object(Bucket="b", Key="k", Body=b"")
            except botocore.exceptions.EndpointConnectionError as error:
                errors.append(error)
            else:
                errors.append("was answered")

    thread = threading.Thread(target=others)
    thread.start()
    for _ in range(20):
        Route(bucket)
    stop.set()
    thread.join()
    assert "was answered" not in errors


# Proxies


class Proxy:
    """Notes what it is asked for, and answers as it is told or opens a tunnel."""

    def __init__(self, answer=None):
        self.answer = answer
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        self.asked.append(head)
        if self.answer is not None:
            sock.sendall(self.answer)
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as back:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            thread = threading.Thread(target=self.pump, args=(back, sock), daemon=True)
            thread.start()
            self.pump(sock, back)

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


FINE = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'


def without_exceptions(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_plain_proxy_is_told_the_whole_url(client, monkeypatch):
    proxy = Proxy(FINE)
    without_exceptions(monkeypatch)
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@{proxy.address}")
    wire = DirectWire(Bucket("b", client=client(endpoint_url="http://s3.nowhere.example:8000")))
    answer = wire.perform(PutObject("k", b"", CRC, None))
    wire.close()
    assert answer.ok, answer
    assert proxy.asked[0].startswith(b"PUT http://s3.nowhere.example:8000/b/k HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization:Basic " + base64.b64encode(b"user:p@ss") + b"\r\n" in proxy.asked[0]


def test_tls_goes_through_a_tunnel(tls_url, client, monkeypatch):
    proxy = Proxy()
    client(endpoint_url=tls_url, region="us-east-1").create_bucket(Bucket="tunnelled")
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    without_exceptions(monkeypatch)
    wire = DirectWire(Bucket("tunnelled", client=client(endpoint_url=tls_url)))
    answer = wire.perform(PutObject("k", b"", "AAAAAA==", None))
    wire.close()
    assert answer.ok, answer
    host = tls_url.removeprefix("https://").encode()
    assert proxy.asked[0].startswith(b"CONNECT " + host + b" HTTP/1.1\r\n")
    assert b"authorization" not in proxy.asked[0].lower()


def test_a_proxy_that_refuses_is_told(tls_url, client, monkeypatch):
    proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    without_exceptions(monkeypatch)
    wire = DirectWire(Bucket("b", client=client(endpoint_url=tls_url)))
    answer = wire.perform(PutObject("k", b"", "AAAAAA==", None))
    wire.close()
    assert answer.lost
    assert "407" in answer.message


def test_no_proxy_is_respected(client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    route = Route(Bucket("b", client=client(endpoint_url="http://127.0.0.1:8000")))
    assert route.address.proxy is None


# TLS


def test_a_certificate_nobody_vouches_for_is_not_believed(tls_url, client_of, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    wire = DirectWire(Bucket("b", client=client_of(tls_url)))
    answer = wire.perform(PutObject("k", b"", "AAAAAA==", None))
    wire.close()
    assert answer.lost
    assert "certificate" in answer.message.lower()


def test_a_certificate_for_another_name_is_not_believed(tls_url, client_of):
    wire = DirectWire(Bucket("b", client=client_of(tls_url.replace("127.0.0.1", "localhost"))))
    answer = wire.perform(PutObject("k", b"", "AAAAAA==", None))
    wire.close()
    assert answer.lost
    assert "certificate" in answer.message.lower()
