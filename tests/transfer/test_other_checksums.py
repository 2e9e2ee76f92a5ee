"""Checksums that an index has besides CRC32: held against content that is read, or against S3's word."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import threading
import uuid
import zlib

import pytest

from upload_client.core import digests
from upload_client.core.digests import ALGORITHMS, Digests
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire
from upload_client.s3.route import Route
from upload_client.s3.sigv4 import UNSIGNED_PAYLOAD
from upload_client.s3.wire import BotoWire, PutObject
from upload_client.support.local_file import LocalFile
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.upload import _InOrder

MIB = 1024**2
ENGINES = pytest.mark.parametrize("engine", ["boto3", "direct"])


def content(size):
    return random.Random(size).randbytes(size)


def expected(data, *names):
    found = Digests(names)
    found.update(data)
    return tuple((name, found.digest(name)) for name in names)


def send(tmp_path, bucket, data, known, *, sha256=False, **options):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    task = TransferTask(0, "a.bin", str(path), "a.bin", size=len(data), digests=known, sha256=sha256)
    (outcome,) = send_files([task], DataRoot(tmp_path), bucket, **options)
    return outcome


def wrong(known, name):
    return tuple((each, bytes(len(value)) if each == name else value) for each, value in known)


@ENGINES
@pytest.mark.parametrize("size", [0, 100, 3 * MIB, 11 * MIB], ids=["empty", "small", "whole", "parts"])
def test_a_file_that_has_all_of_them_is_sent(tmp_path, bucket, engine, size):
    data = content(size)
    options = {"engine": engine, "multipart_threshold": 8 * MIB, "part_size": 5 * MIB, "n_threads": 4}
    outcome = send(tmp_path, bucket, data, expected(data, *ALGORITHMS), **options)
    assert outcome.ok, outcome
    assert bucket.read("a.bin") == data


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("size", [100, 3 * MIB, 11 * MIB], ids=["small", "whole", "parts"])
def test_a_file_that_has_another_one_is_not(tmp_path, moto_bucket, name, size):
    data = content(size)
    known = wrong(expected(data, *ALGORITHMS), name)
    options = {"multipart_threshold": 8 * MIB, "part_size": 5 * MIB, "n_threads": 4}
    outcome = send(tmp_path, moto_bucket, data, known, **options)
    assert not outcome.ok
    assert (
        outcome.error == f"the file's content does not match the {name} checksum in the index or a manifest"
    )
    assert not outcome.again
    assert moto_bucket.ls() == ()
    listed = moto_bucket.client.list_multipart_uploads(Bucket=moto_bucket.name)
    assert not listed.get("Uploads"), "nothing is left behind"


@ENGINES
def test_s3_is_given_the_two_that_it_checks_beside_crc32(tmp_path, moto_bucket, engine, monkeypatch):
    asked = []
    wire = {"direct": DirectWire, "boto3": BotoWire}[engine]
    real = wire.perform
    monkeypatch.setattr(wire, "perform", lambda self, request: asked.append(request) or real(self, request))
    data = content(MIB)
    assert send(tmp_path, moto_bucket, data, expected(data, "md5", "sha256"), engine=engine).ok
    (put,) = [request for request in asked if isinstance(request, PutObject)]
    assert put.md5 == base64.b64encode(hashlib.md5(data).digest()).decode()
    assert put.sha256 == hashlib.sha256(data).hexdigest()


@ENGINES
def test_a_store_that_checks_refuses_what_has_another_md5(checking_bucket, engine):
    data = content(1000)
    crc32 = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    wire = {"direct": DirectWire, "boto3": BotoWire}[engine](checking_bucket)
    try:
        refused = wire.perform(PutObject("a", data, crc32, None, md5=digests.encode(bytes(16))))
        assert refused.status == 400, refused
        good = digests.encode(hashlib.md5(data).digest())
        assert wire.perform(PutObject("a", data, crc32, None, md5=good)).ok
    finally:
        wire.close()


@pytest.mark.parametrize("sha256", [None, "ab" * 32])
def test_a_sha256_that_is_known_is_what_the_request_is_signed_with(moto_bucket, sha256, monkeypatch):
    """S3 compares it with the content, over TLS too, where otherwise none would be computed."""
    signed = []
    real = Route.head
    monkeypatch.setattr(
        Route, "head", lambda self, request, payload: signed.append(payload) or real(self, request, payload)
    )
    wire = DirectWire(moto_bucket, unsigned_payload=True)
    wire.perform(PutObject("a", b"", "AAAAAA==", None, sha256=sha256))
    wire.close()
    assert signed == [sha256 or UNSIGNED_PAYLOAD]


def test_hashes_of_a_file_in_parts_are_computed_while_it_is_sent_in_whatever_order(tmp_path):
    data = content(10 * MIB + 7)
    (tmp_path / "a").write_bytes(data)

    class Parts:
        n_parts = 11

        def extent(self, index):
            return index * MIB, min(MIB, len(data) - index * MIB)

    with DataRoot(tmp_path).open("a") as file:
        hashes = _InOrder(file, ["md5", "sha512"], Parts())
        crcs = [zlib.crc32(data[index * MIB : (index + 1) * MIB]) for index in range(11)]
        order = list(range(11))
        random.Random(3).shuffle(order)
        threads = [
            threading.Thread(
                target=lambda some: [hashes.was_read(index, crcs[index]) for index in some],
                args=(order[n::3],),
            )
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert hashes._next == 11, "nothing is left for the end"
        hashes.finish()
        assert hashes.digest("md5") == hashlib.md5(data).digest()
        assert hashes.digest("sha512") == hashlib.sha512(data).digest()


def test_an_upload_that_is_resumed_is_held_against_the_whole_file(tmp_path, checking_bucket):
    """With the parts that an earlier run has sent, in another size than this run would choose."""
    data = content(16 * MIB)
    client, name, key = checking_bucket.client, checking_bucket.name, f"{checking_bucket.prefix}a.bin"
    made = client.create_multipart_upload(
        Bucket=name, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )
    client.upload_part(
        Bucket=name,
        Key=key,
        UploadId=made["UploadId"],
        PartNumber=1,
        Body=data[: 6 * MIB],
        ChecksumAlgorithm="CRC32",
    )
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    for known in (
        wrong(expected(data, "sha256", "crc64nvme"), "sha256"),
        expected(data, "sha256", "crc64nvme"),
    ):
        task = TransferTask(
            0,
            "a.bin",
            str(path),
            "a.bin",
            size=len(data),
            digests=known,
            unfinished=(made["UploadId"],),
            sha256=True,
        )
        (outcome,) = send_files([task], DataRoot(tmp_path), checking_bucket, multipart_threshold=8 * MIB)
    assert outcome.ok, outcome
    assert checking_bucket.read("a.bin") == data


@ENGINES
@pytest.mark.parametrize("size", [0, 100, 3 * MIB, 21 * MIB], ids=["empty", "small", "whole", "parts"])
def test_sha256_is_computed_of_what_is_sent_where_that_is_asked_for(tmp_path, bucket, engine, size):
    data = content(size)
    options = {"engine": engine, "multipart_threshold": 8 * MIB, "part_size": 5 * MIB, "n_threads": 4}
    assert send(tmp_path, bucket, data, (), sha256=True, **options).sha256 == hashlib.sha256(data).hexdigest()
    assert bucket.read("a.bin") == data


def test_what_the_index_has_and_was_compared_is_told_and_nothing_else(tmp_path, moto_bucket):
    data = content(100)
    assert send(tmp_path, moto_bucket, data, ()).sha256 is None
    moto_bucket.client.delete_object(Bucket=moto_bucket.name, Key=f"{moto_bucket.prefix}a.bin")
    assert (
        send(tmp_path, moto_bucket, data, expected(data, "sha256")).sha256 == hashlib.sha256(data).hexdigest()
    )


def test_a_file_in_parts_that_changes_under_its_own_time_has_no_sha256(tmp_path, moto_bucket, monkeypatch):
    """Its parts out of turn are read twice, and its time can be set: what is hashed must be what was sent."""
    path = tmp_path / "a.bin"
    real = _InOrder._go_on

    def change_first(self):
        if not changed:
            changed.append(1)
            before = path.stat()
            with path.open("r+b") as file:
                file.write(b"another")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        real(self)

    changed = []
    monkeypatch.setattr(_InOrder, "_go_on", change_first)
    monkeypatch.setattr(LocalFile, "check_unchanged", lambda _: None)  # as where a clock is too coarse
    options = {"multipart_threshold": 8 * MIB, "part_size": 5 * MIB, "n_threads": 1}
    outcome = send(tmp_path, moto_bucket, content(11 * MIB), (), sha256=True, **options)
    assert (outcome.ok, outcome.code, outcome.sha256) == (False, "changed", None)


# From a bucket


@pytest.fixture
def source(bucket):
    """Another bucket of the same store."""
    name = f"source-{uuid.uuid4().hex[:12]}"
    bucket.client.create_bucket(Bucket=name)
    return Bucket(name, client=bucket.client)


def copy(source, bucket, known, *, sha256=False):
    task = TransferTask(0, "a.bin", "a.bin", "a.bin", digests=known, sha256=sha256)
    (outcome,) = send_files([task], DataRoot(source), bucket)
    return outcome


def test_of_a_source_in_s3_they_are_compared_with_what_s3_says(source, bucket):
    data = content(1000)
    source.client.put_object(Bucket=source.name, Key="a.bin", Body=data, ChecksumAlgorithm="SHA256")
    good = expected(data, "sha256", "md5")
    assert copy(source, bucket, good).ok
    assert bucket.read("a.bin") == data
    for name in ("sha256", "md5"):
        outcome = copy(source, bucket, wrong(good, name))
        assert outcome.error == f"the object's content does not match the {name} checksum in the index"
        assert not outcome.again


def test_of_a_copy_sha256_is_what_the_source_says_or_nothing(source, bucket):
    data = content(1000)
    source.client.put_object(Bucket=source.name, Key="a.bin", Body=data, ChecksumAlgorithm="SHA256")
    assert copy(source, bucket, (), sha256=True).sha256 == hashlib.sha256(data).hexdigest()
    bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}a.bin")
    source.put("a.bin", data)
    outcome = copy(source, bucket, (), sha256=True)
    assert (outcome.ok, outcome.sha256) == (True, None)


def test_what_the_store_does_not_say_is_told_and_not_compared(source, bucket):
    data = content(1000)
    source.put("a.bin", data)
    outcome = copy(source, bucket, expected(data, "sha512", "md5"))
    assert outcome.ok
    assert outcome.unproven == ("sha512",)


def test_a_copy_in_parts_is_compared_too(checking_bucket, monkeypatch):
    monkeypatch.setattr("upload_client.transfer.file_steps.MULTIPART_COPY_LIMIT", 6 * MIB)
    monkeypatch.setattr("upload_client.transfer.copy._COPY_PART", 5 * MIB)
    data = content(11 * MIB)
    checking_bucket.put("from/a.bin", data)
    there = Bucket(
        checking_bucket.name, prefix=f"{checking_bucket.prefix}from/", client=checking_bucket.client
    )
    good = expected(data, "sha1", "md5")
    assert copy(there, checking_bucket, wrong(good, "md5")).error.endswith("the md5 checksum in the index")
    outcome = copy(there, checking_bucket, good)
    assert outcome.error is None
    assert (outcome.ok, outcome.unproven) == (True, ("sha1",))
