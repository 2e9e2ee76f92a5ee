"""Three stores: moto, which is lenient; moto behind TLS; and, where it runs, an S3 that checks checksums."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import ipaddress
import os
import socket
import ssl
import threading
import uuid

import boto3
import checking_store
import pytest
from both_stores import MOTO
from late import late

from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket


class At:
    def __init__(self, url):
        self.endpoint_url = url
        self.endpoints = {}


@functools.cache
def session():
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")


def make_client(url, pool=16, **config):
    return clients.s3_client(session(), At(url), pool=pool, **config)


@pytest.fixture
def client_of():
    """Makes an S3 client for an endpoint."""
    return make_client


@pytest.fixture(scope="session")
def moto_url():
    server = late("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def checking_url(real_s3):
    return real_s3


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that is its own authority, and its key: two files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


class TlsFront:
    """Ends TLS in front of a server that speaks plain HTTP."""

    def __init__(self, certificate, host, port):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.behind = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with (
            contextlib.suppress(OSError),
            self.context.wrap_socket(sock, server_side=True) as front,
            socket.create_connection(self.behind) as back,
        ):
            thread = threading.Thread(target=self.pump, args=(back, front), daemon=True)
            thread.start()
            self.pump(front, back)
            thread.join()

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="session")
def tls_url(moto_url, certificate):
    host, _, port = moto_url.removeprefix("http://").partition(":")
    front = TlsFront(certificate, host, int(port))
    before = os.environ.get("AWS_CA_BUNDLE")
    os.environ["AWS_CA_BUNDLE"] = str(certificate[0])
    yield front.url
    if before is None:
        del os.environ["AWS_CA_BUNDLE"]
    else:
        os.environ["AWS_CA_BUNDLE"] = before
    front.listener.close()


def pytest_collection_modifyitems(items):
    """How boto3 speaks TLS is botocore's business: only our own connections are tested there."""

    def is_botocores(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        return params.get("engine") == "boto3" and params.get("store") == "tls"

    items[:] = [item for item in items if not is_botocores(item)]


@pytest.fixture(params=[MOTO, "tls", "checking"])
def store(request):
    """The endpoint of an S3; every test that takes it runs against both."""
    return request.getfixturevalue(f"{request.param}_url")


def new_bucket(url, prefix="landing/"):
    client = make_client(url)
    name = f"transfer-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    checking_store.make_room(url, name)
    return Bucket(name, prefix=prefix, client=client)


@pytest.fixture
def bucket(store):
    return new_bucket(store)


@pytest.fixture
def moto_bucket(moto_url):
    return new_bucket(moto_url)


@pytest.fixture
def checking_bucket(checking_url):
    return new_bucket(checking_url)
