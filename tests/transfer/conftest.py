"""Two stores: moto, which is lenient, and (where it runs) an S3 that checks what it is told."""

from __future__ import annotations

import os
import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

from upload_client.aws import clients
from upload_client.aws.bucket import Bucket


class At:
    def __init__(self, url):
        self.endpoint_url = url
        self.endpoints = {}


def session():
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")


def make_client(url, pool=16):
    return clients.s3_client(session(), At(url), pool=pool)


@pytest.fixture
def client_of():
    """Makes an S3 client for an endpoint."""
    return make_client


@pytest.fixture(scope="session")
def moto_url():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def checking_url():
    url = os.environ.get("UPLOAD_CLIENT_TEST_S3")
    if not url:
        pytest.skip("UPLOAD_CLIENT_TEST_S3 names no S3 that checks checksums")
    return url


@pytest.fixture(params=["moto", "checking"])
def store(request):
    """The endpoint of an S3; every test that takes it runs against both."""
    return request.getfixturevalue(f"{request.param}_url")


def new_bucket(url, prefix="landing/"):
    client = make_client(url)
    name = f"transfer-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
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
