"""A source that changes while it is sent is never completed as an object."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from delivery.conftest import Delivery, content
from faults.conftest import BOTH, PART, Network, client_of, records_of, unfinished
from faults.proxy import Exchange

from upload_client import Bucket
from upload_client.core import checksums
from upload_client.core.records import Transferred
from upload_client.support.local_file import LocalFile


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"other content")


def overwrite_and_set_the_time_back(path: Path) -> None:
    """As programs do that write into a file and keep its time: exiftool -P, say."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"what has been read by now")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(bytes(path.stat().st_size))
    new.replace(path)


def touch(path: Path) -> None:
    os.utime(path)


def delete(path: Path) -> None:
    path.unlink()


def replace_with_link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)


CHANGES = [
    overwrite,
    overwrite_and_set_the_time_back,
    truncate,
    append,
    replace,
    touch,
    delete,
    replace_with_link,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    dice = random.Random(3)
    for change in CHANGES:
        (made / f"{change.__name__}.bin").write_bytes(dice.randbytes(PART + 999))
    return made


def deliver(delivery: Delivery, folder: Path, network: Network) -> None:
    """Deliver files, each of which changes in its own way while it is sent; and again."""
    index = pd.DataFrame({"path": sorted(content(folder))})  # with no checksum that would tell
    with client_of(delivery, folder, network.settings, index=index, n_threads=1) as client:
        outcome = client.run()
    assert outcome.exit_code == 4, outcome
    assert delivery.landed() == {}
    assert unfinished(delivery) == []
    for file in client.files:
        assert file.state == "failed", f"nobody noticed: {file.relpath}"
        assert file.message in {
            "changed while it was being sent",
            "vanished while it was being sent",
            "lies outside the source: a symlink leads out of it",
        }
    (folder / "replace_with_link.bin").unlink(missing_ok=True)
    with client_of(delivery, folder) as client:
        assert client.run().exit_code == 0, client.outcome
    assert delivery.landed() == content(folder)
    assert len(content(folder)) == 6


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody replace a file that is open")
def test_what_changes_between_two_parts_is_not_completed(
    delivery: Delivery, folder: Path, network: Network
) -> None:
    def meddle(change: Callable[[Path], None]):
        def fault(x: Exchange) -> None:
            change(folder / f"{change.__name__}.bin")
            x.send(x.forward().raw)

        return fault

    for change in CHANGES:
        network.s3.on(meddle(change), method="PUT", path=f"/staging/{change.__name__}.bin$", query="uploadId")
    deliver(delivery, folder, network)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
def test_a_file_of_which_only_permissions_and_links_change_is_sent(
    delivery: Delivery, tmp_path: Path, network: Network
) -> None:
    """As backups do to what they link."""
    folder = tmp_path / "data"
    folder.mkdir()
    bodies = {"small.bin": b"1" * 1000, "large.bin": random.Random(3).randbytes(PART + 999)}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)

    def link(x: Exchange) -> None:
        name = x.request.path.rpartition("/")[2]
        os.link(folder / name, tmp_path / f"{name}-{x.request.number}")
        (folder / name).chmod(0o600)
        x.send(x.forward().raw)

    network.s3.on(link, method="PUT", path=r"/staging/(small|large)\.bin$", times=3)
    with client_of(delivery, folder, network.settings, n_threads=1) as client:
        assert client.run().exit_code == 0, client.outcome
    assert delivery.landed() == bodies


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody replace a file that is open")
@pytest.mark.parametrize("read", ["read", "read_into"])
def test_what_changes_between_read_and_send_is_not_sent(
    delivery: Delivery, folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    for path in folder.iterdir():
        os.truncate(path, 3 * PART // 5 if read == "read_into" else 50_000)
    changed = set()
    original = getattr(LocalFile, read)

    def reading(self: LocalFile, *arguments):
        result = original(self, *arguments)
        for change in CHANGES:
            name = f"{change.__name__}.bin"
            if name not in changed and name in str(self.path):
                changed.add(name)
                change(folder / name)
        return result

    monkeypatch.setattr(LocalFile, read, reading)
    deliver(delivery, folder, network)


@pytest.mark.parametrize("size", [1000, 3 * PART], ids=["whole", "in parts"])
def test_what_is_modified_again_at_the_same_time_as_its_file_system_tells_it_is_sent_again(
    delivery: Delivery, tmp_path: Path, size: int
) -> None:
    """As on FAT, whose times are two seconds apart: neither size nor time is another."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    now = int(time.time()) + 3600  # however slow this machine is, it was not modified long ago

    def write(content: bytes) -> None:
        (folder / "a.bin").write_bytes(content)
        os.utime(folder / "a.bin", (now, now))

    write(b"1" * size)
    with client_of(delivery, folder) as client:
        assert client.run().exit_code == 0, client.outcome
    write(b"2" * size)
    with client_of(delivery, folder) as client:
        assert client.run().exit_code == 0, client.outcome
    assert delivery.landed() == {"a.bin": b"2" * size}
    (sent,) = (each for each in records_of(delivery, "client", Transferred) if each.upload.epoch == 2)
    assert sent.upload.mtime_ns is None
    with client_of(delivery, folder) as client:
        assert client.run().exit_code == 0, client.outcome
    assert {each.upload.epoch for each in records_of(delivery, "client", Transferred)} == {1, 2}


def test_nor_is_what_was_found_in_place_known_again_by_a_time_that_it_may_have_again(
    delivery: Delivery, tmp_path: Path
) -> None:
    """A file that had landed when the plug was pulled is read, and modified before its time moves on."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    now = int(time.time()) + 3600

    def write(content: bytes) -> None:
        (folder / "a.bin").write_bytes(content)
        os.utime(folder / "a.bin", (now, now))

    index = pd.DataFrame({"path": ["a.bin"]})  # which says of no file what it holds
    write(b"1" * 1000)
    sandbox = delivery.receiver.sandbox
    landing = Bucket(sandbox.landing_bucket, prefix=delivery.landing, client=sandbox.client("s3"))
    landing.put("a.bin", b"1" * 1000)  # and no log says so
    with client_of(delivery, folder, index=index) as client:
        outcome = client.run()
    assert (outcome.exit_code, outcome.files_sent) == (0, 0), outcome
    write(b"2" * 1000)
    with client_of(delivery, folder, index=index) as client:
        assert client.run().exit_code == 0, client.outcome
    assert delivery.landed() == {"a.bin": b"2" * 1000}


@pytest.mark.parametrize("calm", BOTH, indirect=True)
def test_a_copy_that_is_not_what_the_index_says_is_announced_to_nobody_until_the_index_agrees(
    delivery: Delivery,
) -> None:
    s3, name = delivery.receiver.sandbox.client("s3"), f"source-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    bodies = {"other.csv": b"a,b\n1,2\n", "right.csv": b"a,b\n3,4\n"}
    for key, body in bodies.items():
        s3.put_object(Bucket=name, Key=key, Body=body, ChecksumAlgorithm="CRC32")
    crc32s = [checksums.encode(checksums.crc32(body)) for body in bodies.values()]
    index = pd.DataFrame({"path": list(bodies), "checksum": ["AAAAAA==", crc32s[1]]})
    with client_of(delivery, f"s3://{name}/", index=index) as client:
        outcome = client.run()
    assert outcome.exit_code == 4, outcome
    assert outcome.receipt is None
    assert [file.state for file in client.files] == ["failed", "valid"]
    assert "stays in the landing bucket, not announced" in next(iter(client.files)).message
    assert [record.path for record in records_of(delivery, "client", Transferred)] == ["right.csv"]
    with client_of(delivery, f"s3://{name}/", index=index.assign(checksum=crc32s)) as client:
        again = client.run()
    assert (again.exit_code, again.files_sent) == (0, 0), again
    assert delivery.landed() == bodies
