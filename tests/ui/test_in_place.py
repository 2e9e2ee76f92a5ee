"""What is drawn in place leaves nothing behind, also on a terminal that changes its size meanwhile."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text
from waiting import until

from upload_client.ui import progress_line
from upload_client.ui.in_place import InPlace
from upload_client.ui.progress_line import ProgressLine

DELIVERING = """
import sys
from upload_client.events import Health, InFlight, Message, Phase, Progress
from upload_client.ui.rich import RichReporter

reporter = RichReporter()
reporter.handle(Message("said first", "info"))
reporter.handle(Phase("sending"))
counts = {"ready": 0, "pending": 3, "failed": 1, "transferring": 30, "done": 9, "valid": 996, "invalid": 1}
files = tuple(InFlight(f"a/folder/{n}/" + "x" * 60 + ".fits", 2**20, 2**22, 1, 4) for n in range(30))
for line in sys.stdin:
    reporter.handle(Message(f"said {line.strip()}", "info"))
    for seconds in (1, 2):
        reporter.handle(
            Progress(
                counts=counts, bytes_sent=9, bytes_total=2**30, bytes_done=9, bytes_before=2**20,
                files_sent=1, files_total=900, seconds=seconds, in_flight=files,
            )
        )
    health = Health(lease_left=100.0, validator="working", validator_heard=2.0, trouble=None, seconds=1.0)
    reporter.handle(health)
    if line.strip() == "last":
        break
reporter.close()
print("the end")
sys.stdin.read()
"""

ONE_LINE = """
import sys, time
from upload_client.ui.progress_line import ProgressLine

print("said first", flush=True)
with ProgressLine() as shown:
    for line in sys.stdin:
        if line.strip() == "last":
            break
        time.sleep(0.2)  # no line is shown sooner after the last one
        shown.show(f"lock is ours {line.strip()} " + "x" * 150)
print("the end")
sys.stdin.read()
"""


class Terminal:
    """A program in a terminal of tmux, which breaks lines anew when it is made narrower."""

    def __init__(self, folder, program, width, height):
        self._words = ["tmux", "-S", str(folder / "socket"), "-f", os.devnull]
        self._height = height
        (folder / "program.py").write_text(program)
        command = f"stty -echo; exec '{sys.executable}' '{folder / 'program.py'}'"
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), command)

    def _tmux(self, *words):
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        done = subprocess.run([*self._words, *words], check=True, capture_output=True, env=environment)
        return done.stdout.decode()

    def type(self, line):
        self._tmux("send-keys", "-l", f"{line}\n")

    def be(self, width):
        self._tmux("resize-window", "-x", str(width), "-y", str(self._height))

    @property
    def text(self):
        """What stands on it and in its history."""
        return self._tmux("capture-pane", "-p", "-S", "-")

    def close(self):
        self._tmux("kill-server")


@pytest.fixture
def terminal(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    opened = []

    def open_(program, width, height):
        opened.append(Terminal(tmp_path, program, width, height))
        return opened[0]

    yield open_
    opened[0].close()


@pytest.mark.parametrize(
    ("program", "height"),
    [(DELIVERING, 50), (DELIVERING, 20), (ONE_LINE, 50)],
    ids=["high", "low", "one line"],
)
def test_a_terminal_that_is_made_narrower_and_wider_shows_no_debris(terminal, program, height):
    screen = terminal(program, 200, height)
    until(lambda: "said first" in screen.text)
    for number, width in enumerate((80, 120, 80, 200)):
        screen.type(f"{number}")
        until(lambda shown=f"{number}": re.search(rf"(said|ours) {shown}\b", screen.text))
        until(lambda: "lock is ours" in screen.text)
        screen.be(width)
    screen.type("4")
    until(lambda: re.search(r"(said|ours) 4\b", screen.text))
    until(lambda: screen.text.count("lock is ours") == 1)  # none is there for a moment, while it is drawn
    screen.type("last")
    until(lambda: "the end" in screen.text)
    assert "lock is ours" not in screen.text
    assert re.sub(r"said (first|last|\d)|the end", "", screen.text).strip() == ""


class Stream(io.StringIO):
    def isatty(self):
        return True


def written(act, *, lines=("one", "two")):
    stream = Stream()
    console = Console(file=stream, force_terminal=True, width=20, height=3, _environ={"TERM": "xterm"})
    drawing = InPlace(lambda _width, _height: [Text(line) for line in lines], console)
    act(drawing, console)
    return stream.getvalue()


def test_a_picture_does_not_wrap_and_leaves_the_cursor_where_it_begins():
    def act(drawing, _console):
        drawing.start()
        drawing.draw()

    picture = "\x1b[?2026h\x1b[?25l\r \x1b[J\r\x1b[?7lone\ntwo\n\x1b[?7h\x1b[2A\r\x1b[?2026l"
    assert written(act) == picture


def test_what_is_printed_takes_the_place_of_the_picture_which_goes_below_it():
    def act(drawing, console):
        drawing.start()
        console.print("said")

    assert "\r \x1b[J\rsaid\n\x1b[?7lone\n" in written(act)


def test_no_more_is_drawn_than_the_terminal_has_room_for():
    def act(drawing, _console):
        drawing.start()
        drawing.draw()

    assert "two\n\x1b[?7h\x1b[2A" in written(act, lines=("one", "two", "three"))
    assert "three" not in written(act, lines=("one", "two", "three"))
    assert "A" not in written(act, lines=())


@pytest.mark.parametrize("keep", [False, True])
def test_the_last_picture_is_wiped_or_kept_whole(keep):
    def act(drawing, _console):
        drawing.start()
        drawing.stop(keep=keep)
        drawing.stop(keep=keep)

    kept = "one\ntwo\nthree\n" if keep else ""
    assert written(act, lines=("one", "two", "three")) == f"\r \x1b[J\r{kept}\x1b[?25h"


def test_what_others_write_to_stderr_goes_above_the_picture(monkeypatch):
    def act(drawing, _console):
        drawing.start()
        print("a warning", file=sys.stderr)
        drawing.stop()

    before = sys.stderr
    assert "\r \x1b[J\ra warning\n\x1b[?7lone\n" in written(act)
    assert sys.stderr is before


def test_nothing_is_drawn_on_what_is_no_terminal():
    stream = io.StringIO()
    drawing = InPlace(lambda _width, _height: [Text("one")], Console(file=stream), every=0.01)
    drawing.start()
    drawing.draw()
    drawing.stop()
    assert stream.getvalue() == ""


def test_a_line_of_progress_is_wiped_when_an_error_ends_the_work(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")

    def work():
        with ProgressLine() as line:
            line.show("1 file")
            line.show("2 files")  # too soon to be read
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        work()
    assert stream.getvalue() == "\r \x1b[J\r\x1b[?7l1 file\x1b[?7h\r\r \x1b[J\r"


def test_a_line_of_progress_is_shown_on_terminals_alone(monkeypatch):
    monkeypatch.setattr(progress_line, "SHOWN_EVERY", 0.0)
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "dumb")
    ProgressLine().show("1 file")
    ProgressLine(silent=True).show("1 file")
    assert stream.getvalue() == ""
