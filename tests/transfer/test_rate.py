"""A cap on bytes a second holds for small files and for parts, whoever carries them."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest

from upload_client.core.checksums import crc32, encode
from upload_client.core.rate import BURST, RateLimit
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import PutObject
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine, TransferTask

MIB = 1024**2


@pytest.mark.parametrize("engine", ["direct", "boto3"])
@pytest.mark.parametrize(("n_files", "size"), [(12, MIB), (1, 12 * MIB)])
def test_no_more_bytes_go_than_the_cap_allows(
    bucket: Bucket, tmp_path: Path, engine: str, n_files: int, size: int
) -> None:
    rate = 4 * MIB
    for i in range(n_files):
        (tmp_path / f"{i}.bin").write_bytes(secrets.token_bytes(size))
    sender = TransferEngine(
        DataRoot(tmp_path),
        bucket,
        n_threads=4,
        engine=engine,
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
        max_rate=rate,
        unsigned_payload=True,
    )
    began = time.monotonic()
    try:
        for i in range(n_files):
            sender.submit(TransferTask(i, f"{i}.bin", f"{i}.bin", f"{i}.bin", size=size))
        outcomes = []
        while len(outcomes) < n_files:
            outcomes += sender.poll(1.0)[1]
    finally:
        sender.close()
    seconds = time.monotonic() - began
    assert all(outcome.ok for outcome in outcomes), outcomes
    # What goes last from each worker, a request or a piece of one, may be on its way before it is paid for.
    last = min(size, 5 * MIB) if engine == "boto3" else RateLimit(rate).piece
    assert n_files * size <= rate * (seconds + BURST) + 4 * last


@pytest.mark.parametrize("size", [10, 60_000, 3 * MIB])
def test_one_body_goes_in_pieces_each_of_which_waits_for_its_turn(bucket: Bucket, size: int) -> None:
    asked: list[int] = []

    def turn(n_bytes: int) -> int:
        asked.append(n_bytes)
        return min(n_bytes, 50_000)

    body = secrets.token_bytes(size)
    wire = DirectWire(bucket, unsigned_payload=True)
    wire.wait_for_rate = turn
    try:
        answer = wire.perform(PutObject("x", body, encode(crc32(body)), None))
    finally:
        wire.close()
    assert answer.ok, answer
    assert sum(min(n, 50_000) for n in asked) == size
    assert bucket.get("x").body == body
