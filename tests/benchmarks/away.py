"""A proxy that makes a server far away: what goes through it arrives later, each way by half the round trip.

    python tests/benchmarks/away.py URL SECONDS

prints the URL under which the server is far away, as JSON, and runs until its standard input closes. It
delays what passes and does not slow it down: any number of requests and bytes may be on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from urllib.parse import urlsplit


class _End(asyncio.Protocol):
    """One end of a connection; what comes in here goes out of the other end, later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._early: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport
        early, self._early = self._early, []
        transport.writelines(early)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self._loop.call_later(self._seconds, self.other.send, data)

    def connection_lost(self, _error) -> None:
        assert self.other is not None
        self._loop.call_later(self._seconds, self.other.close)

    def send(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Near(_End):
    """The client's end: opens a connection to the server."""

    def __init__(self, seconds: float, host: str, port: int) -> None:
        super().__init__(seconds)
        self._where = host, port
        self.other = _End(seconds)
        self.other.other = self

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(lambda: self.other, *self._where)
        except OSError:
            self.close()


async def main(url: str, seconds: float) -> None:
    at = urlsplit(url)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Near(seconds / 2, at.hostname or "127.0.0.1", at.port or 80), "127.0.0.1", 0, backlog=4096
    )
    print(json.dumps({"endpoint_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], float(sys.argv[2])))
