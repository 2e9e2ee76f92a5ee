"""How fast one validator judges, by the store's latency and by how many files it judges at once.

    python tests/benchmarks/judging.py [--files N] [--shards K] [--memory] [--out FILE.json]

A delivery of N small CSV files has landed and is announced; a validator, in a process of its own, or K that
share the files, judge it in front of a store in memory that answers each request after 1, 10 or 100 ms.
Prints a table in Markdown: verdicts a second, CPU time of the validators for each verdict, requests for
each file, and the peak memory of a validator with all that it has imported.

`--memory` measures what 256 files at once take, of sizes from 1 KB to more than is held in memory whole.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import re
import resource
import sys
import time
import urllib.parse
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from validator.by_hand import LAYOUT, Client

from upload_client.core import checksums
from upload_client.core.records import Transferred
from upload_client.core.uploads import Upload

MIB = 1024 * 1024
LATENCIES = (0.001, 0.010, 0.100)
THREADS = (16, 128)
ALL_AT_ONCE = 256
PER_SEGMENT = 2_500
SMALL = 1_000
IN_MEMORY = ((SMALL, 2048), (256 * 1024, 1024), (MIB, 512), (8 * MIB, 64), (9 * MIB, 256))
"""Sizes of files, and how many of each, for their memory."""


class Memory:
    """The objects of both buckets, by ``bucket/key``; a bucket's face for `by_hand.Client`."""

    def __init__(self, objects: dict[str, bytes], bucket: str) -> None:
        self._objects, self._bucket = objects, bucket

    def put(self, key: str, data: bytes, **_: object) -> SimpleNamespace:
        prefix = LAYOUT.landing if self._bucket == "landing" else LAYOUT.root
        self._objects[f"{self._bucket}/{prefix}{key}"] = data
        return SimpleNamespace(etag=hashlib.md5(data, usedforsecurity=False).hexdigest(), version_id=None)


def delivered(n_files: int, size: int) -> dict[str, bytes]:
    """All objects of a delivery that is sent and announced, and not judged."""
    row = b"2026-01-01T00:00Z,ridge,1.25\n"
    content = b"time,station,value\n" + row * (size // len(row) - 1)
    objects: dict[str, bytes] = {}
    client = Client(Memory(objects, "control"), Memory(objects, "landing"))
    client.begin(n_files)
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    crc32 = checksums.encode(checksums.crc32(content))
    records = []
    for n in range(n_files):
        path = f"{n % 97}/table_{n:07d}.csv"
        objects[f"landing/{LAYOUT.landing}{path}"] = content
        records.append(
            Transferred(client.now(), path, Upload(1, n + 1, len(content), crc32, etag, None, 1), 0)
        )
    for start in range(0, n_files, PER_SEGMENT):
        client.write(*records[start : start + PER_SEGMENT])
    client.stop()
    return objects


class Store:
    """As much of S3 as a validator asks for, each answer so many seconds late."""

    def __init__(self, objects: dict[str, bytes], seconds: float) -> None:
        self._objects, self._seconds = objects, seconds
        self.n_requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, target, _ = head.split(" ", 2)
                self.n_requests += 1
                await asyncio.sleep(self._seconds)
                answer = memoryview(self._answer(method, target, head, body))
                for at in range(0, len(answer), MIB):
                    writer.write(answer[at : at + MIB])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, method: str, target: str, head: str, body: bytes) -> bytes:
        path, _, query = target.partition("?")
        key = urllib.parse.unquote(path).lstrip("/")
        asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if method == "GET" and "list-type" in asked:
            return _response(200, self._listing(key.rstrip("/"), asked))
        if method == "PUT":
            if key in self._objects and re.search(r"(?i)\r\nif-none-match:", head):
                return _response(412)
            self._objects[key] = body
            return _response(200, b"", body)
        found = self._objects.get(key)
        if found is None:
            return _response(404, b"" if method == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>")
        return _response(200, found, found, head_only=method == "HEAD")

    def _listing(self, bucket: str, asked: dict[str, str]) -> bytes:
        prefix, after = asked.get("prefix", ""), asked.get("start-after", "")
        keys = sorted(key.partition("/")[2] for key in self._objects if key.startswith(f"{bucket}/{prefix}"))
        if asked.get("delimiter"):
            folders = sorted({prefix + key.removeprefix(prefix).partition("/")[0] + "/" for key in keys})
            found = "".join(
                f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders
            )
            return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self._objects[f'{bucket}/{key}'])}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag></Contents>"
            for key in keys
            if key > after
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


def _response(status: int, body: bytes = b"", of: bytes | None = None, *, head_only: bool = False) -> bytes:
    head = [f"HTTP/1.1 {status} X", f"Date: {formatdate(usegmt=True)}", f"Content-Length: {len(body)}"]
    if of is not None:
        head += [
            f'ETag: "{hashlib.md5(of, usedforsecurity=False).hexdigest()}"',
            f"Last-Modified: {formatdate(usegmt=True)}",
            f"x-amz-checksum-crc32: {checksums.encode(checksums.crc32(of))}",
        ]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + (b"" if head_only else body)


def _run_store(n_files: int, size: int, seconds: float, pipe) -> None:
    async def main() -> None:
        store = Store(delivered(n_files, size), seconds)
        server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        pipe.send(store.n_requests)

    asyncio.run(main())


def _judge(port: int, threads: int, shard: int, shards: int, pipe) -> None:
    import os

    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    from upload_client.s3 import concurrency
    from upload_client.validator import ValidatorSettings
    from upload_client.validator.serving import serve

    if threads == ALL_AT_ONCE:
        concurrency.FIRST = ALL_AT_ONCE  # else as many as are found to bring more
    settings = ValidatorSettings(
        control_bucket="control",
        control_prefix=LAYOUT.control_prefix,
        landing_bucket="landing",
        landing_prefix=LAYOUT.landing_prefix,
        worker_function=None,
        endpoint_url=f"http://127.0.0.1:{port}",
        threads=threads,
    )
    began, cpu = time.monotonic(), time.process_time()
    outcome = serve(
        settings, LAYOUT, validator_id=f"benchmarkv{shard}", client_epoch=1, shard=shard, shards=shards
    )
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send((outcome, time.monotonic() - began, time.process_time() - cpu, rss))


def measure(n_files: int, latency: float, threads: int, shards: int, size: int = SMALL) -> dict[str, float]:
    here, there = multiprocessing.Pipe()
    store = multiprocessing.Process(target=_run_store, args=(n_files, size, latency, there))
    store.start()
    port = here.recv()
    pipes = [multiprocessing.Pipe() for _ in range(shards)]
    judges = [
        multiprocessing.Process(target=_judge, args=(port, threads, shard, shards, theirs))
        for shard, (_, theirs) in enumerate(pipes)
    ]
    for judge in judges:
        judge.start()
    results = [mine.recv() for mine, _ in pipes]
    for judge in judges:
        judge.join()
    here.send(None)
    n_requests = here.recv()
    store.join()
    outcomes, seconds, cpu, rss = zip(*results, strict=True)
    assert set(outcomes) == {"stop"}, outcomes
    return {
        "latency": latency,
        "threads": threads,
        "shards": shards,
        "verdicts_per_second": n_files / max(seconds),
        "cpu_ms_per_verdict": 1000 * sum(cpu) / n_files,
        "requests_per_file": n_requests / n_files,
        "size": size,
        "rss_mib": max(rss),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--files", type=int, default=5000)
    arguments.add_argument("--shards", type=int, default=1)
    arguments.add_argument("--memory", action="store_true")
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    points = [
        measure(n_files, LATENCIES[-1], ALL_AT_ONCE, given.shards, size)
        for size, n_files in (IN_MEMORY if given.memory else ())
    ] or [
        measure(min(given.files, int(10 * threads / latency)), latency, threads, given.shards)
        for latency in LATENCIES
        for threads in THREADS
    ]
    print("| latency | bytes | files at once | verdicts a second | CPU for each | requests | peak RSS |")
    print("|---|---|---|---|---|---|---|")
    for point in points:
        print(
            f"| {1000 * point['latency']:.0f} ms | {point['size']:,} | {point['threads']}"
            f" | {point['verdicts_per_second']:.0f} | {point['cpu_ms_per_verdict']:.1f} ms"
            f" | {point['requests_per_file']:.2f} | {point['rss_mib']:.0f} MiB |"
        )
    if given.out:
        given.out.write_text(json.dumps(points, indent=1), encoding="utf-8")


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
