"""Our own HTTP, against servers that do everything but what is usual."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading

import pytest

from upload_client.core import checksums
from upload_client.core.codes import FileCode
from upload_client.s3 import connection
from upload_client.s3.bucket import Bucket
from upload_client.s3.direct import DirectWire, carry
from upload_client.s3.wire import Answer, GetObject, GetRange, HeadObject, PutObject, UploadPart
from upload_client.support.local_file import FileRefused

MIB = 1024**2
FINE = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'
PUT = PutObject("key", b"content", "yH2GHg==", None)


def read_head(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def read_request(sock):
    """One request, whole; None when the other side has closed."""
    got = read_head(sock)
    if got is None:
        return None
    head, body = got
    length = int(re.search(rb"content-length:(\d+)", head)[1])
    while len(body) < length:
        body += sock.recv(65536)
    return head, body


class Server:
    """Treats its n-th connection as the n-th script says, the further ones as the last."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.requests = []
        self.n = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.n, len(self.scripts) - 1)]
            self.n += 1
            threading.Thread(target=self.serve, args=(script, sock), daemon=True).start()

    def serve(self, script, sock):
        with contextlib.suppress(OSError), sock:
            script(self, sock)

    def request(self, sock):
        got = read_request(sock)
        if got is not None:
            self.requests.append(got)
        return got

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # a close wakes nobody in accept()
        self.listener.close()


@pytest.fixture
def serve(client_of):
    """Start servers, and a wire to each; boto3 is cut off, so that nothing is answered by a detour."""
    opened = []

    def start(*scripts, detour=None):
        server = Server(*scripts)
        wire = DirectWire(Bucket("bucket", prefix="p/", client=client_of(server.url)))
        wire.boto.perform = detour or (lambda request: pytest.fail(f"{request} went to boto3"))
        opened.extend([server, wire])
        return server, wire

    yield start
    for one in opened:
        one.close()


def always(answer):
    def script(server, sock):
        while server.request(sock):
            sock.sendall(answer)

    return script


def once(answer):
    def script(server, sock):
        server.request(sock)
        sock.sendall(answer)

    return script


def test_what_is_sent_is_one_complete_request(serve):
    server, wire = serve(always(FINE))
    answer = wire.perform(PUT)
    assert (answer.status, answer.etag, answer.crc32, answer.size) == (200, "abc", "yH2GHg==", 7)
    (head, body) = server.requests[0]
    lines = head.decode().split("\r\n")
    headers = dict(line.split(":", 1) for line in lines[1:])
    assert lines[0] == "PUT /bucket/p/key HTTP/1.1"
    assert body == b"content"
    assert headers["x-amz-checksum-crc32"] == "yH2GHg=="
    assert headers["if-none-match"] == "*"
    assert headers["content-length"] == "7"
    assert "if-match" not in headers
    assert "expect" not in headers


def test_a_replacement_names_the_etag_it_replaces(serve):
    server, wire = serve(always(FINE))
    wire.perform(PUT._replace(expect="e1"))
    assert b'\r\nif-match:"e1"\r\n' in server.requests[0][0]
    assert b"if-none-match" not in server.requests[0][0]


def test_a_part_has_no_condition(serve):
    server, wire = serve(always(FINE))
    wire.perform(UploadPart("key", "id/+ ", 7, b"content", "yH2GHg=="))
    head = server.requests[0][0]
    assert head.startswith(b"PUT /bucket/p/key?partNumber=7&uploadId=id%2F%2B%20 HTTP/1.1\r\n")
    assert b"if-none-match" not in head


def test_one_connection_serves_many_requests(serve):
    server, wire = serve(always(FINE))
    for _ in range(5):
        assert wire.perform(PUT).ok
    assert (server.n, len(server.requests)) == (1, 5)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 20 * MIB])
def test_bodies_of_any_size_arrive_whole(serve, size):
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    server, wire = serve(always(FINE))
    for _ in range(2):
        assert wire.perform(PUT._replace(body=memoryview(body))).ok
    assert [got for _, got in server.requests] == [body, body]


# Answers in every form HTTP allows


@pytest.mark.parametrize(
    "answer",
    [
        FINE,
        b'HTTP/1.1 200\r\netag:"abc"\r\ncontent-length:0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT:r\r\n\r\n',
        b'HTTP/1.1 204 No Content\r\nETag: "abc"\r\n\r\n',
        b"HTTP/1.1 100 Continue\r\n\r\n" + FINE,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + FINE,
    ],
)
def test_answers_are_understood_and_the_connection_kept(serve, answer):
    server, wire = serve(always(answer))
    for _ in range(3):
        got = wire.perform(PUT)
        assert (got.ok, got.etag) == (True, "abc"), got
    assert server.n == 1


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
        b'HTTP/1.0 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\n\r\nuntil the end',
        FINE + b"HTTP/1.1 200 OK\r\nleft over from somewhere",
    ],
)
def test_answers_after_which_the_connection_is_not_used_again(serve, answer):
    server, wire = serve(once(answer))
    for n in range(1, 4):
        assert wire.perform(PUT).ok
        assert server.n == n


def test_an_answer_may_come_byte_by_byte(serve):
    def script(server, sock):
        server.request(sock)
        for i in range(len(FINE)):
            sock.sendall(FINE[i : i + 1])

    _, wire = serve(script)
    assert wire.perform(PUT).ok


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nETag",
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 5\r\n\r\nab',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: -1\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 1, 1\r\n\r\na',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 99999999999999\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nTransfer-Encoding: chunked\r\n\r\n' + b"0" * 100_000,
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nno colon\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nETag: "def"\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/2 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 2xx OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nx-amz-checksum-crc32: AAAAAA==\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\n\r\n' + b"x" * (2 * MIB),
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"\0" * 100_000,
    ],
)
def test_an_answer_that_is_not_fully_understood_is_no_answer(serve, answer):
    _, wire = serve(once(answer))
    got = wire.perform(PUT)
    assert got.lost, got
    assert got.message


@pytest.mark.parametrize("etag", [b"", b'ETag: ""\r\n', b'ETag: "\xff"\r\n', b'ETag: "a b"\r\n'])
def test_a_yes_without_an_etag_is_a_yes_and_whoever_asked_has_to_find_the_etag(serve, etag):
    _, wire = serve(once(b"HTTP/1.1 200 OK\r\n" + etag + b"Content-Length: 0\r\n\r\n"))
    got = wire.perform(PUT)
    assert (got.ok, got.etag) == (True, "")


def test_of_a_part_nobody_else_can_tell_the_etag(serve):
    _, wire = serve(once(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert wire.perform(UploadPart("key", "upload", 1, PUT.body, PUT.crc32)).lost


def test_an_error_is_told_with_its_code_and_message(serve):
    body = b"<Error><Code>AccessDenied</Code><Message>not &lt;you&gt;</Message></Error>"
    error = (
        b"HTTP/1.1 403 Forbidden\r\nDate: Fri, 20 Nov 2026 09:00:00 GMT\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    server, wire = serve(always(error + body))
    for _ in range(2):
        got = wire.perform(PUT)
        assert (got.status, got.code, got.message) == (403, "AccessDenied", "not <you>")
        assert got.date == "Fri, 20 Nov 2026 09:00:00 GMT"
    assert server.n == 1


def test_an_error_whose_body_is_no_xml_is_an_error_still(serve):
    _, wire = serve(once(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\noops"))
    got = wire.perform(PUT)
    assert (got.status, got.throttled) == (503, True)


# Answers at odd times


def test_an_answer_before_the_body_is_sent_is_the_answer(serve):
    refusal = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
    answered = threading.Event()
    received = queue.Queue()

    def refuses_at_once(server, sock):
        read_head(sock)
        sock.sendall(refusal)
        answered.wait(30)  # and does not read on before that
        data = b""
        with contextlib.suppress(OSError):
            while more := sock.recv(MIB):
                data += more
        received.put(data)

    server, wire = serve(refuses_at_once, always(FINE))
    got = wire.perform(PUT._replace(body=bytes(16 * MIB)))
    assert got.status == 412, got
    answered.set()
    assert wire.perform(PUT).ok
    # The next request went its own way: there it would have been taken for the rest of the body.
    assert server.n == 2
    assert b"PUT" not in received.get(timeout=30)


def test_a_yes_before_the_body_is_sent_is_not_believed(serve):
    def script(server, sock):
        read_head(sock)
        sock.sendall(FINE)
        sock.recv(1)

    _, wire = serve(script)
    assert wire.perform(PUT._replace(body=bytes(16 * MIB))).lost


def test_an_interim_answer_in_the_middle_of_the_body_changes_nothing(serve):
    def script(server, sock):
        _, body = read_head(sock)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        total = len(body)
        while total < 16 * MIB:
            total += len(sock.recv(MIB))
        sock.sendall(FINE)

    _, wire = serve(script)
    assert wire.perform(PUT._replace(body=bytes(16 * MIB))).ok


def test_a_connection_cut_in_the_middle_of_the_body_is_no_answer(serve):
    def script(server, sock):
        read_head(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close resets

    _, wire = serve(script)
    assert wire.perform(PUT._replace(body=bytes(16 * MIB))).lost


# Connections that were kept


def test_a_kept_connection_that_was_closed_meanwhile_costs_no_try(serve):
    def one_answer(server, sock):
        server.request(sock)
        sock.sendall(FINE)  # says nothing of closing, and closes

    server, wire = serve(one_answer)
    for n in range(1, 4):
        assert wire.perform(PUT).ok
        assert server.n == n


def test_a_kept_connection_is_replaced_once_only(serve):
    def answers_then_hangs_up(server, sock):
        server.request(sock)
        if server.n == 1:
            sock.sendall(FINE)

    server, wire = serve(answers_then_hangs_up)
    assert wire.perform(PUT).ok
    assert wire.perform(PUT).lost
    assert server.n == 2
    assert len(server.requests) == 2  # the first connection closed before it read the second request


def test_a_fresh_connection_that_is_closed_is_no_answer(serve):
    server, wire = serve(lambda server, sock: server.request(sock))
    assert wire.perform(PUT).lost
    assert server.n == 1


# Silence


def test_silence_ends_each_phase(serve, monkeypatch):
    hold = threading.Event()

    def silent(server, sock):
        read_head(sock)
        hold.wait(30)

    _, wire = serve(silent)
    wire.route.address = wire.route.address._replace(silence=0.05)
    try:
        waiting = wire.perform(PUT)
        assert (waiting.lost, waiting.code) == (True, "TimeoutError")
        stuck = wire.perform(PUT._replace(body=bytes(16 * MIB)))
        assert (stuck.lost, stuck.code) == (True, "TimeoutError")
    finally:
        hold.set()


def test_nobody_there_is_no_answer(client_of):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        client = client_of(f"http://127.0.0.1:{bound.getsockname()[1]}")
        got = DirectWire(Bucket("bucket", client=client)).perform(PUT)
    assert (got.lost, got.message) == (True, "127.0.0.1: Connection refused"), got


def test_an_address_where_nobody_answers_is_not_tried_again_soon(monkeypatch):
    answers = [(2, 1, 6, "", ("192.0.2.1", 80)), (2, 1, 6, "", ("192.0.2.2", 80))]
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args) or answers)
    names = connection.Names()
    assert {where for _, where in names("s3", 80)} == {("192.0.2.1", 80), ("192.0.2.2", 80)}
    assert names("s3", 80) != names("s3", 80)  # each comes first in turn
    names.avoid((2, ("192.0.2.1", 80)))
    assert names("s3", 80) == [(2, ("192.0.2.2", 80))]
    names.avoid((2, ("192.0.2.2", 80)))
    assert names("s3", 80) == [(2, ("192.0.2.2", 80))]  # there is no other
    assert len(asked) == 1


# A file that changes while its body is on the way


def test_the_end_of_a_long_body_is_held_back_until_its_file_is_seen_unchanged(serve):
    received = queue.Queue()

    def script(server, sock):
        _, body = read_head(sock)
        with contextlib.suppress(OSError):
            while more := sock.recv(MIB):
                body += more
        received.put(len(body))

    def changed():
        raise FileRefused("changed while it was being sent", FileCode.CHANGED)

    _, wire = serve(script)
    with pytest.raises(FileRefused):
        wire.perform(PUT._replace(body=bytes(MIB), unchanged=changed))
    assert 0 < received.get(timeout=30) < MIB


# What is unusual goes to botocore


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (307, "TemporaryRedirect"),
        (301, "PermanentRedirect"),
        (403, "RequestTimeTooSkewed"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "AuthorizationHeaderMalformed"),
        (501, "NotImplemented"),
        (400, ""),
    ],
)
def test_an_unusual_answer_is_left_to_botocore(serve, status, code):
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    asked = []

    def detour(request):
        asked.append(request)
        return Answer(200, etag="from botocore")

    _, wire = serve(
        always(b"HTTP/1.1 %d Odd\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)), detour=detour
    )
    assert wire.perform(PUT).etag == "from botocore"
    assert asked == [PUT]


# Fetching and looking

GET = GetObject("key", "e1", 100)
HEAD = HeadObject("key")
CONTENT = b"content"
FOUND = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 7\r\nx-amz-checksum-crc32: yH2GHg==\r\n\r\n'
CRC32 = checksums.encode(checksums.crc32(CONTENT)).encode()
FETCHED = FOUND.replace(b"yH2GHg==", CRC32) + CONTENT


@pytest.fixture
def read(serve):
    """Serve an answer and ask for it: what came, the heads of the requests, and how many connections."""

    def ask(request, *scripts, n=1):
        server, wire = serve(*scripts)
        with contextlib.closing(wire.connection()) as connection:
            answers = [carry(connection, request) for _ in range(n)]
        return answers, server

    return ask


def asked(answer):
    """A script for requests that have no body."""

    def script(server, sock):
        while (got := read_head(sock)) is not None:
            server.requests.append(got)
            sock.sendall(answer)

    return script


def test_an_object_is_fetched_on_the_condition_that_it_is_the_one(read):
    answers, server = read(GET, asked(FETCHED), n=3)
    for answer in answers:
        assert (answer.status, answer.etag, answer.crc32, answer.size) == (200, "e1", CRC32.decode(), 7)
        assert answer.body == CONTENT
    assert server.n == 1
    lines = server.requests[0][0].decode().split("\r\n")
    headers = dict(line.split(":", 1) for line in lines[1:])
    assert lines[0] == "GET /bucket/p/key HTTP/1.1"
    assert headers["if-match"] == '"e1"'
    assert headers["x-amz-checksum-mode"] == "ENABLED"
    assert "content-length" not in headers
    assert "x-amz-checksum-crc32" not in headers


def test_an_object_is_looked_at_without_its_content(read):
    answers, server = read(HEAD, asked(FOUND), n=3)
    for answer in answers:
        assert (answer.status, answer.etag, answer.crc32, answer.size) == (200, "e1", "yH2GHg==", 7)
        assert answer.body == b""
    assert server.n == 1
    head = server.requests[0][0]
    assert head.startswith(b"HEAD /bucket/p/key HTTP/1.1\r\n")
    assert b"if-match" not in head
    assert b"\r\nx-amz-checksum-mode:ENABLED\r\n" in head


@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3 * MIB])
@pytest.mark.parametrize("piece", [None, 10_007])
def test_content_of_any_size_arrives_whole_in_pieces_or_not(read, size, piece):
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    head = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: %d\r\n\r\n' % size

    def script(server, sock):
        while read_head(sock) is not None:
            data = head + content
            for start in range(0, len(data), piece or len(data)):
                sock.sendall(data[start : start + (piece or len(data))])

    answers, server = read(GET._replace(most=3 * MIB), script, n=3)
    assert [bytes(answer.body) for answer in answers] == [content] * 3
    assert {(answer.size, answer.crc32) for answer in answers} == {(size, None)}
    assert server.n == 1


class Notebook:
    """A sink that notes what comes."""

    def __init__(self, size=1000):
        self.buffer = memoryview(bytearray(size))
        self.begun = self.size = self.crc32 = 0

    def begin(self):
        self.begun += 1
        self.content = b""
        self.size = self.crc32 = 0

    def came(self, n):
        self.content += self.buffer[:n]
        self.size += n
        self.crc32 = checksums.crc32(self.buffer[:n], self.crc32)


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 64 * 1024 + 1, 300_000])
@pytest.mark.parametrize("piece", [None, 701])
@pytest.mark.parametrize("part", [False, True], ids=["whole", "range"])
def test_content_goes_into_a_sink_block_by_block(read, size, piece, part):
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    status = b"206 Partial Content\r\nContent-Range: bytes 0-%d/9999999" % (size - 1) if part else b"200 OK"
    head = b'HTTP/1.1 %s\r\nETag: "e1"\r\nContent-Length: %d\r\n\r\n' % (status, size)

    def script(server, sock):
        while read_head(sock) is not None:
            data = head + content
            for start in range(0, len(data), piece or len(data)):
                sock.sendall(data[start : start + (piece or len(data))])

    sink = Notebook()
    asked = GetRange("key", "e1", 0, size, sink) if part else GET._replace(most=300_000, sink=sink)
    answers, server = read(asked, script, n=2)
    assert [(answer.status, answer.size, answer.body) for answer in answers] == [
        (206 if part else 200, size, b"")
    ] * 2
    assert (sink.content, sink.begun) == (content, 2)
    assert server.n == 1


def test_no_content_goes_into_a_sink_too(read):
    sink = Notebook()
    nothing = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 0\r\n\r\n'
    (got,), _ = read(GET._replace(sink=sink), asked(nothing))
    assert (got.status, got.size, sink.content) == (200, 0, b"")


def test_what_is_no_yes_stands_in_the_answer_and_not_in_the_sink(read):
    sink = Notebook()
    sink.begin()
    no = b"<Error><Code>NoSuchKey</Code></Error>"
    (got,), _ = read(
        GET._replace(sink=sink), asked(b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%s" % (len(no), no))
    )
    assert (got.status, got.code, sink.size) == (404, "NoSuchKey", 0)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (FETCHED.replace(b"content", b"contend"), "DamagedAnswer"),
        (FETCHED.replace(b"h: 7", b"h: 8"), "Broken"),
        (FETCHED.replace(b"200 OK", b"206 Partial Content"), "MalformedAnswer"),
    ],
)
def test_content_in_a_sink_is_held_against_its_checksum_and_length(read, answer, code):
    def script(server, sock):
        read_head(sock)
        sock.sendall(answer)

    (got,), _ = read(GET._replace(sink=Notebook()), script)
    assert (got.lost, got.code) == (True, code)


def test_content_in_chunks_goes_into_a_sink_too(read):
    head = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nTransfer-Encoding: chunked\r\n\r\n'
    sink = Notebook(2)
    (got,), _ = read(GET._replace(sink=sink), asked(head + b"3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n"))
    assert (got.size, sink.content) == (7, CONTENT)


def test_content_in_chunks_arrives_too(read):
    head = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nTransfer-Encoding: chunked\r\n\r\n'
    answer = head + b"3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n"
    (got,), _ = read(GET, asked(answer))
    assert (got.body, got.size) == (CONTENT, 7)


def test_of_an_object_that_is_too_large_only_that_is_told_and_the_connection_left(read):
    large = b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 101\r\n\r\n' + bytes(50)

    def script(server, sock):
        read_head(sock)
        sock.sendall(large)
        sock.recv(1)

    answers, server = read(GET, script, n=2)
    assert [(answer.status, answer.size, answer.body) for answer in answers] == [(200, 101, b"")] * 2
    assert server.n == 2


def test_content_that_is_not_what_its_checksum_says_is_no_answer(read):
    (got,), _ = read(GET, asked(FETCHED.replace(b"content", b"contend")))
    assert (got.lost, got.code, got.body) == (True, "DamagedAnswer", b"")


@pytest.mark.parametrize("told", [b"AAAAAA==-3", b"AAAAAA==\r\nx-amz-checksum-type: COMPOSITE"])
@pytest.mark.parametrize("request_", [GET, HEAD], ids=["get", "head"])
def test_a_checksum_of_parts_says_nothing_of_the_whole(read, told, request_):
    answer = (FETCHED if request_ is GET else FOUND).replace(b"32: " + CRC32, b"32: " + told)
    (got,), _ = read(request_, asked(answer.replace(b"32: yH2GHg==", b"32: " + told)))
    assert (got.status, got.crc32) == (200, None)


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 8\r\n\r\ncontent',
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent",
        b"HTTP/1.1 200 OK\r\nETag: e1\r\nContent-Length: 7\r\n\r\ncontent",
        b'HTTP/1.1 206 Partial Content\r\nETag: "e1"\r\nContent-Length: 7\r\n\r\ncontent',
        b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: x\r\n\r\ncontent',
        b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\ncontent',
        b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n'
        + bytes(103)
        + b"0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nETag: "e1"\r\n\r\n' + bytes(101),
        b'HTTP/1.1 200 OK\r\nETag: "e1"',
    ],
)
def test_content_that_is_not_fully_understood_is_no_answer(read, answer):
    def script(server, sock):
        read_head(sock)
        sock.sendall(answer)

    (got,), _ = read(GET, script)
    assert got.lost, got


def test_a_head_that_does_not_say_how_large_it_is_is_no_answer(read):
    (got,), _ = read(HEAD, asked(b'HTTP/1.1 200 OK\r\nETag: "e1"\r\nX-Is-It: all\r\n\r\n'))
    assert got.lost


@pytest.mark.parametrize(("request_", "status"), [(GET, 404), (GET, 412), (HEAD, 404), (HEAD, 403)])
def test_a_no_is_an_answer_after_which_the_connection_goes_on(read, request_, status):
    body = b"" if request_ is HEAD else b"<Error><Code>Why</Code></Error>"
    said = b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    answers, server = read(request_, asked(said), n=2)
    assert [(answer.status, answer.code) for answer in answers] == [(status, "Why" if body else "")] * 2
    assert server.n == 1


def test_an_object_is_asked_for_once_more_where_a_kept_connection_was_closed(read):
    def one_answer(server, sock):
        server.requests.append(read_head(sock))
        sock.sendall(FETCHED)

    answers, server = read(GET, one_answer, n=3)
    assert [bytes(answer.body) for answer in answers] == [CONTENT] * 3
    assert server.n == 3
