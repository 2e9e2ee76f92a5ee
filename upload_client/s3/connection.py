"""One HTTP/1.1 connection, kept open, for what is asked of each object, its content above all: fast.

Why it exists: through botocore a request costs more than a millisecond under the GIL, through this some
hundredth of that, so that the disk and the network are the limit, not Python. It does as little as its few
requests need, and does that strictly: an answer it does not fully understand is no answer, and whatever is
unusual is handed to botocore by the caller.

`Connection.exchange` is a generator. It yields what it waits for (READ, WRITE or both) and is sent what has
happened; so the same code runs under a selector with hundreds of others, and alone in a thread.

* HTTP/1.1 messages: RFC 9112; interim answers, connection persistence: RFC 9110, sections 15.2 and 7.6.1.
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from hashlib import sha256
from typing import Any, TypeVar

from upload_client.s3 import request_log
from upload_client.s3.responses import MAX_BODY, Broken, DirectRequest, answer_of, headers_of, status_of
from upload_client.s3.route import Address, Route
from upload_client.s3.sigv4 import UNSIGNED_PAYLOAD
from upload_client.s3.trouble import trouble_of
from upload_client.s3.wire import (
    Answer,
    Body,
    CopyObject,
    DeleteObject,
    GetObject,
    GetRange,
    HeadObject,
    ListObjectsV2,
    PutObject,
    Sink,
)
from upload_client.support.local_file import FileRange

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

T = TypeVar("T")
Waits = Generator[int, int, T]
"""Yields what is waited for, is sent what has happened (0: a time-out), returns a T."""

RateLimit = Callable[[int], int]
"""Called with the bytes to send; waits for the rate limit, and returns how many may go: at least one."""

_ONE_SEND = 64 * 1024  # up to here, copying a body behind its head is cheaper than a second call
_RECORDS = 256 * 1024  # of plain text for TLS at a time: OpenSSL wants the same bytes again after a wait
_TAIL = 64 * 1024  # of a long body; held back until its file is seen to be unchanged
_MAX_HEAD = 64 * 1024
_MOST_OF_ANSWER = 4096  # bytes of what a copy is answered with, all in all
_ADDRESSES_LAST = 60.0
_SILENT = "S3 has been silent for too long"
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})
_CUT = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)

_METHODS = {
    GetObject: "GET",
    GetRange: "GET",
    HeadObject: "HEAD",
    DeleteObject: "DELETE",
    ListObjectsV2: "GET",
}
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,6}\Z")
_ELABORATE = frozenset({b"transfer-encoding", b"connection"})


class ProxyLogin(Broken):
    """The proxy wants to know who asks."""

    code = "ProxyLogin"


class Names:
    """The addresses a host name stands for; asked again every minute, so that load spreads and moves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[tuple[int, Any]] = []
        self._at = float("-inf")
        self._next = 0

    def __call__(self, host: str, port: int) -> list[tuple[int, Any]]:
        """Family and address of each, beginning with another one every time.

        Raises:
            OSError: The name cannot be resolved.
        """
        with self._lock:
            if time.monotonic() - self._at > _ADDRESSES_LAST:
                try:
                    # As bytes: of a text Python loads the tables of international names.
                    asked = host.encode() if host.isascii() else host
                    answers = socket.getaddrinfo(asked, port, type=socket.SOCK_STREAM)
                except OSError:
                    if not self._found:
                        raise
                else:
                    self._found = list(dict.fromkeys((entry[0], entry[4]) for entry in answers))
                self._at = time.monotonic()
            self._next = (self._next + 1) % len(self._found)
            return self._found[self._next :] + self._found[: self._next]

    def avoid(self, found: tuple[int, Any]) -> None:
        """Nobody answers there: not to be tried again before the name is asked again, if there are others."""
        with self._lock:
            if len(self._found) > 1 and found in self._found:
                self._found.remove(found)


class Connection:
    """A connection to a bucket's store; opened when first needed, and again when it has been closed.

    Args:
        route: Where to, and how requests are signed.
        names: Shared by all connections of a route.

    Attributes:
        sock: What `exchange` waits on; it may be another one after each step.
        patience: Seconds to wait for what `exchange` waits for.
        sent: Bytes of a long request that are on the wire, for whoever wants to show it.
        wait_for_rate: Where bytes are capped: waits until so many more may go. Its thread waits, so it is for
            connections that have a thread of their own.
    """

    __slots__ = ("_buffer", "_names", "_reused", "_route", "patience", "sent", "sock", "wait_for_rate")

    def __init__(self, route: Route, names: Names) -> None:
        self._route = route
        self._names = names
        self._buffer = b""
        self._reused = False
        self.sock: socket.socket | None = None
        self.patience = route.address.opening
        self.sent = 0
        self.wait_for_rate: RateLimit | None = None

    def close(self) -> None:
        """Close it; it opens again when it is needed."""
        sock, self.sock = self.sock, None
        self._buffer = b""
        self._reused = False
        if sock is not None:
            sock.close()

    def exchange(self, request: DirectRequest) -> Waits[Answer]:
        """Send a request and read its answer. Raises nothing but what `request.unchanged` raises.

        A connection that was kept may have been closed by S3 in the meantime; then the request is sent once
        more on a new one. (Should S3 have carried out the first, the second meets its condition.)
        """
        route = self._route
        payload = request.sha256 if isinstance(request, PutObject) else None
        if payload is None:
            payload = _sha256(request.body) if route.sign_payload else UNSIGNED_PAYLOAD
        attempt = 0
        while True:
            reused = self._reused
            attempt += 1
            began = time.perf_counter()
            try:
                if self.sock is None:
                    self.patience = route.address.opening
                    yield from self._open(route.address)
                self.patience = route.address.silence
                head = route.head(request, payload)
                body = request.body
                if len(body) <= _ONE_SEND and not isinstance(body, FileRange) and self.wait_for_rate is None:
                    data = b"".join((head, body))
                    n = self._send_now(data)
                    whole = n == len(data) or (yield from self._send_all(memoryview(data)[n:]))
                else:
                    self.sent = 0
                    whole = yield from self._send_long(head, request)
                answer = None
                if whole:
                    if not (yield READ):
                        raise TimeoutError(_SILENT)  # noqa: TRY301 - a call less for each request
                    answer = self._usual(request)
                if answer is None:
                    answer = yield from self._receive(request, whole=whole)
            except (OSError, Broken) as error:
                self.close()
                answer = _unanswered(error, route.address.host)
                if reused and isinstance(error, (_Closed, *_CUT)):
                    self._log(request, answer, attempt, began)
                    continue
            except BaseException:
                self.close()
                raise
            if not answer.ok or request_log.all_logged():
                self._log(request, answer, attempt, began)
            return answer

    def _log(self, request: DirectRequest, answer: Answer, attempt: int, began: float) -> None:
        request_log.write_attempt(
            _METHODS.get(type(request), "PUT"),
            type(request).__name__,
            self._route.url(request),
            status=answer.status,
            code=answer.code,
            attempt=attempt,
            began=began,
            request_id=answer.request_id,
            host_id=answer.host_id,
        )

    # Opening

    def _open(self, address: Address) -> Waits[None]:
        host, port = address.proxy or (address.host, address.port)
        problem = OSError(f"{host} has no address")
        for found in self._names(host, port):
            try:
                yield from self._connect(*found, host)
            except OSError as error:
                self.close()
                self._names.avoid(found)
                problem = error
            else:
                break
        else:
            raise problem
        if address.tls is not None:
            if address.proxy is not None:
                yield from self._tunnel(address)
            yield from self._handshake(address.tls, address.host)

    def _connect(self, family: int, where: Any, host: str) -> Waits[None]:  # noqa: ANN401 - as the family is
        self.sock = sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003 - takes no keyword
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        number = sock.connect_ex(where)
        if number in _UNDER_WAY:
            yield from self._wait(WRITE)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number), host)

    def _tunnel(self, address: Address) -> Waits[None]:
        """Ask a proxy for a connection (RFC 9110, section 9.3.6)."""
        target = f"[{address.host}]" if ":" in address.host else address.host
        target = f"{target}:{address.port}"
        lines = "".join(f"{name}:{value}\r\n" for name, value in address.proxy_headers.items())
        yield from self._send_all(
            memoryview(f"CONNECT {target} HTTP/1.1\r\nhost:{target}\r\n{lines}\r\n".encode())
        )
        head = yield from self._head()
        status = status_of(head)
        if status == 407:
            raise ProxyLogin("the proxy wants a login (407)")
        if not 200 <= status < 300:
            raise Broken(f"the proxy does not let us through ({status})")
        if self._buffer:
            raise Broken("the proxy sent more than an answer")

    def _handshake(self, context: ssl.SSLContext, host: str) -> Waits[None]:
        assert self.sock is not None
        self.sock = sock = context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                yield from self._wait(READ)
            except ssl.SSLWantWriteError:
                yield from self._wait(WRITE)
            else:
                return

    # Sending

    def _send_long(self, head: bytes, request: DirectRequest) -> Waits[bool]:
        """Send a request with a long body; says whether all of it went, or an answer came before that."""
        if not (yield from self._send_all(memoryview(head))):
            return False
        unchanged = request.unchanged if isinstance(request, PutObject) else None
        size = len(request.body)
        if unchanged is not None and size > _TAIL:
            # While a long body was on its way, its file may have changed; what lacks its end is no object.
            if not (yield from self._send_at_rate(request.body, 0, size - _TAIL)):
                return False
            unchanged()
            return (yield from self._send_at_rate(request.body, size - _TAIL, size))
        return (yield from self._send_at_rate(request.body, 0, size))

    def _send_at_rate(self, body: Body, start: int, end: int) -> Waits[bool]:
        """Send a part of a body, as fast as it may go; says whether all of it went."""
        wait_for_rate = self.wait_for_rate
        if wait_for_rate is None:
            return (yield from self._send_body(body, start, end))
        while start < end:
            stop = start + wait_for_rate(end - start)
            if not (yield from self._send_body(body, start, stop)):
                return False
            start = stop
        return True

    def _send_body(self, body: Body, start: int, end: int) -> Waits[bool]:
        """Send a part of a body; says whether all of it went."""
        sock = self.sock
        assert sock is not None
        if not isinstance(body, FileRange):
            return (yield from self._send_all(memoryview(body)[start:end]))
        if isinstance(sock, ssl.SSLSocket):
            return (yield from self._send_all(memoryview(body.read())[start:end]))
        while start < end:
            try:
                n = body.send(sock, start, end)
            except (BlockingIOError, *_CUT) as error:
                if not (yield from self._held_up(error)):
                    return False
            else:
                start += n
                self.sent += n
        return True

    def _send_now(self, data: bytes) -> int:
        """Send what can be sent without waiting, which is nearly always all of it."""
        assert self.sock is not None
        try:
            return self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def _send_all(self, view: memoryview) -> Waits[bool]:
        sock = self.sock
        assert sock is not None
        secure = isinstance(sock, ssl.SSLSocket)
        while view:
            try:
                n = sock.send(view[:_RECORDS] if secure else view)
            except ssl.SSLWantReadError:
                yield from self._wait(READ)
            except (BlockingIOError, ssl.SSLWantWriteError, *_CUT) as error:
                if not (yield from self._held_up(error)):
                    return False
            else:
                view = view[n:]
                self.sent += n
        return True

    def _held_up(self, error: OSError) -> Waits[bool]:
        """Sending does not go on: wait until it does; says whether it is to, or an answer has come."""
        if not isinstance(error, _CUT):
            return not ((yield from self._wait(READ | WRITE)) & READ) or self._silent()
        # An answer may have come before the connection was cut: it says more than the cut does.
        with contextlib.suppress(OSError):
            if not self._silent():
                return False
        raise error

    def _silent(self) -> bool:
        """Whether no final answer has come yet; interim ones, such as 100 Continue, are passed over."""
        assert self.sock is not None
        try:
            data = self.sock.recv(_MAX_HEAD)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        if not data:
            raise _Closed("S3 closed the connection while the request was sent")
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end and len(head) <= _MAX_HEAD:
                return True
            if status_of(head) >= 200:
                return False
            self._buffer = rest

    # Receiving

    def _usual(self, request: DirectRequest) -> Answer | None:
        """The answer nearly every request gets: yes, in one piece. None: not yet, or another.

        What has been read of another one is in the buffer.
        """
        assert self.sock is not None
        try:
            data = self.sock.recv(_MAX_HEAD)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        if not data:
            raise _Closed("S3 closed the connection without an answer")
        head, end, rest = data.partition(b"\r\n\r\n")
        most = _MOST_OF_ANSWER if isinstance(request, CopyObject) else getattr(request, "most", 0)
        if getattr(request, "sink", None) is not None:
            most = -1
        if end and len(rest) <= most and head[:13] == b"HTTP/1.1 200 ":
            headers = headers_of(head)
            length = headers.get(b"content-length")
            fits = length == b"%d" % len(rest) or (length is not None and isinstance(request, HeadObject))
            if fits and not _ELABORATE & headers.keys():
                self._reused = True
                return answer_of(request, 200, headers, rest, whole=True)
        self._buffer = data
        return None

    def _receive(self, request: DirectRequest, *, whole: bool) -> Waits[Answer]:
        while True:
            head = yield from self._head()
            status = status_of(head)
            if status >= 200:
                break
        headers = headers_of(head)
        body, ended = yield from self._body(request, status, headers)
        keep = (
            whole
            and not ended
            and not self._buffer
            and head.startswith(b"HTTP/1.1 ")
            and b"close" not in headers.get(b"connection", b"").lower()
        )
        if not keep:
            self.close()
        else:
            self._reused = True
        return answer_of(request, status, headers, body, whole=whole)

    def _head(self) -> Waits[bytes]:
        """The status line and headers of one answer, without the empty line after them."""
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if end:
                self._buffer = rest
                return head
            if len(self._buffer) > _MAX_HEAD:
                raise Broken("the answer's headers have no end")
            data = yield from self._recv()
            if not data:
                if not self._buffer:
                    raise _Closed("S3 closed the connection without an answer")
                raise Broken("the answer was cut")
            self._buffer += data

    def _body(
        self, request: DirectRequest, status: int, headers: dict[bytes, bytes]
    ) -> Waits[tuple[bytes | bytearray, bool]]:
        """The answer's body, and whether only the connection's end has ended it (RFC 9112, section 6.3)."""
        if status in (204, 304) or type(request) is HeadObject:
            return b"", False
        most, sink = MAX_BODY, None
        if (type(request) is GetObject and status == 200) or (type(request) is GetRange and status == 206):
            most, sink = request.most, request.sink
            if sink is not None:
                sink.begin()
        elif type(request) is ListObjectsV2 and status == 200:
            most = request.most
        encoding = headers.get(b"transfer-encoding")
        length = headers.get(b"content-length")
        if encoding is not None:
            if length is not None or encoding.lower() != b"chunked":
                raise Broken("the answer states its length in two ways")
            chunks = yield from self._chunks(most)
            if sink is None:
                return chunks, False
            self._buffer = chunks + self._buffer  # seldom: stores say how long an object is
            yield from self._pour(len(chunks), sink)
            return b"", False
        if length is not None:
            if not length.isdigit() or len(length) > 15:
                raise Broken("the answer's length is no sensible number")
            if int(length) <= most and sink is not None:
                yield from self._pour(int(length), sink)
                return b"", False
            if int(length) <= most:
                return (yield from self._exactly(int(length))), False
            if most is not MAX_BODY:
                return b"", True  # of an object larger than it should be, only that is of interest
            raise Broken("the answer is too long")
        while data := (yield from self._recv()):
            self._buffer += data
            if len(self._buffer) > most:
                raise Broken("the answer has no end")
        body, self._buffer = self._buffer, b""
        return body, True

    def _exactly(self, n: int) -> Waits[bytes | bytearray]:
        if n > _MAX_HEAD + len(self._buffer):
            return (yield from self._much(n))
        while len(self._buffer) < n:
            data = yield from self._recv()
            if not data:
                raise Broken("the answer was cut")
            self._buffer += data
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def _much(self, n: int) -> Waits[bytearray]:
        """As many bytes as are better not put together from pieces."""
        data = bytearray(n)
        done = len(self._buffer)
        data[:done], self._buffer = self._buffer, b""
        with memoryview(data) as view:
            yield from self._fill(view, done)
        return data

    def _fill(self, view: memoryview, done: int) -> Waits[None]:
        """Receive until a buffer is full, of which so many bytes are there already."""
        while done < len(view):
            assert self.sock is not None
            try:
                more = self.sock.recv_into(view[done:])
            except (BlockingIOError, ssl.SSLWantReadError):
                yield from self._wait(READ)
            except ssl.SSLWantWriteError:
                yield from self._wait(WRITE)
            else:
                if not more:
                    raise Broken("the answer was cut")
                done += more

    def _pour(self, n: int, sink: Sink) -> Waits[None]:
        """So many bytes into a sink: in blocks that are still in the processor's cache when it takes them."""
        view = sink.buffer
        while n:
            done = min(len(self._buffer), len(view), n)
            view[:done], self._buffer = self._buffer[:done], self._buffer[done:]
            most = min(n, len(view))
            yield from self._fill(view[:most], done)
            sink.came(most)
            n -= most

    def _line(self) -> Waits[bytes]:
        while True:
            line, end, rest = self._buffer.partition(b"\r\n")
            if end:
                self._buffer = rest
                return line
            if len(self._buffer) > _MAX_HEAD:
                raise Broken("a line of the answer has no end")
            data = yield from self._recv()
            if not data:
                raise Broken("the answer was cut")
            self._buffer += data

    def _chunks(self, most: int) -> Waits[bytes]:
        """A chunked body (RFC 9112, section 7.1)."""
        blocks: list[bytes | bytearray] = []
        total = 0
        while True:
            digits = (yield from self._line()).partition(b";")[0].strip()
            if not _CHUNK_SIZE.match(digits):
                raise Broken("the answer's chunks are garbled")
            size = int(digits, 16)
            if size == 0:
                break
            total += size
            if total > most:
                raise Broken("the answer has no end")
            block = yield from self._exactly(size + 2)
            if block[-2:] != b"\r\n":
                raise Broken("the answer's chunks are garbled")
            blocks.append(block[:-2])
        while (yield from self._line()):
            pass  # trailers
        return b"".join(blocks)

    def _recv(self) -> Waits[bytes]:
        assert self.sock is not None
        while True:
            try:
                return self.sock.recv(_MAX_HEAD)
            except (BlockingIOError, ssl.SSLWantReadError):
                yield from self._wait(READ)
            except ssl.SSLWantWriteError:
                yield from self._wait(WRITE)

    def _wait(self, events: int) -> Waits[int]:
        happened = yield events
        if not happened:
            raise TimeoutError(_SILENT)
        return happened


class _Closed(Broken):
    """The other side closed the connection before a single byte of an answer."""

    code = "ConnectionClosed"


def _unanswered(error: OSError | Broken, host: str) -> Answer:
    """Make an answer of what is known where none came."""
    if isinstance(error, Broken):
        return Answer(0, error.code, str(error))
    trouble = trouble_of(error, host)
    assert trouble is not None  # it is the network's
    return Answer(0, trouble.code, trouble.message)


def _sha256(body: Body) -> str:
    if isinstance(body, FileRange):
        return body.sha256 or sha256(body.read()).hexdigest()
    return sha256(body).hexdigest()
