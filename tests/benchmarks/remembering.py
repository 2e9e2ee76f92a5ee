"""A store that remembers: enough of S3, and of Lambda's Invoke, for a client to resume a million files from.

Landing objects are made up, not stored: their names and ETags are functions of their number. It counts
requests by operation, and tells the counts at ``GET /requests``.

    python remembering.py [--port N] [--landed N] [--landing PREFIX]

prints one JSON line when it is ready, and runs until it is told to end or its standard input closes.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import json
import socket
import sys
import threading
from collections import Counter
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

CONTROL, LANDING = "control", "landing"
HIDDEN = "hidden/"
"""What lies below it appears, without it, when the function is invoked."""
NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
PAGE = 1000
WHEN = "2026-01-02T03:04:05.000Z"


def name_of(number: int) -> str:
    """Path of the file with this number."""
    return f"survey/field{number // 1000:04d}/tile_{number % 1000:04d}.csv"


def content_of(number: int) -> bytes:
    return f"id\n{number}\n".encode()


@lru_cache(maxsize=100_000)
def etag_of(number: int) -> str:
    return hashlib.md5(content_of(number), usedforsecurity=False).hexdigest()


class Store:
    def __init__(self, n_landed: int, landing: str) -> None:
        self.n_landed = n_landed
        self.landing = landing
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()

    def page(self, bucket: str, prefix: str, after: str) -> tuple[list[tuple[str, int, str]], bool]:
        """Key, size and ETag of the next keys, and whether there are more."""
        if bucket == LANDING:
            first = self.number_after(after)
            found = [
                (self.landing + name_of(n), len(content_of(n)), etag_of(n))
                for n in range(first, min(first + PAGE, self.n_landed))
            ]
            return found, first + PAGE < self.n_landed
        keys = sorted(key for key in list(self.objects) if key.startswith(prefix))
        start = bisect.bisect_right(keys, after)
        shown = keys[start : start + PAGE]
        return [(key, len(self.objects[key]), md5(self.objects[key])) for key in shown], start + PAGE < len(
            keys
        )

    def level(self, prefix: str) -> tuple[list[str], list[tuple[str, int, str]]]:
        """What a listing of the control bucket with a delimiter shows, on one page: folders, and objects."""
        n = len(prefix)
        keys = [key for key in list(self.objects) if key.startswith(prefix)]
        groups = {key[: n + key[n:].index("/") + 1] for key in keys if "/" in key[n:]}
        objects = [(key, self.objects[key]) for key in sorted(keys) if "/" not in key[n:]]
        return sorted(groups), [(key, len(body), md5(body)) for key, body in objects]

    def number_after(self, after: str) -> int:
        if not after.startswith(self.landing) or len(after) <= len(self.landing):
            return 0
        _, field, tile = after.removeprefix(self.landing).split("/")
        return int(field[5:]) * 1000 + int(tile[5:9]) + 1

    def reveal(self) -> None:
        for key in [key for key in self.objects if key.startswith(HIDDEN)]:
            self.objects[key.removeprefix(HIDDEN)] = self.objects.pop(key)


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} -", f"Date: {formatdate(usegmt=True)}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def place(self) -> tuple[str, str, dict[str, str]]:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        return bucket, key, {name: value[0] for name, value in parse_qs(url.query, True).items()}

    def count(self, operation: str) -> None:
        with self.store.lock:
            self.store.counts[operation] += 1

    def do_GET(self) -> None:
        bucket, key, query = self.place()
        if bucket == "requests":
            self.answer(200, json.dumps(self.store.counts).encode())
            self.store.counts.clear()
        elif key:
            self.count("GET")
            self.give(self.store.objects.get(key))
        elif "uploads" in query:
            self.count("LIST uploads")
            self.answer(200, f"<ListMultipartUploadsResult {NS}/>".encode())
        else:
            self.count("LIST")
            prefix = query.get("prefix", "")
            after = query.get("continuation-token") or query.get("start-after", "")
            if query.get("delimiter"):
                groups, entries = self.store.level(prefix)
                more = False
            else:
                groups = []
                entries, more = self.store.page(bucket, prefix, after)
            token = f"<NextContinuationToken>{entries[-1][0]}</NextContinuationToken>" if more else ""
            body = "".join(
                f"<Contents><Key>{quote(name)}</Key><LastModified>{WHEN}</LastModified>"
                f"<ETag>&quot;{etag}&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
                f"<ChecksumType>FULL_OBJECT</ChecksumType><Size>{size}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
                for name, size, etag in entries
            ) + "".join(
                f"<CommonPrefixes><Prefix>{quote(group)}</Prefix></CommonPrefixes>" for group in groups
            )
            self.answer(
                200,
                f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {NS}><Name>{bucket}</Name>'
                f"<Prefix>{quote(prefix)}</Prefix><KeyCount>{len(entries)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
                f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{body}{token}"
                "</ListBucketResult>".encode(),
                Content_Type="application/xml",
            )

    def do_HEAD(self) -> None:
        self.count("HEAD")
        self.give(self.store.objects.get(self.place()[1]))

    def give(self, body: bytes | None) -> None:
        if body is None:
            self.answer(404, f"<Error {NS}><Code>NoSuchKey</Code></Error>".encode())
        else:
            self.answer(200, body, ETag=f'"{md5(body)}"', Last_Modified=formatdate(usegmt=True))

    def do_PUT(self) -> None:
        self.count("PUT")
        _, key, query = self.place()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "partNumber" in query:
            self.store.parts[key][int(query["partNumber"])] = body
            self.answer(200, ETag=f'"{md5(body)}"', x_amz_checksum_crc32=self.headers["x-amz-checksum-crc32"])
            return
        self.put(key, body)

    def put(self, key: str, body: bytes, answer: bytes = b"") -> None:
        with self.store.lock:
            there = self.store.objects.get(key)
            wanted = self.headers.get("If-Match")
            refused = (self.headers.get("If-None-Match") and there is not None) or (
                wanted and (there is None or wanted.strip('"') != md5(there))
            )
            if not refused:
                self.store.objects[key] = body
        if refused:
            self.answer(412, f"<Error {NS}><Code>PreconditionFailed</Code></Error>".encode())
        else:
            self.answer(200, answer, ETag=f'"{md5(body)}"')

    def do_DELETE(self) -> None:
        self.count("DELETE")
        self.store.objects.pop(self.place()[1], None)
        self.answer(204)

    def do_POST(self) -> None:
        _, key, query = self.place()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in query:
            self.count("POST")
            self.store.parts[key] = {}
            begun = "InitiateMultipartUploadResult"
            self.answer(200, f"<{begun} {NS}><UploadId>1</UploadId></{begun}>".encode())
            return
        if "uploadId" in query:
            self.count("POST")
            parts = self.store.parts.pop(key, None)
            if parts is None:
                self.answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
                return
            body = b"".join(part for _, part in sorted(parts.items()))
            etag = f"<ETag>&quot;{md5(body)}&quot;</ETag>"
            self.put(
                key,
                body,
                f"<CompleteMultipartUploadResult {NS}>{etag}</CompleteMultipartUploadResult>".encode(),
            )
            return
        self.count("Invoke")
        self.store.reveal()
        self.answer(
            200, b'{"status": "success", "validator_id": "benchmark"}', Content_Type="application/json"
        )


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--landed", type=int, default=0)
    parser.add_argument("--landing", default="")
    options = parser.parse_args()
    Handler.store = Store(options.landed, options.landing)
    server = Server(("127.0.0.1", options.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"endpoint_url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
