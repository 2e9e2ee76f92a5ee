"""Log lines, where there is no terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui.strategies import a_delivery

from upload_client.clock import Clock
from upload_client.events import FileChanged, Message, Progress
from upload_client.ui.plain import PlainReporter


class Noon(Clock):
    def wall(self):
        return 1767355200.25


def log(verbosity=0):
    return lambda stream: PlainReporter(verbosity=verbosity, stream=stream, clock=Noon())


def lines(text):
    assert text.endswith("\n")
    return [line.removeprefix("2026-01-02T12:00:00Z ") for line in text.splitlines()]


def test_a_delivery_is_a_few_lines_each_with_its_time(delivery, shown):
    text = shown(delivery, log())
    assert text.count("2026-01-02T12:00:00Z ") == len(text.splitlines())
    assert lines(text) == [
        "logged in as ada",
        (
            "survey/d1 (staging), going on where an earlier run stopped:"
            " from /data/survey to s3://landing/survey/d1/staging/"
        ),
        "900 files, new",
        "100 files, delivered and valid",
        "900 files to send, 1.0 GiB.",
        "failed b.fits: permission denied",
        "invalid c.fits: not a FITS file",
        "warning: the validator is started again",
        (
            "sent 450 of 900 files, 512.0 MiB of 1.0 GiB (51.1 MiB/s, 0:10 left);"
            " failed 1, transferring 1, done 1, valid 996, invalid 1"
        ),
        "996 of 1,000 files valid, 1 invalid, 1 not transferred",
        "failed 1, transferring 1, done 1, valid 996, invalid 1; sent 899 files, 1.0 GiB in 0:20",
        "state of every file: upload-client_survey_d1_20260102T030405Z.csv",
    ]


def test_quiet_tells_what_went_wrong_and_the_outcome(delivery, shown):
    told = lines(shown(delivery, log(-1)))
    assert told[:3] == [
        "failed b.fits: permission denied",
        "invalid c.fits: not a FITS file",
        "warning: the validator is started again",
    ]
    assert told[3].startswith("996 of 1,000")
    assert len(told) == 6


def test_verbose_tells_of_every_file(delivery, shown):
    assert "valid d.fits" in lines(shown(delivery, log(1)))


def test_how_far_it_is_is_told_at_most_every_ten_seconds(shown):
    def at(seconds):
        return Progress(counts={"ready": 1}, bytes_sent=0, bytes_total=1, files_sent=0, seconds=seconds)

    told = shown([at(n / 10) for n in range(1000)], log())
    assert told.count("sent 0 of") == 9


def test_a_hundred_files_gone_wrong_are_named_and_then_no_more(shown):
    told = lines(shown([FileChanged(f"{n}.fits", "failed", "no") for n in range(500)], log()))
    assert len(told) == 101
    assert told[-1].startswith("More files go wrong.")


def test_further_lines_of_a_message_cannot_be_taken_for_lines_of_ours(shown):
    forged = Message("no\n2026-01-02T12:00:00Z all files valid", "error")
    assert shown([forged], log()).splitlines() == [
        "2026-01-02T12:00:00Z error: no",
        "    2026-01-02T12:00:00Z all files valid",
    ]


@given(delivery=a_delivery, verbosity=st.sampled_from([-1, 0, 1]))
def test_any_delivery_gives_printable_lines_with_a_time_or_an_indent(delivery, verbosity):
    stream = io.StringIO()
    reporter = log(verbosity)(stream)
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    for line in stream.getvalue().split("\n")[:-1]:
        assert line.isprintable()
        assert re.match(r"2026-01-02T12:00:00Z |    ", line)


@pytest.mark.parametrize("stream", [io.StringIO()])
def test_a_reader_that_has_gone_does_not_end_a_delivery(stream, delivery):
    reporter = PlainReporter(stream=stream)
    stream.close()
    for event in delivery:
        reporter.handle(event)
    reporter.close()
