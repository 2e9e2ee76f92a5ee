"""For schedulers: the lines of a delivery, in Python's logging."""

from __future__ import annotations

import logging

import pytest

from upload_client.events import FileChanged, Health, Message, Progress, Summary
from upload_client.ui import ReporterGroup
from upload_client.ui.logs import LoggingReporter


@pytest.fixture
def told(caplog):
    """Hand events to a reporter; what comes of them."""
    caplog.set_level(logging.DEBUG, "upload_client")

    def tell(events, **options):
        caplog.clear()
        reporter = LoggingReporter(**options)
        for event in events:
            reporter.handle(event)
        reporter.close()
        return [(one.levelname, one.getMessage()) for one in caplog.records]

    return tell


def test_a_delivery_is_told_in_the_words_of_the_plain_lines(delivery, told):
    lines = told(delivery)
    assert ("INFO", "logged in as ada") in lines
    assert ("WARNING", "failed b.fits: may not be read: permission denied") in lines
    assert ("WARNING", "the validator is started again") in lines
    assert ("INFO", "sending") in lines


def test_levels_say_what_matters(told):
    assert told([Message("no", "error"), Message("hm", "warning"), Message("so", "info")]) == [
        ("ERROR", "no"),
        ("WARNING", "hm"),
        ("INFO", "so"),
    ]
    health = Health(
        lease_left=1.0, validator="silent", validator_heard=None, trouble="no answer", seconds=1.0
    )
    assert [level for level, _ in told([health])] == ["WARNING", "WARNING"]


@pytest.mark.parametrize(("code", "level"), [(0, "INFO"), (3, "WARNING"), (10, "ERROR")])
def test_the_end_has_the_level_of_its_outcome(told, code, level):
    end = Summary(
        exit_code=code, counts={}, bytes_sent=0, files_sent=0, seconds=1.0, state_csv=None, headline="end"
    )
    assert {one for one, _ in told([end])} == {level}


def test_a_record_has_its_event_for_who_reads_more_than_text(caplog):
    event = FileChanged("a\nb", "failed", "is not there")
    with caplog.at_level(logging.INFO, "upload_client"):
        LoggingReporter().handle(event)
    (record,) = caplog.records
    assert record.event is event
    assert r"a\nb" in record.getMessage()


def test_a_scheduler_gives_its_own_logger_and_how_often_it_wants_to_hear(caplog):
    mine = logging.getLogger("scheduler.task")
    reporter = LoggingReporter(mine, progress_seconds=600.0)
    with caplog.at_level(logging.INFO, "scheduler"):
        for seconds in range(0, 1300, 60):
            reporter.handle(
                Progress(
                    counts={},
                    bytes_sent=0,
                    bytes_total=1,
                    files_sent=0,
                    files_total=1,
                    seconds=float(seconds),
                )
            )
    assert [record.name for record in caplog.records] == ["scheduler.task"] * 2


def test_a_display_that_fails_is_replaced_although_a_log_is_there(capsys):
    class Broken:
        def handle(self, _):
            raise ValueError("no display")

        def close(self):
            pass

    several = ReporterGroup([Broken(), LoggingReporter()])
    several.handle(Message("still told", "info"))
    assert "still told" in capsys.readouterr().err
