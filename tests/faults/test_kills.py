"""kill -9 before and after everything: the next run ends as if nothing had happened.

All places there are, and a hundred kills at random moments:

    python -m pytest tests/faults/test_kills.py -m long
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver, content, make_data
from faults.conftest import (
    BEST,
    BOTH,
    PART,
    THREADS,
    client_of,
    in_place,
    requests_of,
    requests_to,
    start,
    unfinished,
)

from upload_client import Bucket

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")

KINDS = [
    pytest.param("after:PutObject:owned", "moto", marks=pytest.mark.long),
    pytest.param("after:Invoke", "moto", marks=pytest.mark.long),
    ("after:PutObject:landing", "best"),
    ("after:UploadPart:landing:2", "best"),
    ("after:CompleteMultipartUpload:landing", "best"),
]
"""One place of each kind, where the most is at stake."""


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Four small files, one in three parts, and one that is invalid."""
    folder = make_data(tmp_path / "victim", 4)
    (folder / "large.bin").write_bytes(random.Random(1).randbytes(2 * PART + 12_345))
    (folder / "broken.json").write_text("{not json")
    return folder


def places(delivery: Delivery, victim: Path, log: Path) -> list[str]:
    """Every place that a delivery passes, numbered where it passes one more than once."""
    said = delivery.run("--source", victim, env={"UPLOAD_CLIENT_FAILPOINT_LOG": str(log)})
    assert said.exit_code == 3, said
    seen: dict[str, int] = {}
    numbered = []
    for name in log.read_text().splitlines():
        seen[name] = seen.get(name, 0) + 1
        numbered.append(f"{name}:{seen[name]}")
    return numbered


def kill_and_go_on(delivery: Delivery, victim: Path, kill) -> bool:
    """Have `kill` end a run, run again, and hold both to the promises; says whether it died at all."""
    before = len(requests_to(delivery.receiver.sandbox))
    died = kill() == -signal.SIGKILL
    first = bodies(delivery, before)
    there = in_place(delivery)
    before = len(requests_to(delivery.receiver.sandbox))
    said = delivery.run("--source", victim)
    assert said.exit_code == 3, said
    expected = content(victim)
    assert said.summary["counts"]["valid"] == len(expected) - 1, said
    assert said.summary["counts"]["invalid"] == 1, said
    assert delivery.landed() == expected
    assert unfinished(delivery) == []
    assert delivery.lock()["state"] == "released"
    second = bodies(delivery, before)
    for path, body in expected.items():
        assert second.get(path, 0) <= len(body) - there.get(path, 0), f"{path} was there, and was sent again"
    again = sum(first.values()) + sum(second.values()) - sum(map(len, expected.values()))
    assert again <= THREADS * PART
    return died


def bodies(delivery: Delivery, since: int) -> dict[str, int]:
    """Bytes of content that the store took for each file."""
    sent: dict[str, int] = {}
    for request in requests_of(delivery, since):
        path, _, _ = request.path.partition("?")
        where = f"/{delivery.receiver.sandbox.landing_bucket}/{delivery.landing}"
        if request.method == "PUT" and request.status == 200 and path.startswith(where):
            name = path.removeprefix(where)
            sent[name] = sent.get(name, 0) + request.received
    return sent


def die_at(delivery: Delivery, victim: Path, place: str):
    def kill() -> int:
        running = start(delivery, "--source", victim, env={"UPLOAD_CLIENT_FAILPOINT": place})
        _, stderr = running.communicate(timeout=120)
        assert running.returncode in (-signal.SIGKILL, 3), stderr
        return running.returncode

    return kill


@pytest.mark.parametrize(("place", "calm"), KINDS, indirect=["calm"])
def test_after_a_kill_the_next_run_ends_as_if_nothing_had_happened(
    delivery: Delivery, victim: Path, place: str
) -> None:
    assert kill_and_go_on(delivery, victim, die_at(delivery, victim, place)), f"it never got to {place}"


@pytest.mark.parametrize("calm", BEST, indirect=True)
def test_a_changed_file_that_had_landed_when_the_plug_was_pulled_is_not_sent_again(
    delivery: Delivery, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", 2)
    with client_of(delivery, data) as client:
        assert client.run().exit_code == 0, client.outcome
    (data / "part0" / "table_00000.csv").write_bytes(b"row,value\n1,2\n")
    sandbox = delivery.receiver.sandbox
    landing = Bucket(sandbox.landing_bucket, prefix=delivery.landing, client=sandbox.client("s3"))
    landing.put("part0/table_00000.csv", b"row,value\n1,2\n")  # and no log says so
    with client_of(delivery, data) as following:
        outcome = following.run()
    assert (outcome.exit_code, outcome.files_sent) == (0, 0), outcome
    assert delivery.landed() == content(data)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("calm", BOTH, indirect=True)
def test_a_kill_at_each_place_there_is(receiver: Receiver, victim: Path, tmp_path: Path) -> None:
    every = places(receiver.new_delivery(), victim, tmp_path / "places")
    assert len(every) > 60
    died, broken = 0, []
    for place in every:
        delivery = receiver.new_delivery()
        try:
            died += kill_and_go_on(delivery, victim, die_at(delivery, victim, place))
        except AssertionError as error:
            broken.append((place, str(error)[:2000]))
            print(place, error)
    print(f"{died} kills at {len(every)} places")
    assert not broken, f"{len(broken)} of {len(every)}"
    # Some are passed more or less often, as verdicts come in crowds or one by one.
    assert died >= 0.8 * len(every)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("calm", BOTH, indirect=True)
def test_a_hundred_kills_at_random_moments(receiver: Receiver, victim: Path) -> None:
    seed = int(os.environ.get("SEED", secrets.randbits(32)))
    print(f"SEED={seed}")
    moments = random.Random(seed)
    began = time.monotonic()
    assert receiver.new_delivery().run("--source", victim).exit_code == 3
    whole = time.monotonic() - began
    died = 0
    for _ in range(100):
        delivery = receiver.new_delivery()

        def kill(delivery: Delivery = delivery) -> int:
            running = start(delivery, "--source", victim)
            time.sleep(whole * moments.random())
            running.kill()
            running.communicate(timeout=60)
            return running.returncode

        died += kill_and_go_on(delivery, victim, kill)
    print(f"{died} of 100 died")
    assert died > 50


def test_a_run_that_is_not_asked_to_die_hooks_into_nothing() -> None:
    seen = subprocess.run(
        [
            os.sys.executable,
            "-c",
            "from upload_client.support import failpoints as f; f.watch(None); print(f.ARMED)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "False\n"
