"""Many who start the same delivery at once: one owner at a time, by the store's own record.

python -m pytest tests/faults/test_starters.py -m long
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver, content, make_data
from faults.conftest import FAST, start

from upload_client.sandbox import Sandbox


@pytest.fixture(scope="module")
def recording() -> Iterator[Sandbox]:
    """A sandbox whose control bucket forgets nothing."""
    with Sandbox(settings=FAST) as made:
        made.client("s3").put_bucket_versioning(
            Bucket=made.control_bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield made


def owners(delivery: Delivery) -> list[tuple[str, int, str]]:
    """Every lock there ever was, oldest first: agent, epoch and state."""
    sandbox = delivery.receiver.sandbox
    s3, key = sandbox.client("s3"), f"{delivery.dataset}/{delivery.delivery_id}/owned"
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=sandbox.control_bucket, Prefix=key)
    newest_first = [version["VersionId"] for page in pages for version in page.get("Versions", [])]
    bodies = []
    for version in reversed(newest_first):
        got = s3.get_object(Bucket=sandbox.control_bucket, Key=key, VersionId=version)
        bodies.append(json.loads(got["Body"].read()))
    return [(body["agent_id"], body["epoch"], body["state"]) for body in bodies]


def start_at_once(recording: Sandbox, tmp_path: Path, n: int) -> None:
    data = make_data(tmp_path / "data", 5)
    output = tmp_path / "output"
    output.mkdir()
    delivery = Receiver(recording, output).new_delivery()
    running = [start(delivery, "--source", data) for _ in range(n)]
    said = [(process.communicate(timeout=600)[1], process.returncode) for process in running]
    codes = [code for _, code in said]
    assert set(codes) <= {0, 11}, said
    assert 0 in codes
    agents = {agent for agent, _, _ in owners(delivery)}
    for stderr, code in said:
        if code == 11:
            assert any(agent in stderr for agent in agents), "it does not say by whom"
    epoch, holder = 0, None
    for agent, its_epoch, state in owners(delivery):
        if holder is None:
            assert its_epoch == epoch + 1
            epoch, holder = its_epoch, agent
        assert (agent, its_epoch) == (holder, epoch), "two owners at once"
        if state == "released":
            holder = None
    assert holder is None
    assert delivery.landed() == content(data)
    print(f"{codes.count(0)} delivered or found nothing to do, {codes.count(11)} were locked out")


@pytest.mark.heavy
def test_of_eight_who_start_at_once_one_owns_it_at_a_time(recording: Sandbox, tmp_path: Path) -> None:
    start_at_once(recording, tmp_path, 8)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_of_fifty_who_start_at_once_one_owns_it_at_a_time(recording: Sandbox, tmp_path: Path) -> None:
    start_at_once(recording, tmp_path, 50)
