"""Copies, ranges and deletions over connections of our own: what is sent, and which answers are believed."""

from __future__ import annotations

import re

import pytest
from transfer.conftest import new_bucket
from transfer.test_connection import Server, read_head

from upload_client.core.parts import GIB, MAX_PARTS, MIB
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire, carry
from upload_client.s3.wire import Answer, CopyObject, DeleteObject, GetRange
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.copy import PartedCopy, copy_whole

COPY = CopyObject("from/ü +%", "e1", "to", None)
RESULT = (
    "<?xml version='1.0'?><CopyObjectResult><ETag>&quot;abc&quot;</ETag>"
    "<ChecksumCRC32>yH2GHg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>"
)


def says(body: str, headers: str = "", status: int = 200) -> bytes:
    data = body.encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


@pytest.fixture
def ask(client_of):
    """Make a request of a server that gives one answer: what is made of that, and what was sent."""
    opened = []

    def once(request: CopyObject | DeleteObject | GetRange, answer: bytes) -> tuple[Answer, bytes]:
        sent: list[bytes] = []

        def script(_server: Server, sock) -> None:
            while got := read_head(sock):
                sent.append(got[0])
                sock.sendall(answer)

        server = Server(script)
        client = client_of(server.url)
        wire = DirectWire(
            Bucket("bucket", prefix="p/", client=client),
            source=Bucket("other", prefix="s/", client=client),
            deletes=True,
        )
        opened.extend([server, wire])
        return carry(wire.connection(), request), sent[0]

    yield once
    for one in opened:
        one.close()


def test_a_copy_names_its_source_both_etags_and_wants_a_checksum(ask):
    answer, sent = ask(COPY, says(RESULT, "x-amz-version-id: v1\r\nx-amz-copy-source-version-id: v0\r\n"))
    assert (answer.status, answer.etag, answer.crc32) == (200, "abc", "yH2GHg==")
    assert (answer.version_id, answer.source_version) == ("v1", "v0")
    lines = sent.decode().split("\r\n")
    headers = dict(line.split(":", 1) for line in lines[1:])
    assert lines[0] == "PUT /bucket/p/to HTTP/1.1"
    assert headers["x-amz-copy-source"] == "other/s/from/%C3%BC%20%2B%25"
    assert headers["x-amz-copy-source-if-match"] == '"e1"'
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-checksum-algorithm"] == "CRC32"
    assert headers["content-length"] == "0"
    signed = re.search(r"SignedHeaders=([^,]+)", headers["authorization"])
    assert signed is not None
    assert {"x-amz-copy-source", "x-amz-copy-source-if-match", "if-none-match"} <= set(signed[1].split(";"))


def test_a_copy_over_what_is_there_names_its_etag(ask):
    _, sent = ask(COPY._replace(expect="e9"), says(RESULT))
    assert b'\r\nif-match:"e9"\r\n' in sent
    assert b"if-none-match" not in sent


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("<Error><Code>SlowDown</Code><Message>later &amp; slower</Message></Error>", 500, "SlowDown"),
        ("<html>welcome</html>", 0, "MalformedAnswer"),
        ("", 0, "MalformedAnswer"),
    ],
)
def test_a_yes_that_turns_into_a_no_is_none(ask, body, status, code):
    answer, _ = ask(COPY, says(body))
    assert (answer.status, answer.code) == (status, code)
    assert answer.passing


@pytest.mark.parametrize(
    "checksum",
    [
        "",
        "<ChecksumCRC32>odd</ChecksumCRC32>",
        RESULT[RESULT.index("<Check") :].replace("FULL_OBJECT", "COMPOSITE"),
    ],
)
def test_a_checksum_that_is_none_of_the_whole_is_not_taken(ask, checksum):
    answer, _ = ask(COPY, says(f"<CopyObjectResult><ETag>abc</ETag>{checksum}</CopyObjectResult>"))
    assert (answer.etag, answer.crc32) == ("abc", None)
    assert ask(COPY, says("<CopyObjectResult/>"))[0].etag == ""


def test_a_deletion_names_the_etag_and_is_done_when_nothing_more_is_said(ask):
    answer, sent = ask(DeleteObject("from/ü", "e1"), b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answer.status == 204
    assert sent.startswith(b"DELETE /bucket/p/from/%C3%BC HTTP/1.1\r\n")
    assert b'\r\nif-match:"e1"\r\n' in sent
    assert b"if-match;" in sent.partition(b"SignedHeaders=")[2]
    assert b"content-length" not in sent


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        ("<html>welcome</html>", 200, (0, "MalformedAnswer")),
        ("<Error><Code>PreconditionFailed</Code></Error>", 412, (412, "PreconditionFailed")),
        ("<Error><Code>NotImplemented</Code></Error>", 501, (501, "NotImplemented")),
    ],
)
def test_a_deletion_that_is_not_done_is_told(ask, body, status, found):
    answer, _ = ask(DeleteObject("key", "e1"), says(body, "", status))
    assert (answer.ok, answer.status, answer.code) == (False, *found)


RANGE = GetRange("key", "e1", 10, 4)


def test_a_range_names_the_etag_and_its_bytes(ask):
    answer, sent = ask(RANGE, says("abcd", 'ETag: "e1"\r\nContent-Range: bytes 10-13/99\r\n', 206))
    assert (answer.ok, bytes(answer.body)) == (True, b"abcd")
    assert b"\r\nrange:bytes=10-13\r\n" in sent
    assert b'\r\nif-match:"e1"\r\n' in sent
    assert b"x-amz-checksum-mode" not in sent


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("abcd", 'ETag: "e1"\r\n', 200),  # all of it, where a range was asked for
        ("abcd", 'ETag: "e1"\r\nContent-Range: bytes 0-3/99\r\n', 206),
        ("abc", 'ETag: "e1"\r\nContent-Range: bytes 10-13/99\r\n', 206),
        ("abcd", 'ETag: "e2"\r\nContent-Range: bytes 10-13/99\r\n', 206),
        ("abcd", 'ETag: "e1"\r\n', 206),
    ],
)
def test_another_range_than_was_asked_for_is_no_answer(ask, body, headers, status):
    answer, _ = ask(RANGE, says(body, headers, status))
    assert (answer.status, answer.code) == (0, "MalformedAnswer")


def test_small_objects_are_copied_without_boto3(store):
    source = new_bucket(store)
    destination = Bucket(new_bucket(store).name, client=source.client)
    tasks = []
    for row in range(40):
        etag = source.put(f"a {row}", b"x" * row).etag
        tasks.append(TransferTask(row, f"a {row}", f"a {row}", f"b/{row}", size=row, source_etag=etag))
    asked = []
    destination.client.meta.events.register("before-send.s3.CopyObject", lambda **event: asked.append(event))
    outcomes = list(send_files(tasks, DataRoot(source), destination))
    assert all(outcome.ok and outcome.crc32 for outcome in outcomes), outcomes
    assert len(asked) == 1  # from which the way there was learned; it was not sent
    assert {info.key: info.size for info in destination.list()} == {f"b/{row}": row for row in range(40)}


MD5 = "0cc175b9c0f1b6a831c399e269772661"


def asked_of_a_copy(task: TransferTask, copied: Answer, *, md5_proves: bool) -> tuple[list[str], str]:
    """The requests that a copy takes, and the CRC32 of its outcome; the store says one where it is asked."""
    steps = copy_whole(task, 1, task.source_etag or "", md5_proves=md5_proves)
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append(type(request).__name__)
            told = Answer(200, etag=copied.etag, crc32="yH2GHg==", size=1)
            request = steps.send(copied if isinstance(request, CopyObject) else told)
    except StopIteration as end:
        return asked, end.value.crc32


@pytest.mark.parametrize(
    ("source", "copy", "said", "checksum", "md5_proves", "asked"),
    [
        (MD5, MD5, None, None, True, ["CopyObject"]),
        (MD5, MD5, "yH2GHg==", None, True, ["CopyObject"]),
        (MD5, MD5, None, None, False, ["CopyObject", "HeadObject"]),
        (MD5, MD5, None, "yH2GHg==", True, ["CopyObject", "HeadObject"]),
        (MD5, MD5[::-1], None, None, True, ["CopyObject", "HeadObject"]),
        (f"{MD5}-1", f"{MD5}-1", None, None, True, ["CopyObject", "HeadObject"]),
    ],
)
def test_a_copy_is_looked_at_unless_the_md5_of_both_ends_proves_it(
    source, copy, said, checksum, md5_proves, asked
):
    task = TransferTask(0, "a", "a", "b", size=1, checksum=checksum, source_etag=source)
    found, crc32 = asked_of_a_copy(task, Answer(200, etag=copy, crc32=said), md5_proves=md5_proves)
    assert found == asked
    assert crc32 == ("" if found == ["CopyObject"] and said is None else "yH2GHg==")


@pytest.mark.parametrize("size", [5 * GIB + 1, 600 * GIB, 5 * 1024 * GIB])
def test_no_part_of_a_copy_keeps_its_connection_silent_for_longer_than_it_has_to(size: int) -> None:
    copy = PartedCopy(TransferTask(0, "a", "a", "b", size=size, source_etag=MD5), size, MD5)
    assert copy.n_parts <= MAX_PARTS
    # As many as are asked for at once (25) take a store of 10 MB a second less than a minute.
    assert copy.part_size == 16 * MIB or copy.n_parts > 0.98 * MAX_PARTS
