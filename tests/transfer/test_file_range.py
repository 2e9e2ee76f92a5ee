"""Content that goes from file to socket without passing through memory, and content that goes by TLS."""

from __future__ import annotations

import base64
import os
import zlib

import pytest

from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import BotoWire, PutObject
from upload_client.support.local_file import CAN_SEND_FILES, FileRange, LocalFile
from upload_client.transfer import DataRoot, FileRefused, TransferEngine, TransferTask, upload
from upload_client.transfer.buffers import Buffers

MIB = 1024**2


def crc32_of(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(upload, "_pauses", lambda *_: iter([0.001] * 3))


def run(root, bucket, *paths, **options):
    engine = TransferEngine(DataRoot(root), bucket, engine="direct", **options)
    for row, path in enumerate(paths):
        engine.submit(TransferTask(row, path.name, str(path), path.name, size=path.stat().st_size))
    outcomes = []
    while engine.in_flight:
        outcomes += engine.poll(1)[1]
    engine.close()
    return outcomes


@pytest.fixture
def files(tmp_path):
    paths = []
    for row, size in enumerate([256 * 1024, 256 * 1024 + 1, MIB, 3 * MIB + 7, 5 * MIB, 13 * MIB + 5]):
        path = tmp_path / f"{row}"
        path.write_bytes(os.urandom(size))
        paths.append(path)
    return paths


@pytest.mark.parametrize("unsigned_payload", [False, True])
def test_files_of_every_size_arrive_byte_by_byte(bucket, tmp_path, files, unsigned_payload):
    outcomes = run(
        tmp_path,
        bucket,
        *files,
        n_threads=4,
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
        unsigned_payload=unsigned_payload,
    )
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    for outcome in outcomes:
        content = (tmp_path / outcome.relpath).read_bytes()
        assert bucket.read(outcome.relpath) == content
        assert outcome.crc32 == crc32_of(content)


@pytest.mark.skipif(not CAN_SEND_FILES, reason="content passes through memory here")
def test_content_does_not_stay_in_memory(moto_bucket, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(os.urandom(40 * MIB))
    taken = []
    monkeypatch.setattr(LocalFile, "read", lambda *args: pytest.fail(f"read into memory: {args}"))
    engine = TransferEngine(DataRoot(tmp_path), moto_bucket, engine="direct", n_threads=2, part_size=20 * MIB)
    take = engine._steps._buffers.take
    monkeypatch.setattr(engine._steps._buffers, "take", lambda size: taken.append(size) or take(size))
    engine.submit(TransferTask(0, "a", str(path), "a", size=40 * MIB))
    outcomes = []
    while engine.in_flight:
        outcomes += engine.poll(1)[1]
    engine.close()
    assert outcomes[0].ok, outcomes[0].error
    assert max(taken) <= MIB


def test_buffers_for_tls_stay_within_a_part_for_each_request(tls_url, client_of, tmp_path, monkeypatch):
    from upload_client.s3.bucket import Bucket

    client = client_of(tls_url)
    client.create_bucket(Bucket="buffers")
    paths = []
    for row in range(12):
        path = tmp_path / f"{row}"
        path.write_bytes(os.urandom(5 * MIB + row))
        paths.append(path)
    engine = TransferEngine(
        DataRoot(tmp_path), Bucket("buffers", client=client), engine="direct", n_threads=4, part_size=5 * MIB
    )
    lent = most = 0
    take, give_back = engine._steps._buffers.take, engine._steps._buffers.give_back

    def counted_take(size):
        nonlocal lent, most
        view = take(size)
        lent += len(view)
        most = max(most, lent)
        return view

    def counted_give_back(view):
        nonlocal lent
        lent -= len(view)
        give_back(view)

    monkeypatch.setattr(engine._steps._buffers, "take", counted_take)
    monkeypatch.setattr(engine._steps._buffers, "give_back", counted_give_back)
    for row, path in enumerate(paths):
        engine.submit(TransferTask(row, path.name, str(path), path.name, size=path.stat().st_size))
    outcomes = []
    while engine.in_flight:
        outcomes += engine.poll(1)[1]
    engine.close()
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    assert 0 < most <= 4 * 6 * MIB  # buffers are whole mebibytes
    assert lent == 0


# A file that changes between the computing of its checksum and the sending


def change_unseen(path, at, data):
    """Write into a file, and make its fingerprint look as if nobody had."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.skipif(not CAN_SEND_FILES, reason="content passes through memory here")
@pytest.mark.parametrize("threshold", [5 * MIB, 64 * MIB])
def test_content_that_is_not_what_was_summed_is_refused_by_s3(
    checking_bucket, tmp_path, monkeypatch, threshold
):
    path = tmp_path / "a"
    path.write_bytes(os.urandom(6 * MIB))
    send = FileRange.send

    def change_then_send(stretch, *args):
        change_unseen(path, MIB, os.urandom(8))
        return send(stretch, *args)

    monkeypatch.setattr(FileRange, "send", change_then_send)
    (outcome,) = run(
        tmp_path, checking_bucket, path, multipart_threshold=threshold, unsigned_payload=True, n_threads=2
    )
    assert not outcome.ok
    assert outcome.again  # read anew, it may well be sent
    assert "BadDigest" in outcome.error
    assert checking_bucket.head("a") is None


@pytest.mark.skipif(not CAN_SEND_FILES, reason="content passes through memory here")
def test_a_file_cut_short_while_it_is_sent_is_told_at_once(moto_bucket, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(os.urandom(6 * MIB))
    send = FileRange.send

    def cut_then_send(stretch, *args):
        os.truncate(path, MIB)
        return send(stretch, *args)

    monkeypatch.setattr(FileRange, "send", cut_then_send)
    (outcome,) = run(tmp_path, moto_bucket, path, n_threads=1)
    assert (outcome.ok, outcome.again, outcome.error) == (False, False, "changed while it was being sent")
    assert moto_bucket.head("a") is None


def test_a_stretch_passes_through_memory_where_it_must(bucket, tmp_path):
    """Over TLS, and through botocore when an answer was unusual."""
    data = os.urandom(MIB)
    path = tmp_path / "a"
    path.write_bytes(b"before" + data + b"after")
    with DataRoot(tmp_path).open("a") as file:
        stretch = FileRange(file, 6, MIB, None)
        for wire in (DirectWire(bucket), BotoWire(bucket)):
            existing = bucket.head("key")
            request = PutObject("key", stretch, crc32_of(data), existing.etag if existing else None)
            answer = wire.perform(request)
            assert answer.ok, answer
            assert bucket.read("key") == data
            wire.close()


def test_sending_a_stretch_of_a_shortened_file_is_refused(tmp_path):
    if not CAN_SEND_FILES:
        pytest.skip("content passes through memory here")
    import socket

    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    here, there = socket.socketpair()
    with here, there, DataRoot(tmp_path).open("a") as file:
        stretch = FileRange(file, 0, 200, None)
        assert stretch.send(here, 0, 200) == 100
        with pytest.raises(FileRefused):
            stretch.send(here, 100, 200)


def test_what_lies_unused_makes_room_for_what_is_wanted():
    buffers = Buffers(lambda: 4 * MIB)
    small, large = buffers.take(1), buffers.take(2 * MIB)
    assert (len(small), len(large), buffers.held) == (MIB, 2 * MIB, 3 * MIB)
    buffers.give_back(large)
    buffers.give_back(small)
    assert buffers.take(MIB).obj is small.obj
    larger = buffers.take(3 * MIB)  # there is room for it only without `large`
    assert buffers.held == 4 * MIB
    buffers.give_back(larger)
    assert buffers.take(2 * MIB).obj is larger.obj
