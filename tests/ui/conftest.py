"""Deliveries to show."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from upload_client.events import Connected, FileChanged, Message, Planned, Progress, Summary


@pytest.fixture
def delivery():
    """A small delivery, from its beginning to its end."""
    counts = {"ready": 0, "pending": 0, "failed": 1, "transferring": 1, "done": 1, "valid": 996, "invalid": 1}
    return [
        Message("logged in as ada", "info"),
        Connected(
            dataset="survey",
            delivery_id="d1",
            transfer_type="staging",
            agent_id="abcdefghijk",
            epoch=2,
            source="/data/survey",
            landing="s3://landing/survey/d1/staging/",
            resumed=True,
        ),
        Planned(counts={"new": 900, "delivered and valid": 100, "changed": 0}, n_files=900, n_bytes=2**30),
        FileChanged("a.fits", "pending"),
        FileChanged("a.fits", "transferring"),
        FileChanged("b.fits", "failed", "permission denied"),
        FileChanged("c.fits", "invalid", "not a FITS file"),
        FileChanged("d.fits", "valid"),
        Progress(counts=counts, bytes_sent=2**20, bytes_total=2**30, files_sent=1, seconds=1.0),
        Message("the validator is started again", "warning"),
        Progress(counts=counts, bytes_sent=2**29, bytes_total=2**30, files_sent=450, seconds=11.0),
        Summary(
            exit_code=4,
            counts=counts,
            bytes_sent=2**30,
            files_sent=899,
            seconds=20.0,
            state_csv=Path("upload-client_survey_d1_20260102T030405Z.csv"),
            headline="996 of 1,000 files valid, 1 invalid, 1 not transferred",
        ),
    ]


@pytest.fixture
def shown():
    """Show events to a reporter made on a stream; give what it wrote."""

    def show(events, reporter_on):
        stream = io.StringIO()
        reporter = reporter_on(stream)
        for event in events:
            reporter.handle(event)
        reporter.close()
        return stream.getvalue()

    return show
