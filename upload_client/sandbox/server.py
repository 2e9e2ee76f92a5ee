"""The sandbox's server: one port on 127.0.0.1 that answers as AWS would.

Run as ``python -m upload_client.sandbox.server DIRECTORY``. It is told what to do on standard input,
one JSON object a line, and answers on standard output: ``{"port": N}`` (0: any) → ``{"port": N}``;
``{"functions": {name: {handler, seconds, environment}}}`` → ``{}``;
``{"access": {"buckets": […], "datasets": […]}}`` → ``{}``. When standard input closes, because whoever
started it ended it or was itself killed, it ends every invocation, removes the directory, and ends itself.
The functions' output goes to ``DIRECTORY/log``.
Functions are defined here and not over HTTP, so that nobody who reaches the port can run programs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, cast
from wsgiref.types import StartResponse, WSGIEnvironment

# Read by moto as it is imported: one header less on each answer.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from upload_client.sandbox.functions import Function, Functions
from upload_client.sandbox.login import check_passwords
from upload_client.sandbox.store import BODY, Access, Store, moto_s3

REQUESTS_PATH = "/_sandbox/requests"
_REMEMBERED_REQUESTS = 1_000_000


class Site:
    """The WSGI application: S3, Lambda's Invoke, and moto for all the rest.

    ``GET /_sandbox/requests`` answers with what was asked so far: a list of
    ``[method, path with query, status, bytes received]``.
    """

    def __init__(self, functions: Functions, access: Access) -> None:
        check_passwords()
        self._functions = functions
        self._store = Store(moto_s3(), access)
        self._others = DomainDispatcherApplication(create_backend_app)
        self._others_lock = threading.Lock()
        self._requests: deque[tuple[str, str, int, int]] = deque(maxlen=_REMEMBERED_REQUESTS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request whose body is in memory."""
        path = environ["PATH_INFO"]
        if path == REQUESTS_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(list(self._requests)).encode()]
        received = len(environ[BODY])
        status = 500

        def remember(code: str, *rest: Any) -> Any:  # noqa: ANN401 — handed on as it came
            nonlocal status
            status = int(code[:3])
            return start_response(code, *rest)

        try:
            if Functions.is_invocation(path):
                return self._invoke(environ, remember)
            if _signed_for_s3(environ):
                return self._store(environ, remember)
            with self._others_lock:
                return cast("Iterable[bytes]", self._others(environ, remember))
        finally:
            self._requests.append((environ["REQUEST_METHOD"], environ["RAW_URI"], status, received))

    def _invoke(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        answer = self._functions.invoke(environ["PATH_INFO"], kind, environ[BODY])
        headers = [("Content-Type", "application/json"), *answer.headers.items()]
        start_response(f"{answer.status} {'OK' if answer.status < 300 else 'Refused'}", headers)
        return [answer.body]


def _signed_for_s3(environ: WSGIEnvironment) -> bool:
    # moto's own way to distinguish services reads a directory for each request: 2 ms of its 3.
    return "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")


class _RequestHandler(WSGIRequestHandler):
    """Werkzeug's handler, which closes each connection, made to keep it: half the time of a small file."""

    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer the request whose head has been read."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
            body = environ["wsgi.input"].read()
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True  # the client left in the middle of its request
                return
        environ["CONTENT_LENGTH"] = str(len(body))
        environ[BODY] = body
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True  # read it in one go
        status, headers = "500 Internal Server Error", list[tuple[str, str]]()

        def start_response(code: str, given: list[tuple[str, str]], exc_info: object = None) -> None:
            nonlocal status, headers
            del exc_info  # nothing was sent yet
            status, headers = code, given

        try:
            content = b"".join(self.server.app(environ, start_response))  # type: ignore[arg-type]
        except Exception:
            logging.getLogger(__name__).exception("%s %s", self.command, self.path)
            status, headers, content = "500 Internal Server Error", [], b""
        self._send(status, headers, content)

    def _send(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        if self.headers.get("Connection", "").lower() == "close" or self.request_version == "HTTP/1.0":
            self.close_connection = True
        head = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}"]
        names = {name.lower() for name, _ in headers}
        bodiless = self.command == "HEAD" or status[:3] in ("204", "304")
        head += [f"{name}: {value}" for name, value in headers if name.lower() != "date"]
        if "content-length" not in names and status[:3] != "204":
            head.append(f"Content-Length: {len(content)}")
        if self.close_connection:
            head.append("Connection: close")
        data = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if bodiless or not content:
            self.wfile.write(data)
        elif len(content) < 65_536:
            self.wfile.write(data + content)
        else:
            self.wfile.write(data)
            self.wfile.write(content)


def serve(port: int, functions: Functions, access: Access) -> BaseWSGIServer:
    """Serve on 127.0.0.1:`port` (0: any free one) from threads of their own, from now on."""
    site = Site(functions, access)
    server = make_server("127.0.0.1", port, site, threaded=True, request_handler=_RequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True, name="sandbox-server").start()
    return server


def main(directory: Path) -> NoReturn:
    """Obey standard input until it closes."""
    # Ctrl-C in a terminal reaches every process there; whoever started us decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _allow_many_files()
    load_machines_late()
    functions, access = Functions(directory / "log"), Access()
    for line in sys.stdin:
        order = json.loads(line)
        answer = {}
        if "port" in order:
            answer["port"] = serve(order["port"], functions, access).server_port
        if "access" in order:
            access.limit(**order["access"])
        for name, function in order.get("functions", {}).items():
            functions.define(name, Function(**function))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    functions.close()
    shutil.rmtree(directory, ignore_errors=True)
    # Threads may be in the middle of a request that nobody waits for any more.
    os._exit(0)


class _Machines:
    """Moto's EC2, loaded when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — moto's
        return getattr(self._loaded(), name)

    def __getitem__(self, account: str) -> Any:  # noqa: ANN401 — moto's
        return self._loaded()[account]

    def _loaded(self) -> Any:  # noqa: ANN401 — moto's
        from moto.ec2.models import ec2_backends  # noqa: PLC0415

        sys.modules["moto.ec2"].ec2_backends = ec2_backends  # type: ignore[attr-defined]
        return ec2_backends


def load_machines_late() -> None:
    """Have moto's parameter store not load EC2, to whose machines it could send commands.

    The tables of all kinds of machines in all regions would take more than half of a sandbox's start.
    """
    if "moto.ec2" in sys.modules:
        return
    spec = importlib.util.find_spec("moto.ec2")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)  # its modules are found, and it is not carried out itself
    module.ec2_backends = _Machines()  # type: ignore[attr-defined]
    sys.modules["moto.ec2"] = module


def _allow_many_files() -> None:
    """A connection is a file, and so is each stored object and part above 5 MiB."""
    try:
        import resource  # noqa: PLC0415 — POSIX only
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses "unlimited"; the usual limit mostly does
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
