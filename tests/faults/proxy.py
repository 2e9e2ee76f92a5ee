"""A TCP proxy for HTTP that does to chosen requests what bad networks do.

    with Proxy("http://127.0.0.1:5000") as proxy:
        proxy.on(swallow_answer(), method="PUT", path="/owned$", nth=2)
        ...  # speak to proxy.url

It stands between a client and one plain-HTTP server, knows where requests and answers begin and end, numbers
the requests, keeps a list of them, and hands each to at most one fault. One thread for each connection.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

__all__ = [
    "Exchange",
    "Fault",
    "Proxy",
    "Request",
    "answer",
    "corrupt_answer",
    "corrupt_request",
    "cut_answer",
    "cut_request",
    "delay",
    "drop",
    "half_close",
    "reset",
    "swallow_answer",
]

MAX_HEAD = 256 * 1024


@dataclass(slots=True)
class Request:
    """One request as it came in; `fault` and `status` are filled in as it goes on its way."""

    number: int  # counted from 1 over all connections
    method: str
    path: str  # decoded, without the query
    query: str
    headers: dict[str, str]  # names in lower case
    head: bytes
    body: bytes
    fault: str = ""
    status: int = 0  # what the server answered; 0: it was not asked, or did not answer


@dataclass(slots=True)
class Answer:
    """What the server said, byte by byte."""

    status: int
    head: bytes
    body: bytes
    closes: bool

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class Gone(Exception):  # noqa: N818 - it says what happened
    """The connection is over."""


class Exchange:
    """What a fault may do with one request: pass it on, say something to the client, break the connection."""

    def __init__(self, proxy: Proxy, request: Request, client: socket.socket, server: Upstream) -> None:
        self.proxy = proxy
        self.request = request
        self._client = client
        self._server = server

    def forward(self) -> Answer:
        """Pass the request on and take the server's whole answer."""
        answered = self._server.ask(self.request.head, self.request.body, self.request.method)
        self.request.status = answered.status
        return answered

    def forward_some(self, n_bytes: int) -> None:
        """Pass on the head and the first bytes of the body, then hang up on the server."""
        self._server.tell(self.request.head, self.request.body[:n_bytes])
        self._server.close()

    def send(self, data: bytes) -> None:
        """Say something to the client."""
        self._client.sendall(data)

    def shutdown(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self._client.shutdown(socket.SHUT_WR)

    def wait_for_client(self, seconds: float) -> None:
        """Listen until the client hangs up, at most so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.proxy.closing.is_set():
            self._client.settimeout(min(left, 0.2))
            with contextlib.suppress(TimeoutError):
                if not self._client.recv(65536):
                    return

    def hang_up(self) -> None:
        """Close the connection to the client in an orderly way."""
        raise Gone

    def reset(self) -> None:
        """Close the connection to the client with a RST."""
        _reset(self._client)
        raise Gone


Fault = Callable[[Exchange], None]


def delay(seconds: float) -> Fault:
    """Pass it on that much later."""

    def fault(x: Exchange) -> None:
        x.proxy.closing.wait(seconds)
        x.send(x.forward().raw)

    return fault


def drop() -> Fault:
    """Hang up; the server never hears of the request."""
    return Exchange.hang_up


def swallow_answer(hold: float = 0.0) -> Fault:
    """Let the server carry it out, and hang up instead of answering (after `hold` seconds of silence)."""

    def fault(x: Exchange) -> None:
        x.forward()
        if hold:
            x.wait_for_client(hold)
        x.hang_up()

    return fault


def cut_answer(after: int | None = None) -> Fault:
    """Answer with the first `after` bytes and hang up; None: in the middle of the answer's head."""

    def fault(x: Exchange) -> None:
        answered = x.forward()
        x.send(answered.raw[: len(answered.head) // 2 if after is None else after])
        x.hang_up()

    return fault


def cut_request(after: int) -> Fault:
    """Pass on only so many bytes of the body, then hang up on both sides."""

    def fault(x: Exchange) -> None:
        x.forward_some(after)
        x.hang_up()

    return fault


def reset(*, forward: bool = True) -> Fault:
    """Reset the connection, after the server carried the request out, or before it hears of it."""

    def fault(x: Exchange) -> None:
        if forward:
            x.forward()
        x.reset()

    return fault


def half_close(after: int = 0, hold: float = 5.0) -> Fault:
    """Answer with so many bytes, say that no more will come, and stay connected for `hold` seconds."""

    def fault(x: Exchange) -> None:
        x.send(x.forward().raw[:after])
        x.shutdown()
        x.wait_for_client(hold)
        x.hang_up()

    return fault


def answer(status: int = 503, code: str = "SlowDown", *, headers: str = "", forward: bool = False) -> Fault:
    """Answer with an S3 error, whatever the server would say (`forward`: it is asked all the same)."""
    body = f"<Error><Code>{code}</Code><Message>made by the proxy</Message></Error>".encode()

    def fault(x: Exchange) -> None:
        if forward:
            x.forward()
        head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/xml\r\nContent-Length: "
        said = b"" if x.request.method == "HEAD" else body
        x.send(f"{head}{len(body)}\r\n{headers}\r\n".encode() + said)

    return fault


def corrupt_request(offset: int = 0) -> Fault:
    """Flip one bit of the request's body on its way to the server."""

    def fault(x: Exchange) -> None:
        x.request.body = _flipped(x.request.body, offset)
        x.send(x.forward().raw)

    return fault


def corrupt_answer(offset: int = 0) -> Fault:
    """Flip one bit of the answer's body on its way to the client."""

    def fault(x: Exchange) -> None:
        answered = x.forward()
        x.send(answered.head + _flipped(answered.body, offset))

    return fault


def _flipped(data: bytes, offset: int) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[offset % len(changed)] ^= 1
    return bytes(changed)


@dataclass(slots=True)
class _Rule:
    fault: Fault
    matches: Callable[[Request], bool]
    skip: int
    times: int | None
    name: str = field(default="")


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes requests on to `upstream`, a URL of plain HTTP.

    Attributes:
        url: Where it listens.
        requests: Every request so far, in the order they came in.
    """

    def __init__(self, upstream: str) -> None:
        where = urlsplit(upstream)
        assert where.scheme == "http"
        assert where.hostname is not None
        self._upstream = (where.hostname, where.port or 80)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._up = True
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(0.1)  # its close() does not wake an accept() that waits for ever
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def on(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str | None = None,
        query: str | None = None,
        when: Callable[[Request], bool] | None = None,
        nth: int = 1,
        times: int | None = 1,
    ) -> None:
        """Let `fault` have the next requests that match everything given.

        Args:
            fault: What happens to them.
            method: Only this method.
            path: Only where this regular expression is found in the decoded path.
            query: Only where this regular expression is found in the query.
            when: Only where this says so.
            nth: The first of the matching requests, from now on, that is hit.
            times: How many are hit; None: all that follow.
        """

        def matches(request: Request) -> bool:
            return (
                (method is None or request.method == method)
                and (path is None or re.search(path, request.path) is not None)
                and (query is None or re.search(query, request.query) is not None)
                and (when is None or when(request))
            )

        name = getattr(fault, "__qualname__", "fault").split(".")[0]
        with self._lock:
            self._rules.append(_Rule(fault, matches, nth - 1, times, name))

    def calm(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()

    def down(self) -> None:
        """Begin an outage: reset every connection, and each new one at once."""
        with self._lock:
            self._up = False
            for connection in self._connections:
                _reset(connection)

    def up(self) -> None:
        """End the outage."""
        with self._lock:
            self._up = True

    def count(self, method: str | None = None, path: str = "") -> int:
        """Count the requests so far with this method, and a path where this regular expression is found."""
        return sum(
            1
            for r in list(self.requests)
            if method in {None, r.method} and re.search(path, r.path) is not None
        )

    def close(self) -> None:
        """Stop listening, break all connections, wait for the threads."""
        self.closing.set()
        self._listener.close()
        self.down()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            client.settimeout(None)
            with self._lock:
                up = self._up
                if up:
                    self._connections.add(client)
            if not up:
                _reset(client)
                continue
            thread = threading.Thread(
                target=self._serve, args=(client,), name="proxy connection", daemon=True
            )
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        server = Upstream(self._upstream)
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # raises where it was cut in between
            # Both, or the connection stays open: a file made of a socket keeps it alive.
            with client, client.makefile("rb") as reader:
                while True:
                    request = self._read_request(reader, client)
                    self._handle(Exchange(self, request, client, server))
        except (Gone, OSError, ValueError):
            pass
        finally:
            server.close()
            with self._lock:
                self._connections.discard(client)

    def _read_request(self, reader, client: socket.socket) -> Request:
        head = _read_head(reader)
        line, headers = _parse(head)
        method, target, _ = line.split(" ", 2)
        if headers.get("expect", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"(?im)^expect:.*\r\n", b"", head)
        body = _read_body(reader, headers)
        path, _, query = target.partition("?")
        with self._lock:
            if not self._up:  # Linux still hands over what comes in after a shutdown
                raise Gone
            request = Request(len(self.requests) + 1, method, unquote(path), query, headers, head, body)
            self.requests.append(request)
        return request

    def _handle(self, exchange: Exchange) -> None:
        fault = self._fault_for(exchange.request)
        if fault is not None:
            fault(exchange)
            return
        answered = exchange.forward()
        exchange.send(answered.raw)
        if answered.closes:
            exchange.hang_up()

    def _fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.times == 0 or not rule.matches(request):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                request.fault = rule.name
                return rule.fault
        return None


class Upstream:
    """The proxy's connection to the server, kept open as long as both sides like."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._reader = None

    def tell(self, head: bytes, body: bytes) -> None:
        self.close()  # never on a connection that the server may just have given up
        self._socket = socket.create_connection(self._address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        self._socket.sendall(head + body)

    def ask(self, head: bytes, body: bytes, method: str) -> Answer:
        self.tell(head, body)
        while True:
            answer_head = _read_head(self._reader)
            line, headers = _parse(answer_head)
            status = int(line.split(" ", 2)[1])
            if status >= 200:
                break
        closes = headers.get("connection", "").lower() == "close" or line.startswith("HTTP/1.0")
        if method == "HEAD" or status in {204, 304}:
            return Answer(status, answer_head, b"", closes)
        until_close = "content-length" not in headers and "transfer-encoding" not in headers
        content = self._reader.read() if until_close else _read_body(self._reader, headers)
        return Answer(status, answer_head, content, closes or until_close)

    def close(self) -> None:
        if self._socket is not None:
            self._reader.close()
            self._socket.close()
            self._socket = None


def _read_head(reader) -> bytes:
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(MAX_HEAD)
        if not line or len(head) > MAX_HEAD:
            raise Gone
        head += line
    return bytes(head)


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    line, *rest = head.decode("latin-1").split("\r\n")
    pairs = (entry.partition(":") for entry in rest if entry)
    return line, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _read_body(reader, headers: dict[str, str]) -> bytes:
    """Read a body as it is on the wire: chunks stay chunks."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks(reader))
    length = int(headers.get("content-length") or 0)
    body = reader.read(length)
    if len(body) < length:
        raise Gone
    return body


def _chunks(reader) -> Iterator[bytes]:
    while True:
        line = reader.readline(MAX_HEAD)
        if not line:
            raise Gone
        yield line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            while (line := reader.readline(MAX_HEAD)) not in {b"\r\n", b""}:
                yield line
            yield line
            return
        yield reader.read(size + 2)


def _reset(connection: socket.socket) -> None:
    """Close with a RST: linger for no time (Windows and POSIX agree on these two shorts or ints by size)."""
    layout = "hh" if hasattr(socket, "SIO_RCVALL") else "ii"
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
        # A reader in another thread wakes on this; the RST itself goes out with the close.
        connection.shutdown(socket.SHUT_RD)
    connection.close()
