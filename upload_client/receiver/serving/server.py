"""`Server`: finds clients in the control bucket, and validates for each."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from upload_client.control.identity import new_agent_id
from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import InvalidName, Layout, check_name
from upload_client.core.lease import LockBody
from upload_client.core.serving import (
    list_poll_interval,
    lock_poll_interval,
    receipt_again,
    receipt_again_after,
)
from upload_client.core.text import for_log
from upload_client.errors import Locked
from upload_client.receipts.signing import open_key
from upload_client.receiver.process import Process
from upload_client.receiver.serving.cluster import Cluster
from upload_client.receiver.serving.configuration import Configuration
from upload_client.receiver.serving.metrics import Metrics
from upload_client.receiver.serving.outcomes import Outcomes
from upload_client.receiver.serving.pending_runs import PendingRuns
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.validator.expected import limits
from upload_client.validator.pipeline import Outcome
from upload_client.validator.readers import ReaderWorkers
from upload_client.validator.serving import complete_again, confined, serve

_log = logging.getLogger(__name__)

_AFTER_TROUBLE = 10.0
"""Seconds before a validator that failed is begun again."""
_POOL = 16


class _Task(NamedTuple):
    """A validator of a delivery, whether it runs or not."""

    dataset: str
    delivery_id: str
    transfer_type: TransferType
    shard: int


@dataclass(frozen=True)
class DeliveryState:
    """The state of a delivery, as the status page shows it.

    Attributes:
        dataset: its name.
        delivery_id: its name.
        lock: of its last client; None before there is one.
        validators: at work now.
        outcome: the last outcome message that this process has seen; None before.
        problem: why it could not be looked at the last time; empty where it could.
        waits: whether a validator begins as soon as fewer than `at_once` are at work.
    """

    dataset: str
    delivery_id: str
    lock: LockBody | None = None
    validators: int = 0
    outcome: Mapping[str, object] | None = None
    problem: str = ""
    waits: bool = False


@dataclass
class _Watched:
    """A delivery, as it is looked at.

    Attributes:
        first: its first validator, by whom its lock is read.
        new_at: when its lock was another than before, monotonic.
        processes: the validator of each transfer type and shard; none while it is settled.
        look_at: when it is looked at next.
        settled: the lock of the client for whom nothing more is to be done.
        left: the lock of a client that fell silent, by the validator that has left it: until it is another.
        not_before: when a validator that failed may be begun again, monotonic.
        superseded: the epoch of a client after whom another one has written, by the validator that has seen
            it: that one is never served again, whatever its lock says.
        waits_since: when a validator of it could not begin, as so many were at work, monotonic; infinite:
            none waits.
    """

    first: Process
    state: DeliveryState
    new_at: float
    processes: dict[_Task, Process] = field(default_factory=dict)
    look_at: float = 0.0
    settled: LockBody | None = None
    left: dict[_Task, LockBody | None] = field(default_factory=dict)
    not_before: dict[_Task, float] = field(default_factory=dict)
    superseded: dict[_Task, int] = field(default_factory=dict)
    waits_since: float = math.inf


@dataclass
class _DataSet:
    """A data set, as it is looked for deliveries.

    Attributes:
        new_at: when something was new in one of its deliveries, monotonic.
        listed_at: when its deliveries were listed, monotonic.
    """

    new_at: float = -math.inf
    listed_at: float = -math.inf


class _Lacking(NamedTuple):
    """A run whose receipt could not be signed, dated or kept.

    Attributes:
        epoch: of the run.
        n_tries: how often that was tried.
        again_at: when it is tried next, monotonic.
        outcome: the message about it, as it was sent last; None: a process before this one did.
    """

    epoch: int
    n_tries: int = 0
    again_at: float = 0.0
    outcome: dict[str, object] | None = None


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
        folder: where outcomes wait to be sent; beside it, in ``begun``, are the notes of pending runs.

    Raises:
        UsageError: the configuration cannot be used.
    """

    def __init__(self, configuration: Configuration, folder: Path) -> None:
        self._settings = configuration.validator
        self._serving = configuration.serve
        self.metrics = Metrics()
        self.outcomes = Outcomes(self._serving, folder, self.metrics.sent)
        session = boto3.Session()
        if session.region_name is None:
            boto3.setup_default_session(region_name=self._serving.region)
            session = boto3.Session(region_name=self._serving.region)
        if self._settings.signing_key is not None:
            try:  # what is missing is better told now than after the first delivery
                open_key(self._settings.signing_key, session, self._settings)
            except StoreError as error:
                _log.warning("the key that signs receipts is not there now: %s", for_log(str(error), 500))
        client = clients.s3_client(session, self._settings, pool=_POOL)
        self._client = client
        self._control = Bucket(
            self._settings.control_bucket, prefix=self._settings.control_prefix, client=client
        )
        self._cluster = None if self._serving.dask is None else Cluster(self._serving.dask)
        if self._cluster is not None and not self._cluster.n_workers:
            _log.warning("the Dask cluster at %s has no worker yet", self._serving.dask)
        self._begun = PendingRuns(folder.parent / "begun")
        self._unreported = self._begun.found()
        self._receipts: dict[tuple[str, str, str], _Lacking] = {}
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._datasets: dict[str, _DataSet] = {}
        self._running: dict[_Task, threading.Thread] = {}
        self._n_free = 0
        """Validators that may begin within this look."""
        self._unwritten: dict[tuple[str, str, str], tuple[int, dict[str, object]]] = {}
        """Outcomes that could not be written to the state_dir, each with its epoch."""
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
        """Stop soon, in order."""
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
                self._write_outcomes()
                self.metrics.look_seconds.set(time.monotonic() - began)
                self._stopping.wait(self._serving.look_seconds)
        finally:
            self.stop()
            if self._cluster is not None:
                self._cluster.stop()
            for thread in list(self._running.values()):
                thread.join(self._settings.leave_seconds + 10)
            if self._cluster is not None:
                self._cluster.close()
            self._readers.close()
            self._write_outcomes()
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
        """Look for clients once, and start validators for those that have none.

        Raises:
            StoreError: the deliveries cannot be listed.
        """
        self._find(time.monotonic())
        now = time.monotonic()
        self._n_free = self._serving.at_once - len(self._running)
        # What ends from now on is free at the next look. Who has waited longest comes first: those who come
        # again and again would else leave the others none.
        for name, watched in sorted(self._watched.items(), key=lambda item: item[1].waits_since):
            if now >= watched.look_at and not self._stopping.is_set():
                try:
                    self._look_at(watched, now)
                    self._show(watched, problem="")
                except StoreError as error:
                    self._show(watched, problem=str(error))
                except Exception as error:  # noqa: BLE001 - one delivery's trouble is no other's
                    _log.error("%s/%s: it could not be looked at\n%s", *name, _traceback(error))
                    self._show(watched, problem=for_log(str(error), 300))
                quiet = now - watched.new_at if math.isinf(watched.waits_since) else 0.0
                watched.look_at = now + lock_poll_interval(quiet, self._serving.look_seconds)
                dataset = self._datasets.setdefault(name[0], _DataSet())
                dataset.new_at = max(dataset.new_at, watched.new_at)
        self.metrics.deliveries.set(len(self._watched))
        self.metrics.validators.set(len(self._running))
        self.metrics.waiting.set(sum(watched.state.waits for watched in self._watched.values()))

    def _wait(self, watched: _Watched, now: float, *, waits: bool) -> None:
        """Note whether a validator of a delivery waits until fewer are at work."""
        watched.waits_since = min(watched.waits_since, now) if waits else math.inf
        if waits != watched.state.waits:
            self._show(watched, waits=waits)

    def _show(self, watched: _Watched, **changed: Any) -> None:  # noqa: ANN401 - each of another type
        """Change the state of a delivery that is shown; validators do so from their threads."""
        with self._lock:
            watched.state = replace(watched.state, **changed)

    def _find(self, now: float) -> None:
        """Find deliveries that are new, by their keys in the control bucket.

        One request lists the data sets. Those where something happens are listed each time, others in turn.
        """
        for name in self._folders(""):
            dataset = self._datasets.setdefault(name, _DataSet())
            pause = list_poll_interval(now - dataset.new_at, self._serving.look_seconds, len(self._datasets))
            if now < dataset.listed_at + pause:
                continue
            for delivery_id in self._folders(f"{name}/"):
                if (name, delivery_id) not in self._watched:
                    made = self._watch(name, delivery_id)
                    with self._lock:
                        self._watched[name, delivery_id] = made
            dataset.listed_at = now

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
        return _Watched(
            self._process(_Task(dataset, delivery_id, TRANSFER_TYPES[0], 0)),
            DeliveryState(dataset, delivery_id),
            time.monotonic(),
        )

    def _process(self, task: _Task) -> Process:
        layout = self._settings.layout(task.dataset, task.delivery_id, task.transfer_type)
        return Process(self._settings, layout, shard=task.shard, client=self._client)

    def _processes(self, watched: _Watched) -> dict[_Task, Process]:
        if not watched.processes:
            name = watched.state.dataset, watched.state.delivery_id
            tasks = [
                _Task(*name, transfer_type, shard)
                for transfer_type in TRANSFER_TYPES
                for shard in range(self._settings.shards)
            ]
            watched.processes = {task: self._process(task) for task in tasks}
        return watched.processes

    def _look_at(self, watched: _Watched, now: float) -> None:
        lock = watched.first.lock()
        is_first = watched.state.lock is None
        if lock != watched.state.lock:
            watched.new_at = now
            self._show(watched, lock=lock)
        if lock is None or lock == watched.settled:
            self._wait(watched, now, waits=False)
            return
        settled, waits = True, False
        processes = self._processes(watched)
        # A client delivers of one type: where one validator of it is at work only its others may be missing.
        types = {task.transfer_type for task in processes if task in self._running}
        for task, process in processes.items():
            if task in self._running or (types and task.transfer_type not in types):
                settled = False
                continue
            if watched.left.get(task) == lock or watched.superseded.get(task) == lock.epoch:
                continue
            epoch = process.waiting(lock)
            if epoch is None:
                epoch = self._unreported_epoch(task, lock)
                if epoch is not None and now < self._lacking(task[:3], epoch).again_at:
                    settled = False
                    continue
            if epoch is None:
                continue
            settled = False
            if now < watched.not_before.get(task, 0.0):
                continue
            if self._n_free > 0:
                self._n_free -= 1
                self._begin(watched, task, process, epoch)
            else:
                waits = True
        self._wait(watched, now, waits=waits)
        if settled and lock.state != "held":
            watched.settled = lock
            watched.processes = {}
            watched.left.clear()
            if is_first:
                watched.new_at = -math.inf  # it was over before this process began

    def _unreported_epoch(self, task: _Task, lock: LockBody) -> int | None:
        """The epoch of the lock, where a process before this one has judged it, and died before it told."""
        epoch = self._unreported.get(task[:3]) if task.shard == 0 else None
        if epoch is None or (epoch == lock.epoch and self._begun.has(task[:3])):
            return epoch
        self._unreported.pop(task[:3], None)
        if epoch != lock.epoch:  # the next client's outcome takes in this one's
            self._begun.forget(task[:3])
        return None

    def _serve(
        self, layout: Layout, epoch: int, shard: int, notify: Callable[[dict[str, object]], None]
    ) -> Outcome:
        """Be a validator here, or have a worker be it."""
        if self._cluster is not None:
            served = self._cluster.submit(self._settings, layout, epoch, shard).result()
            if served.outcome_message is not None:
                notify(served.outcome_message)
            return served.outcome
        return serve(
            self._settings,
            layout,
            validator_id=new_agent_id(),
            client_epoch=epoch,
            shard=shard,
            shards=self._settings.shards,
            seconds_left=lambda: 0.0 if self._stopping.is_set() else float("inf"),
            readers=self._readers,
            notify=notify,
        )

    def _write_outcomes(self) -> None:
        """Write down the outcomes for which there was no room, now that there may be some."""
        with self._lock:
            unwritten = list(self._unwritten.items())
        for run, (epoch, message) in unwritten:
            try:
                self.outcomes.add(message, epoch)
            except OSError:
                return  # it was said when it happened first
            with self._lock:
                if self._unwritten.get(run) == (epoch, message):
                    del self._unwritten[run]
            if run not in self._unreported and self._begun.found_one(run) == epoch:
                self._begun.forget(run)
            _log.info("%s/%s: its outcome is written to the state_dir, and is sent", *run[:2])

    def _lacking(self, run: tuple[str, str, str], epoch: int) -> _Lacking:
        found = self._receipts.get(run)
        return found if found is not None and found.epoch == epoch else _Lacking(epoch)

    def _leave(self, watched: _Watched, task: _Task, process: Process) -> None:
        """Let a client that fell silent be, and be told of once, until its lock is another."""
        with contextlib.suppress(StoreError):  # then it is checked again
            watched.left[task] = process.lock()

    def _begin(self, watched: _Watched, task: _Task, process: Process, epoch: int) -> None:
        run = task[:3]
        is_noted = is_noted_here = True
        again: dict[str, object] | None = None  # what is told, where it lacks something

        def is_done(outcome: str) -> bool:
            """Whether nothing is left for the next process.

            A lock may be of the one before, which died, or of another one of this machine, whose note it is.
            """
            if outcome == "locked":
                return is_noted_here and run not in self._unreported
            return is_noted and again is None and outcome != "failed"

        def note(message: dict[str, object]) -> None:
            nonlocal is_noted, again
            self._show(watched, outcome=message)
            again = message if receipt_again(message) else None
            if not self._lacking(run, epoch).n_tries:  # else it was counted, and its receipt lacked something
                self.metrics.ended(message)
            try:
                self.outcomes.add(message, epoch)
            except OSError as error:  # the delivery is none the worse
                is_noted = False
                with self._lock:
                    self._unwritten[run] = epoch, message
                _log.error(
                    "%s/%s: its outcome is not sent until it can be written to the state_dir: %s",
                    task.dataset,
                    task.delivery_id,
                    for_log(str(error), 300),
                )

        def work() -> None:
            nonlocal is_noted_here
            outcome: str = "locked"
            if task.shard == 0:
                is_noted_here = self._begun.note(run, epoch)
            lacking = self._lacking(run, epoch)
            try:
                if (
                    task.shard == 0 and lacking.outcome is not None
                ):  # all was judged; the rest is not read anew
                    note(complete_again(self._settings, process.layout, epoch, lacking.outcome))
                    outcome = "stop"
                else:
                    outcome = self._serve(process.layout, epoch, task.shard, note)
            except Locked:
                pass  # another process serves it
            except Exception as error:  # noqa: BLE001 - one delivery's trouble is no other's
                outcome = "failed"
                _log.error("%s/%s: a validator failed\n%s", task.dataset, task.delivery_id, _traceback(error))
                self._show(watched, problem=for_log(str(error), 300))
            finally:
                if outcome in ("failed", "error", "locked"):
                    watched.not_before[task] = time.monotonic() + _AFTER_TROUBLE
                if outcome == "error":
                    self._leave(watched, task, process)
                elif outcome == "superseded":
                    watched.superseded[task] = epoch
                if again is not None:
                    n_tries = self._lacking(run, epoch).n_tries + 1
                    at = time.monotonic() + receipt_again_after(n_tries)
                    self._receipts[run] = _Lacking(epoch, n_tries, at, again)
                    self._unreported[run] = epoch
                if task.shard == 0 and is_done(outcome):
                    self._unreported.pop(run, None)
                    self._begun.forget(run)
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
