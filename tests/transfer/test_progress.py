"""What an engine says of its progress when it is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest
from waiting import until

from upload_client.s3.bucket import Bucket
from upload_client.s3.wire import BotoWire, UploadPart
from upload_client.transfer import DataRoot, TransferEngine, TransferTask

MIB = 1024**2


class Gated:
    """A wire that lets so many parts through, and holds the rest until it is opened."""

    def __init__(self, wire, n):
        self.wire = wire
        self.free = threading.Semaphore(n)

    def perform(self, request):
        if isinstance(request, UploadPart):
            self.free.acquire()
        return self.wire.perform(request)

    def open(self):
        self.free.release(1000)

    def close(self):
        self.wire.close()


def task(path: Path, row: int = 0, **details) -> TransferTask:
    return TransferTask(row, path.name, str(path), path.name, **details)


@contextlib.contextmanager
def engine_of(folder, bucket, **options):
    engine = TransferEngine(DataRoot(folder), bucket, **options)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * (22 * MIB))
    return path


def test_a_large_file_tells_its_parts_and_a_file_that_has_landed_counts_in_full(bucket, large):
    wire = Gated(BotoWire(bucket), 2)
    options = {"n_threads": 2, "multipart_threshold": 5 * MIB, "part_size": 5 * MIB, "wire": wire}
    with engine_of(large.parent, bucket, **options) as engine:
        assert engine.progress(9) == (0, 0, ())
        engine.submit(task(large, size=22 * MIB))
        until(lambda: engine.bytes_sent == 10 * MIB)
        done, kept, (file,) = engine.progress(9)
        assert (done, kept) == (10 * MIB, 0)
        assert file == ("large", 10 * MIB, 22 * MIB, 2, 5)
        wire.open()
        until(lambda: engine.progress(9).bytes_done == 22 * MIB and not engine.progress(9).files)
        assert engine.poll()[1][0].ok
        assert engine.progress(9) == (22 * MIB, 0, ())
        assert engine.bytes_sent == 22 * MIB


def test_parts_that_were_there_are_kept_and_not_called_sent(bucket, large):
    options = {"n_threads": 1, "multipart_threshold": 5 * MIB, "part_size": 5 * MIB}
    wire = Gated(BotoWire(bucket), 3)
    with engine_of(large.parent, bucket, **options, wire=wire) as engine:
        engine.submit(task(large, size=22 * MIB))
        until(lambda: engine.bytes_sent == 15 * MIB)
        wire.open()
        engine.stop()
    (left,) = bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", ())
    with engine_of(large.parent, bucket, **options, wire=BotoWire(bucket)) as engine:
        engine.submit(task(large, size=22 * MIB, unfinished=(left["UploadId"],)))
        until(lambda: engine.poll(1)[1])
        done, kept, _ = engine.progress(9)
        assert done == 22 * MIB
        assert kept >= 15 * MIB
        assert engine.bytes_sent == 22 * MIB - kept


def test_only_so_many_files_are_told_of_the_largest_first(bucket, tmp_path):
    wire = Gated(BotoWire(bucket), 0)
    options = {"n_threads": 4, "multipart_threshold": 5 * MIB, "part_size": 5 * MIB, "wire": wire}
    with engine_of(tmp_path, bucket, **options) as engine:
        for n in range(4):
            path = tmp_path / str(n)
            path.write_bytes(b"x" * (6 + n) * MIB)
            engine.submit(task(path, n, size=(6 + n) * MIB))
        until(lambda: len(engine.progress(9).files) >= 2)
        assert len(engine.progress(1).files) == 1
        sizes = [file.size for file in engine.progress(9).files]
        assert sizes == sorted(sizes, reverse=True)
        wire.open()


ONCE = {"retries": {"total_max_attempts": 1}}
"""For who still asks when the store is gone: botocore would ask again while other tests run."""


@pytest.fixture
def slow_store():
    """A server that takes connections, reads a megabyte of what is sent, and no more until it is gone."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                held.append(connection)
                n = 0
                while n < MIB:
                    n += len(connection.recv(65536)) or MIB

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)  # a close wakes nobody in accept()
    server.close()
    for connection in held:
        connection.close()


@pytest.mark.parametrize("parts", [False, True])
def test_bytes_on_the_wire_are_told_before_they_are_acknowledged(
    slow_store, client_of, bucket, large, parts, monkeypatch
):
    """Over connections of our own; a part of a slow upload takes minutes, in which a bar has to move."""
    slow = Bucket("slow", client=client_of(slow_store, **ONCE))
    threshold = 5 * MIB if parts else 64 * MIB
    if parts:  # what surrounds the parts goes to a store that answers
        fast = BotoWire(bucket)
        monkeypatch.setattr(BotoWire, "perform", lambda _, request: _perform(fast, request))
    with engine_of(large.parent, slow, n_threads=1, multipart_threshold=threshold, engine="direct") as engine:
        engine.submit(task(large, size=22 * MIB))
        until(lambda: engine.progress(9).bytes_done > MIB // 2)
        done, _, (file,) = engine.progress(9)
        assert 0 < file.bytes_done < 22 * MIB
        assert done >= MIB // 2
        assert engine.bytes_sent == 0
        assert bool(file.parts) is parts


_perform = BotoWire.perform


def test_small_files_on_their_way_are_told_of_too(slow_store, client_of, tmp_path):
    slow = Bucket("slow", client=client_of(slow_store, **ONCE))
    with engine_of(tmp_path, slow, n_threads=2, engine="direct") as engine:
        for n in range(5):
            path = tmp_path / str(n)
            path.write_bytes(b"x")
            engine.submit(task(path, n, size=1))
        until(lambda: engine.progress(9).files)
        assert all(file.size == 1 and file.parts == 0 for file in engine.progress(9).files)
        assert engine.progress(0).files == ()
