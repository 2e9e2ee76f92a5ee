"""Log lines, where there is no terminal."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from ui.strategies import a_delivery

from upload_client.core.own_files import is_ours
from upload_client.events import FileChanged, Health, Message, Phase, Progress
from upload_client.support.clock import Clock
from upload_client.ui.ending import Command
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
        "connecting to the receiver",
        "logged in as ada",
        "checking what is there already",
        (
            "survey/d1 (staging), going on where an earlier run stopped:"
            " from /data/survey to s3://landing/survey/d1/staging/"
        ),
        "900 files, never sent: will be sent",
        "100 files, delivered and valid",
        "900 files to send, 1.0 GiB.",
        "starting the receiver's validator",
        "sending",
        "failed b.fits: may not be read: permission denied",
        "invalid c.fits: not a FITS file",
        "warning: the validator is started again",
        (
            "75 % sent: 1.5 GiB of 2.0 GiB (17.0 MiB/s, 0:30 left); judged 997 of 1,000 files;"
            " failed 1, transferring 1, done 1, valid 996, invalid 1"
        ),
        "1 file failed: may not be read: permission denied",
        "    b.fits",
        "  -> Make it readable for you, then run the command again.",
        "1 file invalid: not a FITS file",
        "    c.fits",
        "  -> Fix the file.",
        "996 of 1,000 files valid; 1 invalid; 1 not transferred",
        "this run: sent 899 files, 1.0 GiB in 1:00 (17.1 MiB/s)",
        "next: See to these files, then run it again: only they are sent.",
        "details: upload-client_survey_d1_20260102T030405Z.csv",
    ]


def test_the_command_to_type_next_is_the_last_line(delivery, shown):
    command = Command(("upload-client", "--dataset", "my data"))
    told = lines(shown(delivery, lambda stream: PlainReporter(stream=stream, clock=Noon(), command=command)))
    assert told[-1] == f"command: {command.line()}"


def test_quiet_tells_of_errors_and_a_bad_end_alone(delivery, shown):
    told = lines(shown([*delivery[:-1], Message("no", "error"), delivery[-1]], log(-1)))
    assert told[:2] == ["error: no", "1 file failed: may not be read: permission denied"]
    assert "996 of 1,000 files valid; 1 invalid; 1 not transferred" in told
    assert not any(line.startswith("warning") for line in told)


def test_quiet_says_nothing_where_all_is_well(delivery, shown):
    assert shown([*delivery[:-1], dataclasses.replace(delivery[-1], exit_code=0)], log(-1)) == ""


def test_verbose_tells_of_every_file(delivery, shown):
    assert "valid d.fits" in lines(shown(delivery, log(1)))


def test_how_far_it_is_is_told_every_thirty_seconds(shown):
    def at(seconds):
        return Progress(counts={"ready": 1}, bytes_sent=0, bytes_total=1, files_sent=0, seconds=seconds)

    told = shown([at(n / 10) for n in range(1190)], log())
    assert told.count("sent: 0 B of") == 3


def test_health_is_told_when_it_gets_better_or_worse(shown):
    def health(validator="working", trouble=None):
        return Health(lease_left=9.0, validator=validator, validator_heard=1.0, trouble=trouble, seconds=0.0)

    events = [health(), health(), health("silent"), health("silent"), health(), health(trouble="no answer")]
    again = [health("left"), health("starting"), health()]
    assert lines(shown([*again, *events, health(trouble="still none"), health()], log())) == [
        "warning: the validator has left",
        "the validator is at work again",
        "warning: the validator is silent",
        "the validator is at work again",
        "warning: trying again: no answer",
        "it goes on again",
    ]


def test_of_a_validator_that_is_started_again_nothing_good_is_told_before_it_is_heard(shown):
    def health(validator):
        return Health(lease_left=9.0, validator=validator, validator_heard=1.0, trouble=None, seconds=0.0)

    events = [health("working"), health("silent"), health("starting"), health("silent")]
    assert lines(shown(events, log())) == ["warning: the validator is silent"]


def test_a_file_that_is_tried_again_is_told_so(shown):
    told = lines(shown([FileChanged("a", "failed", "no answer", 0, again=True)], log()))
    assert told == ["failed a: no answer (it is tried again by itself)"]


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


@limits(max_examples=40)
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


def test_what_is_said_is_known_again_as_ours_in_a_file():
    """Else the next delivery of the folder in which it was kept would hold it."""
    stream = io.StringIO()
    PlainReporter(stream=stream).handle(Phase("connecting"))
    assert is_ours("log", stream.getvalue().encode())
