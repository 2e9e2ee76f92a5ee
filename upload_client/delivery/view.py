"""The read-only properties of a delivery, for its caller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upload_client.control.delivery_buckets import DeliveryBuckets
from upload_client.core.client_states import ClientState
from upload_client.core.files import ClientFile, TransferType
from upload_client.core.states import STATES, State
from upload_client.delivery import progress
from upload_client.delivery.outcome import Outcome
from upload_client.delivery.run import Run
from upload_client.index import LeftOut

if TYPE_CHECKING:
    import pandas as pd


class DeliveryView:
    """The properties of a delivery by one run: names, state, files. None of them changes it."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self._run.arguments.dataset

    @property
    def delivery_id(self) -> str:
        """Name of the delivery."""
        return self._run.arguments.delivery_id

    @property
    def transfer_type(self) -> TransferType:
        """``staging`` or ``sample``."""
        return self._run.arguments.transfer_type

    @property
    def agent_id(self) -> str:
        """Name of this run."""
        return self._run.arguments.agent_id

    @property
    def output_dir(self) -> Path:
        """Where the state dump and the receipt go."""
        return self._run.output_dir

    @output_dir.setter
    def output_dir(self, directory: Path) -> None:
        self._run.output_dir = directory

    @property
    def debug(self) -> bool:
        """Whether messages have tracebacks."""
        return self._run.debug

    @debug.setter
    def debug(self, debug: bool) -> None:
        self._run.debug = debug

    @property
    def state(self) -> ClientState:
        """The state of the run; see `docs/protocol.md`."""
        return self._run.state

    @property
    def done(self) -> bool:
        """Whether it has ended, or is in a state it cannot leave, early or not."""
        return self.state.terminal

    @property
    def n_complete(self) -> int:
        """Files judged, plus files that used up their retries."""
        connected = self._run.connected
        return connected.ledger.n_complete if connected else 0

    @property
    def next_file(self) -> ClientFile | None:
        """The file to send next; None where nothing is to be sent now."""
        connected = self._run.connected
        if connected is None or self.done:
            return None
        row = connected.ledger.order.next_row(self._run.clock.monotonic())
        return None if row is None else connected.ledger.file(row)

    @property
    def transfer_complete(self) -> bool:
        """Whether nothing is left to send and nothing is in flight. Verdicts may be missing."""
        connected = self._run.connected
        return connected is not None and connected.ledger.transfer_complete

    @property
    def validation_complete(self) -> bool:
        """Whether every file is judged or given up."""
        connected = self._run.connected
        return connected is not None and connected.ledger.validation_complete

    @property
    def files(self) -> Iterator[ClientFile]:
        """All files as they stand now, in the order of the index; none before `connect`."""
        connected = self._run.connected
        return iter(connected.ledger) if connected else iter(())

    @property
    def frame(self) -> pd.DataFrame:
        """All files as they stand now; for columns and types see `upload_client.delivery.progress.frame`."""
        connected = self._run.connected
        return progress.frame(connected.ledger if connected else None)

    @property
    def counts(self) -> dict[State, int]:
        """Files in each state."""
        connected = self._run.connected
        return connected.ledger.counts() if connected else dict.fromkeys(STATES, 0)

    @property
    def left_out(self) -> LeftOut:
        """The files in the source, or in the index, that are no part of the delivery."""
        return self._run.source.left_out

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the files, such as names that look like an accident."""
        return tuple(text for _, text in self._run.source.warnings)

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the run; None while it has not ended."""
        return self._run.outcome

    @property
    def buckets(self) -> DeliveryBuckets | None:
        """The delivery's settings, keys and buckets; None before the login."""
        return self._run.buckets
