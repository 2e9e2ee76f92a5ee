"""Which reporter is taken, and where it writes."""

from __future__ import annotations

import io
import sys

import pytest

from upload_client.ui import CallbackReporter, ReporterGroup, people_reporter
from upload_client.ui.jsonl import JsonlReporter
from upload_client.ui.plain import PlainReporter
from upload_client.ui.rich import RichReporter


class Stream(io.StringIO):
    def __init__(self, *, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def where(monkeypatch):
    def put(*, out, err, term="xterm"):
        monkeypatch.setattr(sys, "stdout", Stream(terminal=out))
        monkeypatch.setattr(sys, "stderr", Stream(terminal=err))
        monkeypatch.setenv("TERM", term)

    return put


def test_a_terminal_is_drawn_on(where):
    where(out=True, err=True)
    assert isinstance(people_reporter(), RichReporter)


def test_without_a_terminal_there_are_log_lines(where):
    where(out=True, err=False)
    assert isinstance(people_reporter(), PlainReporter)


def test_a_terminal_that_cannot_move_its_cursor_gets_log_lines(where):
    where(out=True, err=True, term="dumb")
    assert isinstance(people_reporter(), PlainReporter)


def told(delivery, reporter):
    for event in delivery:
        reporter.handle(event)
    reporter.close()


def test_json_goes_to_stdout_and_what_people_read_to_stderr(where, delivery):
    where(out=False, err=False)
    told(delivery, ReporterGroup([people_reporter(beside_json=True), JsonlReporter()]))
    assert all(line.startswith('{"schema_version": 1') for line in sys.stdout.getvalue().splitlines())
    assert "logged in as ada" in sys.stderr.getvalue()


def test_beside_json_in_a_file_a_terminal_is_drawn_on(where, delivery):
    where(out=False, err=True)
    people = people_reporter(beside_json=True)
    assert isinstance(people, RichReporter)
    told(delivery, ReporterGroup([people, JsonlReporter()]))
    assert len(sys.stdout.getvalue().splitlines()) == 15
    assert "\x1b[?25h" in sys.stderr.getvalue()


def test_beside_json_on_the_same_terminal_nothing_is_drawn(where):
    where(out=True, err=True)
    assert isinstance(people_reporter(beside_json=True), PlainReporter)


def test_people_are_told_nothing_on_stdout(where, delivery):
    where(out=False, err=True)
    told(delivery, people_reporter())
    assert sys.stdout.getvalue() == ""


def test_whoever_hands_events_on_knows_whether_the_summary_was_among_them(delivery):
    several = ReporterGroup([])
    for event in delivery[:-1]:
        several.handle(event)
    assert not several.ended
    several.handle(delivery[-1])
    assert several.ended


def test_a_display_that_fails_is_replaced_by_log_lines_and_ends_nothing(where, delivery):
    where(out=False, err=False)

    class Broken:
        def handle(self, event):
            raise IndexError("no such line")

        def close(self):
            raise RuntimeError

    told(delivery, ReporterGroup([Broken(), JsonlReporter()]))
    assert (
        "error: the display has failed (IndexError: no such line); the delivery goes on"
        in sys.stderr.getvalue()
    )
    assert "996 of 1,000 files valid" in sys.stderr.getvalue()
    assert '"kind": "summary"' in sys.stdout.getvalue().splitlines()[-1]


def test_a_function_is_called_with_each_event(delivery):
    seen = []
    calling = CallbackReporter(seen.append)
    for event in delivery:
        calling.handle(event)
    calling.close()
    assert seen == delivery
