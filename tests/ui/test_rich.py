"""What is drawn on a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from ui.conftest import StandingClock
from ui.strategies import a_delivery, any_event, hostile

from upload_client.core.states import STATES
from upload_client.events import FileChanged, Health, InFlight, Message, Phase, Planned, Progress, Summary
from upload_client.ui.ending import Command
from upload_client.ui.rich import RichReporter
from upload_client.ui.run_view import RunView
from upload_client.ui.screen import Screen, bar, shorten

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def terminal(width=80, *, verbosity=0, height=24, command=None, clock=None, **options):
    def on(stream):
        console = Console(
            file=stream,
            force_terminal=True,
            width=width,
            height=height,
            emoji=False,
            markup=False,
            highlight=False,
            **options,
        )
        return RichReporter(
            verbosity=verbosity, console=console, command=command, clock=clock or StandingClock()
        )

    return on


def figures(**changed):
    return Progress(
        **(
            {
                "counts": {"transferring": 9},
                "bytes_sent": 0,
                "bytes_total": 100,
                "files_sent": 0,
                "files_total": 9,
                "seconds": 0.0,
            }
            | changed
        )
    )


class Drawn:
    """A screen of so many columns and rows, and what stands on it."""

    def __init__(self, *events, width=80, height=24, ascii_only=False):
        self.clock = StandingClock()
        self.view = RunView(self.clock)
        self.screen = Screen(self.view, ascii_only=ascii_only)
        self.width, self.height = width, height
        self.take(*events)

    def take(self, *events):
        for event in events:
            self.view.take(event)
        return self

    @property
    def lines(self):
        return [line.plain.rstrip() for line in self.screen.lines(self.width, self.height)]

    @property
    def text(self):
        return "\n".join(self.lines)


# --- from the plan to the end --------------------------------------------------------------------


def test_a_delivery_is_told_from_its_plan_to_its_outcome(delivery, shown):
    text = ESCAPES.sub("", shown(delivery, terminal()))
    for part in (
        "Connecting to the receiver …",
        "logged in as ada",
        "survey/d1  staging  going on where an earlier run stopped",
        "from /data/survey",
        "to   s3://landing/survey/d1/staging/",
        "  900  never sent: will be sent",
        "900 files to send, 1.0 GiB.",
        "the validator is started again",
    ):
        assert part in text
    assert "changed" not in text  # no file has this reason
    assert "d.fits" not in text


def test_the_end_is_five_lines_below_what_went_wrong(delivery, shown):
    command = Command(("upload-client", "--dataset", "survey", "--delivery-id", "d1"))
    text = ESCAPES.sub("", shown(delivery[-1:], terminal(command=command)))
    assert [line.rstrip() for line in text.splitlines() if line.strip()] == [
        "1 file failed: may not be read: permission denied",
        "    b.fits",
        "  → Make it readable for you, then run the command again.",
        "1 file invalid: not a FITS file",
        "    c.fits",
        "  → Fix the file.",
        "! 996 of 1,000 files valid; 1 invalid; 1 not transferred",
        "  this run sent 899 files, 1.0 GiB in 1:00 (17.1 MiB/s)",
        "  next     See to these files, then run it again: only they are sent.",
        "  details  upload-client_survey_d1_20260102T030405Z.csv",
        "  command  upload-client --dataset survey --delivery-id d1",
    ]


def test_quiet_tells_errors_and_a_bad_end_alone(delivery, shown):
    text = ESCAPES.sub("", shown(delivery, terminal(verbosity=-1)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "1 file failed: may not be read: permission denied"
    assert "validator is started" not in text


def test_quiet_says_nothing_where_all_is_well(shown):
    end = Summary(
        exit_code=0, counts={}, bytes_sent=0, files_sent=0, seconds=0.0, state_csv=None, headline="fine"
    )
    events = [Phase("planning"), figures(), Message("by the way", "warning"), end]
    assert shown(events, terminal(verbosity=-1)) == ""


def test_verbose_tells_of_every_file(delivery, shown):
    text = ESCAPES.sub("", shown(delivery, terminal(verbosity=1)))
    assert "valid   d.fits" in text
    assert "failed  b.fits: may not be read: permission denied" in text


def test_a_summary_of_a_delivery_that_sent_nothing_is_its_headline(shown):
    end = Summary(
        exit_code=2, counts={}, bytes_sent=0, files_sent=0, seconds=0.0, state_csv=None, headline="no such"
    )
    assert ESCAPES.sub("", shown([end], terminal())).strip() == "✗ error: no such"


def test_messages_keep_their_lines(shown):
    text = ESCAPES.sub("", shown([Message("2 problems:\n  row 1\n  row 2", "error")], terminal()))
    assert text.splitlines() == ["2 problems:", "  row 1", "  row 2"]


# --- the figures ---------------------------------------------------------------------------------


def test_the_bars_show_what_is_there_and_what_is_judged(delivery):
    drawn = Drawn(*delivery[:-1])
    _, sent, pace, judged, *_ = drawn.lines
    assert re.search(r" sent    ━+╸?─+  75 %  1.5 GiB of 2.0 GiB", sent)
    assert re.search(r" judged  ━+╸?─*  99 %  997 of 1,000 files", judged)
    assert "17.0 MiB/s" in pace
    assert "0:31 so far" in pace


def test_what_was_there_before_counts_as_done_and_the_rate_does_not():
    drawn = Drawn(Phase("sending"))
    for second in range(5):
        drawn.take(figures(bytes_before=900, bytes_done=10 * second, seconds=float(second)))
    assert "94 %  940 B of 1000 B" in drawn.text.replace("1.0 KiB", "1000 B")
    assert "10 B/s" in drawn.text


def test_parts_that_were_kept_count_as_done_and_the_rate_does_not():
    drawn = Drawn(Phase("sending"), figures())
    drawn.take(figures(bytes_done=60, bytes_kept=60, seconds=2.0))
    assert "60 %" in drawn.text
    assert "B/s" not in drawn.text


def test_nothing_is_called_sent_before_its_last_file_is():
    drawn = Drawn(Phase("sending"), figures(bytes_done=100, files_sent=8))
    assert "100%" not in drawn.lines[1]
    drawn.take(figures(bytes_done=100, files_sent=9, seconds=1.0))
    assert "100%" in drawn.lines[1]


def test_between_two_figures_the_clock_goes_on():
    drawn = Drawn(Phase("sending"), figures(seconds=60.0))
    drawn.take(Health(lease_left=250.0, validator="working", validator_heard=2.0, trouble=None, seconds=60.0))
    drawn.clock.now += 9
    assert "1:09 so far" in drawn.text
    assert "lock is ours for 4:01" in drawn.text
    assert "heard 11 s ago" in drawn.text


def test_that_nothing_moves_is_said():
    drawn = Drawn(Phase("sending"), figures(bytes_done=1), figures(bytes_done=2, seconds=1.0))
    assert "nothing has moved" not in drawn.text
    drawn.take(figures(bytes_done=2, seconds=20.0))
    assert "nothing has moved for 0:19" in drawn.text


def test_when_all_is_sent_the_verdicts_are_awaited():
    counts = {"done": 3, "valid": 6}
    done = {"counts": counts, "bytes_done": 100, "files_sent": 9}
    drawn = Drawn(Phase("judging"), figures(**done), figures(**done, seconds=1.0))
    assert "all is sent; 3 files to be judged" in drawn.text
    drawn.take(Phase("finishing"))
    assert "coming to an end" in drawn.text


def test_no_state_is_cut_off_where_the_terminal_is_narrow():
    drawn = Drawn(figures(counts=dict.fromkeys(STATES, 1_000_000)), width=40)
    text = " ".join(drawn.lines)
    for state in STATES:
        assert f"{state} 1,000,000" in text


def test_before_the_first_figures_it_says_what_it_does():
    drawn = Drawn(Phase("planning"))
    drawn.clock.now += 65
    assert drawn.text.strip() == "Checking what is there already …  1:05"


# --- lock and validator --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validator", "heard", "words"),
    [
        ("starting", None, "validator is being started"),
        ("working", 3.0, "validator at work, heard 3 s ago"),
        ("silent", 75.0, "validator is silent for 1:15"),
        ("left", 10.0, "validator has left, 10 s ago"),
    ],
)
def test_how_the_validator_is(validator, heard, words):
    health = Health(lease_left=200.0, validator=validator, validator_heard=heard, trouble=None, seconds=0.0)
    assert words in Drawn(figures(), health).text


def test_a_lock_that_is_gone_and_an_outage_are_said():
    health = Health(
        lease_left=None, validator="working", validator_heard=0.0, trouble="no answer\x1b[2J", seconds=0.0
    )
    drawn = Drawn(figures(), health)
    assert "the lock is not held" in drawn.text
    assert "trying again: no answer\\x1b[2J" in drawn.text


# --- files on their way --------------------------------------------------------------------------


def flying(*names, parts=0, done=50):
    return tuple(InFlight(name, done, 100, parts and parts // 2, parts) for name in names)


def twice(drawn, files, **changed):
    for _ in range(2):
        drawn.take(figures(in_flight=files, **changed))
    return drawn


def test_a_large_file_shows_its_parts():
    drawn = twice(Drawn(Phase("sending")), flying("huge.fits", parts=64))
    (line,) = [line for line in drawn.lines if "huge.fits" in line]
    assert re.fullmatch(r" ↑ huge.fits +━{6}─{6}  50 %      100 B  part 32 of 64", line)


def test_a_file_that_only_flickers_by_is_not_shown():
    drawn = Drawn(Phase("sending"), figures(in_flight=flying("quick")))
    drawn.take(figures(in_flight=flying("other")))
    assert "quick" not in drawn.text
    assert "other" not in drawn.text


def test_a_file_keeps_its_line_until_it_has_arrived():
    drawn = twice(Drawn(Phase("sending")), flying("a", "b", "c"))
    before = drawn.lines
    place = next(number for number, line in enumerate(before) if " b " in line)
    twice(drawn, flying("b", "d", "e", "f"))
    after = drawn.lines
    assert after[place] == before[place]
    assert " d " in after[place - 1]  # where a was


def test_a_gap_that_nobody_fills_is_closed_by_the_last_file():
    drawn = twice(Drawn(Phase("sending")), flying(*"abcd"))
    drawn.take(figures(in_flight=flying(*"bcd")))
    assert [place and place.relpath for place in drawn.view.places] == [None, "b", "c", "d"]
    drawn.take(figures(in_flight=flying(*"bcd")))
    assert [place and place.relpath for place in drawn.view.places] == ["d", "b", "c"]


def test_the_height_of_what_is_drawn_never_shrinks():
    drawn = twice(Drawn(Phase("sending")), flying(*"abc"))
    high = len(drawn.lines)
    twice(drawn, ())
    assert len(drawn.lines) == high


def test_of_many_files_on_their_way_some_are_named_and_the_rest_counted():
    names = [f"{n}.fits" for n in range(24)]
    drawn = Drawn(Phase("sending"), height=16)
    assert drawn.lines
    for _ in range(2):
        twice(drawn, flying(*names), counts={"transferring": 64})
        assert drawn.lines
    named = [line for line in drawn.lines if ".fits" in line]
    assert 3 <= len(named) < 10
    assert f"and {64 - len(named)} more on their way" in drawn.text


# --- problems ------------------------------------------------------------------------------------


def test_the_last_problems_are_told_with_what_to_do():
    drawn = Drawn(
        figures(), FileChanged("x.csv", "failed", "may not be read: permission denied", code="unreadable")
    )
    drawn.take(FileChanged("y.json", "invalid", "line 3: it ends too early"))
    assert "failed  x.csv: may not be read: permission denied" in drawn.text
    assert "→ Make it readable for you" in drawn.text
    assert "invalid y.json: line 3: it ends too early" in drawn.text


def test_a_problem_that_has_solved_itself_is_gone():
    drawn = Drawn(figures(), FileChanged("x", "failed", "no answer from S3: silent", 0, again=True))
    assert "it is tried again by itself" in drawn.text
    drawn.take(FileChanged("x", "done"))
    assert "tried again" not in drawn.text


def test_the_lines_below_do_not_jump_up_when_a_problem_has_gone():
    drawn = Drawn(Phase("sending"), figures(), FileChanged("x", "failed", "no answer from S3", 0, again=True))
    high = len(drawn.lines)
    drawn.take(FileChanged("x", "done"))
    assert len(drawn.lines) == high


def test_what_to_do_is_said_once_for_problems_of_one_kind():
    drawn = Drawn(figures())
    for name in "abc":
        drawn.take(FileChanged(name, "failed", "may not be read: permission denied", code="unreadable"))
    assert drawn.text.count("Make it readable") == 1


def test_only_the_last_problems_stand_there():
    drawn = Drawn(figures())
    for n in range(500):
        drawn.take(FileChanged(f"{n}.csv", "invalid", "no"))
    assert [line.split()[1] for line in drawn.lines if "invalid " in line] == [
        "497.csv:",
        "498.csv:",
        "499.csv:",
    ]


# --- whatever comes ------------------------------------------------------------------------------


@limits(max_examples=60)
@given(
    events=st.lists(any_event, max_size=15),
    width=st.integers(20, 250),
    height=st.integers(3, 60),
    ascii_only=st.booleans(),
)
@example(
    events=[
        Phase("sending"),
        *[figures(in_flight=flying("\u2764\ufe0f" * 99, "e\u0301" * 99, parts=9999))] * 3,
        FileChanged("銀河" * 99, "failed", "\x1b[2J" * 99),
    ],
    width=80,
    height=24,
    ascii_only=False,
)
def test_no_events_break_the_layout(events, width, height, ascii_only):
    drawn = Drawn(width=width, height=height, ascii_only=ascii_only)
    for event in events:
        drawn.take(event)
        lines = drawn.screen.lines(width, height)
        assert 0 < len(lines) < height
        for line in lines:
            assert line.plain.isprintable()
            assert cell_len(line.plain) <= width


@limits(max_examples=40)
@given(delivery=a_delivery, verbosity=st.sampled_from([-1, 0, 1]), width=st.integers(20, 250))
def test_no_text_from_outside_reaches_the_terminal_as_anything_but_itself(delivery, verbosity, width):
    stream = io.StringIO()
    command = Command(("upload-client", "--dataset", "\x1b[2J"))
    reporter = terminal(width, verbosity=verbosity, command=command)(stream)
    for event in delivery:
        reporter.handle(event)
    reporter.close()
    left = ESCAPES.sub("", stream.getvalue()).replace("\n", "")
    assert left.isprintable()
    assert "\x1b[2J" not in stream.getvalue()
    for line in ESCAPES.sub("", stream.getvalue().replace("\r", "\n")).split("\n"):
        # What is there to be copied is left to the terminal to wrap.
        assert cell_len(line) <= width or line.startswith(("  details", "  command"))


@given(text=hostile)
def test_what_looks_like_markup_is_shown_as_it_is(text):
    stream = io.StringIO()
    reporter = terminal(20000, verbosity=1)(stream)
    reporter.handle(FileChanged(f"<{text}>", "invalid", "[bold]x[/bold]"))
    if text.isprintable():
        assert f"<{text}>: [bold]x[/bold]" in ESCAPES.sub("", stream.getvalue())


@given(text=st.text(st.characters(categories=["L", "N", "P", "M"])), width=st.integers(1, 60))
@example(text="\u2764\ufe0f" * 20, width=9)
def test_a_shortened_text_fits_and_keeps_its_end(text, width):
    short = shorten(text, width)
    assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert short == text
    else:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)


@given(share=st.floats(-1, 2), width=st.integers(0, 80), ascii_only=st.booleans())
def test_a_bar_is_as_wide_as_it_should_be(share, width, ascii_only):
    drawn = bar(share, width, "cyan", ascii_only=ascii_only).plain
    assert cell_len(drawn) == width
    assert not ascii_only or drawn.isascii()


def test_a_terminal_without_unicode_is_shown_ascii():
    drawn = twice(Drawn(Phase("sending"), ascii_only=True), flying("a.fits"))
    drawn.take(FileChanged("x", "failed", "no"))
    drawn.take(Health(lease_left=1.0, validator="working", validator_heard=1.0, trouble=None, seconds=0.0))
    assert drawn.text.isascii()


# --- what it costs -------------------------------------------------------------------------------


def n_calls(function):
    """Python functions called meanwhile: a measure of work that no other program on the machine changes."""
    n = 0

    def count(frame, what, _):
        nonlocal n
        n += what == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return n


def test_an_event_and_a_picture_cost_the_same_after_a_hundred_thousand_files_as_after_a_hundred():
    drawn = twice(Drawn(Phase("sending")), flying(*map(str, range(12))))

    def batch(first):
        for n in range(first, first + 50):
            drawn.take(
                FileChanged(f"{n:06}", "transferring"),
                FileChanged(f"{n:06}", "invalid", "no"),
                FileChanged(f"{n:06}x", "failed", "no"),
            )

    def events(first):
        batch(first)
        drawn.take(figures(in_flight=flying(*map(str, range(12))), seconds=float(first)))
        assert drawn.lines

    events(0)
    early = n_calls(lambda: events(100))
    for n in range(200, 20_000, 50):
        batch(n)
    late = n_calls(lambda: events(20_000))
    assert abs(late - early) <= early // 10


def test_what_is_remembered_does_not_grow_with_the_files():
    drawn = Drawn(Phase("sending"))
    for n in range(5000):
        drawn.take(FileChanged(f"{n}.csv", "invalid", f"line {n}"), FileChanged(f"{n}.fits", "transferring"))
        drawn.take(figures(in_flight=flying(f"{n}"), seconds=float(n)))

    def held(thing):
        if isinstance(thing, dict):
            return sum(map(held, thing.values())) + len(thing)
        if isinstance(thing, list | tuple | set | frozenset):
            return sum(map(held, thing)) + len(thing)
        return held(vars(thing)) if hasattr(thing, "__dict__") else 1

    assert held(drawn.view) < 200


# --- the terminal itself -------------------------------------------------------------------------


def test_the_cursor_comes_back(delivery, shown):
    text = shown(delivery[:-1], terminal())
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_nothing_is_drawn_in_place_while_a_password_may_be_asked_for(shown):
    assert "\x1b[?25l" not in shown([Phase("connecting")], terminal())


def test_a_reporter_may_be_closed_twice_and_before_anything_happened():
    reporter = terminal()(io.StringIO())
    reporter.close()
    reporter.close()


def test_no_color_is_respected(delivery, shown, monkeypatch):
    def colours(text):
        return re.findall(r"\x1b\[(?:\d+;)*(3[0-7]|38)[;m]", text)

    assert colours(shown(delivery, terminal(color_system="standard")))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours(shown(delivery, terminal(color_system="standard")))


def test_each_picture_is_shown_whole(monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return True

    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    reporter = RichReporter(clock=StandingClock())
    reporter.handle(Phase("sending"))
    for n in range(3):
        reporter.handle(figures(seconds=float(n)))
        reporter._drawing.draw()
    reporter.close()
    pictures = re.findall(r"\x1b\[\?2026h.*?\x1b\[\?2026l", stream.getvalue(), re.DOTALL)
    assert pictures
    rest = re.sub(r"\x1b\[\?2026h.*?\x1b\[\?2026l", "", stream.getvalue(), flags=re.DOTALL)
    assert "sent" not in rest


def test_drawing_while_events_come_in_is_safe():
    """The thread that draws reads while the delivery's thread writes."""
    reporter = terminal()(io.StringIO())
    reporter.handle(Planned(counts={}, n_files=1, n_bytes=1))
    reporter.handle(Phase("sending"))
    for n in range(3000):
        reporter.handle(FileChanged(str(n), "transferring"))
        reporter.handle(figures(bytes_done=n, seconds=n / 100, in_flight=flying(*map(str, range(n, n + 9)))))
        reporter.handle(FileChanged(str(n), "done"))
    reporter.close()
