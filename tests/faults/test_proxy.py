"""The proxy of the fault tests does what it says, or those tests would prove nothing."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from faults import proxy as net
from faults.proxy import Proxy


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    made.got = []
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def proxy(server):
    with Proxy(f"http://127.0.0.1:{server.server_port}") as made:
        yield made


@pytest.fixture
def ask(proxy):
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)

    def ask(method="PUT", path="/key", body=b"hello", **headers):
        try:
            connection.request(method, path, body, headers)
            answered = connection.getresponse()
            return answered.status, answered.read()
        except Exception:
            connection.close()
            raise

    yield ask
    connection.close()


def test_what_no_fault_meets_passes_unchanged(ask, proxy):
    assert ask(body=b"one") == (200, b"one")
    assert ask("HEAD", body=None) == (200, b"")
    assert ask("GET", "/a%20b?x=1", body=None) == (200, b"abcde")
    assert ask(body=b"x" * 1_000_000) == (200, b"x" * 1_000_000)
    assert [(r.number, r.method, r.path, r.query, r.status) for r in proxy.requests] == [
        (1, "PUT", "/key", "", 200),
        (2, "HEAD", "/key", "", 200),
        (3, "GET", "/a b", "x=1", 200),
        (4, "PUT", "/key", "", 200),
    ]


def test_only_the_nth_matching_request_is_hit(ask, proxy):
    proxy.on(net.answer(503), method="PUT", path="^/b", nth=2)
    statuses = [ask(path=path)[0] for path in ("/b", "/a", "/b", "/b")]
    assert statuses == [200, 200, 503, 200]
    assert [r.fault for r in proxy.requests] == ["", "", "answer", ""]


def test_a_swallowed_answer_was_carried_out(ask, proxy, server):
    proxy.on(net.swallow_answer())
    with pytest.raises(http.client.RemoteDisconnected):
        ask()
    assert server.got == [b"hello"]


def test_a_dropped_request_was_not(ask, proxy, server):
    proxy.on(net.drop())
    with pytest.raises(http.client.RemoteDisconnected):
        ask()
    assert server.got == []


def test_an_answer_can_be_cut_in_its_body(ask, proxy):
    proxy.on(net.cut_answer(after=-1))
    with pytest.raises(http.client.IncompleteRead):
        ask()


@pytest.mark.parametrize("forward", [True, False])
def test_a_connection_can_be_reset(ask, proxy, server, forward):
    proxy.on(net.reset(forward=forward))
    with pytest.raises(ConnectionResetError):
        ask()
    assert len(server.got) == forward


def test_a_half_closed_connection_gives_no_answer(ask, proxy, server):
    proxy.on(net.half_close(hold=0.2))
    with pytest.raises(http.client.RemoteDisconnected):
        ask()
    assert server.got == [b"hello"]


def test_one_bit_of_a_body_can_be_flipped_either_way(ask, proxy, server):
    proxy.on(net.corrupt_request(1))
    assert ask() == (200, b"hdllo")
    assert server.got == [b"hdllo"]
    proxy.on(net.corrupt_answer(0))
    assert ask() == (200, b"iello")
    assert server.got[-1] == b"hello"


def test_a_body_cut_on_its_way_does_not_arrive(ask, proxy, server):
    proxy.on(net.cut_request(2))
    with pytest.raises(http.client.RemoteDisconnected):
        ask()
    assert server.got in ([], [b"he"])


def test_a_delayed_request_is_answered_all_the_same(ask, proxy):
    proxy.on(net.delay(0.05))
    assert ask() == (200, b"hello")


def test_expect_100_is_answered_by_the_proxy(ask, server):
    assert ask(Expect="100-continue") == (200, b"hello")
    assert server.got == [b"hello"]


def test_nothing_passes_in_an_outage(ask, proxy):
    assert ask()[0] == 200
    proxy.down()
    for _ in range(2):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask()
    proxy.up()
    assert ask()[0] == 200
    assert proxy.count("PUT") == 2
