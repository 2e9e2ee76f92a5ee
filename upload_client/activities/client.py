"""`ClientActivity`: a whole delivery, with lock, verdicts and receipt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from upload_client.activities.activity import Activity
from upload_client.client import Outcome, UploadClient
from upload_client.core.exits import ExitCode
from upload_client.errors import DeliveryError, Interrupted, UsageError
from upload_client.events import Event, Summary
from upload_client.support.arguments import can
from upload_client.ui import ReporterGroup
from upload_client.ui.ending import problem_lines
from upload_client.ui.plain import PlainReporter


class NotAllValid(DeliveryError):  # noqa: N818 - named for what happened
    """A delivery has come to its end, and not all of it is delivered and valid.

    Attributes:
        exit_code: that of the delivery.
        outcome: how it ended.
    """

    hint = "What to do stands with each problem; the state of every file is in the CSV named state_csv."

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.headline)
        self.exit_code = ExitCode(outcome.exit_code)  # type: ignore[misc] # of this one, not of its class
        self.outcome = outcome


class ClientActivity(Activity):
    """A whole delivery, by an `UploadClient` of its own each time it is started.

    When it has ended, its metadata has ``dataset``, ``delivery_id``, ``exit_code``, ``headline``,
    ``problems`` (what went wrong, in lines, with the files that are concerned; empty where all is well),
    ``receipt`` (its key), ``receipt_file``, ``state_csv``, and the number of files by state:
    ``files_valid``, ``files_invalid``, ….

    Args:
        make: gives the arguments of `UploadClient`, anew for each start; or None.
        metadata: facts about it, for notifications.
        **arguments: of `UploadClient`, where `make` is None.
    """

    def __init__(
        self,
        make: Callable[[], Mapping[str, Any]] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        **arguments: Any,  # noqa: ANN401 - each of another type
    ) -> None:
        super().__init__(metadata)
        if (make is None) != bool(arguments):
            raise UsageError("a delivery needs the arguments of UploadClient, or a callable that gives them")
        if make is not None:
            can("make", make, (), "a function that gives the arguments of UploadClient")
        self._make = make or (lambda: arguments)
        self._client: UploadClient | None = None
        self._mutex = threading.Lock()

    def start(self) -> None:
        """Deliver.

        Raises:
            NotAllValid: it came to its end with an exit code other than 0.
            DeliveryError: it did not begin, or was broken off.
            Interrupted: it was stopped; what was confirmed is not sent again.
        """
        self.check_stopped()
        arguments = dict(self._make())
        seen = _Last()
        arguments["reporter"] = ReporterGroup([arguments.get("reporter") or PlainReporter(), seen])
        self.metadata.update(
            {name: arguments[name] for name in ("dataset", "delivery_id") if name in arguments}
        )
        with UploadClient(**arguments) as client:
            with self._mutex:
                self._client = client
            try:
                self.check_stopped()
                outcome = client.run()
            finally:
                with self._mutex:
                    self._client = None
                if seen.summary is not None:
                    self.metadata.update(_metadata_of(seen.summary))
        if self._stopping.is_set() and outcome.exit_code == ExitCode.INTERRUPTED:
            raise Interrupted
        if isinstance(outcome.error, DeliveryError):
            raise outcome.error
        if outcome.exit_code:
            raise NotAllValid(outcome)

    def stop(self) -> None:
        """Have the delivery end in order, as Ctrl-C does."""
        super().stop()
        with self._mutex:
            if self._client is not None:
                self._client.stop()


class _Last:
    """Keeps the summary of a delivery."""

    def __init__(self) -> None:
        self.summary: Summary | None = None

    def handle(self, event: Event) -> None:
        if isinstance(event, Summary):
            self.summary = event

    def close(self) -> None:
        """Nothing is held back."""


def _metadata_of(summary: Summary) -> dict[str, Any]:
    indent = {"name": "  ", "more": "  ", "todo": "  -> "}
    lines = [f"{indent.get(kind, '')}{text}" for kind, text in problem_lines(summary.problems)]
    return {
        "exit_code": int(summary.exit_code),
        "headline": summary.headline,
        "problems": "\n".join(lines),
        "receipt": summary.receipt,
        "receipt_file": None if summary.receipt_file is None else str(summary.receipt_file),
        "state_csv": None if summary.state_csv is None else str(summary.state_csv),
        **{f"files_{state}": n for state, n in summary.counts.items()},
    }
