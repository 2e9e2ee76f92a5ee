"""Code of a user: it is never run, and has to pass ``mypy --strict`` as it stands.

Each `type: ignore` is a mistake that the types are to find: were it none, mypy would call the comment unused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import assert_type

import pandas as pd

from upload_client import (
    Bucket,
    ClientFile,
    DeliveryError,
    FileChanged,
    LoggingReporter,
    Message,
    Outcome,
    Plan,
    Reporter,
    Settings,
    Summary,
    TransferOutcome,
    UploadClient,
    UploadClientError,
    load_settings,
    send_files,
)
from upload_client.events import Event


class Mine:
    """A reporter."""

    def handle(self, event: Event) -> None:
        """Print what there is to print."""
        match event:
            case Message(text, mtype):
                assert_type(text, str)
                print(mtype, text)
            case FileChanged():
                assert_type(event.message, str | None)
            case Summary():
                assert_type(event.state_csv, Path | None)

    def close(self) -> None:
        """Nothing."""


def deliver(index: pd.DataFrame, source: str | Path | Bucket) -> Outcome:
    """Deliver."""
    reporter: Reporter = Mine()
    settings = load_settings(profile="archive", flags={"threads": 4})
    assert_type(settings, Settings)
    client = UploadClient(
        dataset="d",
        delivery_id="1",
        file_index=index,
        transfer_type="staging",
        source=source,
        settings=settings,
        reporter=reporter,
    )
    assert_type(client.next_file, ClientFile | None)
    assert_type(client.frame, pd.DataFrame)
    assert_type(client.plan(), Plan)
    try:
        with client:
            return client.run(reporter=LoggingReporter(logging.getLogger("mine")))
    except UploadClientError as error:
        print(error.response["Error"])
        raise
    except DeliveryError as error:
        print(int(error.exit_code), error.hint)
        raise


def look(outcome: Outcome) -> Mapping[str, int]:
    """Look at what came of it."""
    assert_type(outcome.exit_code, int)
    assert_type(outcome.receipt, str | None)
    return {str(state): n for state, n in outcome.counts.items()}


def copy(files: list[ClientFile], destination: Bucket) -> Iterator[TransferOutcome]:
    """Move files without a delivery."""
    from upload_client import DataRoot

    yield from send_files(files, DataRoot(Path("/data")), destination, n_threads="auto")


def wrong(index: pd.DataFrame, outcome: Outcome) -> None:
    """Make mistakes."""
    UploadClient(dataset="d", delivery_id="1", file_index=index, source=".", transfer_type="stagging")  # type: ignore[arg-type]
    UploadClient(dataset="d", file_index=index, source=".", transfer_type="staging")  # type: ignore[call-arg]
    outcome.exit_code = 0  # type: ignore[misc]
    LoggingReporter("upload_client")  # type: ignore[arg-type]
    client_run = UploadClient.run
    client_run(1)  # type: ignore[arg-type]
