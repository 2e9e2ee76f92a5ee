"""The pages of a server: its state for people, for a supervisor and for Prometheus."""

from __future__ import annotations

import contextlib
import html
import json
import logging
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from upload_client.core.serving import in_short
from upload_client.core.text import for_terminal
from upload_client.errors import UsageError
from upload_client.receiver.serving.server import DeliveryState, Server

_log = logging.getLogger(__name__)

_HEALTHY = 60.0
"""Seconds since the last look that succeeded."""
_MOST_CONNECTIONS = 64
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
main { overflow-x: auto }
table { border-collapse: collapse; width: 100%; min-width: 48rem }
th, td { text-align: left; padding: .4rem .8rem; border-bottom: 1px solid #8884 }
th, td.n { white-space: nowrap }
td { overflow-wrap: anywhere }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums }
.bad { color: light-dark(#b00020, #ff7b88) }
"""


def serve_pages(server: Server, listen: str) -> ThreadingHTTPServer:
    """Answer at an address, from threads of their own, from now on.

    Raises:
        UsageError: nobody can listen there.
    """
    host, _, port = listen.rpartition(":")

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "upload-client", ""
        timeout = 30  # for a request that does not come

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/health":
                status, body = _health(server)
                self._answer(status, "application/json", body)
            elif path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", server.metrics.text())
            elif path == "/deliveries.json":
                listed = [_described(state) for state in server.deliveries()]
                self._answer(200, "application/json", json.dumps(listed).encode())
            elif path == "/":
                self._answer(200, "text/html; charset=utf-8", _page(server).encode("utf-8"))
            else:
                self._answer(404, "text/plain", b"not found\n")

        do_HEAD = do_GET  # noqa: N815 - the library's names

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A supervisor asks all the time."""

    class Site(_Site):
        address_family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET

    try:
        made = Site((host.strip("[]"), int(port)), Handler)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"nobody can listen at {listen}: {error}",
            hint="Name another address: listen, in the table [serve].",
        ) from None
    threading.Thread(target=made.serve_forever, name="pages", daemon=True).start()
    return made


class _Site(ThreadingHTTPServer):
    """A server with so many connections and no more: its threads are those of the validators' process."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - the library's
        self._open: dict[Any, None] = {}  # in the order in which they came
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer from a thread; of too many connections the oldest is cut: a supervisor gets through."""
        with self._guard:
            self._open[request] = None
            if len(self._open) > _MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Close a connection."""
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """Whoever goes away in the middle is no matter for the operator's log."""
        _log.debug("a request for a page ended", exc_info=True)


def _health(server: Server) -> tuple[int, bytes]:
    ago = None if server.looked_at is None else round(time.monotonic() - server.looked_at, 1)
    well = ago is not None and ago < _HEALTHY
    health = {"status": "ok" if well else "store not reachable", "last_look_seconds_ago": ago}
    return 200 if well else 503, json.dumps(health).encode()


def _described(state: DeliveryState) -> dict[str, object]:
    lock = state.lock
    return {
        "dataset": state.dataset,
        "delivery_id": state.delivery_id,
        "client": None
        if lock is None
        else {
            "state": lock.state,
            "epoch": lock.epoch,
            "transfer_type": lock.transfer_type,
            "since": lock.acquired_at,
            "seen": lock.refreshed_at,
        },
        "validators": state.validators,
        "waits": state.waits,
        "outcome": state.outcome,
        "problem": state.problem or None,
    }


def _page(server: Server) -> str:
    rows = "".join(map(_row, server.deliveries()))
    trouble = f'<p class="bad">{_text(server.trouble)}</p>' if server.trouble else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Deliveries</title><style>{_STYLE}</style><h1>Deliveries</h1>{trouble}"
        '<main><table><thead><tr><th>data set<th>delivery<th>client (UTC)<th class="n">validators'
        '<th class="n">valid<th class="n">invalid<th>last run</tr></thead>'
        f"<tbody>{rows}</tbody></table></main>"
        + ("" if rows else "<p>None yet: a delivery is seen as soon as its client has begun.</p>")
        + "</html>\n"
    )


def _row(state: DeliveryState) -> str:
    lock, outcome = state.lock, state.outcome or {}
    client = "none yet"
    if lock is not None:
        client = f"at work since {_moment(lock.acquired_at)}"
        if lock.state == "released":
            client = f"left {_moment(lock.refreshed_at)}"
    last = ""
    if outcome:
        last = in_short(outcome)
    lines = [_text(last)] * bool(last)
    if state.waits:
        lines.append("waits until fewer validators are at work (at_once)")
    if state.problem:
        lines.append(f'<span class="bad">{_text(state.problem)}</span>')
    return (
        f"<tr><td>{_text(state.dataset)}<td>{_text(state.delivery_id)}<td>{_text(client)}"
        f'<td class="n">{state.validators}{_number(outcome, "valid")}{_number(outcome, "invalid")}'
        f"<td>{'<br>'.join(lines)}</tr>"
    )


def _moment(text: str) -> str:
    """A moment of a lock, UTC, to the second."""
    return text[:19].replace("T", " ")


def _number(outcome: Mapping[str, object], name: str) -> str:
    n = outcome.get(name)
    return f'<td class="n">{n:,}' if isinstance(n, int) else "<td>"


def _text(text: str) -> str:
    """Text of strangers, for HTML."""
    return html.escape(for_terminal(text))
