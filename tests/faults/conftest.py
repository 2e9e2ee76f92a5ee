"""Deliveries to attack: a sandbox for all of them, and what its server was asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import boto3
import checking_store
import pytest
from both_stores import MOTO
from delivery.conftest import Delivery, Receiver, make_data
from faults.proxy import Exchange, Proxy

from upload_client import Bucket, UploadClient
from upload_client.control.log import LogReader
from upload_client.core.records import Writer
from upload_client.core.segments import Segment
from upload_client.events import Event, Message
from upload_client.index import scan
from upload_client.sandbox import Request, Sandbox
from upload_client.settings import Settings
from upload_client.support.clock import Clock

R = TypeVar("R")
BOTH = [MOTO, "real"]
BEST = ["best"]
"""The S3 that checks, where there is one: what it sees there need not be seen again with moto."""

PART = 5 * 1024 * 1024
THREADS = 4
FAST = {"lease_seconds": 30, "multipart_threshold": PART, "part_size": PART, "threads": THREADS}
"""What the receiver sets: the shortest lease, and parts so small that a test's files have some."""


PATIENT = {"lease_seconds": 3600, "validator_silence": 25.0}
"""For a client whose clock a test moves: nothing is too late only because this machine is slow."""


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients in this process wait little between two looks and two attempts: no attack is in the waiting."""
    monkeypatch.setattr("upload_client.control.log._POLL_FIRST", 0.2)
    monkeypatch.setattr("upload_client.control.log._POLL_LAST", 1.0)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.05)


class Movable(Clock):
    """The machine's clocks, that a test can move."""

    def __init__(self, wall: float = 0.0, monotonic: float = 0.0) -> None:
        self.ahead = wall
        self.slept = monotonic

    def wall(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.slept


class Sandboxes(contextlib.ExitStack):
    """Sandboxes by name, each made when it is first needed."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Sandbox] = {}

    def get(self, name: str, *, s3_endpoint: str | None = None, **options) -> Sandbox:
        if name not in self._made:
            seen = TrialResult()
            if s3_endpoint is not None:
                proxy = self.enter_context(Proxy(s3_endpoint))
                proxy.on(seen, times=None)
                s3_endpoint = proxy.url
            made = self.enter_context(Sandbox(settings=FAST, s3_endpoint=s3_endpoint, **options))
            self._made[name] = made
            if s3_endpoint is not None:
                _SEEN[made.endpoint_url] = seen
        return self._made[name]


class TrialResult:
    """Passes on what an S3 that is none of the sandbox's is asked, and notes it down, without its content."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __call__(self, x: Exchange) -> None:
        answered, asked = x.forward(), x.request
        self.requests.append(
            Request(asked.method, f"{asked.path}?{asked.query}", answered.status, len(asked.body))
        )
        asked.body = b""
        x.send(answered.raw)


_SEEN: dict[str, TrialResult] = {}  # by the sandbox's URL


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    """The sandboxes of all attacks that leave them as they are."""
    with Sandboxes() as made:
        yield made


@pytest.fixture
def calm(request: pytest.FixtureRequest, sandboxes: Sandboxes) -> Sandbox:
    """A sandbox with moto's S3, or (``real``) with one that checks.

    ``@pytest.mark.parametrize("calm", BOTH, indirect=True)`` runs a test against both.
    """
    name = getattr(request, "param", "moto")
    if name == "best":
        name = "real" if checking_store.is_here() else "moto"
    endpoint = request.getfixturevalue("real_s3") if name == "real" else None
    return sandboxes.get(name, s3_endpoint=endpoint)


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


@dataclass(frozen=True)
class Network:
    """Two proxies, one to S3 and one to the rest of AWS, and what leads a client through them."""

    s3: Proxy
    rest: Proxy
    sandbox: Sandbox

    @property
    def env(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.rest.url, "AWS_ENDPOINT_URL_S3": self.s3.url}

    @property
    def settings(self) -> Settings:
        places = {"endpoint_url": self.rest.url, "endpoints": {"s3": self.s3.url}}
        return self.sandbox.settings.model_copy(update=places)


@pytest.fixture
def network(calm: Sandbox) -> Iterator[Network]:
    with Proxy(calm.s3_endpoint_url) as s3, Proxy(calm.endpoint_url) as rest:
        yield Network(s3, rest, calm)


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass

    @property
    def messages(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message)]


def client_of(delivery: Delivery, source: Path, settings: Settings | None = None, **options) -> UploadClient:
    """A client in this process, logged in already; `told` gets what it says."""
    more = options.pop("more", None) or {}
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        file_index=options.pop("index", None) if "index" in options else scan(source),
        transfer_type=options.pop("transfer_type", "staging"),
        source=source,
        settings=(settings or delivery.receiver.sandbox.settings).model_copy(update=more),
        session=options.pop("session", None) or boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
        output_dir=delivery.receiver.output,
        n_threads=options.pop("n_threads", THREADS),
        reporter=options.pop("reporter", None) or Told(),
        **options,
    )


def all_sent(delivery: Delivery, data: Path, settings: Settings | None = None, **options) -> UploadClient:
    """A client that has sent everything, and waits for verdicts."""
    client = client_of(delivery, data, settings, **options)
    client.connect()
    client.write_index()
    client.initiate_transfer()
    while not client.transfer_complete:
        if client.next_file is not None:
            client.transfer_next_file()
        client.update(0.1)
    return client


def until(client: UploadClient, so: Callable[[], object], seconds: float = 120.0) -> None:
    """Update a client until something is so."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, "it never comes to that"
        client.update(0.1)


def until_done(client: UploadClient) -> None:
    """Update a client until it has ended."""
    until(client, lambda: client.done)


def silence(client: UploadClient, clock: Movable) -> None:
    """So much time passes without a word from a validator that the client starts one again."""
    assert client._run.connected is not None
    shard = client._run.connected.validation._shards[0]
    attempt = shard.watch.attempt
    client.update()
    clock.slept += 60.0
    until(client, lambda: client.done or (shard.watch.attempt > attempt and not shard._starting))


def control_bucket(delivery: Delivery) -> Bucket:
    """The delivery's part of the control bucket, reached directly."""
    sandbox = delivery.receiver.sandbox
    prefix = f"{delivery.dataset}/{delivery.delivery_id}/"
    return Bucket(sandbox.control_bucket, prefix=prefix, client=sandbox.client("s3"))


def log_of(delivery: Delivery, writer: Writer) -> list[Segment]:
    """A log of the delivery, read and checked as its readers do."""
    prefix = "staging/log/client/" if writer == "client" else "staging/log/validator/0000/"
    return list(LogReader(control_bucket(delivery), prefix, writer=writer).read_all())


def records_of(delivery: Delivery, writer: Writer, kind: type[R]) -> list[R]:
    """All records of a kind in a log, in order."""
    segments = log_of(delivery, writer)
    return [record for segment in segments for record in segment.records if isinstance(record, kind)]


def requests_to(sandbox: Sandbox) -> list[Request]:
    """What the sandbox's S3 was asked so far, with decoded paths."""
    seen = _SEEN.get(sandbox.endpoint_url)
    if seen is not None:
        return list(seen.requests)
    return [request._replace(path=urllib.parse.unquote(request.path)) for request in sandbox.requests]


def requests_of(delivery: Delivery, since: int = 0) -> list[Request]:
    """What S3 was asked about this delivery, with decoded paths."""
    mine = f"/{delivery.dataset}/{delivery.delivery_id}/"
    decoded = requests_to(delivery.receiver.sandbox)[since:]
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
