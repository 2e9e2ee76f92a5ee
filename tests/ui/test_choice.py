"""Which reporter is taken, and where it writes."""

from __future__ import annotations

import io
import sys

import pytest

from upload_client.ui import Several, make_reporter
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
    assert isinstance(make_reporter(), RichReporter)


def test_without_a_terminal_there_are_log_lines(where):
    where(out=True, err=False)
    assert isinstance(make_reporter(), PlainReporter)


def test_a_terminal_that_cannot_move_its_cursor_gets_log_lines(where):
    where(out=True, err=True, term="dumb")
    assert isinstance(make_reporter(), PlainReporter)


def test_json_goes_to_stdout_and_what_people_read_to_stderr(where, delivery):
    where(out=False, err=False)
    reporter = make_reporter(json=True)
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    assert isinstance(reporter, Several)
    assert all(line.startswith('{"schema_version": 1') for line in sys.stdout.getvalue().splitlines())
    assert "logged in as ada" in sys.stderr.getvalue()


def test_beside_json_in_a_file_a_terminal_is_drawn_on(where, delivery):
    where(out=False, err=True)
    reporter = make_reporter(json=True)
    assert isinstance(reporter._reporters[0], RichReporter)
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    assert len(sys.stdout.getvalue().splitlines()) == 10
    assert "\x1b[?25h" in sys.stderr.getvalue()


def test_beside_json_on_the_same_terminal_nothing_is_drawn(where):
    where(out=True, err=True)
    people, machines = make_reporter(json=True)._reporters
    assert isinstance(people, PlainReporter)
    assert isinstance(machines, JsonlReporter)


def test_without_json_nothing_is_written_to_stdout(where, delivery):
    where(out=False, err=True)
    reporter = make_reporter()
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    assert sys.stdout.getvalue() == ""
