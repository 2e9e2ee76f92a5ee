"""Where it goes: S3, FTP, FTP with TLS, SFTP, a folder; whole or not at all, resumed where that is safe."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from email.header import decode_header, make_header
from pathlib import Path

import pytest
import requests

from upload_client.activities import (
    DataSource,
    DeliveryActivity,
    FtpClient,
    FtpFileWriter,
    LocalFileWriter,
    RetryingActivity,
    S3Client,
    S3FileWriter,
    SftpClient,
    SftpFileWriter,
)
from upload_client.activities.errors import NotDelivered
from upload_client.activities.local import _Folder
from upload_client.errors import DeliveryError, Interrupted, LoginRefused, NotReachable, UsageError

from .conftest import PASSWORD, USER

MIB = 1024**2
LARGE = secrets.token_bytes(5 * MIB + 12_345)


def deliver(source, writer, **metadata):
    activity = DeliveryActivity(DataSource.call(source) if callable(source) else source, writer, metadata)
    activity.start()
    return activity.metadata


def breaks_off():
    yield LARGE[: 3 * MIB]
    raise RuntimeError("the source has broken")


# --- all of them ---


@pytest.fixture(params=["local", "ftp", "ftps", "sftp"])
def place(request, tmp_path, trusted):
    """A writer of each kind, and the folder where its files are."""
    kind = request.param
    if kind == "local":
        return LocalFileWriter(tmp_path / "local"), tmp_path / "local"
    if kind == "sftp":
        server = request.getfixturevalue("ssh_server")
        client = SftpClient(
            "127.0.0.1", USER, PASSWORD, port=server.port, known_hosts=server.known_hosts, timeout=10
        )
        return SftpFileWriter(client), server.root
    server = request.getfixturevalue("ftp_server")(tls=kind == "ftps")
    host = "localhost" if kind == "ftps" else "127.0.0.1"
    client = FtpClient(
        host, USER, PASSWORD, port=server.port, tls=kind == "ftps", context=trusted, timeout=10
    )
    return FtpFileWriter(client), server.root


def files(root):
    found = {}
    for path in root.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a server may be taking away what was not finished
            if path.is_file():
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def test_a_file_arrives_with_its_folders_and_again_in_place_of_the_first(place):
    writer, root = place
    assert deliver("first", writer, filename="out/täg 1/x.csv")["size"] == 5
    assert files(root) == {"out/täg 1/x.csv": b"first"}
    deliver(lambda: LARGE, writer, filename="out/täg 1/x.csv")
    deliver(lambda: b"", writer, filename="out/empty")
    assert files(root) == {"out/täg 1/x.csv": LARGE, "out/empty": b""}


def test_what_breaks_off_leaves_what_was_there(place):
    writer, root = place
    deliver("the old one", writer, filename="x.csv")
    with pytest.raises(RuntimeError, match="the source has broken"):
        deliver(breaks_off, writer, filename="x.csv")
    assert files(root)["x.csv"] == b"the old one"
    deliver("the new one", writer, filename="x.csv")
    assert files(root) == {"x.csv": b"the new one"}


def test_what_is_stopped_leaves_nothing_under_its_name(place):
    writer, root = place
    activity = None

    def stops():
        yield LARGE
        activity.stop()
        yield LARGE

    activity = DeliveryActivity(stops, writer, {"filename": "x.csv"})
    with pytest.raises(Interrupted):
        activity.start()
    assert "x.csv" not in files(root)


@pytest.mark.parametrize("name", ["", None, "../x", "a/../../x", "x\r\nDELE y", "x/"])
def test_a_path_that_leads_astray_is_refused_before_anything_is_read(place, name):
    writer, root = place
    with pytest.raises(UsageError, match="filename"):
        deliver(lambda: pytest.fail("it was read"), writer, filename=name)
    assert not root.exists() or files(root) == {}


# --- a folder ---


def test_an_absolute_path_is_taken_only_where_no_folder_is_set(tmp_path):
    deliver("x", LocalFileWriter(), filename=str(tmp_path / "a" / "x"))
    assert (tmp_path / "a" / "x").read_text() == "x"
    with pytest.raises(UsageError, match="is absolute"):
        deliver("x", LocalFileWriter(tmp_path / "b"), filename=str(tmp_path / "a" / "y"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(NotDelivered, match="Permission denied"):
        deliver("x", LocalFileWriter(tmp_path), filename="x")


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_full_disk_is_named(size):
    with pytest.raises(NotDelivered, match="/dev/full cannot be written: No space left on device"):
        _Folder(Path("/dev")).write("full", iter([b"x" * size]), 0)


# --- FTP ---


def ftp_writer(server, **options):
    return FtpFileWriter(FtpClient("127.0.0.1", USER, PASSWORD, port=server.port, timeout=10, **options))


def tried(source, writer, tries=3, **metadata):
    """Deliver, with retries."""
    RetryingActivity(DeliveryActivity(source, writer, metadata), tries=tries, delay=0).start()


@pytest.mark.parametrize("drops_control", [False, True])
def test_a_transfer_that_breaks_off_goes_on_where_it_was(ftp_server, drops_control):
    server = ftp_server()
    server.cut_after, server.drops_control = 3 * MIB + 5000, drops_control
    tried(lambda: LARGE, ftp_writer(server), filename="x.bin")
    assert files(server.root) == {"x.bin": LARGE}
    assert f"REST {3 * MIB}" in server.commands


def test_another_content_is_not_joined_to_what_an_earlier_try_has_written(ftp_server):
    server = ftp_server()
    server.cut_after = 3 * MIB + 5000
    second = LARGE[:MIB] + b"y" * (3 * MIB)
    contents = iter([LARGE, second])
    tried(lambda: next(contents), ftp_writer(server), filename="x.bin")
    assert files(server.root) == {"x.bin": second}
    assert f"REST {MIB}" in server.commands


def test_a_shorter_content_is_written_anew_where_a_longer_one_was_begun(ftp_server):
    server = ftp_server()
    server.cut_after = 3 * MIB + 5000
    contents = iter([LARGE, LARGE[: 2 * MIB + 7], LARGE[: 2 * MIB + 7]])
    tried(lambda: next(contents), ftp_writer(server), filename="x.bin")
    assert files(server.root) == {"x.bin": LARGE[: 2 * MIB + 7]}


def test_a_server_that_cannot_go_on_in_a_file_gets_it_anew(ftp_server):
    server = ftp_server(features=False)
    server.cut_after = 3 * MIB
    tried(lambda: LARGE, ftp_writer(server), filename="x.bin")
    assert files(server.root) == {"x.bin": LARGE}
    assert not any(command.startswith("REST") for command in server.commands)


def test_a_server_that_tells_no_sizes_is_told_of(ftp_server, caplog):
    server = ftp_server(features=False, sizes=False)
    deliver("x", ftp_writer(server), filename="x.bin")
    assert files(server.root) == {"x.bin": b"x"}
    assert "the size of x.bin cannot be checked" in caplog.text


def test_a_file_whose_size_is_wrong_over_there_is_not_renamed(ftp_server, monkeypatch):
    from pyftpdlib.filesystems import AbstractedFS

    server = ftp_server()
    monkeypatch.setattr(AbstractedFS, "getsize", lambda self, path: 3)
    with pytest.raises(NotDelivered, match=r"x.bin has 3 bytes on the server, and 5 were sent"):
        deliver("12345", ftp_writer(server), filename="x.bin")
    assert files(server.root) == {}


def test_a_connection_that_was_lost_between_two_files_is_opened_again(ftp_server):
    server = ftp_server()
    writer = ftp_writer(server)
    deliver("1", writer, filename="1")
    writer._client.connect().sock.shutdown(socket.SHUT_RDWR)
    deliver("2", writer, filename="2")
    assert set(files(server.root)) == {"1", "2"}
    assert sum(command.startswith("USER") for command in server.commands) == 2


def test_a_login_that_is_refused_is_told_without_the_password(ftp_server):
    server = ftp_server()
    client = FtpClient("127.0.0.1", USER, "hunter2", port=server.port)
    with pytest.raises(LoginRefused) as caught:
        deliver("x", FtpFileWriter(client), filename="x")
    assert "530" in str(caught.value)
    assert "hunter2" not in f"{caught.value}{client!r}{client}"


def test_a_password_may_come_from_a_function_when_it_is_needed(ftp_server):
    server = ftp_server()
    client = FtpClient("127.0.0.1", USER, lambda: PASSWORD, port=server.port)
    deliver("x", FtpFileWriter(client), filename="x")
    assert "x" in files(server.root)


def test_a_server_with_another_certificate_is_not_told_the_password(ftp_server):
    server = ftp_server(tls=True)
    client = FtpClient("localhost", USER, PASSWORD, port=server.port, tls=True)
    with pytest.raises(NotDelivered, match="certificate verify failed"):
        deliver("x", FtpFileWriter(client), filename="x")
    assert not any(command.startswith(("USER", "PASS")) for command in server.commands)


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(NotReachable, match=r"ftp://127.0.0.1:9 cannot be reached: Connection refused"):
        deliver("x", FtpFileWriter(FtpClient("127.0.0.1", port=9)), filename="x")


# --- SFTP ---


def test_an_sftp_transfer_that_breaks_off_goes_on_where_it_was(ssh_server):
    ssh_server.cut_after = 3 * MIB + 5000
    client = SftpClient(
        "127.0.0.1", USER, PASSWORD, port=ssh_server.port, known_hosts=ssh_server.known_hosts, timeout=10
    )
    tried(lambda: LARGE, SftpFileWriter(client), filename="a/x.bin")
    assert files(ssh_server.root) == {"a/x.bin": LARGE}
    sent = sum(size for _, size in ssh_server.writes)
    assert sent < 2 * len(LARGE) - MIB


def test_an_ssh_server_that_is_not_known_is_not_told_the_password(ssh_server, tmp_path):
    (tmp_path / "nobody").write_text("", encoding="utf-8")
    client = SftpClient("127.0.0.1", USER, PASSWORD, port=ssh_server.port, known_hosts=tmp_path / "nobody")
    with pytest.raises(LoginRefused, match="is not known"):
        deliver("x", SftpFileWriter(client), filename="x")


def test_an_ssh_server_with_another_key_is_not_told_the_password(ssh_server):
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    ssh_server.known_hosts.write_text(f"[127.0.0.1]:{ssh_server.port} {other}", encoding="utf-8")
    client = SftpClient("127.0.0.1", USER, PASSWORD, port=ssh_server.port, known_hosts=ssh_server.known_hosts)
    with pytest.raises(LoginRefused, match="its key has changed"):
        deliver("x", SftpFileWriter(client), filename="x")


def test_an_sftp_login_that_is_refused_is_told_without_the_password(ssh_server):
    client = SftpClient(
        "127.0.0.1", USER, "hunter2", port=ssh_server.port, known_hosts=ssh_server.known_hosts
    )
    with pytest.raises(LoginRefused, match="cannot be logged in to") as caught:
        deliver("x", SftpFileWriter(client), filename="x")
    assert "hunter2" not in f"{caught.value}{client!r}"


# --- S3 ---


def s3_writer(store, **options):
    return S3FileWriter(
        S3Client("testing", "testing", region="us-east-1", endpoint_url=store.endpoint_url), **options
    )


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_an_object_of_any_size_arrives_with_its_checksum(bucket, s3, store, size):
    data = (LARGE * 5)[:size]

    def pieces():
        for start in range(0, size, 700_000):
            yield data[start : start + 700_000]

    told = deliver(pieces, s3_writer(store), bucket=bucket.name, key="x.bin", title="Zürich\nor not")
    answer = s3.get_object(Bucket=bucket.name, Key="x.bin", ChecksumMode="ENABLED")
    assert answer["Body"].read() == data
    assert answer.get("ChecksumCRC32", told["crc32"]) == told["crc32"]
    assert str(make_header(decode_header(answer["Metadata"]["title"]))) == "Zürich\nor not"
    assert (told["size"], told["url"]) == (size, f"s3://{bucket.name}/x.bin")
    s3.delete_object(Bucket=bucket.name, Key="x.bin")


def test_nothing_is_left_of_an_object_whose_source_breaks_off(bucket, s3, store):
    def long_one():
        yield LARGE * 4
        raise RuntimeError("the source has broken")

    with pytest.raises(RuntimeError, match="the source has broken"):
        deliver(long_one, s3_writer(store), bucket=bucket.name, key="x.bin")
    assert s3.list_objects_v2(Bucket=bucket.name)["KeyCount"] == 0
    assert not s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"bucket": "Not_A_Bucket"}, "is no name of a bucket"),
        ({"key": ""}, "the key '' is empty"),
        ({"key": "a\0b"}, r"contains U\+0000"),
        ({"a b": "x"}, "cannot be a name"),
        ({"x": "y" * 3000}, "S3 takes 2,048"),
    ],
)
def test_what_s3_would_refuse_is_told_before_anything_is_read_or_sent(metadata, why):
    source = DataSource(lambda: iter([pytest.fail("it was read")]))
    writer = S3FileWriter(
        S3Client("testing", "testing", region="us-east-1", endpoint_url="http://127.0.0.1:9")
    )
    with pytest.raises(UsageError, match=why):
        DeliveryActivity(source, writer, {"bucket": "bucket", "key": "key", **metadata}).start()


def test_a_bucket_that_is_missing_is_made_only_if_that_is_asked_for(store, s3):
    name = f"test-{secrets.token_hex(6)}"
    with pytest.raises(DeliveryError, match=f"there is no bucket '{name}'" if store.name == "moto" else name):
        deliver("x", s3_writer(store), bucket=name, key="x")
    for _ in range(2):
        deliver("x", s3_writer(store, create_bucket=True), bucket=name, key="x")
    assert s3.get_object(Bucket=name, Key="x")["Body"].read() == b"x"
    s3.delete_object(Bucket=name, Key="x")
    s3.delete_bucket(Bucket=name)


def test_a_link_lets_in_whoever_has_it_and_is_no_metadata_of_the_next_object(bucket, s3, store):
    activity = DeliveryActivity(
        DataSource("secret report"), s3_writer(store, link_seconds=600), {"bucket": bucket.name, "key": "x"}
    )
    for _ in range(2):
        activity.start()
    link = activity.metadata["link"]
    assert requests.get(link, timeout=20).text == "secret report"
    assert "X-Amz-Expires=600" in link
    assert s3.head_object(Bucket=bucket.name, Key="x")["Metadata"] == {}
    s3.delete_object(Bucket=bucket.name, Key="x")


def test_what_cannot_be_a_client_is_told_when_it_is_made():
    with pytest.raises(UsageError, match="go together"):
        S3Client("only one")
    with pytest.raises(UsageError, match="link_seconds"):
        S3FileWriter(S3Client("a", "b"), link_seconds=8 * 24 * 3600)
    assert "hidden" not in repr(S3Client("key", "hidden", session_token="hidden"))
