"""Deliveries to show."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from upload_client.events import (
    Connected,
    FileChanged,
    Health,
    InFlight,
    Message,
    Phase,
    Planned,
    Problem,
    Progress,
    Summary,
)
from upload_client.support.clock import Clock


class StandingClock(Clock):
    """Stands at noon until it is told to go on."""

    def __init__(self):
        self.now = 0.0

    def wall(self):
        return 1767355200.25 + self.now

    def monotonic(self):
        return self.now


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
def delivery():
    """A small delivery, from its beginning to its end."""
    counts = {"ready": 0, "pending": 0, "failed": 1, "transferring": 1, "done": 1, "valid": 996, "invalid": 1}

    def progress(done, files_sent, seconds):
        return Progress(
            counts=counts,
            bytes_sent=done,
            bytes_total=2**30,
            bytes_done=done,
            bytes_before=2**30,
            files_sent=files_sent,
            files_total=900,
            seconds=seconds,
            in_flight=(InFlight("a.fits", 2**20, 2**22, 1, 4),),
        )

    return [
        Phase("connecting"),
        Message("logged in as ada", "info"),
        Phase("planning"),
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
        Phase("starting"),
        Phase("sending"),
        FileChanged("a.fits", "pending"),
        FileChanged("a.fits", "transferring"),
        FileChanged("b.fits", "failed", "may not be read: permission denied", code="unreadable"),
        FileChanged("c.fits", "invalid", "not a FITS file"),
        FileChanged("d.fits", "valid"),
        progress(2**20, 1, 1.0),
        Health(lease_left=290.0, validator="working", validator_heard=2.0, trouble=None, seconds=1.0),
        Message("the validator is started again", "warning"),
        progress(2**29, 450, 31.0),
        Summary(
            exit_code=4,
            counts=counts,
            bytes_sent=2**30,
            files_sent=899,
            seconds=60.0,
            state_csv=Path("upload-client_survey_d1_20260102T030405Z.csv"),
            headline="996 of 1,000 files valid; 1 invalid; 1 not transferred",
            problems=(
                Problem(
                    "failed",
                    "may not be read: permission denied",
                    "Make it readable for you, then run the command again.",
                    1,
                    ("b.fits",),
                    "unreadable",
                ),
                Problem("invalid", "not a FITS file", "Fix the file.", 1, ("c.fits",)),
            ),
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
