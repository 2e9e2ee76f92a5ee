"""Whole deliveries against the sandbox, in front of moto's S3 and in front of one that checks checksums."""

from __future__ import annotations

import json
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import checking_store
import forked
import pytest

from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings

SHARED_TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "fast-toy" / "data"


@dataclass(frozen=True)
class Said:
    """What a run of the command line said."""

    exit_code: int
    stdout: str
    stderr: str
    events: list[dict] = field(default_factory=list)

    @property
    def summary(self) -> dict:
        last = self.events[-1]
        assert last["kind"] == "summary", self.stderr
        return last

    def __str__(self) -> str:
        return f"exit {self.exit_code}\n{self.stdout}\n{self.stderr}"


@dataclass(frozen=True)
class Receiver:
    """A sandbox, and what a test wants of it."""

    sandbox: Sandbox
    output: Path

    def new_delivery(self) -> Delivery:
        return Delivery(self, f"d{secrets.token_hex(4)}")


@dataclass(frozen=True)
class Delivery:
    """One delivery of its own name."""

    receiver: Receiver
    delivery_id: str
    dataset: str = "toy"

    def command(self, *arguments: str | Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "upload_client",
            "--profile",
            str(self.receiver.sandbox.profile),
            "--dataset",
            self.dataset,
            "--delivery-id",
            self.delivery_id,
            "--output-dir",
            str(self.receiver.output),
            "--json",
            *map(str, arguments),
        ]

    def run(self, *arguments: str | Path, env: dict[str, str] | None = None) -> Said:
        """Run the command line as a person would, to its end."""
        done = forked.run(self.command(*arguments), env=env)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return Said(done.returncode, done.stdout, done.stderr, events)

    @property
    def settings(self):
        return load_settings(profile=self.receiver.sandbox.profile, environ={})

    @property
    def landing(self) -> str:
        return f"{self.dataset}/{self.delivery_id}/staging/"

    def landed(self) -> dict[str, bytes]:
        """Content of every landing object, by path."""
        s3, bucket = self.receiver.sandbox.client("s3"), self.receiver.sandbox.landing_bucket
        found = {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self.landing):
            for entry in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                found[entry["Key"].removeprefix(self.landing)] = body
        return found

    def control(self, key: str) -> bytes:
        s3, bucket = self.receiver.sandbox.client("s3"), self.receiver.sandbox.control_bucket
        return s3.get_object(Bucket=bucket, Key=f"{self.dataset}/{self.delivery_id}/{key}")["Body"].read()

    def lock(self) -> dict | None:
        """What the lock says; None while there is none."""
        try:
            return json.loads(self.control("owned"))
        except self.receiver.sandbox.client("s3").exceptions.NoSuchKey:
            return None


# The stricter store is enough where there is one: the examples, the tutorial and the attacks deliver to moto.
STORES = ["real"] if checking_store.is_here() else ["moto"]


@pytest.fixture(scope="session", params=STORES)
def s3_endpoint(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "moto" else request.getfixturevalue("real_s3")


@pytest.fixture(scope="session")
def sandbox(s3_endpoint: str | None) -> Iterator[Sandbox]:
    with Sandbox(s3_endpoint=s3_endpoint) as made:
        yield made


@pytest.fixture
def receiver(sandbox: Sandbox, tmp_path: Path) -> Receiver:
    output = tmp_path / "output"
    output.mkdir()
    return Receiver(sandbox, output)


@pytest.fixture
def delivery(receiver: Receiver) -> Delivery:
    return receiver.new_delivery()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve small files in two folders."""
    return make_data(tmp_path / "data", 12)


def make_data(folder: Path, n_files: int) -> Path:
    rng = random.Random(n_files)
    for i in range(n_files):
        path = folder / f"part{i % 2}" / f"table_{i:05d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{row},{rng.random():.6f}\n" for row in range(rng.randrange(1, 40)))
        path.write_bytes(("row,value\n" + rows).encode())
    return folder


@pytest.fixture
def toy() -> Path:
    if not SHARED_TOY.is_dir():
        pytest.skip("../shared/data/fast-toy is not there")
    return SHARED_TOY


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


MakeData = Callable[[Path, int], Path]
