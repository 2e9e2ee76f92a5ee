"""What is read: callables, files, URLs, texts; and that a mistake is never delivered as its own name."""

from __future__ import annotations

import io
import os
import sys
import types
from pathlib import Path

import pandas as pd
import pytest
import urllib3
from botocore.awsrequest import AWSResponse

from upload_client.activities import DataSource, FtpClient, S3Client
from upload_client.activities.errors import NotDelivered
from upload_client.activities.source import find_callable
from upload_client.errors import DeliveryError, NotReachable, UsageError

from .conftest import PASSWORD, USER


def read_all(reader):
    while reader.read(65_536):
        pass


FRAME = pd.DataFrame({"name": ["Ada, Countess", "Bob"], "n": [1, 2]})


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ("näme", "näme".encode()),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"abc"), b"abc"),
        (FRAME, b'name,n\n"Ada, Countess",1\nBob,2\n'),
        (FRAME.set_index("name"), b'name,n\n"Ada, Countess",1\nBob,2\n'),
        (FRAME.iloc[0:0], b"name,n\n"),
        (io.StringIO("näme"), "näme".encode()),
        (io.BytesIO(b"abc"), b"abc"),
        ([b"ab", b"", "c"], b"abc"),
        ((piece for piece in [b"ab", b"c"]), b"abc"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_callable_gives_its_content_in_any_of_these_ways(given, content):
    with DataSource(lambda: given).get_reader() as reader:
        assert reader.read() == content


@pytest.mark.parametrize("given", [None, 3, {"a": 1}, [1, 2], object()], ids=lambda it: type(it).__name__)
def test_what_is_no_content_is_refused_and_named(given):
    with (
        pytest.raises(UsageError, match=r"has (?:given|yielded) something of type"),
        DataSource(lambda: given).get_reader() as r,
    ):
        r.read()


def test_a_source_can_be_read_again_from_the_beginning(tmp_path, web_server):
    calls = []
    web_server.body = b"from the web"
    file = tmp_path / "file"
    file.write_bytes(b"a file")

    def pieces():
        calls.append(1)
        yield b"made"

    sources = (DataSource(pieces), DataSource(file), DataSource("a text"), DataSource(f"{web_server.url}/x"))
    for source, content in zip(sources, ("made", "a file", "a text", "from the web"), strict=True):
        with source.get_reader() as first:
            first.read(2)
            assert source.read_text() == content
    assert len(calls) == 2


def test_what_is_read_while_another_thread_imports_pandas_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", types.ModuleType("pandas"))  # its beginning
    assert DataSource(lambda: iter([b"a", b"b"])).read_text() == "ab"


def test_a_frame_of_a_subclass_is_a_frame():
    class Table(pd.DataFrame):
        pass

    assert DataSource(lambda: Table({"a": [1]})).read_text() == "a\n1\n"


def test_a_generator_that_is_not_read_to_its_end_is_closed():
    closed = []

    def pieces():
        try:
            yield b"a" * 10_000_000
            yield b"b"
        finally:
            closed.append(True)

    with DataSource(pieces).get_reader() as reader:
        assert reader.read(3) == b"aaa"
        assert not closed
    assert closed


def test_a_large_frame_becomes_csv_piece_by_piece_and_the_same():
    frame = pd.DataFrame({"a": range(25_001), "b": ["x,y"] * 25_001})
    assert DataSource(lambda: frame).read_text() == frame.to_csv(index=False, lineterminator="\n")


def test_a_string_is_a_file_that_is_there_else_a_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("report.csv").write_text("a,b", encoding="utf-8")
    Path("LETTER").write_text("of the file", encoding="utf-8")
    assert DataSource("report.csv").read_text() == "a,b"
    assert DataSource(str(tmp_path / "report.csv")).read_text() == "a,b"
    assert DataSource("LETTER").read_text() == "of the file"
    assert DataSource("letter of the file").read_text() == "letter of the file"
    assert DataSource((tmp_path / "report.csv").as_uri()).read_text() == "a,b"
    assert DataSource("").read_text() == ""
    assert DataSource.text("report.csv").read_text() == "report.csv"


@pytest.mark.parametrize(
    "text",
    [
        "/data/customers.csv", "customers.csv", "data/customers", "~/x", "./x", "../x",
        "C:\\data\\x", "\\\\host\\x",
        "data/My customers.csv", "/data/customers.csv\n", " report.csv", "/tmp",
        "gs://bucket/key", "sftp://host/x", "htps://host/x", "https://host/a b", "http://host/x\n",
    ],
)  # fmt: skip
def test_a_string_that_looks_like_a_path_or_a_url_and_is_none_is_an_error(text):
    with pytest.raises(UsageError) as caught:
        DataSource(text)
    assert "URL" in str(caught.value) or "DataSource.text" in caught.value.hint


@pytest.mark.parametrize("source", [b"bytes", 3, None, ["a"]], ids=str)
def test_what_is_no_source_is_refused(source):
    with pytest.raises(UsageError, match="is no source of data"):
        DataSource(source)


def test_a_file_that_changes_while_it_is_read_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "growing"
    file.write_bytes(b"x" * 3_000_000)
    with DataSource(file).get_reader() as reader:
        reader.read(1)
        with file.open("ab") as more:
            more.write(b"y")
        with pytest.raises(NotDelivered, match="changed while"):
            reader.read()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of an inode's change")
@pytest.mark.parametrize("modified", [True, False])
def test_nor_is_one_whose_time_is_set_back_but_what_was_only_linked_is(tmp_path, modified):
    file = tmp_path / "table"
    file.write_bytes(b"x" * 3_000_000)
    before = file.stat()
    with DataSource(file).get_reader() as reader:
        first = reader.read(1)
        if modified:
            with file.open("r+b") as more:
                more.write(b"y")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            with pytest.raises(NotDelivered, match="changed while"):
                reader.read()
        else:
            os.link(file, tmp_path / "link")
            assert first + reader.read() == b"x" * 3_000_000


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_a_path_that_is_no_file_is_an_error_when_it_is_read(tmp_path, kind):
    import os

    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(NotDelivered, match=r"is not there|directory|FIFO"):
        DataSource(path).get_reader()


# --- the web ---


@pytest.mark.parametrize("chunked", [False, True])
def test_a_web_server_that_breaks_off_is_no_end_of_the_content(web_server, chunked):
    web_server.body, web_server.cut_after, web_server.chunked = b"x" * 3_000_000, 1_200_000, chunked
    source = DataSource(f"{web_server.url}/dump.csv?key=hidden")
    with source.get_reader() as reader, pytest.raises(NotDelivered, match="broke off after") as caught:
        read_all(reader)
    assert "hidden" not in str(caught.value)
    assert source.read_text() == "x" * 3_000_000  # the next time it does not


def test_a_web_server_that_refuses_is_quoted_without_what_is_secret(web_server):
    web_server.status = 403
    url = web_server.url.replace("//", f"//{USER}:hunter2@")
    source = DataSource(f"{url}/dump.csv?signature=abc")
    with pytest.raises(NotDelivered, match="answers 403 Forbidden") as caught:
        source.get_reader()
    assert not any(secret in f"{caught.value}{source!r}{source}" for secret in ("hunter2", "abc"))
    assert web_server.headers[0]["Authorization"].startswith("Basic ")


def test_a_web_server_that_is_not_there_is_told_without_what_is_secret():
    source = DataSource("http://robot:hunter2@127.0.0.1:9/x?token=abc")
    with pytest.raises(NotReachable, match="cannot be reached: ") as caught:
        source.get_reader()
    assert not any(secret in str(caught.value) for secret in ("hunter2", "abc"))


def test_the_password_of_a_proxy_may_hold_what_ends_a_name(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://robot:s3cr#t@/pw@127.0.0.1:9")
    with pytest.raises(NotReachable, match="cannot be reached: Connection refused"):
        DataSource("http://example.org/x").get_reader()


def test_a_redirect_is_followed_to_the_web_alone(web_server, tmp_path):
    (tmp_path / "secret").write_text("of this machine", encoding="utf-8")
    web_server.redirect = (tmp_path / "secret").as_uri()
    with pytest.raises(NotReachable):
        DataSource(f"{web_server.url}/x").get_reader()


@pytest.mark.parametrize(
    "url", ["http://", "s3://bucket", "s3://bucket/", "ftp://host", "http://host:x/", "file://other/x"]
)
def test_a_url_that_names_nothing_is_refused(url):
    with pytest.raises(UsageError):
        DataSource(url)


# --- S3, FTP ---


def test_an_object_is_read(bucket, s3, store):
    bucket.put("dump.csv", b"from S3")
    client = S3Client("testing", "testing", region="us-east-1", endpoint_url=store.endpoint_url)
    source = DataSource.url(f"s3://{bucket.name}/{bucket.prefix}dump.csv", s3_client=client)
    assert source.read_text() == "from S3"
    with pytest.raises(DeliveryError, match="NoSuchKey"):
        DataSource.url(f"s3://{bucket.name}/other", s3_client=client).get_reader()


def test_an_object_that_is_not_what_its_checksum_says_is_not_read_to_its_end(monkeypatch):
    client = S3Client("testing", "testing", region="us-east-1")
    connect = client.connect

    def answer(request, **_):
        headers = {"Content-Length": "7", "x-amz-checksum-crc32": "AAAAAA=="}
        body = urllib3.HTTPResponse(io.BytesIO(b"from S3"), preload_content=False)
        return AWSResponse(request.url, 200, headers, body)

    def connect_to_it():
        made = connect()
        made.meta.events.register_first("before-send.s3.GetObject", answer)
        return made

    monkeypatch.setattr(client, "connect", connect_to_it)
    reader = DataSource.url("s3://bucket/dump.csv", s3_client=client).get_reader()
    with pytest.raises(DeliveryError, match="checksum"):
        reader.read(7)  # all that there is, as whoever knows the size asks for it


@pytest.mark.parametrize("told", [True, False])
def test_an_object_is_read_whole_also_from_a_store_that_does_not_tell_its_size(bucket, store, told):
    bucket.put("dump.csv", b"from S3" * 500_000)
    client = S3Client("testing", "testing", region="us-east-1", endpoint_url=store.endpoint_url)
    connect = client.connect

    def connect_to_it():
        made = connect()
        if not told:
            made.meta.events.register(
                "after-call.s3.GetObject", lambda parsed, **_: parsed.pop("ContentLength")
            )
        return made

    client.connect = connect_to_it
    source = DataSource.url(f"s3://{bucket.name}/{bucket.prefix}dump.csv", s3_client=client)
    assert source.read_text() == "from S3" * 500_000


def test_a_file_on_an_ftp_server_is_read(ftp_server):
    server = ftp_server()
    (server.root / "a b").mkdir()
    (server.root / "a b" / "ä.csv").write_bytes(b"x" * 3_000_000)
    from urllib.parse import quote

    url = f"ftp://{USER}:{quote(PASSWORD)}@127.0.0.1:{server.port}/a%20b/%C3%A4.csv"
    source = DataSource(url)
    assert source.read_text() == "x" * 3_000_000
    assert PASSWORD not in f"{source!r}"
    with pytest.raises(NotDelivered, match="cannot be read: 550"):
        DataSource(url + ".not").get_reader()


def test_an_ftp_server_that_breaks_off_is_no_end_of_the_content(ftp_server, monkeypatch):
    from pyftpdlib.handlers import DTPHandler

    server = ftp_server()
    (server.root / "dump").write_bytes(b"x" * 5_000_000)
    sent = []

    def breaks_off(self, real=DTPHandler.handle_write):
        sent.append(1)
        if len(sent) > 3:
            self._resp = ("426 Connection closed; transfer aborted.", print)
            self.close()
        else:
            real(self)

    monkeypatch.setattr(DTPHandler, "handle_write", breaks_off)
    client = FtpClient("127.0.0.1", USER, PASSWORD, port=server.port)
    read = client.reading("dump")
    with pytest.raises(NotDelivered, match="broke off after"):
        list(iter(lambda: read(65_536), b""))


# --- callables by name ---


def test_a_callable_is_found_by_its_name(tmp_path, monkeypatch):
    package = tmp_path / "rendering"
    package.mkdir()
    (package / "__init__.py").write_text(
        "def render():\n    return 'rendered'\nVALUE = 3\n", encoding="utf-8"
    )
    (package / "deep.py").write_text(
        "class Maker:\n    @staticmethod\n    def make():\n        return 'made'\n", encoding="utf-8"
    )
    (package / "broken.py").write_text("import not_there_at_all\n", encoding="utf-8")
    (package / "failing.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert DataSource.call("rendering.render").read_text() == "rendered"
    assert DataSource.call("rendering.deep.Maker.make").read_text() == "made"
    assert DataSource.call("rendering.deep:Maker.make").read_text() == "made"
    for name, reason in {
        "rendering.rendr": "rendering has no 'rendr'",
        "rendring.render": "there is no module 'rendring'",
        "rendering.VALUE": "cannot be called: it is of type int",
        "rendering.broken.f": "its import fails: No module named 'not_there_at_all'",
        "rendering.failing.f": "its import fails: ZeroDivisionError",
        "rendering.deep:Maker.bake": "has no 'bake'",
        "os.system('x')": "names no callable",
        "": "names no callable",
    }.items():
        with pytest.raises(UsageError) as caught:
            find_callable(name)
        assert reason in str(caught.value)
