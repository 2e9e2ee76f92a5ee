"""A store that forgets everything at once: speaks enough of S3 to be uploaded to, as fast as Python can.

Each process runs one epoll loop; several share the port (SO_REUSEPORT). Bodies over plain TCP are thrown away
inside the kernel (MSG_TRUNC, see tcp(7)), so that what is measured is the client. It checks nothing.

Only a bucket called ``control`` it remembers, with conditions and listings, and to whoever invokes a function
it says that a validator runs: enough for a whole delivery to be sent, though not judged. (One process only.)

    python sink.py [--port N] [--processes N] [--delay SECONDS] [--tls CERT KEY]

prints one JSON line when it is ready, and runs until it is told to end or its standard input closes.
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import os
import re
import selectors
import signal
import socket
import ssl
import sys
import threading
import time
from email.utils import formatdate
from hashlib import md5
from urllib.parse import parse_qs, unquote

ETAG = b'"d41d8cd98f00b204e9800998ecf8427e"'
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BLOCK = 1 << 20

OK = b"HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: 0\r\n\r\n" % ETAG
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def answer(body: bytes, status: bytes = b"200 OK", kind: bytes = b"application/xml") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        kind,
        len(body),
        body,
    )


NS = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
CREATED = answer(
    b"<?xml version='1.0'?><InitiateMultipartUploadResult %s><Bucket>b</Bucket><Key>k</Key>"
    b"<UploadId>upload</UploadId></InitiateMultipartUploadResult>" % NS
)
COMPLETED = answer(
    b"<?xml version='1.0'?><CompleteMultipartUploadResult %s><Location>l</Location><Bucket>b</Bucket>"
    b"<Key>k</Key><ETag>%s</ETag></CompleteMultipartUploadResult>" % (NS, ETAG)
)
COPIED = answer(
    b"<?xml version='1.0'?><CopyObjectResult %s><ETag>%s</ETag><LastModified>2026-01-01T00:00:00.000Z"
    b"</LastModified><ChecksumCRC32>AAAAAA==</ChecksumCRC32></CopyObjectResult>" % (NS, ETAG)
)
EMPTY = answer(
    b"<?xml version='1.0'?><ListBucketResult %s><Name>b</Name><KeyCount>0</KeyCount>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>" % NS
)
WHEN = "2026-01-02T03:04:05.000Z"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Control:
    """The bucket that is remembered."""

    def __init__(self):
        self.objects = {}
        self.etags = {}

    def answer(self, method, target, headers, body):
        path, _, query = target.partition("?")
        key = unquote(path).removeprefix("/control").lstrip("/")
        if method == "GET" and not key:
            asked = parse_qs(query)
            prefix, after = (asked.get(name, [""])[0] for name in ("prefix", "start-after"))
            keys = sorted(name for name in self.objects if name.startswith(prefix) and name > after)
            entries = "".join(
                f"<Contents><Key>{name}</Key><Size>{len(self.objects[name])}</Size>"
                f"<ETag>{self.etags[name]}</ETag><LastModified>{WHEN}</LastModified></Contents>"
                for name in keys
            )
            return answer(
                f"<ListBucketResult {NS.decode()}><Name>control</Name><KeyCount>{len(keys)}</KeyCount>"
                f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
            )
        there = key in self.objects
        if method in ("GET", "HEAD"):
            if not there:
                return NOT_FOUND
            content = self.objects[key]
            head = (
                f"HTTP/1.1 200 OK\r\nETag: {self.etags[key]}\r\nContent-Length: {len(content)}\r\n"
                f"Last-Modified: {formatdate(usegmt=True)}\r\nDate: {formatdate(usegmt=True)}\r\n\r\n"
            ).encode()
            return head if method == "HEAD" else head + content
        refused = (headers.get("if-none-match") == "*" and there) or (
            "if-match" in headers and (not there or headers["if-match"] != self.etags[key])
        )
        if refused:
            return b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
        if method == "DELETE":
            self.objects.pop(key, None)
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        self.objects[key] = body
        # Once, and not for each LIST, which is asked for many times while a log grows.
        self.etags[key] = f'"{md5(body, usedforsecurity=False).hexdigest()}"'
        return f"HTTP/1.1 200 OK\r\nETag: {self.etags[key]}\r\nContent-Length: 0\r\n\r\n".encode()


class Peer:
    __slots__ = ("buffer", "due", "left", "pending", "sock")

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.left = 0
        self.pending = b""
        self.due = False


class Loop:
    """One process' share of the connections."""

    def __init__(self, listener, delay, context, counts):
        self.listener = listener
        self.delay = delay
        self.context = context
        self.counts = counts
        self.later = []
        self.n = 0
        self.trash = bytearray(BLOCK)
        self.control = Control()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, None)

    def run(self):
        while True:
            timeout = None
            if self.later:
                timeout = max(0.0, self.later[0][0] - time.perf_counter())
            for key, _ in self.selector.select(timeout):
                if key.data is None:
                    self.accept()
                else:
                    try:
                        self.serve(key.data)
                    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        pass
                    except OSError:
                        self.drop(key.data)
            now = time.perf_counter()
            while self.later and self.later[0][0] <= now:
                _, _, peer, data = heapq.heappop(self.later)
                try:
                    peer.sock.sendall(data)
                except OSError:
                    self.drop(peer)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self.selector.register(sock, selectors.EVENT_READ, Peer(sock))

    def drop(self, peer):
        try:
            self.selector.unregister(peer.sock)
        except KeyError:
            return
        peer.sock.close()

    def serve(self, peer):
        sock = peer.sock
        while True:
            if peer.left:
                if self.context is None:
                    n = sock.recv_into(self.trash, min(peer.left, BLOCK), socket.MSG_TRUNC)
                else:
                    n = sock.recv_into(self.trash, min(peer.left, BLOCK))
                if not n:
                    self.drop(peer)
                    return
                peer.left -= n
                if peer.left:
                    continue
                self.reply(peer, peer.pending)
                if not peer.buffer:
                    continue
            data = sock.recv(65536)
            if not data:
                self.drop(peer)
                return
            peer.buffer += data
            while not peer.left:
                end = peer.buffer.find(b"\r\n\r\n")
                if end < 0:
                    break
                self.request(peer, peer.buffer[:end], end + 4)

    def request(self, peer, head, start):
        line = head[: head.index(b"\r\n")]
        found = LENGTH.search(head)
        length = int(found[1]) if found else 0
        self.counts[0] += 1
        self.counts[1] += length
        if b" /control" in line:
            self.remember(peer, head, start, length)
            return
        if line.startswith(b"PUT "):
            said = COPIED if b"\r\nx-amz-copy-source:" in head.lower() else OK
        elif b"/invocations " in line:
            said = answer(b'{"status": "success", "validator_id": "none"}', kind=b"application/json")
        elif line.startswith(b"POST "):
            said = CREATED if b"uploads" in line.partition(b"?")[2] else COMPLETED
        elif line.startswith(b"HEAD "):
            said = NOT_FOUND
        elif line.startswith(b"GET /_counts"):
            said = answer(json.dumps({"requests": self.counts[0], "bytes": self.counts[1]}).encode())
        else:
            said = EMPTY
        if b"100-continue" in head:
            peer.sock.sendall(CONTINUE)
        there = len(peer.buffer) - start
        if there >= length:
            peer.buffer = peer.buffer[start + length :]
            self.reply(peer, said)
        else:
            peer.buffer = b""
            peer.left = length - there
            peer.pending = said

    def remember(self, peer, head, start, length):
        """A request to the control bucket; these are few, and may be waited for."""
        body = peer.buffer[start:]
        peer.sock.setblocking(True)
        while len(body) < length:
            body += peer.sock.recv(length - len(body))
        peer.sock.setblocking(False)
        peer.buffer = body[length:]
        first, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        method, target, _ = first.split(" ")
        self.reply(peer, self.control.answer(method, target, headers, body[:length]))

    def reply(self, peer, said):
        if self.delay:
            self.n += 1
            heapq.heappush(self.later, (time.perf_counter() + self.delay, self.n, peer, said))
        else:
            peer.sock.sendall(said)


def listen(port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(4096)
    sock.setblocking(False)
    return sock


def serve(port, delay, tls, counts):
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    Loop(listen(port), delay, context, counts).run()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    first = listen(options.port)
    port = first.getsockname()[1]
    counts = multiprocessing.Array("q", 2, lock=False)
    others = [
        multiprocessing.Process(target=serve, args=(port, options.delay, options.tls, counts), daemon=True)
        for _ in range(options.processes - 1)
    ]
    for process in others:
        process.start()
    scheme = "https" if options.tls else "http"
    print(json.dumps({"endpoint_url": f"{scheme}://127.0.0.1:{port}"}), flush=True)

    def watch():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    Loop(first, options.delay, context, counts).run()


if __name__ == "__main__":
    main()
