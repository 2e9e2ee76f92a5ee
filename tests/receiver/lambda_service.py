"""Lambda on this machine, as those who invoke see it, and as AWS' own runtime client (awslambdaric) does.

Of https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html this knows ``RequestResponse`` and
``Event``; of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html all that a runtime asks for. A
process has one invocation at a time and waits for the next one of its function, as at AWS; one that runs out
of time is killed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_INVOKE = re.compile(r"/2015-03-31/functions/([A-Za-z0-9_-]+)/invocations")
_ANSWERED = re.compile(r"/2018-06-01/runtime/(?:invocation/([^/]+)/(response|error)|init/error)")
_INIT_SECONDS = 120.0


@dataclass(frozen=True)
class Function:
    """What runs a function."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    seconds: float
    """Seconds that one invocation may take."""


@dataclass(frozen=True)
class Invoked:
    """One invocation that has ended."""

    name: str
    kind: str
    """``RequestResponse`` or ``Event``."""
    process: int
    failed: bool
    answer: object


class LambdaService:
    """Functions, and the processes that run them.

    Args:
        log: the file that gets what they write.

    Attributes:
        url: where they are invoked.
        ended: all invocations that have ended.
    """

    def __init__(self, log: Path) -> None:
        self.ended: list[Invoked] = []
        self._log = log
        self._functions: dict[str, Function] = {}
        self._idle: dict[str, list[_Process]] = {}
        self._processes: list[_Process] = []
        self._lock = threading.Lock()
        self._server = _serve(type("Api", (_InvokeApi,), {"service": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def define(self, name: str, function: Function) -> None:
        self._functions[name], self._idle[name] = function, []

    @contextlib.contextmanager
    def limited(self, name: str, seconds: float) -> Iterator[None]:
        """Give a function less time, in processes that are new, while the block runs."""
        before = self._functions[name]
        self.define(name, replace(before, seconds=seconds))
        try:
            yield
        finally:
            self.define(name, before)

    def has(self, name: str) -> bool:
        return name in self._functions

    def run(self, name: str, kind: str, event: bytes) -> Invoked:
        """Run an invocation to its end."""
        with self._lock:
            if self._idle[name]:
                process = self._idle[name].pop()
            else:
                process = _Process(name, self._functions[name], self._log)
                self._processes.append(process)
        kept, failed, body = process.run(event)
        ended = Invoked(name, kind, process.number, failed, json.loads(body))
        with self._lock:
            if kept:
                self._idle[name].append(process)
            self.ended.append(ended)
        if not kept:
            process.close()
        return ended

    def close(self) -> None:
        """End every process."""
        _stop(self._server)
        for process in self._processes:
            process.close()


class _Process:
    """One process of a function, and the Runtime API that it alone asks."""

    def __init__(self, name: str, function: Function, log: Path) -> None:
        self.arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        self.seconds = function.seconds
        self.events: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[str | None, bool, bytes]] = queue.SimpleQueue()
        self._server = _serve(type("Api", (_RuntimeApi,), {"process": self}))
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                function.command,
                cwd=function.folder,
                env={
                    **function.environment,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    "AWS_LAMBDA_FUNCTION_NAME": name,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.number = self._process.pid

    def run(self, event: bytes) -> tuple[bool, bool, bytes]:
        """Whether the process may be used again, whether the function failed, and its answer."""
        request = str(uuid.uuid4())
        self.events.put((request, event))
        ends = time.monotonic() + _INIT_SECONDS + self.seconds
        while time.monotonic() < ends:
            try:
                answered, failed, body = self.answers.get(timeout=0.2)
            except queue.Empty:
                if self._process.poll() is not None:
                    return False, True, b'{"errorType": "Runtime.ExitError"}'
            else:
                assert answered in (request, None)
                return answered is not None, failed, body
        return False, True, b'{"errorType": "Sandbox.Timedout"}'

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self.events.put(None)
        _stop(self._server)


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _InvokeApi(_Api):
    service: LambdaService

    def do_POST(self):
        event = self.body()
        match = _INVOKE.fullmatch(self.path)
        if match is None or not self.service.has(match[1]):
            self.answer(404, b"{}", x_amzn_ErrorType="ResourceNotFoundException")
            return
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind == "Event":
            threading.Thread(target=self.service.run, args=(match[1], kind, event), daemon=True).start()
            self.answer(202)
            return
        ended = self.service.run(match[1], kind, event)
        failed = {"X_Amz_Function_Error": "Unhandled"} if ended.failed else {}
        self.answer(200, json.dumps(ended.answer).encode(), **failed)


class _RuntimeApi(_Api):
    process: _Process

    def do_GET(self):
        assert self.path == "/2018-06-01/runtime/invocation/next"
        given = self.process.events.get()
        if given is None:  # the process is gone
            self.close_connection = True
            return
        request, event = given
        self.answer(
            200,
            event,
            Content_Type="application/json",
            Lambda_Runtime_Aws_Request_Id=request,
            Lambda_Runtime_Deadline_Ms=str(int((time.time() + self.process.seconds) * 1000)),
            Lambda_Runtime_Invoked_Function_Arn=self.process.arn,
            Lambda_Runtime_Trace_Id="Root=1-00000000-000000000000000000000000;Sampled=0",
        )

    def do_POST(self):
        match = _ANSWERED.fullmatch(self.path)
        assert match is not None, self.path
        body = self.body()
        self.answer(202)
        self.process.answers.put((match[1], match[2] != "response", body))


def _serve(api: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def _stop(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()
