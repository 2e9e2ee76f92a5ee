"""Deliveries to attack: a sandbox for all of them, and what its server was asked."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver, Said, make_data
from faults.proxy import Proxy

from upload_client.sandbox import Request, Sandbox
from upload_client.settings import Settings

PART = 5 * 1024 * 1024
THREADS = 4
FAST = {"lease_seconds": 30, "multipart_threshold": PART, "part_size": PART, "threads": THREADS}
"""What the receiver sets: the shortest lease, and parts so small that a test's files have some."""


@pytest.fixture(scope="session")
def calm() -> Iterator[Sandbox]:
    """One sandbox for all attacks that leave it as it is."""
    with Sandbox(settings=FAST) as made:
        yield made


@pytest.fixture
def receiver(calm: Sandbox, tmp_path: Path) -> Receiver:
    output = tmp_path / "output"
    output.mkdir()
    return Receiver(calm, output)


@pytest.fixture
def delivery(receiver: Receiver) -> Delivery:
    return receiver.new_delivery()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve small files in two folders."""
    return make_data(tmp_path / "data", 12)


@pytest.fixture
def broken_network(calm: Sandbox) -> Iterator[Proxy]:
    """A proxy in front of everything there is of AWS."""
    with Proxy(calm.s3_endpoint_url) as proxy:
        yield proxy


@dataclass(frozen=True)
class Through:
    """Environment and settings of a client that reaches a sandbox through a proxy."""

    proxy: Proxy
    sandbox: Sandbox

    @property
    def env(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.proxy.url}

    @property
    def settings(self) -> Settings:
        return self.sandbox.settings.model_copy(update={"endpoint_url": self.proxy.url, "endpoints": {}})


@pytest.fixture
def through(broken_network: Proxy, calm: Sandbox) -> Through:
    return Through(broken_network, calm)


def requests_of(delivery: Delivery, since: int = 0) -> list[Request]:
    """What the sandbox's server was asked about this delivery, with decoded paths."""
    mine = f"/{delivery.dataset}/{delivery.delivery_id}/"
    decoded = [
        request._replace(path=urllib.parse.unquote(request.path))
        for request in delivery.receiver.sandbox.requests[since:]
    ]
    return [request for request in decoded if mine in request.path or mine[1:] in request.path]


def unfinished(delivery: Delivery) -> list[dict]:
    """Multipart uploads of this delivery that are neither completed nor aborted."""
    sandbox = delivery.receiver.sandbox
    listed = sandbox.client("s3").list_multipart_uploads(
        Bucket=sandbox.landing_bucket, Prefix=delivery.landing
    )
    return listed.get("Uploads", [])


def in_place(delivery: Delivery) -> dict[str, int]:
    """Bytes in S3 of each file, whole or in parts of unfinished uploads."""
    sandbox = delivery.receiver.sandbox
    s3, where = sandbox.client("s3"), {"Bucket": sandbox.landing_bucket}
    found = {path: len(body) for path, body in delivery.landed().items()}
    for upload in unfinished(delivery):
        parts = s3.list_parts(**where, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])
        path = upload["Key"].removeprefix(delivery.landing)
        found[path] = max(found.get(path, 0), sum(part["Size"] for part in parts))
    return found


def start(delivery: Delivery, *arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen:
    """Begin a run of the command line; nobody reads what it says before its end."""
    return subprocess.Popen(
        delivery.command(*arguments),
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


NewDelivery = Callable[[], Delivery]

__all__ = [
    "FAST",
    "PART",
    "THREADS",
    "Delivery",
    "Receiver",
    "Said",
    "Through",
    "in_place",
    "requests_of",
    "secrets",
    "start",
    "sys",
    "unfinished",
]
