"""When what was sent is announced: so that little is left to judge once the last file is sent."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from delivery.conftest import Delivery, make_data

from upload_client import UploadClient
from upload_client.control import log
from upload_client.transfer.engine import TransferEngine


@pytest.fixture
def ten_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no more than ten files told of at once, and nothing announced for having waited long."""
    real, held = TransferEngine.poll, deque()

    def poll(engine: TransferEngine, timeout: float = 0.0) -> tuple[Any, Any]:
        started, outcomes = real(engine, 0.0 if held else timeout)
        held.extend(outcomes)
        return started, [held.popleft() for _ in range(min(10, len(held)))]

    monkeypatch.setattr(TransferEngine, "poll", poll)
    monkeypatch.setattr(log, "FLUSH_SECONDS", 3600.0)
    monkeypatch.setattr(log.LogWriter, "send_now", lambda writer: writer.flush(timeout=60.0))


def announced(delivery: Delivery) -> list[tuple[int, int]]:
    """Of each segment of the client's log that announces files: how many, and how many records it has."""
    sandbox = delivery.receiver.sandbox
    prefix = f"{delivery.dataset}/{delivery.delivery_id}/staging/log/client/"
    found = sandbox.client("s3").list_objects_v2(Bucket=sandbox.control_bucket, Prefix=prefix)
    counts = []
    for entry in found["Contents"]:
        body = sandbox.client("s3").get_object(Bucket=sandbox.control_bucket, Key=entry["Key"])["Body"].read()
        _, *kinds = (json.loads(line)["kind"] for line in body.splitlines())
        counts.append((kinds.count("transferred"), len(kinds)))
    return [(n_files, n_records) for n_files, n_records in counts if n_files]


def delivered(delivery: Delivery, data: Path) -> list[tuple[int, int]]:
    client = UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        transfer_type="staging",
        source=data,
        settings=delivery.settings,
        output_dir=delivery.receiver.output,
        n_threads=2,
    )
    assert client.run().exit_code == 0
    return announced(delivery)


@pytest.mark.usefixtures("ten_at_a_time")
@pytest.mark.parametrize(("n_files", "n_segments"), [(400, 4), (120, 2), (60, 1)])
def test_half_of_what_is_left_is_announced_while_the_other_half_is_sent(
    delivery, tmp_path, n_files, n_segments
):
    *segments, (last, _) = delivered(delivery, make_data(tmp_path / "data", n_files))
    left = n_files
    for count, n_records in segments:
        left -= count
        enough = max(64, left)  # fewer are not worth a segment
        assert enough <= n_records
        assert count < enough + 20
    assert (left, len(segments) + 1) == (last, n_segments)
