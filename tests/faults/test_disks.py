"""Nowhere to write: the delivery goes on, and it is told that the state could not be written down."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content
from faults.conftest import Told, client_of

from upload_client.support.local_file import LocalFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' /proc and tmpfs")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk with no room."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here (it takes root)")
    try:
        with (folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def read_only() -> Path:
    """A directory in which nobody, not even root, can make a file."""
    return Path("/proc/self/task")


@pytest.mark.parametrize("where", ["full", "read_only"])
def test_the_delivery_goes_on_where_its_state_cannot_be_written(
    delivery: Delivery, data: Path, where: str, request: pytest.FixtureRequest
) -> None:
    output = request.getfixturevalue(where)
    before = sorted(output.iterdir())
    told = Told()
    with client_of(delivery, data, reporter=told) as client:
        client.output_dir = output
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert outcome.state_csv is None
    (why,) = [message for message in told.messages if "state could not be written" in message]
    assert "run it again" in why
    assert delivery.landed() == content(data)
    assert delivery.lock()["state"] == "released"
    assert sorted(output.iterdir()) == before or where == "read_only"


def test_a_disk_that_never_answers_ends_the_run_instead_of_holding_it_for_ever(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    read = LocalFile.read

    def hang(self: LocalFile, size: int, offset: int = 0) -> bytes:
        if self.path.endswith("table_00003.csv"):
            answers.wait()
        return read(self, size, offset)

    monkeypatch.setattr(LocalFile, "read", hang)
    monkeypatch.setattr(LocalFile, "read_into", lambda self, *_: hang(self, 0))
    try:
        with client_of(delivery, data, more={"standstill": 4.0, "engine": "boto3"}) as client:
            outcome = client.run()
        assert outcome.exit_code == 5, outcome
        assert "1 file is not sent" in str(outcome.error)
        assert delivery.lock()["state"] == "released"
    finally:
        answers.set()
