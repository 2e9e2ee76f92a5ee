"""The way to a service is the same for boto3 and for connections of our own, whatever names it.

A store that only a proxy can reach has a certificate of an authority that nobody knows, and asks to see ours.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import trustme

from upload_client.core.answers import Meaning
from upload_client.errors import SettingsError
from upload_client.s3 import clients, network
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import BotoWire, PutObject
from upload_client.settings import Settings

FINE = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nx-amz-request-id: 1\r\nContent-Length: 0\r\n\r\n'
PUT = PutObject("k", b"", "AAAAAA==", None)
PASSWORD = "pa#ss/wo@rd?9"


class Store:
    """Answers yes to everything over TLS; notes who asked, and what."""

    def __init__(self, authority: trustme.CA, *, silent: bool = False) -> None:
        self.silent = silent
        self.visitors: list[dict] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("storage.test").configure_cert(self.context)
        authority.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), self.context.wrap_socket(sock, server_side=True) as front:
            while front.recv(65536):
                if self.silent:
                    continue  # until whoever asks has gone
                self.visitors.append(front.getpeercert() or {})
                front.sendall(FINE)


class Tunnel:
    """A proxy that leads to the store, whatever host is asked for; notes what it is asked."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        self.asked.append(head)
        with socket.create_connection(("127.0.0.1", self.store.port)) as back:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=self.pump, args=(back, sock), daemon=True).start()
            self.pump(sock, back)

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def store(authority) -> Store:
    return Store(authority)


@pytest.fixture
def tunnel(store) -> Tunnel:
    store.visitors.clear()
    return Tunnel(store)


@pytest.fixture
def home(tmp_path, authority, monkeypatch) -> Path:
    """A home folder with the authority's certificate and one of our own in it; nothing else is set."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("provider.test")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def client_with(settings: Settings | None = None, **config):
    session = boto3.Session("key", "secret", region_name="us-east-1")
    settings = settings or Settings(endpoint_url="https://storage.test")
    config = {"retries": {"total_max_attempts": 1}, **config}
    return clients.s3_client(session, settings, **config)


ENGINES = {"boto3": BotoWire, "direct": DirectWire}


@pytest.fixture(params=ENGINES)
def put(request) -> Iterator:
    """Put an object, with each engine."""
    wires = []

    def put(client):
        wire = ENGINES[request.param](Bucket("bucket", client=client))
        wires.append(wire)
        return wire.perform(PUT)

    yield put
    for wire in wires:
        wire.close()


def settings_of(**more) -> Settings:
    return Settings(endpoint_url="https://storage.test", **more)


PROXIES = {
    "https_proxy": lambda at: {"https_proxy": f"http://{at}"},
    "HTTPS_PROXY": lambda at: {"HTTPS_PROXY": f"http://{at}"},
    "without a scheme": lambda at: {"HTTPS_PROXY": at},
    "with a slash": lambda at: {"HTTPS_PROXY": f"http://{at}/"},
    "with a password": lambda at: {"HTTPS_PROXY": f"http://maria:{PASSWORD}@{at}"},
    "no_proxy of others": lambda at: {"HTTPS_PROXY": f"http://{at}", "NO_PROXY": "elsewhere.test"},
}


@pytest.mark.parametrize("how", PROXIES)
def test_the_proxy_is_the_one_that_is_named(put, tunnel, home, monkeypatch, how):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(home / "ca.pem"))
    for name, text in PROXIES[how](tunnel.address).items():
        monkeypatch.setenv(name, text)
    answer = put(client_with())
    assert answer.ok, answer
    assert tunnel.asked[0].startswith(b"CONNECT storage.test:443 HTTP/1.")
    told = base64.b64encode(f"maria:{PASSWORD}".encode()) in tunnel.asked[0]
    assert told == (how == "with a password")


@pytest.mark.parametrize("exception", ["storage.test", ".test", "test", "*"])
def test_no_proxy_is_passed_by(put, tunnel, home, monkeypatch, exception):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.address}")
    monkeypatch.setenv("NO_PROXY", exception)
    answer = put(client_with())
    assert answer.lost
    assert "storage.test" in answer.message  # whose name nobody knows
    assert tunnel.asked == []


def test_whether_a_proxy_is_passed_by_is_decided_by_the_services_host_for_all(put, tunnel, home, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(home / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.address}")
    monkeypatch.setenv("NO_PROXY", "bucket.storage.test")
    put(client_with(s3={"addressing_style": "virtual"}))
    assert len(tunnel.asked) == 1


CERTIFICATES = {
    "AWS_CA_BUNDLE": lambda home: ({"AWS_CA_BUNDLE": f"{home}/ca.pem"}, {}),
    "AWS_CA_BUNDLE in the home folder": lambda _: ({"AWS_CA_BUNDLE": "~/ca.pem"}, {}),
    "REQUESTS_CA_BUNDLE": lambda home: ({"REQUESTS_CA_BUNDLE": f"{home}/ca.pem"}, {}),
    "the AWS configuration": lambda home: ({"AWS_CONFIG_FILE": f"{home}/config"}, {}),
    "the setting": lambda _: ({}, {"ca_bundle": "~/ca.pem"}),
}


@pytest.mark.parametrize("how", CERTIFICATES)
def test_the_certificates_that_are_named_are_trusted(put, tunnel, home, monkeypatch, how):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.address}")
    (home / "config").write_text(f"[default]\nca_bundle = {home}/ca.pem\n", encoding="utf-8")
    environ, settings = CERTIFICATES[how](home)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    answer = put(client_with(settings_of(**settings)))
    assert answer.ok, answer


def test_no_other_certificate_is_trusted(put, tunnel, home, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.address}")
    answer = put(client_with())
    assert answer.meaning is Meaning.UNTRUSTED, answer
    assert "storage.test" in answer.message


@pytest.mark.parametrize(
    "files", [{"client_cert": "~/both.pem"}, {"client_cert": "~/cert.pem", "client_key": "~/key.pem"}]
)
def test_the_store_sees_our_certificate(put, tunnel, home, store, monkeypatch, files):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.address}")
    monkeypatch.setenv("AWS_CA_BUNDLE", "~/ca.pem")
    assert put(client_with(settings_of(**files))).ok
    assert ("DNS", "provider.test") in store.visitors[0]["subjectAltName"]


def test_a_silent_store_is_given_up_after_the_same_time(put, authority, home, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{Tunnel(Store(authority, silent=True)).address}")
    monkeypatch.setenv("AWS_CA_BUNDLE", "~/ca.pem")
    began = time.monotonic()
    answer = put(client_with(read_timeout=0.3))
    assert answer.lost
    assert "silent" in answer.message
    assert time.monotonic() - began < 30  # and not after the minute that is botocore's own


def test_time_outs_are_those_of_the_client(home):
    client = client_with(connect_timeout=3, read_timeout=7)
    way = network.connection_settings_of(client, "https://storage.test")
    assert (way.connecting, way.silence) == (3, 7)
    assert network.connection_settings_of(client_with(read_timeout=300), "https://storage.test").silence == 60


def test_no_proxy_leads_to_this_machine(home, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost", "127.1.2.3", "[::1]"):
        client = client_with(Settings(endpoint_url=f"http://{host}:8000"))
        assert client.meta.config.proxies == {}, host


BAD = {
    "a proxy": ({"HTTPS_PROXY": f"http://maria:{PASSWORD}@"}, "environment: HTTPS_PROXY: is not the URL"),
    "its port": ({"HTTPS_PROXY": f"http://maria:{PASSWORD}@proxy:99999"}, "HTTPS_PROXY: is not the URL"),
    "its kind": (
        {"https_proxy": f"socks5://maria:{PASSWORD}@proxy:1080"},
        "https_proxy: a proxy of kind 'socks5'",
    ),
    "its password": (
        {"https_proxy": f"http://maria:{PASSWORD}ü@proxy:1080"},
        "https_proxy: user and password",
    ),
    "a file": ({"AWS_CA_BUNDLE": "~/nope.pem"}, "environment: AWS_CA_BUNDLE: {home}/nope.pem: No such file"),
    "another": (
        {"REQUESTS_CA_BUNDLE": "/nope.pem"},
        "environment: REQUESTS_CA_BUNDLE: /nope.pem: No such file",
    ),
    "no certificate": (
        {"AWS_CA_BUNDLE": "~/empty.pem"},
        "AWS_CA_BUNDLE: {home}/empty.pem: holds no certificate",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_named_at_once_and_never_repeated(home, monkeypatch, what):
    (home / "empty.pem").write_text("nothing\n", encoding="utf-8")
    environ, said = BAD[what]
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as caught:
        client_with()
    text = f"{caught.value} {caught.value.hint}"
    assert said.replace("{home}", str(home)) in text
    assert "wo@rd" not in text
    assert "pa#ss" not in text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_key": "~/key.pem"}, "client_key: a key without client_cert"),
        ({"client_cert": "~/nope.pem"}, "client_cert: .*nope.pem: No such file"),
        ({"client_cert": "~/cert.pem"}, "client_cert: .*is not a certificate with its key"),
    ],
)
def test_a_certificate_of_ours_that_cannot_be_used_is_named(home, settings, said):
    with pytest.raises(SettingsError, match=said):
        client_with(settings_of(**settings))


def test_a_proxy_of_the_systems_settings_is_called_that(home, monkeypatch):
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "nonsense://x y"})
    with pytest.raises(SettingsError, match="the system's proxy settings: is not the URL of a proxy"):
        client_with()
