"""Lambda's Invoke, on this machine: each invocation in a process that no other has at the same time.

As at AWS, a process that has answered waits for the next invocation of its function; one that raised ends.
See https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

Of https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html this knows ``RequestResponse``,
``Event`` (with no retries, as the functions of a delivery are set up) and ``DryRun``, a function that raises
(``X-Amz-Function-Error: Unhandled``), one that runs out of time (its process is killed), and one
that does not exist.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INVOKE = re.compile(r"/2015-03-31/functions/(?P<name>[A-Za-z0-9_-]{1,64})/invocations\Z")
_INIT_SECONDS = 120.0
_MAX_EVENT = 6 * 1024 * 1024
"""Bytes of the largest event, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""


@dataclass(frozen=True)
class Function:
    """A function that can be invoked."""

    handler: str
    """``package.module:function`` or ``path/to/file.py:function``."""
    seconds: float
    """Seconds that one invocation may take."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment of its process."""
    memory_mb: int = 512


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers and a JSON body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def _refusal(status: int, kind: str, message: str) -> Answer:
    body = json.dumps({"Type": "User", "Message": message}).encode()
    return Answer(status, body, {"x-amzn-ErrorType": kind})


class Functions:
    """The functions of a sandbox and the processes that run them now.

    Args:
        log: the file that gets what the functions write to standard output and error.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._functions: dict[str, Function] = {}
        self._idle: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def define(self, name: str, function: Function) -> None:
        """Make `name` mean `function`, and have a first process ready for it, all it needs imported."""
        self._functions[name] = function
        first = self._spawn(function)
        self._idle[name] = [] if first is None else [first]

    @staticmethod
    def is_invocation(path: str) -> bool:
        """Is this the path of an Invoke?"""
        return _INVOKE.match(path) is not None

    def invoke(self, path: str, kind: str, payload: bytes) -> Answer:
        """Answer one Invoke request; `kind` is its ``X-Amz-Invocation-Type``."""
        match = _INVOKE.match(path)
        name = match["name"] if match else ""
        function = self._functions.get(name)
        if function is None:
            return _refusal(404, "ResourceNotFoundException", f"Function not found: {name}")
        if len(payload) > _MAX_EVENT:
            return _refusal(413, "RequestTooLargeException", "the event is larger than 6 MB")
        try:
            event = json.loads(payload or b"{}")
        except ValueError as error:
            return _refusal(400, "InvalidRequestContentException", f"the event is not JSON: {error}")
        request_id = str(uuid.uuid4())
        headers = {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": "$LATEST"}
        if kind == "Event":
            threading.Thread(
                target=self._run, args=(name, function, event, request_id), daemon=True, name=f"lambda-{name}"
            ).start()
            return Answer(202, b"", headers)
        if kind == "DryRun":
            return Answer(204, b"", headers)
        if kind != "RequestResponse":
            return _refusal(400, "InvalidParameterValueException", f"unknown invocation type {kind}")
        answer = self._run(name, function, event, request_id)
        if "error" in answer:
            headers["X-Amz-Function-Error"] = "Unhandled"
            return Answer(200, json.dumps(answer["error"]).encode(), headers)
        return Answer(200, json.dumps(answer["result"]).encode(), headers)

    def _run(self, name: str, function: Function, event: object, request_id: str) -> dict[str, Any]:
        invocation = {
            "event": event,
            "function": name,
            "request_id": request_id,
            "seconds": function.seconds,
            "memory_mb": function.memory_mb,
        }
        process = self._idle_process(name) or self._spawn(function)
        if process is None:
            return {"error": {"errorType": "Runtime.ExitError", "errorMessage": "the sandbox is closing"}}
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        try:
            # As at AWS, what is imported before the handler is called has a time of its own.
            with _time_limit(process, _INIT_SECONDS):
                process.stdout.readline()
            with _time_limit(process, function.seconds) as timed_out, contextlib.suppress(OSError):
                # An OSError: it is gone already, which its empty answer says.
                process.stdin.write(json.dumps(invocation).encode() + b"\n")
                process.stdin.flush()
                answer = process.stdout.readline()
        finally:
            if answer.startswith(b'{"result"') and not timed_out.is_set():
                with self._lock:
                    self._idle[name].append(process)
            else:
                self._end(process, seconds=0.0 if answer else 1.0)
        if timed_out.is_set():
            now = dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            message = f"{now}Z {request_id} Task timed out after {function.seconds:.2f} seconds"
            return {"error": {"errorType": "Sandbox.Timedout", "errorMessage": message}}
        try:
            result: dict[str, Any] = json.loads(answer)
        except ValueError:
            message = f"RequestId: {request_id} Error: Runtime exited with status {process.returncode}"
            return {"error": {"errorType": "Runtime.ExitError", "errorMessage": message}}
        return result

    def _idle_process(self, name: str) -> subprocess.Popen[bytes] | None:
        """A process that waits; none that was killed meanwhile."""
        while True:
            with self._lock:
                if not self._idle[name]:
                    return None
                process = self._idle[name].pop()
            if process.poll() is None:
                return process
            self._end(process, seconds=0.0)

    def _end(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """End a process, with so much time to do it by itself, so that it can say why."""
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.wait()
        with self._lock:
            self._running.discard(process)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # the other end closed first
                pipe.close()

    def _spawn(self, function: Function) -> subprocess.Popen[bytes] | None:
        with self._lock, self._log.open("ab") as log:
            if self._closed:
                return None
            process = subprocess.Popen(  # noqa: S603 — our own runtime
                [sys.executable, "-m", "upload_client.sandbox.lambda_runtime", function.handler],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(function.environment),
            )
            self._running.add(process)
        return process

    def close(self) -> None:
        """End every process; start no other."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            process.kill()


@contextlib.contextmanager
def _time_limit(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill the process if what is done inside takes longer; the event says whether it was."""
    timed_out = threading.Event()

    def too_late() -> None:
        timed_out.set()
        process.kill()

    timer = threading.Timer(seconds, too_late)
    timer.daemon = True
    timer.start()
    try:
        yield timed_out
    finally:
        timer.cancel()
        timer.join()  # if it has just gone off, the process is dead when this ends
