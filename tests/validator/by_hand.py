"""A client's side of a delivery, written by hand, and a validator driven step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace

from upload_client.control.log import LogReader
from upload_client.core import checksums
from upload_client.core.layout import Layout, segment_key
from upload_client.core.lease import LockBody
from upload_client.core.record_encoding import encode
from upload_client.core.records import Crash, Init, Record, Stop, Transferred, Verdict
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.times import timestamp
from upload_client.core.uploads import Upload
from upload_client.s3.bucket import Bucket
from upload_client.support.clock import SYSTEM
from upload_client.validator.pipeline import Validator

LAYOUT = Layout("toy", "d1", "staging", "control/", "{dataset}/{delivery_id}/{transfer_type}/")
AGENT = "clientagent"


class Inline(Executor):
    """Runs what it is given at once, so that a test sees every step in its order."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 — as an executor does
            future.set_exception(error)
        return future


class Client:
    """What a client writes: its lock, its log, its files."""

    def __init__(self, control: Bucket, landing: Bucket, *, epoch: int = 1, agent: str = AGENT) -> None:
        self.control, self.landing = control, landing
        self.epoch, self.agent = epoch, agent
        self.chain = LogChain("client")
        self.n = 0
        self.clock = SYSTEM

    def now(self) -> str:
        return timestamp(self.clock.wall())

    def own(self, at: str = LAYOUT.owned, **changes) -> None:
        body = LockBody(
            agent_id=self.agent,
            nonce="n",
            epoch=self.epoch,
            state="held",
            host="host",
            machine_id=None,
            boot_id=None,
            pid_ns=None,
            pid=0,
            started=None,
            user="user",
            acquired_at=self.now(),
            refreshed_at=self.now(),
        )
        self.control.put(at, replace(body, **changes).encode())

    def write(self, *records: Record | bytes) -> int:
        """Append a segment of records, or of lines as they are; its number."""
        lines = [record if isinstance(record, bytes) else encode(record) for record in records]
        header = self.chain.header(agent_id=self.agent, epoch=self.epoch)
        data = encode_segment(header, lines)
        self.control.put(segment_key(LAYOUT.client_log(), header.seq), data, if_none_match=True)
        self.chain.appended(header, data)
        return header.seq

    def begin(self, n_files: int = 0) -> None:
        self.own()
        self.write()
        self.write(Init(self.now(), self.epoch, LAYOUT.index(self.epoch), "0" * 64, n_files, 0))

    def send(self, path: str, data: bytes) -> Upload:
        stored = self.landing.put(path, data)
        self.n += 1
        crc32 = checksums.encode(checksums.crc32(data))
        return Upload(self.epoch, self.n, len(data), crc32, stored.etag, stored.version_id, 1)

    def announce(self, path: str, upload: Upload, ask: int = 0) -> int:
        return self.write(Transferred(self.now(), path, upload, ask))

    def deliver(self, path: str, data: bytes = b"a,b\n1,2\n") -> Upload:
        upload = self.send(path, data)
        self.announce(path, upload)
        return upload

    def stop(self, reason: str = "complete", code: str | None = None) -> None:
        self.write(Stop(self.now(), reason, code))

    def crash(self) -> None:
        self.write(Crash(self.now(), "it broke"))

    def successor(self) -> Client:
        """The client of the next run, which has just fenced the log."""
        other = Client(self.control, self.landing, epoch=self.epoch + 1, agent="nextclient")
        other.chain, other.n, other.clock = self.chain, 0, self.clock
        other.own()
        other.write()
        return other

    def heard(self) -> list[Record]:
        """All that validators have written so far."""
        reader = LogReader(self.control, LAYOUT.validator_log(), writer="validator", clock=self.clock)
        return [record for segment in reader.read_all() for record in segment.records]

    def verdicts(self) -> list[Verdict]:
        return [record for record in self.heard() if isinstance(record, Verdict)]


def drive(validator: Validator, until: Callable[[], object] | None = None, *, steps: int = 200) -> None:
    """Let it work until something is so, or until it has left."""
    for _ in range(steps):
        if validator.outcome is not None or (until is not None and until()):
            return
        validator.step()
    raise AssertionError(f"it did not come to that in {steps} steps")


def raw(**fields) -> bytes:
    return json.dumps(fields).encode()
