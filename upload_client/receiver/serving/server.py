"""`Server`: finds clients in the control bucket, and is the validator of each."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import boto3

from upload_client.control.identity import new_agent_id
from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import InvalidName, Layout, check_name
from upload_client.core.lease import LockBody
from upload_client.core.serving import look_again_after
from upload_client.core.text import for_log
from upload_client.errors import Locked
from upload_client.receiver.process import Process
from upload_client.receiver.serving.configuration import Configuration
from upload_client.receiver.serving.metrics import Metrics
from upload_client.receiver.serving.outcomes import Outcomes
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.validator.expected import limits
from upload_client.validator.readers import ReaderWorkers
from upload_client.validator.serving import confined, serve

__all__ = ["DeliveryState", "Server"]

_log = logging.getLogger(__name__)

_AFTER_TROUBLE = 10.0
"""Seconds before a validator that failed is begun again."""
_POOL = 16


class _Task(NamedTuple):
    """One validator that may be at work."""

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    shard: int


@dataclass(frozen=True)
class DeliveryState:
    """A delivery, as its page tells.

    Attributes:
        dataset: its name.
        delivery_id: its name.
        lock: of its last client; None before there is one.
        validators: at work now.
        outcome: the last one that this process has seen, as it is told; None before.
        problem: why it could not be looked at the last time; empty where it could.
    """

    dataset: str
    delivery_id: str
    lock: LockBody | None = None
    validators: int = 0
    outcome: Mapping[str, object] | None = None
    problem: str = ""


@dataclass
class _Watched:
    """A delivery, as it is looked at.

    Attributes:
        processes: the validator of each transfer type and shard.
        new_at: when its lock was another than before, monotonic.
        look_at: when it is looked at next.
        settled: the lock of the client for whom nothing more is to be done.
    """

    processes: dict[_Task, Process]
    state: DeliveryState
    new_at: float
    look_at: float = 0.0
    settled: LockBody | None = None
    not_before: dict[_Task, float] = field(default_factory=dict)


def _traceback(error: Exception) -> str:
    """Where an error comes from, for the operator; what strangers have written into its text is escaped."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(for_log(line, 300) for line in lines)


class Server:
    """Serves all deliveries below one control prefix, until it is stopped.

    Any number of such processes may run, on several machines: the validators' locks see to it that each
    delivery has one validator. One that dies is followed by another one when its lease is over.

    Args:
        configuration: the receiver's.
        folder: where outcomes wait to be told.

    Raises:
        UsageError: the configuration cannot be used.
    """

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        self._settings = configuration.validator
        self._serving = configuration.serve
        self.metrics = Metrics()
        self.outcomes = Outcomes(self._serving, folder, self.metrics.told)
        session = boto3.Session()
        if session.region_name is None:
            boto3.setup_default_session(region_name=self._serving.region)
            session = boto3.Session(region_name=self._serving.region)
        client = clients.s3_client(session, self._settings, pool=_POOL)
        self._client = client
        self._control = Bucket(
            self._settings.control_bucket, prefix=self._settings.control_prefix, client=client
        )
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._running: dict[_Task, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._readers = ReaderWorkers(self._settings.reader_workers, limits(self._settings))
        self.looked_at: float | None = None
        """Moment of the last look that succeeded, monotonic."""
        self.trouble = ""

    def readers(self) -> str:
        """Tell what a reader worker can do on this machine."""
        return confined(self._readers)

    def stop(self) -> None:
        """Leave soon, in order."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until `stop`."""
        self.outcomes.start()
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                try:
                    self.look()
                    self.looked_at, self.trouble = time.monotonic(), ""
                except StoreError as error:
                    self.trouble = str(error)
                    self.metrics.looks_failed.inc()
                    _log.warning("the control bucket cannot be looked at: %s", for_log(str(error)))
                self.metrics.look_seconds.set(time.monotonic() - began)
                self._stopping.wait(self._serving.look_seconds)
        finally:
            self.stop()
            for thread in list(self._running.values()):
                thread.join(self._settings.leave_seconds + 10)
            self._readers.close()
            self.outcomes.stop()

    def deliveries(self) -> list[DeliveryState]:
        """All deliveries that were seen, sorted by name."""
        with self._lock:
            working: dict[tuple[str, str], int] = {}
            for task in self._running:
                working[task[:2]] = working.get(task[:2], 0) + 1
            return [
                replace(watched.state, validators=working.get(name, 0))
                for name, watched in sorted(self._watched.items())
            ]

    def look(self) -> None:
        """Look for clients once, and begin to serve those that have nobody.

        Raises:
            StoreError: the deliveries cannot be listed.
        """
        for dataset, delivery_id in self._names():
            name = dataset, delivery_id
            if name not in self._watched:
                made = self._watch(dataset, delivery_id)
                with self._lock:
                    self._watched[name] = made
        now = time.monotonic()
        for name, watched in list(self._watched.items()):
            if now >= watched.look_at and not self._stopping.is_set():
                try:
                    self._look_at(watched, now)
                    watched.state = replace(watched.state, problem="")
                except StoreError as error:
                    watched.state = replace(watched.state, problem=str(error))
                except Exception as error:  # noqa: BLE001 - one delivery's trouble is no other's
                    _log.error("%s/%s: it could not be looked at\n%s", *name, _traceback(error))
                    watched.state = replace(watched.state, problem=for_log(str(error), 300))
                watched.look_at = now + look_again_after(now - watched.new_at, self._serving.look_seconds)
        self.metrics.deliveries.set(len(self._watched))
        self.metrics.validators.set(len(self._running))

    def _names(self) -> list[tuple[str, str]]:
        """The data sets and deliveries that have keys in the control bucket."""
        found = []
        for dataset in self._folders(""):
            found += [(dataset, delivery) for delivery in self._folders(f"{dataset}/")]
        return found

    def _folders(self, prefix: str) -> list[str]:
        names = []
        for key in self._control.ls(prefix, recursive=False):
            if key.endswith("/"):
                name = key[len(prefix) : -1]
                try:
                    names.append(check_name(name, "name"))
                except InvalidName:
                    continue  # no client made it
        return names

    def _watch(self, dataset: str, delivery_id: str) -> _Watched:
        settings = self._settings
        processes = {}
        for transfer_type in TRANSFER_TYPES:
            layout = Layout(
                dataset, delivery_id, transfer_type, settings.control_prefix, settings.landing_prefix
            )
            for shard in range(settings.shards):
                task = _Task(dataset, delivery_id, transfer_type, shard)
                processes[task] = Process(settings, layout, shard=shard, client=self._client)
        return _Watched(processes, DeliveryState(dataset, delivery_id), time.monotonic())

    def _look_at(self, watched: _Watched, now: float) -> None:
        lock = next(iter(watched.processes.values())).lock()
        if lock != watched.state.lock:
            watched.new_at = now
            watched.state = replace(watched.state, lock=lock)
        if lock is None or lock == watched.settled:
            return
        settled = True
        # A client delivers of one type: where one validator of it is at work only its others may be missing.
        types = {task.transfer_type for task in watched.processes if task in self._running}
        for task, process in watched.processes.items():
            if task in self._running or (types and task.transfer_type not in types):
                settled = False
                continue
            epoch = process.waiting(lock)
            if epoch is None:
                continue
            settled = False
            if now >= watched.not_before.get(task, 0.0) and len(self._running) < self._serving.at_once:
                self._begin(watched, task, process, epoch)
        if settled and lock.state != "held":
            watched.settled = lock

    def _begin(self, watched: _Watched, task: _Task, process: Process, epoch: int) -> None:
        def tell(told: dict[str, object]) -> None:
            watched.state = replace(watched.state, outcome=told)
            self.metrics.ended(told)
            try:
                self.outcomes.add(told)
            except OSError as error:  # the delivery is none the worse, and its receipt is yet to be signed
                _log.error(
                    "%s/%s: its outcome is told to nobody, it cannot be written to the state_dir: %s",
                    task.dataset,
                    task.delivery_id,
                    for_log(str(error), 300),
                )

        def work() -> None:
            outcome: str = "locked"
            try:
                outcome = serve(
                    self._settings,
                    process.layout,
                    validator_id=new_agent_id(),
                    client_epoch=epoch,
                    shard=task.shard,
                    shards=self._settings.shards,
                    seconds_left=lambda: 0.0 if self._stopping.is_set() else float("inf"),
                    readers=self._readers,
                    tell=tell,
                )
            except Locked:
                pass  # another process serves it
            except Exception as error:  # noqa: BLE001 - one delivery's trouble is no other's
                outcome = "failed"
                _log.error("%s/%s: a validator failed\n%s", task.dataset, task.delivery_id, _traceback(error))
                watched.state = replace(watched.state, problem=for_log(str(error), 300))
            finally:
                if outcome in ("failed", "error", "locked"):
                    watched.not_before[task] = time.monotonic() + _AFTER_TROUBLE
                self.metrics.left(outcome)
                with self._lock:
                    self._running.pop(task, None)

        thread = threading.Thread(
            target=work, name=f"validator {task.dataset}/{task.delivery_id}", daemon=True
        )
        with self._lock:
            self._running[task] = thread
        _log.info(
            "%s/%s (%s): a validator begins, for epoch %d",
            task.dataset,
            task.delivery_id,
            task.transfer_type,
            epoch,
        )
        try:
            thread.start()
        except RuntimeError as error:  # as many threads as this machine has
            with self._lock:
                del self._running[task]
            watched.not_before[task] = time.monotonic() + _AFTER_TROUBLE
            _log.warning(
                "%s/%s: no validator begins: %s", task.dataset, task.delivery_id, for_log(str(error))
            )
