"""Files on their way to a store: what arrives, what is refused, and what is found out after a conflict."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import threading
import zlib
from pathlib import Path
from urllib.parse import urlencode

import checking_store
import pytest
from faults.privileges import without_privileges

from upload_client.s3.direct import DirectWire
from upload_client.s3.wire import (
    AbortUpload,
    Answer,
    BotoWire,
    CompleteUpload,
    CopyObject,
    CreateUpload,
    HeadObject,
    PutObject,
    UploadPart,
)
from upload_client.transfer import DataRoot, TransferEngine, TransferTask, send_files

MIB = 1024**2


def crc32_of(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def noise(size: int, seed: int = 0) -> bytes:
    block = hashlib.shake_128(str(seed).encode()).digest(min(size, MIB))
    return (block * (size // max(1, len(block)) + 1))[:size]


def task(path: Path, row: int = 0, **details) -> TransferTask:
    return TransferTask(row, path.name, str(path), path.name, **details)


@pytest.fixture(autouse=True, params=["boto3", "direct"])
def engine(request, monkeypatch):
    """Every test here runs over boto3 and over connections of our own."""
    monkeypatch.setattr(
        sys.modules[__name__], "carrier", {"boto3": BotoWire, "direct": DirectWire}[request.param]
    )
    return request.param


carrier = BotoWire


class Recording:
    """A wire that notes what is asked, and may answer in the store's place."""

    def __init__(self, wire, script=None):
        self.wire = wire
        self.asked = []
        self.script = script or (lambda request, perform: perform(request))
        self.lock = threading.Lock()

    def perform(self, request):
        with self.lock:
            self.asked.append(request)
        return self.script(request, self.wire.perform)

    def close(self):
        self.wire.close()

    def count(self, kind):
        return sum(isinstance(request, kind) for request in self.asked)


def run(engine, *tasks):
    for one in tasks:
        engine.submit(one)
    outcomes = []
    started = []
    while engine.in_flight:
        begun, done = engine.poll(1)
        started += begun
        outcomes += done
    engine.close()
    assert sorted(started) == sorted(outcome.row for outcome in outcomes)
    return sorted(outcomes, key=lambda outcome: outcome.row)


def transfer(root, bucket, *tasks, script=None, **options):
    wire = Recording(carrier(bucket), script)
    outcomes = run(TransferEngine(DataRoot(root), bucket, wire=wire, **options), *tasks)
    return outcomes, wire


def once(kind, act):
    """A script that treats the first request of a kind in its own way."""
    seen = []

    def script(request, perform):
        if isinstance(request, kind) and not seen:
            seen.append(request)
            return act(request, perform)
        return perform(request)

    return script


def lose_answer(request, perform):
    perform(request)
    return Answer(0, "ConnectionClosedError", "cut")


# What arrives


@pytest.mark.parametrize("size", [0, 1, 4096, MIB + 1])
def test_a_small_file_arrives_byte_by_byte_in_one_request(bucket, tmp_path, size):
    path = tmp_path / "a.bin"
    path.write_bytes(noise(size))
    os.utime(path, (1e9, 1e9 + 0.5))  # not of this very moment
    (outcome,), wire = transfer(tmp_path, bucket, task(path))
    assert outcome.ok, outcome.error
    assert bucket.read("a.bin") == path.read_bytes()
    assert (outcome.size, outcome.crc32) == (size, crc32_of(path.read_bytes()))
    assert outcome.etag == bucket.head("a.bin").etag
    assert outcome.mtime_ns == path.stat().st_mtime_ns
    assert outcome.bytes_sent == size
    assert len(wire.asked) == 1


def test_a_large_file_arrives_in_parts_with_the_checksum_of_the_whole(bucket, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(noise(12 * MIB + 17))
    (outcome,), wire = transfer(tmp_path, bucket, task(path), multipart_threshold=10 * MIB, part_size=5 * MIB)
    assert outcome.ok, outcome.error
    assert bucket.read("large.bin") == path.read_bytes()
    assert outcome.crc32 == crc32_of(path.read_bytes())
    assert outcome.bytes_sent == outcome.size == 12 * MIB + 17
    assert wire.count(UploadPart) == 3
    assert wire.count(CreateUpload) == wire.count(CompleteUpload) == 1


def test_the_checking_store_holds_the_crc32_of_the_whole(checking_bucket, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(noise(11 * MIB))
    transfer(tmp_path, checking_bucket, task(path), multipart_threshold=10 * MIB, part_size=5 * MIB)
    assert checking_bucket.head("large.bin").crc32 == crc32_of(path.read_bytes())


@pytest.mark.parametrize(("size", "requests"), [(16 * MIB, 1), (16 * MIB + 1, 4)])
def test_a_file_that_would_be_a_single_part_goes_in_one_request(moto_bucket, tmp_path, size, requests):
    path = tmp_path / "a"
    path.write_bytes(bytes(size))
    (outcome,), wire = transfer(tmp_path, moto_bucket, task(path))
    assert outcome.ok
    assert len(wire.asked) == requests


def test_the_parts_of_one_file_are_spread_over_all_workers(moto_bucket, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(noise(20 * MIB))
    together = threading.Barrier(4, timeout=30)

    def script(request, perform):
        if isinstance(request, UploadPart):
            together.wait()  # only passes when four parts are under way at once
        return perform(request)

    (outcome,), _ = transfer(
        tmp_path,
        moto_bucket,
        task(path),
        script=script,
        n_threads=4,
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
    )
    assert outcome.ok, outcome.error


def test_many_files_of_all_sizes_all_arrive(bucket, tmp_path):
    tasks = []
    for row in range(60):
        path = tmp_path / f"{row:03d}"
        path.write_bytes(noise((row * 7919) % 9000 if row % 20 else 5 * MIB + row, row))
        tasks.append(task(path, row, size=path.stat().st_size))
    outcomes, _ = transfer(tmp_path, bucket, *tasks, multipart_threshold=5 * MIB, n_threads=4)
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    for one in tasks:
        assert bucket.read(one.key) == Path(one.path).read_bytes()


def test_larger_files_are_begun_first(moto_bucket, tmp_path):
    sizes = [MIB // 2, 5 * MIB, MIB, 9 * MIB, MIB // 4]
    for row, size in enumerate(sizes):
        (tmp_path / f"{row}").write_bytes(noise(size))
    hold = threading.Event()
    engine = TransferEngine(DataRoot(tmp_path), moto_bucket, n_threads=1, may_write=hold.is_set)
    (tmp_path / "first").write_bytes(b"")
    engine.submit(task(tmp_path / "first", 99))
    while engine.poll(1)[0] != [99]:
        pass
    for row, size in enumerate(sizes):
        engine.submit(task(tmp_path / f"{row}", row, size=size))
    hold.set()
    started = []
    while engine.in_flight:
        started += engine.poll(1)[0]
    engine.close()
    assert started == [3, 1, 2, 0, 4]


# What must not be


def test_a_file_that_differs_from_the_index_is_never_sent(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"other")
    (outcome,), wire = transfer(tmp_path, bucket, task(path, checksum=crc32_of(b"indexed")))
    assert (outcome.ok, outcome.again) == (False, False)
    assert outcome.error == "the file's content does not match the checksum in the index"
    assert wire.asked == []


def test_a_large_file_that_differs_from_the_index_is_never_completed(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(6 * MIB))
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, checksum=crc32_of(b"indexed")), multipart_threshold=5 * MIB
    )
    assert (outcome.ok, outcome.again) == (False, False)
    assert "does not match the checksum in the index" in outcome.error
    assert wire.count(CompleteUpload) == 0
    assert wire.count(AbortUpload) == 1
    assert bucket.head("a") is None
    assert not bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def _overwrite(path):
    stat = path.stat()
    path.write_bytes(noise(stat.st_size, 99))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def _truncate(path):
    os.truncate(path, 5 * MIB + 1)


def _append(path):
    with path.open("ab") as file:
        file.write(b"more")


def _replace(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def _touch(path):
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [_overwrite, _truncate, _append, _replace, _touch, Path.unlink])
def test_a_source_that_changes_between_its_parts_is_never_completed(bucket, tmp_path, change):
    path = tmp_path / "a"
    path.write_bytes(noise(11 * MIB))

    def act(request, perform):
        answer = perform(request)
        change(path)
        return answer

    (outcome,), wire = transfer(
        tmp_path,
        bucket,
        task(path),
        script=once(UploadPart, act),
        n_threads=1,
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
    )
    assert (outcome.ok, outcome.again) == (False, False)
    assert "while it was being sent" in outcome.error
    assert wire.count(CompleteUpload) == 0
    assert bucket.head("a") is None
    assert not bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_a_source_that_changes_after_its_last_part_is_never_completed(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(5 * MIB + 1))

    def act(request, perform):
        answer = perform(request)
        _touch(path)
        return answer

    (outcome,), wire = transfer(
        tmp_path, bucket, task(path), script=once(UploadPart, act), multipart_threshold=5 * MIB
    )
    assert outcome.error == "changed while it was being sent"
    assert wire.count(CompleteUpload) == 0


def test_a_source_that_changes_between_reading_and_sending_is_not_sent(bucket, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    from upload_client.support import local_file

    read = local_file.LocalFile.read

    def read_then_change(file, size, offset=0):
        data = read(file, size, offset)
        path.write_bytes(b"after!")
        _touch(path)
        return data

    monkeypatch.setattr(local_file.LocalFile, "read", read_then_change)
    (outcome,), wire = transfer(tmp_path, bucket, task(path))
    assert outcome.error == "changed while it was being sent"
    assert wire.asked == []


def test_a_damaged_body_is_refused_by_the_store_and_sent_again(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"whole")
    damage = once(PutObject, lambda request, perform: perform(request._replace(body=b"wh0le")))
    (outcome,), wire = transfer(tmp_path, checking_bucket, task(path), script=damage)
    assert outcome.ok
    assert wire.count(PutObject) == 2
    assert checking_bucket.read("a") == b"whole"


def test_no_write_begins_without_leave(moto_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    wire = Recording(carrier(moto_bucket))
    leave = threading.Event()
    asked = threading.Event()

    def may_write():
        asked.set()
        return leave.is_set()

    engine = TransferEngine(DataRoot(tmp_path), moto_bucket, n_threads=2, wire=wire, may_write=may_write)
    engine.submit(task(path))
    assert asked.wait(60)
    assert wire.asked == []
    leave.set()
    outcomes = []
    while not outcomes:
        outcomes = engine.poll(1)[1]
    engine.close()
    assert outcomes[0].ok


# What a file itself can be


def test_a_directory_is_refused(moto_bucket, tmp_path):
    (tmp_path / "d").mkdir()
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(tmp_path / "d"))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "directory" in outcome.error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_refused_and_does_not_hang(moto_bucket, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(tmp_path / "fifo"))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "not a regular file" in outcome.error


def test_a_file_that_is_not_there_is_no_reason_to_try_again(moto_bucket, tmp_path):
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(tmp_path / "nothing"))
    assert (outcome.ok, outcome.again, outcome.error) == (False, False, "is not there")


def test_a_folder_that_is_gone_is_told_with_the_file_in_it(moto_bucket, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    engine = TransferEngine(DataRoot(data), moto_bucket, wire=Recording(carrier(moto_bucket), None))
    data.rmdir()
    (outcome,) = run(engine, task(data / "a.csv"))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "is not there, nor is the folder with the data" in outcome.error


def test_an_unreadable_file_is_no_reason_to_try_again(moto_bucket, tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    (outcome,), _ = without_privileges(lambda: transfer(tmp_path, moto_bucket, task(path)))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "permission denied" in outcome.error


def test_a_symlink_inside_the_source_is_followed(moto_bucket, tmp_path):
    (tmp_path / "a").write_bytes(b"target")
    (tmp_path / "link").symlink_to("a")
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(tmp_path / "link"))
    assert outcome.ok, outcome.error
    assert moto_bucket.read("link") == b"target"


def test_a_symlink_out_of_the_source_is_refused(moto_bucket, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (outcome,), wire = transfer(root, moto_bucket, task(root / "link"))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "outside the source" in outcome.error
    assert wire.asked == []


def test_a_folder_that_became_a_symlink_out_of_the_source_is_refused(moto_bucket, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"secret")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (outcome,), wire = transfer(root, moto_bucket, task(root / "folder" / "a"))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "outside the source" in outcome.error
    assert wire.asked == []


def test_a_folder_whose_name_begins_like_the_root_is_outside(moto_bucket, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "a").write_bytes(b"secret")
    (tmp_path / "root" / "up").symlink_to("../root2")
    (outcome,), _ = transfer(tmp_path / "root", moto_bucket, task(tmp_path / "root" / "up" / "a"))
    assert "outside the source" in outcome.error


# What is there already


def test_an_object_nobody_expected_is_replaced_on_its_own_etag(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    there = bucket.put("a", b"theirs").etag
    (outcome,), wire = transfer(tmp_path, bucket, task(path))
    assert outcome.ok
    assert bucket.read("a") == b"ours"
    assert [r.expect for r in wire.asked if isinstance(r, PutObject)] == [None, there]


def test_the_very_file_found_after_a_refusal_counts_as_sent(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    there = checking_bucket.put("a", b"ours").etag
    (outcome,), wire = transfer(tmp_path, checking_bucket, task(path))
    assert outcome.ok
    assert outcome.etag == there
    assert wire.count(PutObject) == 1


def test_an_expected_object_that_is_gone_is_made_anew(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    (outcome,), _ = transfer(tmp_path, bucket, task(path, expect_etag="0" * 32))
    assert outcome.ok, outcome.error
    assert bucket.read("a") == b"ours"


def test_a_write_whose_answer_was_lost_is_found_not_sent_twice(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    (outcome,), wire = transfer(tmp_path, checking_bucket, task(path), script=once(PutObject, lose_answer))
    assert outcome.ok
    assert (wire.count(PutObject), wire.count(HeadObject)) == (1, 1)


def test_a_completion_whose_answer_was_lost_is_found(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(6 * MIB))
    (outcome,), wire = transfer(
        tmp_path,
        checking_bucket,
        task(path),
        script=once(CompleteUpload, lose_answer),
        multipart_threshold=5 * MIB,
    )
    assert outcome.ok, outcome.error
    assert wire.count(CompleteUpload) == 1


def test_a_completion_finds_somebody_elses_object_and_replaces_it_on_its_etag(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(6 * MIB))
    checking_bucket.put("a", b"theirs")
    (outcome,), wire = transfer(tmp_path, checking_bucket, task(path), multipart_threshold=5 * MIB)
    assert outcome.ok, outcome.error
    assert checking_bucket.head("a").size == 6 * MIB
    assert (wire.count(CompleteUpload), wire.count(UploadPart)) == (2, 1)


def without_etag(request, perform):
    """As Ceph RGW 16.2.15 answers Complete."""
    answer = perform(request)
    answer.etag = ""
    return answer


def test_a_write_that_is_acknowledged_without_an_etag_is_completed_by_a_look_at_the_object(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    (outcome,), wire = transfer(tmp_path, bucket, task(path), script=once(PutObject, without_etag))
    assert outcome.ok, outcome.error
    assert outcome.etag == bucket.head("a").etag
    assert (wire.count(PutObject), wire.count(HeadObject)) == (1, 1)


def test_a_completion_that_is_acknowledged_without_an_etag_is_completed_too(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(6 * MIB))
    (outcome,), wire = transfer(
        tmp_path,
        bucket,
        task(path),
        script=once(CompleteUpload, without_etag),
        multipart_threshold=5 * MIB,
    )
    assert outcome.ok, outcome.error
    assert outcome.etag == bucket.head("a").etag
    assert wire.count(CompleteUpload) == 1


def test_a_store_without_checksums_is_believed_that_it_has_what_it_acknowledged(bucket, tmp_path):
    def forgetful(request, perform):
        answer = perform(request)
        answer.etag, answer.crc32 = ("" if isinstance(request, PutObject) else answer.etag), None
        return answer

    path = tmp_path / "a"
    path.write_bytes(b"ours")
    (outcome,), wire = transfer(tmp_path, bucket, task(path), script=forgetful)
    assert outcome.ok, outcome.error
    assert wire.count(PutObject) == 1


def test_what_says_yes_to_everything_and_keeps_nothing_is_no_store(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    portal = once(PutObject, lambda request, perform: Answer(200))
    (outcome,), wire = transfer(tmp_path, bucket, task(path), script=portal)
    assert outcome.ok, outcome.error
    assert bucket.read("a") == b"ours"
    assert wire.count(PutObject) == 2


def test_an_object_that_has_been_there_all_the_time_is_not_taken_for_what_was_acknowledged(bucket, tmp_path):
    def portal(request, perform):
        answer = Answer(200) if isinstance(request, PutObject) and not asked else perform(request)
        asked.append(request)
        answer.crc32 = None
        return answer

    asked = []
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    there = bucket.put("a", b"old!").etag
    (outcome,), _ = transfer(tmp_path, bucket, task(path, expect_etag=there), script=portal)
    assert outcome.ok, outcome.error
    assert bucket.read("a") == b"ours"


def test_a_store_that_never_names_an_etag_is_told_as_that(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("upload_client.transfer.upload._pauses", lambda *_: iter([0.001]))

    def nameless(request, perform):
        answer = perform(request)
        answer.etag = ""
        return answer

    path = tmp_path / "a"
    path.write_bytes(b"ours")
    (outcome,), _ = transfer(tmp_path, bucket, task(path), script=nameless)
    assert not outcome.ok
    assert "ETag" in outcome.error


def test_a_file_dated_beyond_what_a_record_can_hold_is_announced_without_its_time(moto_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    far = 32_503_680_000  # the year 3000: some file systems hold it
    os.utime(path, (far, far))
    if path.stat().st_mtime != far:
        pytest.skip("this file system holds no such time")
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(path))
    assert outcome.ok, outcome.error
    assert outcome.mtime_ns is None


@pytest.mark.parametrize("status", [500, 503])
def test_a_store_in_trouble_is_asked_again(moto_bucket, tmp_path, status):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    trouble = once(PutObject, lambda request, perform: Answer(status, "SlowDown", "Please reduce"))
    (outcome,), wire = transfer(tmp_path, moto_bucket, task(path), script=trouble)
    assert outcome.ok
    assert (wire.count(PutObject), wire.count(HeadObject)) == (2, 0)


def test_an_upload_that_vanished_is_begun_anew(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(11 * MIB))

    def vanish(request, perform):
        perform(AbortUpload(request.key, request.upload_id))
        return perform(request)

    (outcome,), wire = transfer(
        tmp_path,
        checking_bucket,
        task(path),
        script=once(CompleteUpload, vanish),
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
    )
    assert outcome.ok, outcome.error
    assert wire.count(CreateUpload) == 2
    assert checking_bucket.head("a").size == 11 * MIB


def test_refused_credentials_are_told_apart(moto_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    refuse = lambda request, perform: Answer(400, "ExpiredToken", "The provided token has expired.")  # noqa: E731
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(path), script=refuse)
    assert (outcome.ok, outcome.again, outcome.credentials) == (False, True, True)


def test_denied_access_is_this_files_failure(moto_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ours")
    refuse = lambda request, perform: Answer(403, "AccessDenied", "Access Denied")  # noqa: E731
    (outcome,), _ = transfer(tmp_path, moto_bucket, task(path), script=refuse)
    assert (outcome.ok, outcome.again, outcome.credentials) == (False, False, False)
    assert "AccessDenied" in outcome.error


# Resuming inside a file


def left_behind(bucket, key, data, part_size, numbers, **create):
    options = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} | create
    upload_id = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=bucket.prefix + key, **options)[
        "UploadId"
    ]
    for number in numbers:
        body = data[(number - 1) * part_size : number * part_size]
        bucket.client.upload_part(
            Bucket=bucket.name,
            Key=bucket.prefix + key,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            **({"ChecksumCRC32": crc32_of(body)} if "ChecksumAlgorithm" in options else {}),
        )
    return upload_id


def test_parts_an_earlier_run_sent_are_not_sent_again(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(32 * MIB))
    upload_id = left_behind(bucket, "a", path.read_bytes(), 6 * MIB, [1, 2, 4])
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, unfinished=(upload_id,)), multipart_threshold=5 * MIB, part_size=8 * MIB
    )
    assert outcome.ok, outcome.error
    assert sorted(r.number for r in wire.asked if isinstance(r, UploadPart)) == [3, 5, 6]
    assert wire.count(CreateUpload) == 0
    assert outcome.bytes_sent == 14 * MIB
    assert outcome.crc32 == crc32_of(path.read_bytes())
    assert bucket.read("a") == path.read_bytes()


def test_a_kept_part_that_is_not_the_files_is_sent_again(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(18 * MIB))
    other = bytearray(path.read_bytes())
    other[7 * MIB] ^= 1
    upload_id = left_behind(bucket, "a", bytes(other), 6 * MIB, [1, 2, 3])
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, unfinished=(upload_id,)), multipart_threshold=5 * MIB
    )
    assert outcome.ok, outcome.error
    assert [r.number for r in wire.asked if isinstance(r, UploadPart)] == [2]
    assert bucket.read("a") == path.read_bytes()


def test_the_fullest_of_several_uploads_is_resumed_and_the_others_thrown_away(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(18 * MIB))
    uploads = [left_behind(bucket, "a", path.read_bytes(), 6 * MIB, numbers) for numbers in ([1], [1, 2], [])]
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, unfinished=tuple(uploads)), multipart_threshold=5 * MIB
    )
    assert outcome.ok, outcome.error
    assert {r.upload_id for r in wire.asked if isinstance(r, AbortUpload)} == {uploads[0], uploads[2]}
    assert [r.number for r in wire.asked if isinstance(r, UploadPart)] == [3]
    assert not bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_an_upload_of_another_kind_is_thrown_away(checking_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(12 * MIB))
    upload_id = left_behind(checking_bucket, "a", path.read_bytes(), 6 * MIB, [1], ChecksumType="COMPOSITE")
    (outcome,), wire = transfer(
        tmp_path, checking_bucket, task(path, unfinished=(upload_id,)), multipart_threshold=5 * MIB
    )
    assert outcome.ok, outcome.error
    assert [r.upload_id for r in wire.asked if isinstance(r, AbortUpload)] == [upload_id]
    assert wire.count(CreateUpload) == 1
    assert wire.count(CompleteUpload) <= 2  # a checksum of other parts is not asked for again


def test_an_upload_that_is_gone_is_no_obstacle(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(6 * MIB))
    upload_id = left_behind(bucket, "a", b"", 6 * MIB, [])
    bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=bucket.prefix + "a", UploadId=upload_id)
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, unfinished=(upload_id,)), multipart_threshold=5 * MIB
    )
    assert outcome.ok, outcome.error
    assert wire.count(CreateUpload) == 1


def test_a_second_try_in_the_same_run_goes_on_where_the_first_left_off(moto_bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(11 * MIB))
    refuse = once(CompleteUpload, lambda request, perform: Answer(403, "AccessDenied", "not now"))
    wire = Recording(carrier(moto_bucket), refuse)
    engine = TransferEngine(
        DataRoot(tmp_path), moto_bucket, wire=wire, multipart_threshold=5 * MIB, part_size=5 * MIB
    )
    results = []
    for _ in range(2):
        engine.submit(task(path))
        while engine.in_flight:
            results += engine.poll(1)[1]
    engine.close()
    assert [outcome.ok for outcome in results] == [False, True]
    assert wire.count(UploadPart) == 3
    assert results[1].bytes_sent == 0


# Stopping


def test_stopping_names_the_files_that_will_have_no_outcome(moto_bucket, tmp_path):
    for row in range(5):
        (tmp_path / f"{row}").write_bytes(b"content")
    arrived, go_on = threading.Event(), threading.Event()

    def script(request, perform):
        arrived.set()
        go_on.wait(60)
        return perform(request)

    wire = Recording(carrier(moto_bucket), script)
    engine = TransferEngine(DataRoot(tmp_path), moto_bucket, n_threads=1, wire=wire)
    for row in range(5):
        engine.submit(task(tmp_path / f"{row}", row))
    assert arrived.wait(60)
    threading.Timer(0.1, go_on.set).start()
    assert sorted(engine.stop(grace=60)) == [1, 2, 3, 4]
    assert [outcome.row for outcome in engine.poll()[1]] == [0]
    engine.close()


def test_stopping_leaves_parts_for_the_next_run(bucket, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(noise(11 * MIB))
    arrived = threading.Event()

    def script(request, perform):
        answer = perform(request)
        if isinstance(request, UploadPart):
            arrived.set()
        return answer

    engine = TransferEngine(
        DataRoot(tmp_path),
        bucket,
        n_threads=1,
        wire=Recording(carrier(bucket), script),
        multipart_threshold=5 * MIB,
        part_size=5 * MIB,
    )
    engine.submit(task(path))
    assert arrived.wait(60)
    assert engine.stop() == [0]
    engine.close()
    (left,) = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    (outcome,), wire = transfer(
        tmp_path, bucket, task(path, unfinished=(left["UploadId"],)), multipart_threshold=5 * MIB
    )
    assert outcome.ok, outcome.error
    assert wire.count(UploadPart) < 3


# From bucket to bucket


@pytest.fixture
def source(bucket):
    from upload_client.s3.bucket import Bucket

    return Bucket(bucket.name, prefix="source/", client=bucket.client)


def copies(source, bucket, *tasks, script=None, **options):
    wire = Recording(BotoWire(bucket, source), script)
    return run(TransferEngine(DataRoot(source), bucket, wire=wire, **options), *tasks), wire


def copy_task(source, key, row=0, **details):
    listed = next(iter(source.list(key)))
    return TransferTask(row, key, key, key, size=listed.size, source_etag=listed.etag, **details)


def requests_of_a_copy(url):
    """A store that does not say a copy's checksum when it is made, as S3 does, is asked for it."""
    return 2 if checking_store.is_seaweedfs(url) else 1


def test_an_object_is_copied_in_one_request(checking_bucket, checking_url, tmp_path):
    from upload_client.s3.bucket import Bucket

    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    etag = source.put("a b+é", b"content").etag
    (outcome,), wire = copies(
        source, checking_bucket, copy_task(source, "a b+é", checksum=crc32_of(b"content"))
    )
    assert outcome.ok, outcome.error
    assert checking_bucket.read("a b+é") == b"content"
    assert (outcome.crc32, outcome.source_etag, outcome.bytes_sent) == (crc32_of(b"content"), etag, 0)
    assert outcome.mtime_ns is None
    assert len(wire.asked) == requests_of_a_copy(checking_url)


def test_a_copy_says_its_checksum_whatever_the_store(source, bucket):
    source.put("a", b"content")
    (outcome,), _ = copies(source, bucket, copy_task(source, "a"))
    assert outcome.ok, outcome.error
    assert outcome.crc32 == crc32_of(b"content")


def test_a_copy_that_is_not_what_the_index_says_is_no_success(source, bucket):
    source.put("a", b"content")
    (outcome,), _ = copies(source, bucket, copy_task(source, "a", checksum=crc32_of(b"indexed")))
    assert (outcome.ok, outcome.again) == (False, False)
    assert "does not match the checksum in the index" in outcome.error


def test_a_source_object_that_changed_since_the_listing_is_not_copied(checking_bucket):
    from upload_client.s3.bucket import Bucket

    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    source.put("a", b"before")
    stale = copy_task(source, "a")
    source.put("a", b"after")
    (outcome,), _ = copies(source, checking_bucket, stale)
    assert (outcome.ok, outcome.again) == (False, False)
    assert "has changed" in outcome.error
    assert checking_bucket.head("a") is None


def test_a_source_object_that_is_gone_is_told(source, bucket):
    source.put("a", b"content")
    stale = copy_task(source, "a")
    source.rm("a")
    (outcome,), _ = copies(source, bucket, stale)
    assert (outcome.ok, outcome.again, outcome.error) == (False, False, "is not there")


def test_a_copy_replaces_what_nobody_expected_on_its_etag(checking_bucket):
    from upload_client.s3.bucket import Bucket

    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    source.put("a", b"content")
    checking_bucket.put("a", b"theirs")
    (outcome,), wire = copies(source, checking_bucket, copy_task(source, "a"))
    assert outcome.ok, outcome.error
    assert wire.count(CopyObject) == 2
    assert checking_bucket.read("a") == b"content"


def test_a_copy_above_the_limit_goes_in_parts(checking_bucket, monkeypatch):
    from upload_client.s3.bucket import Bucket
    from upload_client.transfer import copy, file_steps

    monkeypatch.setattr(file_steps, "MULTIPART_COPY_LIMIT", 10 * MIB)
    monkeypatch.setattr(copy, "_COPY_PART", 5 * MIB)
    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    data = noise(11 * MIB)
    source.put("a", data)
    (outcome,), wire = copies(source, checking_bucket, copy_task(source, "a", checksum=crc32_of(data)))
    assert outcome.ok, outcome.error
    assert outcome.crc32 == crc32_of(data) == checking_bucket.head("a").crc32
    assert wire.count(UploadPart) == wire.count(PutObject) == 0


@pytest.mark.parametrize("status", [500, 0])
def test_a_long_copy_that_fails_in_one_request_goes_in_parts_and_a_short_one_again(
    checking_bucket, monkeypatch, status
):
    from upload_client.s3.bucket import Bucket
    from upload_client.transfer import copy, file_steps

    monkeypatch.setattr(file_steps, "LONG_COPY", 11 * MIB)
    monkeypatch.setattr(copy, "_COPY_PART", 5 * MIB)
    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    data = {"long": noise(11 * MIB), "short": noise(10 * MIB)}
    for name, body in data.items():
        source.put(name, body)
    failed = Answer(status, "InternalError" if status else "ReadTimeoutError")
    left = {"long": 100, "short": 1}

    def script(request, perform):
        if isinstance(request, CopyObject) and left[request.key]:
            left[request.key] -= 1
            return failed
        return perform(request)

    tasks = [
        copy_task(source, name, row, checksum=crc32_of(body)) for row, (name, body) in enumerate(data.items())
    ]
    outcomes, wire = copies(source, checking_bucket, *tasks, script=script)
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert left == {"long": 99, "short": 0}
    assert wire.count(CreateUpload) == 1
    for name, body in data.items():
        assert checking_bucket.head(name).crc32 == crc32_of(body)


@pytest.mark.parametrize("tags", [{}, {"kind": "raw + new", "ü": "a=b@c"}], ids=["no tags", "tags"])
def test_a_copy_in_parts_has_what_a_copy_in_one_request_has(checking_bucket, monkeypatch, tags):
    from upload_client.s3.bucket import Bucket
    from upload_client.transfer import file_steps

    client = checking_bucket.client
    source = Bucket(checking_bucket.name, prefix="source/", client=client)
    described = {
        "ContentType": "image/fits",
        "ContentDisposition": "attachment",
        "CacheControl": "no-cache",
        "Metadata": {"instrument": "spectrograph"},
    }
    tagging = {"Tagging": urlencode(tags)} if tags else {}
    body = noise(11 * MIB)
    client.put_object(Bucket=source.name, Key="source/a", Body=body, **described, **tagging)

    def copied():
        (outcome,), _ = copies(source, checking_bucket, copy_task(source, "a"))
        assert outcome.ok, outcome.error
        place = {"Bucket": checking_bucket.name, "Key": f"{checking_bucket.prefix}a"}
        said = client.head_object(**place)
        found = {tag["Key"]: tag["Value"] for tag in client.get_object_tagging(**place)["TagSet"]}
        checking_bucket.rm("a")
        return said["ETag"], {name: said.get(name) for name in described}, found

    whole, *of_whole = copied()
    monkeypatch.setattr(file_steps, "MULTIPART_COPY_LIMIT", 10 * MIB)
    parted, *of_parts = copied()
    assert whole != parted
    assert of_parts == of_whole == [described, tags]


def test_a_crowd_of_copies_takes_hardly_more_than_one_request_each(checking_bucket, checking_url):
    from upload_client.s3.bucket import Bucket

    source = Bucket(checking_bucket.name, prefix="source/", client=checking_bucket.client)
    for row in range(100):
        source.put(f"{row:03d}", b"content %d" % row)
    tasks = [
        TransferTask(row, entry.key, entry.key, entry.key, size=entry.size, source_etag=entry.etag)
        for row, entry in enumerate(source.list())
    ]
    outcomes, wire = copies(source, checking_bucket, *tasks, n_threads=8)
    assert all(outcome.ok for outcome in outcomes)
    assert len(wire.asked) <= 1.05 * requests_of_a_copy(checking_url) * len(tasks)


# The data plane alone


def test_send_files_yields_one_outcome_a_file_and_tells_its_progress(bucket, tmp_path, engine):
    tasks = []
    for row in range(20):
        (tmp_path / f"{row}").write_bytes(noise(row * 100))
        tasks.append(task(tmp_path / f"{row}", row))
    sent = []
    outcomes = list(
        send_files(tasks, DataRoot(tmp_path), bucket, n_threads=3, on_progress=sent.append, engine=engine)
    )
    assert sorted(outcome.row for outcome in outcomes) == list(range(20))
    assert all(outcome.ok for outcome in outcomes)
    assert sum(sent) == sum(row * 100 for row in range(20))


def test_a_consumer_that_leaves_early_leaves_no_worker_behind(moto_bucket, tmp_path, engine):
    tasks = []
    for row in range(50):
        (tmp_path / f"{row}").write_bytes(b"x")
        tasks.append(task(tmp_path / f"{row}", row))
    before = set(threading.enumerate())
    outcomes = send_files(tasks, DataRoot(tmp_path), moto_bucket, n_threads=2, engine=engine)
    next(outcomes)
    outcomes.close()
    ours = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("transfer-")]
    for thread in ours:
        thread.join(60)
    assert [thread.name for thread in ours if thread.is_alive()] == []


@pytest.mark.parametrize("size", [5, 6 * MIB], ids=["whole", "in parts"])
def test_a_strict_file_replaces_nothing_but_what_is_expected(checking_bucket, tmp_path, size):
    path = tmp_path / "file.bin"
    path.write_bytes(noise(size))
    expected = checking_bucket.put("file.bin", b"what was there").etag
    theirs = checking_bucket.put("file.bin", b"somebody else was quicker")
    for expect in (expected, None):
        [outcome] = transfer(
            tmp_path,
            checking_bucket,
            task(path, expect_etag=expect, strict=True),
            multipart_threshold=5 * MIB,
        )[0]
        assert not outcome.ok
        assert checking_bucket.read("file.bin") == b"somebody else was quicker"
    [outcome] = transfer(
        tmp_path,
        checking_bucket,
        task(path, expect_etag=theirs.etag, strict=True),
        multipart_threshold=5 * MIB,
    )[0]
    assert outcome.ok
    assert checking_bucket.read("file.bin") == noise(size)


def test_a_strict_file_is_sent_again_after_a_lost_answer(checking_bucket, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"mine")
    expected = checking_bucket.put("file.bin", b"old").etag
    [outcome] = transfer(
        tmp_path,
        checking_bucket,
        task(path, expect_etag=expected, strict=True),
        script=once(PutObject, lose_answer),
    )[0]
    assert outcome.ok
    assert checking_bucket.read("file.bin") == b"mine"
