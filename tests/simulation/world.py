"""One simulated delivery: clients, validators, a faulty store, files that change; and then peace.

Everything follows from the seed. The product runs as it is, from `UploadClient.run` and the starter of the
pipeline down to the requests that boto3 would be asked to make; only its threads are tasks, its clocks are
virtual and its store is in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import random
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast
from unittest import mock

import pandas as pd
from simulation import scheduling
from simulation.promises import CLIENT_LOG, MAX_SHARDS, Promises
from simulation.scheduling import Process, Scheduler
from simulation.store import Content, Faults, Object, Store

import upload_client.client as client_module
import upload_client.delivery.run as run_module
import upload_client.delivery.source as source_module
from upload_client.client import Outcome, UploadClient
from upload_client.control import delivery_buckets, fence, lock, log, probe
from upload_client.core import checksums, parts, record_encoding, records, segments
from upload_client.core.layout import Layout, segment_key
from upload_client.core.lease import LockBody, ProcessIdentity
from upload_client.core.receipt import DeliveredBy
from upload_client.core.records import Found
from upload_client.core.uploads import Upload
from upload_client.delivery import final_check, finish, startup
from upload_client.errors import DeliveryError
from upload_client.events import Connected, Event, FileChanged
from upload_client.receipts import store as receipts
from upload_client.s3.bucket import Bucket
from upload_client.s3.wire import BotoWire
from upload_client.settings import Settings
from upload_client.support import background, local_file
from upload_client.transfer import buffers, driver, engine, file_steps, outcomes, transfer_queue, workers
from upload_client.transfer.dataroot import DataRoot
from upload_client.validator import checks, handlers, pipeline
from upload_client.validator.checks import Abandoned, Checker, Judgement
from upload_client.validator.judging import Judging
from upload_client.validator.pipeline import Validator
from upload_client.validator.settings import ValidatorSettings

LEASE = 30
SETTINGS = Settings(
    auth="aws",
    control_bucket="control",
    landing_bucket="landing",
    start_function="start",
    lease_seconds=LEASE,
    validator_silence=20,
)
VALIDATOR = ValidatorSettings(
    control_bucket="control",
    landing_bucket="landing",
    worker_function="work",
    lease_seconds=LEASE,
    start_seconds=20,
)
LAYOUT = Layout("sim", "d1", "staging", landing_prefix=SETTINGS.landing_prefix)
_PART = 16
_THRESHOLD = 100
_SMALL = 48
_PAUSES = [2.0, 12.0, 25.0, 45.0]


def _each_here(call: Callable[[Any], Any], items: Iterable[Any], *_: object) -> Generator[Any]:
    """As `map_in_threads`: in the caller's own task."""
    return (call(item) for item in items)


def _no_real_wait(noted: list[str]) -> Callable[..., bool]:
    """`threading.Condition.wait` while the simulation runs: in it, time passes by the scheduler alone.

    A module of the product whose `threading` is not replaced would wait for real, and for what never comes.
    """
    wait, here = threading.Condition.wait, threading.get_ident()

    def checked(condition: threading.Condition, timeout: float | None = None) -> bool:
        if threading.get_ident() == here:
            noted.append("".join(traceback.format_stack(limit=4)))
            raise RealWaitError(noted[0])
        return wait(condition, timeout)

    return checked


class RealWaitError(Exception):
    """The product waited for real: a module of it takes `threading` from Python, see `World._in_place`."""


class Source:
    """The provider's files: real ones, in a folder of their own, with times of the virtual clock.

    Attributes:
        versions: every content that a file has ever had, by path, the present one last.
        bad: files that no validator will accept.
    """

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.versions: dict[str, list[bytes]] = {}
        self.bad: set[str] = set()
        self._n_changes = 0
        for number in range(rng.randint(1, 5)):
            kind = rng.choice(["small", "small", "medium", "large", "json", "bad"])
            path = f"{number}-{kind}{'.json' if kind in ('json', 'bad') else '.bin'}"
            if kind == "bad":
                self.bad.add(path)
            self.change(path)

    @property
    def paths(self) -> list[str]:
        return list(self.versions)

    def content(self, path: str, version: int) -> bytes:
        """Bytes of which no half is like that of another version; often as many as the one before has."""
        text = random.Random(f"{path} {version}")
        if path.endswith(".json"):
            return b'{"version": "%s"%s' % (
                text.randbytes(12).hex().encode(),
                b"" if path in self.bad else b"}",
            )
        least = {"small": 10, "medium": 60, "large": 101}[path[2:-4]]
        return text.randbytes(least + self.rng.choice([0, 0, 1, 30]))

    def change(self, path: str) -> None:
        """Give a file a content it never had, in place or by putting another in its place."""
        versions = self.versions.setdefault(path, [])
        data = self.content(path, len(versions) + 1)
        versions.append(data)
        name = self.folder / path
        if self.rng.random() < 0.5:
            name.write_bytes(data)
        else:
            other = self.folder / "other"
            other.write_bytes(data)
            other.replace(name)
        self._n_changes += 1
        os.utime(name, ns=(self._n_changes * 10**9, self._n_changes * 10**9))

    def index(self, *, checksums_too: bool = False) -> pd.DataFrame:
        frame = pd.DataFrame({"path": self.paths})
        if checksums_too:
            frame["checksum"] = [
                checksums.encode(checksums.crc32(self.versions[path][-1])) for path in self.paths
            ]
        return frame


class SlowFile(local_file.LocalFile):
    """A file on a disk that takes its time, so that it can change while it is read."""

    __slots__ = ()
    world: World

    def read(self, size: int, offset: int = 0) -> bytes:
        half = size // 2
        return self._read(half, offset) + self._read(size - half, offset + half)

    def _read(self, size: int, offset: int) -> bytes:
        self.world.disk(self.path)
        return super().read(size, offset)

    def read_into(self, buffer: memoryview, offset: int = 0) -> None:
        buffer[:] = self.read(len(buffer), offset)


class Root(DataRoot):
    """Remembers what it opened, as a process that dies does not close it."""

    def __init__(self, folder: Path, opened: list[local_file.LocalFile]) -> None:
        super().__init__(folder)
        self._opened = opened

    def open(self, path: str) -> local_file.LocalFile:
        file = super().open(path)
        self._opened.append(file)
        return file


class Reporter:
    """At everything a client tells, its counts are counted again."""

    client: UploadClient

    def __init__(self, world: World) -> None:
        self.world = world

    def handle(self, event: Event) -> None:
        self.world.trace(self.client.agent_id, event)
        self.world.promises.recount(self.client)
        if isinstance(event, Connected):
            self.world.promises.planned(self.client)
        elif isinstance(event, FileChanged):
            self.world.promises.ruled(self.client, event)
            if event.state == "valid":
                self.world.tempt(event.relpath)

    def close(self) -> None:
        pass


class Lambda:
    """A boto3 Lambda client: the real starter and the real worker, each invocation a process of the cloud."""

    def __init__(self, world: World) -> None:
        self.world = world

    def invoke(self, *, FunctionName: str, Payload: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        import json

        world, event = self.world, json.loads(Payload)
        answer: list[bytes] = []
        waiting: list[scheduling.Task] = []
        process = world.process(FunctionName)
        if FunctionName == "work":
            world.validators.append(process)

        def call() -> None:
            answer.append(json.dumps(getattr(world, f"be_{FunctionName}")(event, process)).encode())
            scheduling.wake_all(waiting)

        def carry_out() -> dict[str, Any]:
            process.spawn(call)
            return {}

        if FunctionName == "start" and world.deaf:
            world.deaf = False
            world.lose()
        world.store.ask("Invoke", FunctionName, carry_out, attempts=1)
        if FunctionName == "start" and not answer:
            # A starter that dies is as one whose answer is lost.
            if not world.scheduler.block(waiting, 300.0):
                world.lose()
            if world.rng.random() < world.store.faults.mute:
                world.lose()
        return {
            "Payload": Content(answer[0] if answer else b""),
            "ResponseMetadata": {"HTTPHeaders": {}},
        }


class Judge(Checker):
    """The real one, but slow with some and a liar's with others, while there is trouble."""

    def __init__(self, world: World, landing: Bucket) -> None:
        super().__init__(landing, cast("Any", None), max_read=10**6)
        self.world = world

    def judge(self, path: str, announced: Upload) -> Judgement:
        judgement, world = super().judge(path, announced), self.world
        if world.chaos and world.rng.random() < world.slow:
            # A large file takes its time: long enough for its client to die, and for the next one to send it.
            if world.rng.random() < 0.1:
                world.scheduler.call_at(world.scheduler.now + 1.0, lambda: world.change_hands(path))
            for _ in range(world.rng.choice([4, 12, 40])):
                if self._stopping.is_set():
                    raise Abandoned
                world.scheduler.wait(1.0)
        if not (world.liar and world.chaos):
            return judgement
        lie = world.rng.choice(["ok", "failure", "error", "truth", "truth"])
        if lie == "truth":
            return judgement
        world.store.count("lies")
        found = Found(announced.size, "AAAAAA==", announced.etag) if lie == "ok" else judgement.found
        return Judgement(cast("Any", lie), "so there", found)


class _Session:
    """Stands for a boto3 session that nobody asks anything."""

    def client(self, name: str) -> NoReturn:
        raise AssertionError(f"nobody speaks to {name}")

    def get_credentials(self) -> NoReturn:
        raise AssertionError("nobody needs credentials")


class World:
    """All of it.

    Args:
        seed: from which everything follows.
        traced: keep what happens, for people.

    Attributes:
        lines: what happened, if it is traced.
        outcomes: how each client ended, by its process' name: exit code and headline.
    """

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(f"world {seed}")
        self.scheduler = Scheduler()
        self.store = Store(
            self.scheduler, random.Random(f"store {seed}"), skew=self.rng.choice([0.0, 0.0, -400.0, 400.5])
        )
        self.traced = traced
        self.lines: list[str] = []
        self.store.told = self._request
        self.folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_fast_folder()))
        self.source = Source(self.folder, self.rng)
        self.opened: list[local_file.LocalFile] = []
        self.clients: list[Process] = []
        self.unlockers: list[Process] = []
        self.validators: list[Process] = []
        self.outcomes: dict[str, tuple[int, str]] = {}
        self.finished: set[str] = set()
        self.chaos = True
        self.fickle = 0.0
        self.slow = 0.0
        self.deaf = False
        self.liar = False
        self.revenants = False
        self.shards = self.rng.choice([1, 1, 2, MAX_SHARDS])
        self.promises = Promises(self)

    # --- what happens ---

    def run(self) -> None:
        """Trouble, then peace; raises what is found wrong."""
        with self._in_place():
            self._trouble()
            self._peace()

    def _trouble(self) -> None:
        rng = self.rng
        self.store.faults = _draw_faults(rng)
        self.store.longest_delay = rng.choice([20.0, 60.0, 150.0])
        self.store.latency = rng.choice([0.03, 0.03, 0.3, 1.0, 3.0])
        self.fickle = rng.choice([0.0, 0.0, 0.02, 0.2])
        self.liar = rng.random() < 0.1
        self.slow = rng.choice([0.0, 0.0, 0.2, 0.8])
        when, starts = 0.0, []
        for _ in range(rng.choice([1, 2, 2, 3, 3])):
            self._at(when, self._launch)
            starts.append(when)
            when += rng.choice([0.1, 3.0, 10.0, 40.0]) * rng.random()
        length = when + rng.choice([5.0, 20.0, 60.0])
        for _ in range(rng.choice([0, 1, 3, 6, 9])):
            # A small delivery takes seconds: what is to meet it has to come soon after its start.
            self._at(
                min(rng.choice(starts) + rng.choice([1.0, 3.0, 6.0, 30.0]) * rng.random(), length),
                rng.choice(
                    [
                        self._kill_client,
                        self._kill_client,
                        self._kill_validator,
                        self._pause_client,
                        self._pause_client,
                        self._pause_validator,
                        self._steal,
                        self._unlock,
                        self._change_shards,
                        self._change_source,
                        self._change_source,
                        self._change_source,
                        self._set_clock,
                        self._spoil_lock,
                        self._outage,
                        self._meddle,
                        self._meddle,
                        self._revenant,
                        self._revenant,
                        self._steal,
                    ]
                ),
            )
        end = scheduling.START + length
        self.scheduler.call_at(end, lambda: None)
        self.scheduler.run(lambda: self.scheduler.now >= end, limit=1e6)

    def _peace(self) -> None:
        """From now on nothing goes wrong, but for what is still on its way from before."""
        self.chaos = False
        self.store.faults = Faults()
        self.store.latency = 0.03
        self.trace("world", "peace")
        for process in self.clients + self.validators:
            if self.rng.random() < 0.7:
                process.kill()
        expected = 3 if self.source.bad else 0
        code, headline = -1, ""
        for _ in range(10):
            process = self._launch(quietly=True)
            self.scheduler.run(lambda: process.name in self.finished, limit=5000.0)  # noqa: B023 - at once
            code, headline = self.outcomes[process.name]
            if code == expected:
                break
            # Someone else's lease has to end first, or a request that was still on its way did harm.
            if code not in (5, 11, 3, 12, 13, 1):
                self.promises.broken(f"in peace, a run exits {code}: {headline}")
            end = self.scheduler.now + 45.0
            self.scheduler.call_at(end, lambda: None)
            self.scheduler.run(lambda: self.scheduler.now >= end, limit=100.0)  # noqa: B023 - at once
            self.store.count("run again in peace")
        if code != expected:
            self.promises.broken(f"in peace, all runs end with {code}, not {expected}: {headline}")
        self.promises.at_the_end()

    # --- single events ---

    def _at(self, seconds: float, call: Callable[[], object]) -> None:
        """Have something happen at that time, if there is no peace yet."""
        self.scheduler.call_at(scheduling.START + seconds, lambda: call() if self.chaos else None)

    def process(self, name: str, *, machine: str | None = None, skew: float = 0.0) -> Process:
        process = Process(self.scheduler, name, machine=machine, skew=skew)
        process.name = f"{name}{process.pid}"
        return process

    def _launch(self, *, steal: str | None = None, quietly: bool = False) -> Process:
        rng = self.rng
        machine = rng.choice(["ada", "ada", "bob"])
        skew = rng.choice([0.0, 0.0, 1200.0, -1200.0])
        process = self.process("client", machine=machine, skew=skew)
        process.steals = steal
        self.clients.append(process)
        options = {
            "file_index": self.source.index(checksums_too=rng.random() < 0.2 and not quietly),
            "n_threads": rng.choice([1, 2, 4]),
            "max_retries": 5 if quietly else rng.choice([0, 2]),
            "steal": steal,
            # What a liar has called invalid stays so until somebody asks again.
            "resend_invalid": self.liar if quietly else rng.random() < 0.1,
        }

        def live() -> None:
            process.client = client = self._client(process, **options)
            try:
                outcome: Outcome | None = client.run()
            except DeliveryError as error:
                code, headline, outcome = error.exit_code, str(error), client.outcome
            except Exception as error:  # noqa: BLE001 - `run` raises what ended it
                code, headline, outcome = 1, f"{type(error).__name__}: {error}", client.outcome
            else:
                assert outcome is not None
                code, headline = outcome.exit_code, outcome.headline
            self.outcomes[process.name] = (code, headline)
            self.finished.add(process.name)
            self.trace(process.name, f"exits {code}: {headline}")
            self.store.count(f"exit {code}")
            self.promises.exits(process, client, code)

        self.trace(process.name, f"starts on {machine}, {skew:+.0f} s" + (f", steals {steal}" * bool(steal)))
        process.spawn(live)
        return process

    def _client(self, process: Process, **options: Any) -> UploadClient:
        reporter = Reporter(self)
        client = UploadClient(
            dataset=LAYOUT.dataset,
            delivery_id=LAYOUT.delivery_id,
            transfer_type=LAYOUT.transfer_type,
            source=self.source.folder,
            settings=SETTINGS,
            session=cast("Any", _Session()),
            reporter=reporter,
            clock=process.clock,
            own_agent_id=f"agent{process.pid}",
            **options,
        )
        reporter.client = client
        return client

    def _some(self, processes: list[Process]) -> Process | None:
        there = [process for process in processes if process.alive and process.name not in self.finished]
        return self.rng.choice(there) if there else None

    def _kill_client(self) -> None:
        self._kill(self._some(self.clients))

    def _kill_validator(self) -> None:
        self._kill(self._some(self.validators))

    def _kill(self, process: Process | None) -> None:
        if process is not None:
            self.trace(process.name, "is killed")
            self.store.count("kills")
            process.kill()
            if self.rng.random() < 0.5:
                self._change_source()

    def _pause_client(self) -> None:
        self._pause(self._some(self.clients), asleep=self.rng.random() < 0.5)

    def _pause_validator(self) -> None:
        self._pause(self._some(self.validators), asleep=False)

    def _pause(self, process: Process | None, *, asleep: bool) -> None:
        if process is not None:
            seconds = self.rng.choice(_PAUSES) * (0.5 + self.rng.random())
            self.trace(process.name, f"{'sleeps' if asleep else 'stops'} for {seconds:.0f} s")
            process.pause(seconds, asleep=asleep)

    def _steal(self) -> None:
        found = self.store.objects.get(("control", LAYOUT.root + LAYOUT.owned))
        body = None if found is None else LockBody.decode(found.body)
        if body is not None and body.state == "held":
            self.store.count("steals")
            self._launch(steal=body.agent_id)

    def _unlock(self) -> None:
        """A person takes the lock of a run, sure that it is dead, and gives it back."""
        found = self.store.objects.get(("control", LAYOUT.root + LAYOUT.owned))
        body = None if found is None else LockBody.decode(found.body)
        if body is None or body.state != "held":
            return
        process = self.process("unlock", machine="ada", skew=self.rng.choice([0.0, 1200.0, -1200.0]))
        process.steals = body.agent_id
        self.unlockers.append(process)
        control = Bucket("control", prefix=LAYOUT.root, client=cast("Any", self.store.client()))

        def take() -> None:
            with contextlib.suppress(DeliveryError):
                fence.unlock(
                    control,
                    LAYOUT,
                    holder=body.agent_id,
                    lease_seconds=LEASE,
                    sure=self.rng.random() < 0.7,
                    clock=process.clock,
                )
                self.store.count("unlocked")
                self.promises.unlocked(body.agent_id, body.epoch)
            process.alive = False

        self.trace(process.name, f"unlocks {body.agent_id}")
        self.store.count("unlocks")
        process.spawn(take)

    def change_hands(self, path: str) -> None:
        """A client dies, what is being judged changes, and the next client sends it before a validator looks.

        It does so where it has lost the answer of the starter, which told it to wait for that validator.
        """
        if self.chaos:
            self.store.count("hands change")
            self._pause(self._some(self.validators), asleep=False)
            self._kill(self._some(self.clients))
            self._change(path)
            self.deaf = True
            self._steal()

    def _change_source(self) -> None:
        self._change(self.rng.choice(self.source.paths))

    def _change(self, path: str) -> None:
        self.source.change(path)
        self.trace("source", f"{path} changes")

    def _change_shards(self) -> None:
        """The receiver lets another number of validators share the files of whoever comes next."""
        self.shards = self.rng.randint(1, MAX_SHARDS)
        self.trace("world", f"{self.shards} validators share the files from now on")

    def _set_clock(self) -> None:
        process = self._some(self.clients)
        if process is not None and not process.slept:
            change = self.rng.choice([-1200.0, -20.0, 20.0, 1200.0])
            process.skew += change
            process.set_back |= change < 0
            self.trace(process.name, f"has its clock set to {process.skew:+.0f} s")

    def _spoil_lock(self) -> None:
        """Somebody deletes or garbles the lock; rarely."""
        key = ("control", LAYOUT.root + LAYOUT.owned)
        if self.rng.random() < 0.3 and key in self.store.objects:
            self.trace("world", "the lock is spoilt")
            self.store.count("spoilt locks")
            self.promises.spoilt = True
            if self.rng.random() < 0.5:
                del self.store.objects[key]
            else:
                self.store.objects[key] = Object.of(b"{}", self.store.now)

    def _outage(self) -> None:
        """For a while, no request of anyone arrives."""
        if self.store.faults.lost < 1.0 and self.chaos:
            before, seconds = self.store.faults, self.rng.uniform(10, 50)
            self.store.faults = Faults(lost=1.0)
            self.trace("world", f"no network for {seconds:.0f} s")

            def end() -> None:
                if self.chaos:
                    self.store.faults = before

            self.scheduler.call_at(self.scheduler.now + seconds, end)

    def tempt(self, path: str) -> None:
        """Some wait with their meddling until a file is valid."""
        if self.chaos and self.rng.random() < 0.05:
            self.scheduler.call_at(self.scheduler.now, lambda: self._meddle(path))

    def _meddle(self, path: str | None = None) -> None:
        """Somebody removes, damages or forges what has landed, or is about to."""
        path = path or self.rng.choice(self.source.paths)
        key = ("landing", LAYOUT.landing + path)
        self.trace("world", f"{path} is meddled with")
        self.store.count("meddled with")
        self.promises.meddled[path] = self.scheduler.now
        there = self.store.objects.pop(key, None)
        if there is None or self.rng.random() < 0.5:
            body = bytes(len(self.source.versions[path][-1]))
            self.store.objects[key] = Object.of(body, self.store.now)

    def _revenant(self) -> None:
        """Somebody appends to the log who should not.

        Of an earlier epoch: it must not count. Of the present one, as after a lock that was garbled: whoever
        was there before must append no more.
        """
        header, data = self.promises.tail(CLIENT_LOG)
        if header is None or header["agent_id"] == "revenant":
            return
        epoch = header["epoch"] - self.rng.choice([0, 1, 1])
        if epoch < 1:
            return
        path, seq = self.rng.choice(self.source.paths), header["seq"] + 1
        upload = Upload(epoch, 77, 3, "yH2GHg==", "0" * 32, mtime_ns=1)
        lines = [record_encoding.encode(records.Transferred("2026-01-02T03:04:05.678Z", path, upload, 0))]
        said = records.SegmentHeader(
            records.VERSION, seq, "revenant", epoch, hashlib.sha256(data).hexdigest()
        )
        key = LAYOUT.root + segment_key(CLIENT_LOG, seq)
        segment = Object.of(
            segments.encode_segment(said, lines if epoch < header["epoch"] else ()), self.store.now
        )
        self.trace("world", f"a revenant appends {key} in epoch {epoch}")
        self.store.count("revenants")
        self.revenants = True
        self.store.change("control", key, segment, Process(self.scheduler, "revenant"))

    # --- the cloud ---

    def be_start(self, event: Any, process: Process) -> Any:
        context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
        wanted = VALIDATOR.model_copy(update={"shards": self.shards})
        try:
            starter = handlers._Starter(event, context, wanted, process.clock)
            name = starter.start()
        except handlers._StartRefused as refusal:
            return {"status": "failure", "errors": [{"code": refusal.code, "message": str(refusal)}]}
        except handlers.StoreError as error:
            return {"status": "failure", "errors": [{"code": "store_error", "message": str(error)}]}
        self.store.count(f"started with {starter.shards} shards")
        return {"status": "success", "validator_id": name, "shards": starter.shards}

    def be_work(self, event: Any, process: Process) -> Any:
        client: Any = self.store.client()
        time_left = self.rng.choice([60.0, 900.0, 900.0])
        end = process.clock.monotonic() + time_left
        # At the end of its time a function is ended, whatever it does.
        self.scheduler.call_at(self.scheduler.now + time_left, process.kill)
        validator = Validator(
            Bucket("control", prefix=LAYOUT.root, client=client),
            LAYOUT,
            Judging(
                Judge(self, Bucket("landing", prefix=LAYOUT.landing, client=client)),
                scheduling.Pool(),
                clock=process.clock,
            ),
            validator_id=event["validator_id"],
            client_epoch=event["epoch"],
            shard=event["shard"],
            shards=event["shards"],
            seconds_left=lambda: end - process.clock.monotonic(),
            leave_seconds=time_left / 4,
            lease_seconds=VALIDATOR.lease_seconds,
            clock=process.clock,
        )
        outcome = "locked"
        with contextlib.suppress(Exception):
            outcome = validator.run()
        self.trace(process.name, f"leaves: {outcome}")
        self.store.count(f"validator leaves: {outcome}")
        process.alive = False
        return outcome

    def lose(self) -> None:
        from botocore.exceptions import ReadTimeoutError

        raise ReadTimeoutError(endpoint_url="http://lambda")

    def disk(self, path: str) -> None:
        """Somebody reads a file, which takes time, and the file may change meanwhile."""
        if not self.chaos:
            return
        if self.rng.random() < self.fickle:
            self._change(Path(path).name)
        if self.rng.random() < 0.1:
            self.scheduler.wait(self.rng.choice([0.001, 0.1, 3.0]))

    # --- for people ---

    def trace(self, who: str, what: object) -> None:
        if self.traced:
            line = f"{self.scheduler.now - scheduling.START:9.3f}  {who:12}  {what}"
            self.lines.append(line.replace(str(self.folder), "SOURCE")[:400])

    def _request(self, process: Process, operation: str, key: str, fate: str) -> None:
        if fate == "carried out":
            self.promises.answered(process, operation, key)
        if self.traced:
            self.trace(process.name, f"{operation} {key.removeprefix(LAYOUT.root)}: {fate}")

    # --- in place of threads, clocks, stores ---

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        world = self
        real_waits: list[str] = []
        SlowFile.world = self

        def identity() -> ProcessIdentity:
            process = world.current
            if process.machine is None:
                return ProcessIdentity(None, None, None, process.pid, None)
            return ProcessIdentity(process.machine, "boot", "pids", process.pid, "started")

        def is_running(pid: int, _started: str | None) -> bool:
            return any(
                process.pid == pid and process.alive and process.name not in world.finished
                for process in world.owners
            )

        def transfer(source: DataRoot, destination: Bucket, **options: Any) -> engine.TransferEngine:
            options |= {"multipart_threshold": _THRESHOLD, "part_size": _PART, "wire": BotoWire(destination)}
            return engine.TransferEngine(source, destination, **options)

        attempts = itertools.count()
        secret = SimpleNamespace(token_hex=lambda n: f"{world.rng.getrandbits(8 * n):0{2 * n}x}")
        clients = SimpleNamespace(
            one_of_many=lambda: None,
            s3_client=lambda *_, **__: world.store.client(),
            client=lambda *_, **__: Lambda(world),
        )
        state = random.getstate()
        random.seed(f"product {self.seed}")
        scheduling.use(self.scheduler)
        try:
            with contextlib.ExitStack() as stack:
                for module, name, thing in (
                    *(
                        (module, "threading", scheduling.threading)
                        for module in (
                            background,
                            buffers,
                            checks,
                            driver,
                            engine,
                            finish,
                            lock,
                            log,
                            outcomes,
                            pipeline,
                            workers,
                        )
                    ),
                    (log, "map_in_threads", _each_here),
                    (startup.make_plan.__globals__, "map_in_threads", _each_here),
                    (final_check, "map_in_threads", _each_here),
                    (client_module, "LOOK_EVERY", 1.0),
                    (run_module, "LOOK_EVERY", 1.0),
                    (startup, "LOOK_EVERY", 1.0),
                    (source_module, "DataRoot", lambda folder, **_: Root(folder, world.opened)),
                    (startup, "TransferEngine", transfer),
                    (delivery_buckets, "s3_client", clients.s3_client),
                    (run_module, "write_dump", lambda *_, **__: None),
                    (finish, "bring_receipt", lambda *_, **__: (None, None)),
                    (receipts, "replacing", lambda *_: contextlib.nullcontext(io.StringIO())),
                    (startup, "versions", dict),
                    (finish, "versions", dict),
                    (finish, "_delivered_by", lambda _: DeliveredBy()),
                    (startup.pipeline, "lambda_client", lambda *_: Lambda(world)),
                    (local_file, "LocalFile", SlowFile),
                    (transfer_queue, "SMALL", _SMALL),
                    (file_steps, "SMALL", _SMALL),
                    (threading.Condition, "wait", _no_real_wait(real_waits)),
                    (handlers, "clients", clients),
                    (handlers, "current_process", identity),
                    (lock, "current_process", identity),
                    (lock, "is_running", is_running),
                    (lock, "secrets", secret),
                    (fence, "new_agent_id", lambda: f"agent{world.current.pid}"),
                    (startup, "new_agent_id", lambda: f"attempt{next(attempts)}"),
                    (parts, "MIB", 1),
                    (parts, "MIN_PART", _PART),
                    (probe, "secrets", secret),
                    # Whether a store keeps its promises is tried against stores: `tests/stores`.
                    (startup, "_profile_of_store", lambda *_, **__: None),
                    (startup, "_check_store", lambda *_, **__: None),
                    (startup, "check_open", lambda *_: None),  # nobody closes a delivery here
                ):
                    patch = (
                        mock.patch.dict(module, {name: thing})
                        if isinstance(module, dict)
                        else mock.patch.object(module, name, thing)
                    )
                    stack.enter_context(patch)
                try:
                    yield
                    if real_waits:  # whatever the product has made of it
                        raise RealWaitError(real_waits[0])
                finally:
                    self.scheduler.close()
        finally:
            scheduling.use(None)
            random.setstate(state)
            for file in self.opened:
                file.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def owners(self) -> list[Process]:
        """All who may have had the lock."""
        return self.clients + self.unlockers

    @property
    def current(self) -> Process:
        task = self.scheduler.task
        assert task is not None
        assert task.process is not None
        return task.process


def _draw_faults(rng: random.Random) -> Faults:
    """None, a few, or many: where everything fails at once, the rare orders of events never come about."""
    scale = rng.choice([0.0, 0.2, 1.0, 1.0, 3.0])
    names = ["lost", "mute", "late", "refused", "conflict", "stall", "damaged"]
    chosen = rng.sample(names, rng.randint(1, len(names)))
    share = {"lost": 0.03, "mute": 0.05, "late": 0.04, "refused": 0.05, "conflict": 0.04, "damaged": 0.01}
    return Faults(**{name: share.get(name, 0.005) * scale for name in chosen})


def _fast_folder() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
