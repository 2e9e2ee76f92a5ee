"""How much memory an activity takes that writes what a URL gives: to S3, FTP and a file.

    python tests/benchmarks/streaming.py [--gib N] [--to s3 ftp ftps file] [--out FILE.json]

A web server of this machine makes the bytes while they are asked for. The S3 is SeaweedFS (the tests' own);
the FTP server counts what comes and keeps none of it. Each activity runs in a process of its own, whose peak
RSS is read at its end; the same without any content is measured as well.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BLOCK = bytes(range(256)) * 4096  # 1 MiB
PASSWORD = "for-nobody"


# --- servers, each in a process of its own ---


class _Bytes(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        n = int(self.path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Length", str(n * len(BLOCK)))
        self.end_headers()
        for _ in range(n):
            self.wfile.write(BLOCK)

    def log_message(self, *_) -> None:
        pass


def serve_web() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Bytes)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def serve_ftp(*, tls: bool) -> None:
    import logging

    import trustme
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import FTPServer

    logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())
    sizes: dict[str, int] = {}

    class Counting:
        def __init__(self, name: str) -> None:
            self.name, self.closed = name, False
            sizes[name] = 0

        def write(self, data: bytes) -> None:
            sizes[self.name] += len(data)

        def close(self) -> None:
            self.closed = True

    class Nowhere(AbstractedFS):
        """Files that have a name and a size, and nothing in them."""

        def open(self, filename, mode):
            return Counting(filename)

        def getsize(self, path):
            return sizes[path]

        def isfile(self, path):
            return path in sizes

        def lexists(self, path):
            return path in sizes

        def rename(self, src, dst):
            sizes[dst] = sizes.pop(src)

        def remove(self, path):
            del sizes[path]

    base = TLS_FTPHandler if tls else FTPHandler
    with tempfile.TemporaryDirectory() as folder:
        authorizer = DummyAuthorizer()
        authorizer.add_user("robot", PASSWORD, folder, perm="elradfmwMT")
        handler = type("Handler", (base,), {"authorizer": authorizer, "abstracted_fs": Nowhere})
        if tls:
            authority = trustme.CA()
            trust, own = Path(folder, "trust.pem"), Path(folder, "own.pem")
            authority.cert_pem.write_to_path(trust)
            authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(own)
            handler.certfile = str(own)
        server = FTPServer(("127.0.0.1", 0), handler)
        print(json.dumps({"port": server.address[1], "trust": str(trust) if tls else None}), flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


def start(kind: str) -> tuple[subprocess.Popen[str], str]:
    """A server, which ends with its standard input; the first line that it says."""
    script = (
        [__file__, "--serve", kind]
        if kind != "s3"
        else [str(Path(__file__).parents[1] / "checking_store.py")]
    )
    process = subprocess.Popen(
        [sys.executable, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: said.put(process.stdout.readline()), daemon=True).start()
    return process, said.get(timeout=90).strip()


# --- what is measured, in a process of its own ---


def deliver(kind: str, place: str, url: str, expected: int) -> None:
    from upload_client.activities import (
        DataSource,
        DeliveryActivity,
        FtpClient,
        FtpFileWriter,
        LocalFileWriter,
        S3Client,
        S3FileWriter,
    )

    metadata = {"filename": "large.bin", "bucket": "streaming", "key": "large.bin"}
    if kind == "s3":
        writer = S3FileWriter(
            S3Client("any", "any", region="us-east-1", endpoint_url=place), create_bucket=True
        )
    elif kind == "file":
        writer = LocalFileWriter(place)
    else:
        told = json.loads(place)
        client = FtpClient("localhost", "robot", PASSWORD, tls=kind == "ftps", port=told["port"])
        writer = FtpFileWriter(client)
    activity = DeliveryActivity(DataSource.url(url), writer, metadata)
    began = time.perf_counter()
    activity.start()
    seconds = time.perf_counter() - began
    if activity.metadata["size"] != expected:
        raise SystemExit(f"{activity.metadata['size']} bytes arrived of {expected}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak_rss": peak, "seconds": seconds}))


def measure(kind: str, web: str, mebibytes: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        server, place = start(kind) if kind != "file" else (None, folder)
        try:
            environment = dict(os.environ)
            if kind == "ftps":
                environment["SSL_CERT_FILE"] = json.loads(place)["trust"]
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--deliver",
                    kind,
                    place,
                    f"{web}/{mebibytes}",
                    str(mebibytes * len(BLOCK)),
                ],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=1800,
            )
        finally:
            if server is not None:
                server.stdin.close()
                server.wait(60)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gib", type=float, default=3.0, help="how much comes from the URL")
    parser.add_argument(
        "--to", nargs="+", choices=["s3", "ftp", "ftps", "file"], default=["s3", "ftp", "ftps", "file"]
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", choices=["web", "ftp", "ftps"], help=argparse.SUPPRESS)
    parser.add_argument("--deliver", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve_web() if given.serve == "web" else serve_ftp(tls=given.serve == "ftps")
        return
    if given.deliver:
        deliver(*given.deliver[:3], int(given.deliver[3]))
        return
    web, url = start("web")
    rows = []
    try:
        print(f"{'to':6}{'MiB':>8}{'peak RSS, MB':>15}{'MB/s':>8}")
        for kind in given.to:
            for mebibytes in (0, int(given.gib * 1024)):
                row = {"to": kind, "mebibytes": mebibytes, **measure(kind, url, mebibytes)}
                rows.append(row)
                rate = mebibytes * len(BLOCK) / row["seconds"] / 1e6
                print(f"{kind:6}{mebibytes:8,}{row['peak_rss'] / 1e6:15.0f}{rate:8.0f}", flush=True)
    finally:
        web.stdin.close()
        web.wait(60)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
