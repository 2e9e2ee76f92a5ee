"""What is drawn on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from ui.strategies import a_delivery, hostile

from upload_client.core.files import STATES
from upload_client.events import FileChanged, Message, Planned, Progress, Summary
from upload_client.ui.rich import RichReporter, shorten

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def terminal(width=80, *, verbosity=0, height=24, **options):
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
        return RichReporter(verbosity=verbosity, console=console)

    return on


def drawn(reporter):
    """What stands on the screen in place at this moment."""
    console = Console(file=io.StringIO(), width=reporter.console.width, height=reporter.console.height)
    console.print(reporter._screen)
    return console.file.getvalue().splitlines()


def test_a_delivery_is_told_from_its_plan_to_its_outcome(delivery, shown):
    text = ESCAPES.sub("", shown(delivery, terminal()))
    for part in (
        "logged in as ada",
        "survey/d1  staging  going on where an earlier run stopped",
        "from /data/survey",
        "to   s3://landing/survey/d1/staging/",
        "  900  new",
        "900 files to send, 1.0 GiB.",
        "failed  b.fits: permission denied",
        "invalid c.fits: not a FITS file",
        "the validator is started again",
        "996 of 1,000 files valid, 1 invalid, 1 not transferred",
        "failed 1  transferring 1  done 1  valid 996  invalid 1",
        "sent 899 files, 1.0 GiB in 0:20 (51.2 MiB/s)",
        "upload-client_survey_d1_20260102T030405Z.csv",
    ):
        assert part in text
    assert "changed" not in text  # no file has this reason
    assert "d.fits" not in text


def test_quiet_tells_what_went_wrong_and_the_outcome(delivery, shown):
    text = ESCAPES.sub("", shown(delivery, terminal(verbosity=-1)))
    assert [line.strip() for line in text.splitlines() if line.strip()] == [
        "failed  b.fits: permission denied",
        "invalid c.fits: not a FITS file",
        "the validator is started again",
        "996 of 1,000 files valid, 1 invalid, 1 not transferred",
        "failed 1  transferring 1  done 1  valid 996  invalid 1",
        "sent 899 files, 1.0 GiB in 0:20 (51.2 MiB/s)",
        "state of every file: upload-client_survey_d1_20260102T030405Z.csv",
    ]


def test_verbose_tells_of_every_file(delivery, shown):
    assert "valid   d.fits" in ESCAPES.sub("", shown(delivery, terminal(verbosity=1)))


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_nothing_drawn_in_place_is_wider_than_the_terminal(delivery, width):
    reporter = terminal(width)(io.StringIO())
    reporter.handle(Planned(counts={}, n_files=10**6, n_bytes=2**50))
    for n in range(9):
        reporter.handle(FileChanged(f"{n}/" + "銀河 long name/" * 30, "transferring"))
    reporter.handle(delivery[8])
    lines = drawn(reporter)
    reporter.close()
    assert len(lines) >= 6
    assert max(cell_len(line) for line in lines) <= width


def test_the_bars_show_what_is_sent_and_what_is_judged(delivery):
    reporter = terminal()(io.StringIO())
    for event in delivery[2:-1]:
        reporter.handle(event)
    sent, judged, states, current = drawn(reporter)
    reporter.close()
    assert re.search(r"sent .*━.* 512.0 MiB of 1.0 GiB  ?51.1 MiB/s  0:10 left", sent)
    assert re.search(r"judged .*━.* 997 of 1,000 files", judged)
    assert states.split() == ["failed", "1", "transferring", "1", "done", "1", "valid", "996", "invalid", "1"]
    assert current.strip() == "↑ a.fits"


def test_the_height_of_what_is_drawn_never_shrinks(delivery):
    reporter = terminal()(io.StringIO())
    reporter.handle(delivery[8])
    for n in range(3):
        reporter.handle(FileChanged(str(n), "transferring"))
    high = len(drawn(reporter))
    for n in range(3):
        reporter.handle(FileChanged(str(n), "done"))
    assert len(drawn(reporter)) == high == 6


def test_of_many_files_on_their_way_some_are_named_and_the_rest_counted(delivery):
    reporter = terminal()(io.StringIO())
    reporter.handle(delivery[8])
    for n in range(64):
        reporter.handle(FileChanged(f"{n}.fits", "transferring"))
    assert [line.strip() for line in drawn(reporter)[3:]] == [
        "↑ 0.fits",
        "↑ 1.fits",
        "↑ 2.fits",
        "↑ and 61 files more",
    ]


def test_a_low_terminal_still_shows_the_figures(delivery):
    reporter = terminal(height=6)(io.StringIO())
    for n in range(9):
        reporter.handle(FileChanged(f"{n}.fits", "transferring"))
    reporter.handle(delivery[8])
    assert len(drawn(reporter)) == 3


def test_the_cursor_comes_back(delivery, shown):
    text = shown(delivery[:-2], terminal())
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_reporter_may_be_closed_twice_and_before_anything_happened(shown):
    reporter = terminal()(io.StringIO())
    reporter.close()
    reporter.close()


def test_no_color_is_respected(delivery, shown, monkeypatch):
    def colours(text):
        return re.findall(r"\x1b\[(?:\d+;)*(3[0-7]|38)[;m]", text)

    assert colours(shown(delivery, terminal(color_system="standard")))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours(shown(delivery, terminal(color_system="standard")))


def test_a_hundred_files_gone_wrong_are_named_and_then_no_more(shown):
    events = [FileChanged(f"{n}.fits", "failed", "no") for n in range(500)]
    text = ESCAPES.sub("", shown(events, terminal()))
    assert text.count(".fits: no") == 100
    assert text.count("More files go wrong.") == 1


@given(delivery=a_delivery, verbosity=st.sampled_from([-1, 0, 1]))
def test_no_text_from_outside_reaches_the_terminal_as_anything_but_itself(delivery, verbosity):
    stream = io.StringIO()
    reporter = terminal(120, verbosity=verbosity)(stream)
    for event in delivery:
        reporter.handle(event)
        assert "".join(drawn(reporter)).isprintable()
    reporter.close()
    left = ESCAPES.sub("", stream.getvalue()).replace("\n", "")
    assert left.isprintable()
    assert "\x1b[2J" not in stream.getvalue()


@given(text=hostile)
def test_what_looks_like_markup_is_shown_as_it_is(text):
    stream = io.StringIO()
    reporter = terminal(2000)(stream)
    reporter.handle(FileChanged(f"<{text}>", "invalid", "[bold]x[/bold]"))
    if text.isprintable():
        assert f"<{text}>: [bold]x[/bold]" in ESCAPES.sub("", stream.getvalue())


@given(text=st.text(st.characters(categories=["L", "N", "P"])), width=st.integers(1, 60))
def test_a_shortened_text_fits_and_keeps_its_end(text, width):
    short = shorten(text, width)
    assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert short == text
    else:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_no_state_is_cut_off_where_the_terminal_is_narrow(shown):
    counts = dict.fromkeys(STATES, 1_000_000)
    reporter = terminal(40)(io.StringIO())
    reporter.handle(Progress(counts=counts, bytes_sent=0, bytes_total=1, files_sent=0, seconds=0.0))
    text = " ".join(drawn(reporter))
    for state in STATES:
        assert f"{state} 1,000,000" in text


def test_before_the_first_figures_something_is_drawn():
    reporter = terminal()(io.StringIO())
    assert drawn(reporter) == ["  waiting for the receiver's validator …"]


def test_a_summary_of_a_delivery_that_sent_nothing_is_its_headline(shown):
    end = Summary(
        exit_code=0,
        counts={},
        bytes_sent=0,
        files_sent=0,
        seconds=0.0,
        state_csv=None,
        headline="nothing to do",
    )
    assert ESCAPES.sub("", shown([end], terminal())).strip() == "nothing to do"


def test_messages_keep_their_lines(shown):
    text = ESCAPES.sub("", shown([Message("2 problems:\n  row 1\n  row 2", "error")], terminal()))
    assert text.splitlines() == ["2 problems:", "  row 1", "  row 2"]


def test_drawing_while_events_come_in_is_safe(delivery):
    """The thread that draws reads while the delivery's thread writes."""
    reporter = terminal()(io.StringIO())
    reporter.handle(Planned(counts={}, n_files=1, n_bytes=1))
    for n in range(3000):
        reporter.handle(FileChanged(str(n), "transferring"))
        reporter.handle(Progress(counts={}, bytes_sent=n, bytes_total=3000, files_sent=n, seconds=n / 100))
        reporter.handle(FileChanged(str(n), "done"))
    reporter.close()
