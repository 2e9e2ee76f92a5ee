"""Validators on the workers of a Dask cluster, in place of threads of `receiver serve`.

A worker needs this program with the extras that open files, the same credentials, and the key that signs, if
it is a file. Where this process ends, what runs there goes on to its end; the next process finds the note of
it (`upload_client.receiver.serving.pending_runs`), waits for its lock, and tells of it.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from upload_client.control.identity import new_agent_id
from upload_client.core.hints import install
from upload_client.core.layout import Layout
from upload_client.core.text import for_log
from upload_client.errors import NotReachable, UsageError
from upload_client.validator import ValidatorSettings
from upload_client.validator.pipeline import Outcome
from upload_client.validator.serving import serve

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 30
_ASKED_EVERY = 2.0
"""Seconds between two looks of a worker whether it is to leave."""


@dataclass(frozen=True)
class ValidatorJob:
    """A validator for a worker to run.

    Attributes:
        settings: the receiver's.
        layout: which delivery.
        client_epoch: of the client that it serves.
        shard: its share of the files, of `settings.shards`.
        stop: name of the event that has it leave.
    """

    settings: ValidatorSettings
    layout: Layout
    client_epoch: int
    shard: int
    stop: str = ""


@dataclass(frozen=True)
class Served:
    """The end of such a validator: its outcome, and the outcome message; None where there is none."""

    outcome: Outcome
    outcome_message: dict[str, object] | None


def serve_there(job: ValidatorJob) -> Served:
    """Run the validator; called on a worker."""
    messages: list[dict[str, object]] = []
    outcome = serve(
        job.settings,
        job.layout,
        validator_id=new_agent_id(),
        client_epoch=job.client_epoch,
        shard=job.shard,
        shards=job.settings.shards,
        seconds_left=_seconds_left(job.stop),
        notify=messages.append,
    )
    return Served(outcome, messages[0] if messages else None)


def _seconds_left(stop: str) -> Callable[[], float]:
    """None at all once the event is set; it is asked for now and then."""
    import distributed  # noqa: PLC0415 - an extra

    make: Any = distributed.Event  # Dask is typed in part only
    event, stopped, asked_at = make(stop), False, -math.inf

    def left() -> float:
        nonlocal stopped, asked_at
        if not stopped and time.monotonic() >= asked_at + _ASKED_EVERY:
            asked_at = time.monotonic()
            stopped = bool(event.is_set())
        return 0.0 if stopped else math.inf

    return left


class Cluster:
    """A Dask cluster.

    Args:
        address: of its scheduler, ``tcp://HOST:PORT``.

    Raises:
        UsageError: the extra is not installed.
        NotReachable: nobody answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed  # noqa: PLC0415, F401 - an extra
        except ImportError:
            why = "a Dask cluster needs distributed, which is not installed"
            raise UsageError(why, hint=install("serve,dask")) from None
        self._address = address
        self._name = f"upload-client-stop-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._is_stopping = False
        self._client = self._connect()

    @property
    def n_workers(self) -> int:
        """Workers that are there now."""
        return len(self._client.scheduler_info()["workers"])

    def submit(self, settings: ValidatorSettings, layout: Layout, epoch: int, shard: int) -> Future[Served]:
        """Run a validator on a worker.

        Where a worker dies, Dask has another one begin: it is `Locked` while the lease of the first lasts.

        Raises:
            NotReachable: the scheduler was lost for longer than Dask waits, and nobody answers there now.
        """
        with self._lock:
            if self._client.status == "closed" and not self._is_stopping:
                self._client = self._connect()
            client = self._client
        job = ValidatorJob(settings, layout, epoch, shard, self._name)
        future: Future[Served] = client.submit(serve_there, job, pure=False, retries=0)
        return future

    def stop(self) -> None:
        """Stop all in order; where the scheduler is lost, they run to their end."""
        import distributed  # noqa: PLC0415 - an extra

        self._is_stopping = True
        make: Any = distributed.Event  # Dask is typed in part only
        try:
            make(self._name, client=self._client).set()
        except Exception as error:  # noqa: BLE001 - of many kinds, by the state of the connection
            _log.warning("validators on Dask's workers could not be stopped: %s", for_log(str(error), 300))

    def close(self) -> None:
        """Let go of the cluster."""
        self._client.close()

    def _connect(self) -> Any:  # noqa: ANN401 - Dask is typed in part only
        import distributed  # noqa: PLC0415 - an extra

        connect: Any = distributed.Client
        try:
            return connect(
                self._address, set_as_default=False, timeout=_CONNECT_SECONDS, name="upload-client receiver"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise NotReachable(f"the scheduler of Dask at {self._address}: {error}") from None
