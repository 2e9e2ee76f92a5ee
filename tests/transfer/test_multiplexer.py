"""Small files in crowds, against a store that misbehaves in every way a network can."""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import threading
import zlib
from hashlib import md5
from urllib.parse import unquote

import pytest

from upload_client.s3.bucket import Bucket
from upload_client.s3.multiplexer import Job, Multiplexer
from upload_client.s3.wire import CreateUpload
from upload_client.transfer import DataRoot, TransferEngine, TransferTask, upload
from upload_client.transfer.engine import EngineFailed


class Store:
    """An S3 in a few lines: PUT with conditions and checksums, HEAD, and faults.

    `fault` is asked for each PUT, with its number, what to do: None; "lost" (carried out, no answer), "cut"
    (not carried out, no answer), "slow" (503), "broken" (500), "other" (somebody else's object appears),
    "close" (carried out, answered, and closed without a word).
    """

    def __init__(self, fault=lambda n: None):
        self.fault = fault
        self.objects = {}
        self.written = []
        self.puts = 0
        self.others = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with contextlib.suppress(OSError), sock:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = sock.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
                headers = {name.lower(): value.strip() for name, _, value in lines}
                length = int(headers.get("content-length", 0))
                while len(data) < length:
                    data += sock.recv(65536)
                body, data = data[:length], data[length:]
                method, target, _ = head.decode().split("\r\n")[0].split(" ")
                answer = self.answer(method, unquote(target.partition("?")[0]), headers, body)
                if answer is None:
                    return
                said, keep = answer
                sock.sendall(said)
                if not keep:
                    return

    def answer(self, method, key, headers, body):
        with self.lock:
            there = self.objects.get(key)
            if method == "HEAD":
                if there is None:
                    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True
                return (
                    b'HTTP/1.1 200 OK\r\nETag: "%s"\r\nContent-Length: %d\r\nx-amz-checksum-crc32: %s\r\n'
                    b"x-amz-checksum-type: FULL_OBJECT\r\n\r\n" % (etag(there), len(there), crc32(there))
                ), True
            self.puts += 1
            fault = self.fault(self.puts)
            if fault == "cut":
                return None
            if fault in ("slow", "broken"):
                status = b"503 Slow Down" if fault == "slow" else b"500 Internal Error"
                return b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status, True
            if fault == "other":
                self.others += 1
                self.objects[key] = there = b"somebody else's " + key.encode()
            condition = headers.get("if-match")
            met = (
                there is None
                if condition is None
                else there is not None and condition == f'"{etag(there).decode()}"'
            )
            if not met:
                return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n", True
            assert headers["x-amz-checksum-crc32"].encode() == crc32(body)
            self.objects[key] = body
            self.written.append(key)
            if fault == "lost":
                return None
            return b'HTTP/1.1 200 OK\r\nETag: "%s"\r\nContent-Length: 0\r\n\r\n' % etag(
                body
            ), fault != "close"


class Meeting(Store):
    """Answers as soon as so many requests are there at once, and counts how many there ever were."""

    def __init__(self, n):
        self.there = self.most = 0
        self.together = threading.Barrier(n)
        super().__init__()

    def answer(self, method, key, headers, body):
        with self.lock:
            self.there += 1
            self.most = max(self.most, self.there)
        self.together.wait(30)
        with self.lock:
            self.there -= 1
        return super().answer(method, key, headers, body)


def etag(data):
    return md5(data).hexdigest().encode()


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))


@pytest.fixture
def files(tmp_path):
    tasks = []
    for row in range(400):
        path = tmp_path / f"{row:03d}"
        path.write_bytes(b"%d " % row * (row % 50))
        tasks.append(TransferTask(row, path.name, str(path), path.name, size=path.stat().st_size))
    return tmp_path, tasks


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(upload, "_pauses", lambda *_: iter([0.001] * 20))


def deliver(store, root, tasks, client_of, **options):
    bucket = Bucket("bucket", client=client_of(store.url, pool=32))
    engine = TransferEngine(DataRoot(root), bucket, engine="direct", **options)
    assert engine.engine == "direct"
    for task in tasks:
        engine.submit(task)
    started, outcomes = [], []
    while engine.in_flight:
        begun, done = engine.poll(1)
        started += begun
        outcomes += done
        assert {outcome.row for outcome in outcomes} <= set(started)
    engine.close()
    assert sorted(started) == sorted(outcome.row for outcome in outcomes) == [task.row for task in tasks]
    return outcomes


def check(store, outcomes, root):
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    for outcome in outcomes:
        content = (root / outcome.relpath).read_bytes()
        assert store.objects[f"/bucket/{outcome.relpath}"] == content
        assert outcome.etag.encode() == etag(content)
        assert outcome.crc32.encode() == crc32(content)
        assert outcome.size == len(content)


@pytest.mark.parametrize("n_threads", [1, 3, 64, "auto"])
def test_a_crowd_of_small_files_takes_one_request_each(files, client_of, n_threads):
    root, tasks = files
    store = Store()
    check(store, deliver(store, root, tasks, client_of, n_threads=n_threads), root)
    assert store.puts == len(tasks)


@pytest.mark.parametrize(
    ("size", "small_for_one", "n"), [(100, 1, 3), (100, 4, 12), (300_000, 4, 3)], ids=str
)
def test_several_small_files_may_be_under_way_in_place_of_one_request(
    tmp_path, client_of, size, small_for_one, n
):
    tasks = []
    for row in range(4 * n):
        path = tmp_path / str(row)
        path.write_bytes(bytes(size))
        tasks.append(TransferTask(row, path.name, str(path), path.name, size=size))
    store = Meeting(n)
    check(
        store, deliver(store, tmp_path, tasks, client_of, n_threads=3, small_for_one=small_for_one), tmp_path
    )
    assert store.most == n


@pytest.mark.parametrize(("n_threads", "small_for_one", "room"), [(3, 1, 3), (3, 4, 12), ("auto", 4, 8)])
def test_no_more_small_files_than_that_have_room(tmp_path, client_of, n_threads, small_for_one, room):
    bucket = Bucket("bucket", client=client_of(Store().url))
    engine = TransferEngine(DataRoot(tmp_path), bucket, n_threads=n_threads, small_for_one=small_for_one)
    assert engine.room() == room
    engine.close()


@pytest.mark.parametrize("fault", ["lost", "cut", "slow", "broken", "other", "close"])
def test_every_third_request_goes_wrong(files, client_of, fault):
    root, tasks = files
    store = Store(lambda n: fault if n % 3 == 0 else None)
    check(store, deliver(store, root, tasks, client_of, n_threads=8), root)
    # Somebody else's object apart, nothing was written twice, however many answers were lost.
    assert len(store.written) == len(tasks)


@pytest.mark.parametrize("seed", range(5))
def test_everything_goes_wrong_at_random(files, client_of, seed):
    root, tasks = files
    random_ = random.Random(seed)
    faults = ["lost", "cut", "slow", "broken", "other", "close", *[None] * 6]
    store = Store(lambda n: random_.choice(faults))
    check(store, deliver(store, root, tasks, client_of, n_threads=16), root)
    # Only where somebody else wrote over our object it had to be written again.
    assert len(tasks) <= len(store.written) <= len(tasks) + store.others


def test_a_store_that_asks_for_less_gets_less(files, client_of):
    root, tasks = files
    store = Store(lambda n: "slow" if n == 1 else None)  # the multiplexer's request: workers come later
    bucket = Bucket("bucket", client=client_of(store.url, pool=32))
    engine = TransferEngine(DataRoot(root), bucket, engine="direct", n_threads=16)
    for task in tasks:
        engine.submit(task)
    least = 16
    outcomes = []
    while engine.in_flight:
        outcomes += engine.poll(1)[1]
        least = min(least, engine.requests)
    engine.close()
    check(store, outcomes, root)
    assert least <= 8


def test_files_of_their_own_fault_disturb_no_others(files, client_of):
    root, tasks = files
    (root / "010").unlink()
    (root / "020").unlink()
    (root / "020").mkdir()
    store = Store()
    outcomes = deliver(store, root, tasks, client_of, n_threads=8)
    failed = {outcome.row: outcome for outcome in outcomes if not outcome.ok}
    assert set(failed) == {10, 20}
    assert not any(outcome.again for outcome in failed.values())
    check(store, [outcome for outcome in outcomes if outcome.ok], root)


def test_small_and_large_files_of_unknown_size_all_arrive(tmp_path, client_of):
    store = Store()
    tasks = []
    for row in range(40):
        path = tmp_path / f"{row:03d}"
        path.write_bytes(bytes([row]) * (1024 * 1024 if row % 4 == 0 else 100))
        tasks.append(TransferTask(row, path.name, str(path), path.name))
    check(store, deliver(store, tmp_path, tasks, client_of, n_threads=4), tmp_path)
    assert store.puts == len(tasks)


def test_no_small_file_is_sent_without_leave(files, client_of):
    root, tasks = files
    store = Store()
    leave = threading.Event()
    asked = threading.Event()

    def may_write():
        asked.set()
        return leave.is_set()

    bucket = Bucket("bucket", client=client_of(store.url))
    engine = TransferEngine(DataRoot(root), bucket, engine="direct", n_threads=4, may_write=may_write)
    for task in tasks:
        engine.submit(task)
    assert asked.wait(60)
    assert store.puts == 0
    leave.set()
    outcomes = []
    while engine.in_flight:
        outcomes += engine.poll(1)[1]
    engine.close()
    check(store, outcomes, root)


def leave_once():
    """A question that may be asked once."""
    yield True
    raise ZeroDivisionError("asked twice")


@pytest.mark.parametrize("size", [100, 1024 * 1024], ids=["multiplexer", "worker"])
def test_a_thread_that_dies_is_told_of_after_all_it_had_reached(tmp_path, client_of, monkeypatch, size):
    store = Store()
    tasks = []
    for row in range(3):
        path = tmp_path / str(row)
        path.write_bytes(b"x" * size)
        tasks.append(TransferTask(row, path.name, str(path), path.name, size=size))
    bucket = Bucket("bucket", client=client_of(store.url))
    leave = leave_once()
    # A worker takes what `may_write` raises for the file's fault: let another thing fail.
    may_write = (lambda: True) if size > 1000 else (lambda: next(leave))
    engine = TransferEngine(DataRoot(tmp_path), bucket, engine="direct", n_threads=1, may_write=may_write)
    if size > 1000:
        begin = engine._outcomes.begin
        monkeypatch.setattr(engine._outcomes, "begin", lambda task: begin(task) if next(leave) else None)
    try:
        outcomes = []
        with pytest.raises(EngineFailed, match=r"ZeroDivisionError\('asked twice'\)") as failed:  # noqa: PT012
            for task in tasks:
                engine.submit(task)
            while True:
                outcomes += engine.poll(1)[1]
        assert isinstance(failed.value.__cause__, ZeroDivisionError)
        assert [outcome.row for outcome in outcomes if outcome.ok] == [0]
        with pytest.raises(EngineFailed):
            engine.submit(tasks[2])
        assert engine.stop(grace=0) == [1, 2]
    finally:
        engine.close()


def test_that_a_file_has_begun_is_told_before_somebody_else_can_end_it():
    done = threading.Event()
    calls = []

    def rules():
        yield CreateUpload("key")  # nothing for the multiplexer

    class Jobs:
        waiting = [Job(rules(), lambda *_: None, "about")]  # noqa: RUF012

        def room(self):
            return 1

        def take_small(self, most):
            taken, self.waiting = self.waiting, []
            return taken

        def report(self, begun, ended):
            calls.extend(("begun", job.about) for job in begun)

        def hand_over(self, job, answer=None):
            calls.append(("handed over", job.about))
            done.set()

        def may_write(self):
            return True

        def notify_caller(self, *, now):
            return True

    multiplexer = Multiplexer(None, Jobs())
    multiplexer.start()
    assert done.wait(60)
    multiplexer.stop()
    multiplexer.thread.join(60)
    assert calls == [("begun", "about"), ("handed over", "about")]


def test_a_slow_disk_is_read_by_several(files, client_of, monkeypatch):
    """What matters is that help comes and nothing is lost or sent twice by it."""
    from upload_client.s3 import multiplexer

    monkeypatch.setattr(multiplexer, "_SLOW_READ", 0.0)  # every disk is slow
    root, tasks = files
    store = Store()
    check(store, deliver(store, root, tasks, client_of, n_threads=8), root)
    assert store.puts == len(tasks)


def test_stopping_in_the_middle_leaves_each_file_with_an_outcome_or_a_name(files, client_of):
    root, tasks = files
    store = Store()
    bucket = Bucket("bucket", client=client_of(store.url))
    engine = TransferEngine(DataRoot(root), bucket, engine="direct", n_threads=2)
    for task in tasks:
        engine.submit(task)
    outcomes = []
    while not outcomes:
        outcomes += engine.poll(1)[1]
    rest = engine.stop(grace=10)
    outcomes += engine.poll()[1]
    engine.close()
    assert sorted([outcome.row for outcome in outcomes] + rest) == list(range(len(tasks)))
    # What was in flight was let finish: nothing was written whose outcome is not known.
    assert len(store.written) == len(outcomes)
