"""An observer at a delivery: reads what lies in its buckets, and writes nothing anywhere."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator

from upload_client.control.checkpoints import fold_validators, read_logs
from upload_client.control.log import LogReader, last_epoch
from upload_client.core.closing import MAX_CLOSED, Closed
from upload_client.core.delivery_status import (
    DeliveryPhase,
    DeliveryStatus,
    Evidence,
    ObservedLock,
    ObservedReceipt,
)
from upload_client.core.files import OTHER_TYPE, ClientFile
from upload_client.core.hand_over import MAX_RECORD, BadRecord, HandOver
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, number
from upload_client.core.lease import MAX_BODY, LockBody
from upload_client.core.observed import (
    FileState,
    IndexRows,
    file_states,
    last_run,
    observe_landing,
    parse_index,
    states_of_client,
)
from upload_client.core.records import Init
from upload_client.core.status import status_of, with_landing
from upload_client.errors import LogBroken
from upload_client.s3.bucket import (
    AccessDenied,
    Bucket,
    NotFound,
    ObjectTooLarge,
    StoreError,
    repeat_while_lost,
)
from upload_client.support.clock import SYSTEM, Clock

MAX_INDEX = 2 * 1024 * 1024 * 1024
"""Bytes of an index that is read."""


class StatusReporter:
    """Looks at a delivery, again and again: the first look reads the logs, each further one what is new.

    Every method raises `StoreError` where the store does not answer.

    Args:
        control: The control bucket, at the delivery's root. It is only read.
        layout: Of the delivery.
        clock: The machine's; asked for the time only where the store has nothing that tells it.
        landing: The landing bucket, at the delivery's prefix: where the delivery is complete it is listed,
            and held against what was judged. None: that is not looked at.
        client_files: Gives the files of a client that has just ended, as its state CSV has them; None: what
            the logs say counts.
    """

    def __init__(
        self,
        control: Bucket,
        layout: Layout,
        clock: Clock = SYSTEM,
        *,
        landing: Bucket | None = None,
        client_files: Callable[[], Iterable[ClientFile]] | None = None,
    ) -> None:
        self._client_files = client_files
        self._landing = landing
        self._control = control
        self._layout = layout
        self._clock = clock
        self._history: DeliveryHistory | None = None
        self._client_log: LogReader | None = None
        self._validator_logs: dict[int, LogReader] = {}  # by shard
        self._log_broken: str | None = None
        self._index: IndexRows | None = None
        self._index_of: tuple[str, str] | None = None  # key and SHA-256 of that index
        self._other: tuple[int, int] = (0, 0)  # epoch of a lock, and whose of the other transfer type it is
        self.receipt: ObservedReceipt | None = None
        """The last receipt, as of the last look."""

    @property
    def history(self) -> DeliveryHistory | None:
        """Both logs as of the last look; None where there was none, or they cannot be believed."""
        return self._history

    def look(self) -> DeliveryStatus:
        """Read what is new, and tell where the delivery stands."""
        lock = self._lock(self._layout.owned)  # before the logs: who has it has written its fence
        self._read_logs()
        if self._history is not None:
            self._read_index(self._history)
        validator_locks = {
            shard: seen
            for shard in sorted({0, *self._validator_logs})
            if (seen := self._lock(self._layout.validator_lock(shard))) is not None
        }
        self.receipt = repeat_while_lost(self._last_receipt, self._clock)
        history = self._history
        begun = history is not None and bool(history.clients)
        dates = [seen.date for seen in (*validator_locks.values(), lock) if seen is not None]
        layout = self._layout
        evidence = Evidence(
            now=max(dates, default=self._clock.wall()),
            lock=lock,
            validator_locks=validator_locks,
            history=history,
            log_broken=self._log_broken,
            index=self._index,
            receipt=self.receipt,
            other_epoch=self._epoch_of_other_type(lock),
            files=None if self._client_files is None else lambda: self.files(live=False),
            any_trace=begun or lock is not None or self._any_trace(),
            hand_over=self._hand_over(),
            closed=self._closed(),
        )
        status = status_of(
            evidence,
            dataset=layout.dataset,
            delivery_id=layout.delivery_id,
            transfer_type=layout.transfer_type,
        )
        looked_for = status.phase is DeliveryPhase.COMPLETE and not status.leaves_landing
        if looked_for and history is not None and self._landing is not None:
            with contextlib.suppress(AccessDenied):  # not everybody who may read the logs may list the data
                listed = ((entry.key, entry.size, entry.etag) for entry in self._landing.list())
                return with_landing(status, observe_landing(history, self._index, listed))
        return status

    def files(self, *, live: bool) -> Iterator[FileState]:
        """Every file, as of the last look; none where the logs cannot be believed. See `file_states`."""
        if self._client_files is not None:
            return states_of_client(self._client_files(), self._history)
        return iter(()) if self._history is None else file_states(self._history, self._index, live=live)

    def _last_receipt(self) -> ObservedReceipt | None:
        """Find it among whatever lies there, in memory that does not grow with that."""
        return max(
            (
                ObservedReceipt(info.key, epoch, info.last_modified)
                for info in self._control.list(self._layout.receipt_prefix)
                if (epoch := number(info.key)) is not None and self._layout.receipt(epoch) == info.key
            ),
            key=lambda receipt: receipt.epoch,
            default=None,
        )

    def _hand_over(self) -> HandOver | None:
        """The record that the last receipt's delivery was handed over, if this person may read it."""
        if self.receipt is None:
            return None
        key = self._layout.hand_over(self.receipt.epoch)
        try:
            found = repeat_while_lost(lambda: self._control.get(key, limit=MAX_RECORD), self._clock)
            return HandOver.decode(found.body)
        except (NotFound, AccessDenied, ObjectTooLarge, BadRecord):
            return None

    def _closed(self) -> Closed | None:
        """The receiver's note that the delivery is closed, if this person may read it."""
        try:
            found = repeat_while_lost(
                lambda: self._control.get(self._layout.closed, limit=MAX_CLOSED), self._clock
            )
            return Closed.decode(found.body)
        except (NotFound, AccessDenied):
            return None
        except ObjectTooLarge:
            return Closed("")

    def _lock(self, key: str) -> ObservedLock | None:
        """A lock, if there is one that this person may read."""
        try:
            found = repeat_while_lost(lambda: self._control.get(key, limit=MAX_BODY), self._clock)
        except ObjectTooLarge as error:
            return ObservedLock(None, error.found.last_modified, error.found.date)
        except NotFound:
            return None
        except AccessDenied:
            if key == self._layout.owned:
                raise
            return None
        return ObservedLock(LockBody.decode(found.body), found.last_modified, found.date)

    def _read_logs(self) -> None:
        """Fold in what is new in the logs. Once one is broken, nothing in them is believed any more."""
        if self._log_broken is not None:
            return
        try:
            if self._client_log is None:
                folded = read_logs(self._control, self._layout, {}, self._clock)
                self._history = folded.history
                self._client_log, self._validator_logs = folded.client, folded.validators
                return
            assert self._history is not None
            for segment in self._client_log.read_all():
                self._history.add_client(segment)
            for _ in fold_validators(
                self._control,
                self._layout,
                self._history,
                self._client_log,
                self._validator_logs,
                self._clock,
            ):
                pass
        except LogBroken as error:
            self._log_broken = str(error)
            self._history = None

    def _read_index(self, history: DeliveryHistory) -> None:
        """Read the index of the last run, if it is another one now. What is not what the log says is none."""
        run = last_run(history)
        if run is None or not isinstance(run.init, Init):
            return
        named = run.init.index, run.init.index_sha256
        if named == self._index_of:
            return
        self._index, self._index_of = None, named
        key, sha256 = named
        if not key.startswith(self._layout.index_prefix):
            return
        try:
            data = repeat_while_lost(lambda: self._control.read(key, MAX_INDEX), self._clock)
            if hashlib.sha256(data).hexdigest() == sha256:
                self._index = parse_index(data)
        except (NotFound, ObjectTooLarge, AccessDenied, ValueError):
            pass  # then the log alone has to tell

    def _epoch_of_other_type(self, lock: ObservedLock | None) -> int:
        """The last epoch of the other transfer type, where the lock is not of a run of this one."""
        body = None if lock is None else lock.body
        if body is None or body.transfer_type is not None:  # it says itself whose it is
            return 0
        if self._history is not None and body.epoch in self._history.clients:
            return 0
        if self._other[0] != body.epoch or self._other[1] != body.epoch:
            log = self._layout.client_log(OTHER_TYPE[self._layout.transfer_type])
            try:
                epoch = repeat_while_lost(
                    lambda: last_epoch(self._control, log, writer="client"), self._clock
                )
            except StoreError:
                return 0
            self._other = body.epoch, epoch
        return self._other[1]

    def _any_trace(self) -> bool:
        return next(iter(self._control.list()), None) is not None
