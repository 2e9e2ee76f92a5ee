"""One face for a directory and a bucket; files that are what they seem."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import pytest

from upload_client.core.files import ClientFile
from upload_client.s3.bucket import Bucket
from upload_client.support import local_file
from upload_client.transfer import DataRoot, FileRefused

CRC = base64.b64encode(zlib.crc32(b"content").to_bytes(4, "big")).decode()


def client_file(path: Path, checksum: str | None = None) -> ClientFile:
    return ClientFile(str(path), path.name, "ready", 0, 2, None, checksum)


@pytest.mark.parametrize("source", ["s3://bucket", "/tmp", None, 7])
def test_another_type_of_source_is_a_type_error(source):
    with pytest.raises(TypeError):
        DataRoot(source)


def test_a_local_file_is_uploaded_and_its_etag_returned(bucket, tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    etag = DataRoot(tmp_path).cp(client_file(tmp_path / "a", CRC), bucket)
    assert bucket.read("a") == b"content"
    assert etag == bucket.head("a").etag


def test_what_was_there_is_replaced(bucket, tmp_path):
    bucket.put("a", b"before")
    (tmp_path / "a").write_bytes(b"content")
    DataRoot(tmp_path).cp(client_file(tmp_path / "a"), bucket)
    assert bucket.read("a") == b"content"


def test_an_object_is_copied_by_the_server(bucket):
    source = Bucket(bucket.name, prefix="source/", client=bucket.client)
    source.put("a", b"content")
    etag = DataRoot(source).cp(ClientFile("s3://…/a", "a", "ready", 0, 2, None, CRC), bucket)
    assert bucket.read("a") == b"content"
    assert etag == bucket.head("a").etag


def test_a_file_that_cannot_be_sent_is_told(bucket, tmp_path):
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(FileRefused, match="checksum"):
        DataRoot(tmp_path).cp(client_file(tmp_path / "a", CRC), bucket)
    with pytest.raises(FileRefused, match="not there"):
        DataRoot(tmp_path).cp(client_file(tmp_path / "b"), bucket)


def test_a_directory_is_listed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"")
    root = DataRoot(tmp_path)
    assert root.ls() == ("a", "folder/")
    assert root.ls("folder") == root.ls(Path("folder")) == ("folder/b",)


def test_a_prefix_is_listed(bucket):
    bucket.put("folder/b", b"")
    bucket.put("a", b"")
    root = DataRoot(bucket)
    assert root.ls() == ("a", "folder/b")
    assert root.ls("folder/") == ("folder/b",)


@pytest.mark.parametrize("key", ["..", "folder/../..", "/etc"])
def test_nothing_outside_the_root_is_listed(tmp_path, key):
    (tmp_path / "root" / "folder").mkdir(parents=True)
    with pytest.raises(FileRefused):
        DataRoot(tmp_path / "root").ls(key)


def test_a_file_is_found_by_its_relative_and_by_its_absolute_path(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"content")
    root = DataRoot(tmp_path)
    for path in ("folder/a", str(tmp_path / "folder" / "a")):
        with root.open(path) as file:
            assert file.read(7) == b"content"
            assert file.fingerprint.size == 7


def test_a_root_that_is_a_symlink_itself_holds_what_is_in_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    for path in ("a", str(tmp_path / "link" / "a"), str(tmp_path / "real" / "a")):
        with DataRoot(tmp_path / "link").open(path) as file:
            assert file.read(7) == b"content"


def test_an_absolute_path_elsewhere_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"secret")
    with pytest.raises(FileRefused, match="outside"):
        DataRoot(tmp_path / "root").open(str(tmp_path / "elsewhere"))


def test_a_symlink_in_a_circle_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(FileRefused):
        DataRoot(tmp_path).open("a")


def test_a_dangling_symlink_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("nothing")
    with pytest.raises(FileRefused, match="not there"):
        DataRoot(tmp_path).open("a")


def test_a_device_is_refused():
    if not Path("/dev/null").exists():
        pytest.skip("no devices here")
    with pytest.raises(FileRefused, match="not a regular file"):
        DataRoot(Path("/dev")).open("null")


def test_what_must_not_be_opened_leaves_no_descriptor_open(tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("no way to count descriptors here")
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("link", "nothing", str(tmp_path / "elsewhere"), str(tmp_path / "root")):
        with pytest.raises(FileRefused):
            DataRoot(tmp_path / "root").open(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("outside", [False, True])
def test_where_descriptors_have_no_path_the_path_is_resolved(tmp_path, monkeypatch, outside):
    monkeypatch.setattr(local_file, "_path_of", lambda fd: None)  # Windows, the BSDs
    root = tmp_path / "root"
    (tmp_path / "other").mkdir()
    root.mkdir()
    (tmp_path / "other" / "a").write_bytes(b"content")
    if outside:
        (root / "folder").symlink_to("../other")
        with pytest.raises(FileRefused, match="outside"):
            DataRoot(root).open("folder/a")
    else:
        (root / "folder").mkdir()
        (root / "folder" / "a").write_bytes(b"content")
        with DataRoot(root).open("folder/a") as file:
            assert file.read(7) == b"content"


@pytest.mark.parametrize("offset", [0, 3])
def test_reading_where_there_is_no_preadv(tmp_path, monkeypatch, offset):
    monkeypatch.setattr(local_file, "_HAS_PREADV", False)
    (tmp_path / "a").write_bytes(b"0123456789")
    buffer = bytearray(4)
    with DataRoot(tmp_path).open("a") as file:
        file.read_into(memoryview(buffer), offset)
    assert buffer == b"0123456789"[offset : offset + 4]


def test_reading_beyond_the_end_is_a_change(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with DataRoot(tmp_path).open("a") as file:
        with pytest.raises(FileRefused, match="changed"):
            file.read(11)
        with pytest.raises(FileRefused, match="changed"):
            file.read_into(memoryview(bytearray(11)))


def test_reads_may_come_in_pieces(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(bytes(range(100)))
    read = local_file._pread
    monkeypatch.setattr(local_file, "_pread", lambda fd, size, offset: read(fd, min(size, 7), offset))
    with DataRoot(tmp_path).open("a") as file:
        assert file.read(90, 5) == bytes(range(5, 95))
