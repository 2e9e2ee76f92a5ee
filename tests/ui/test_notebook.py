"""What is shown in a notebook."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from ui.conftest import StandingClock
from ui.strategies import a_delivery, any_event

from upload_client.events import Message, Phase, Progress
from upload_client.ui.notebook import NotebookReporter

EXAMPLE = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


class Page(HTMLParser):
    """Reads a page; its tags and attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = set(), set(), [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def pages(clock):
    made = []
    return made, NotebookReporter(show=made.append, clock=clock)


def test_a_delivery_is_shown_and_its_end(delivery, pages, clock):
    made, reporter = pages
    for event in delivery:
        clock.now += 1
        reporter.handle(event)
    reporter.close()
    middle, end = Page(made[-2]).text, Page(made[-1]).text
    for part in (
        "Sending",
        "75 %",
        "1.5 GiB of 2.0 GiB",
        "997 of 1,000 files",
        "valid 996",
        "a.fits",
        "part 1 of 4",
    ):
        assert part in middle
    assert "permission denied. Make it readable for you" in middle
    assert "warning: the validator is started again" in middle
    assert "validator: working, heard 2 s ago" in middle
    assert "996 of 1,000 files valid; 1 invalid; 1 not transferred" in end
    assert "1 file failed: may not be read: permission denied" in end
    assert "upload-client_survey_d1_20260102T030405Z.csv" in end


def test_pictures_come_at_most_twice_a_second(pages, clock):
    made, reporter = pages
    for n in range(100):
        clock.now = n / 10
        reporter.handle(Progress(counts={}, bytes_sent=n, bytes_total=100, files_sent=0, seconds=clock.now))
    assert len(made) == 20


def test_of_messages_the_last_few_stay(pages, clock):
    made, reporter = pages
    for n in range(20):
        clock.now += 1
        reporter.handle(Message(f"number {n}", "warning"))
    reporter.handle(Phase("sending"))
    assert re.findall(r"number (\d+)", made[-1]) == ["15", "16", "17", "18", "19"]


@limits(max_examples=50)
@given(st.lists(any_event, max_size=8), a_delivery)
def test_no_text_from_outside_is_anything_but_text(events, delivery):
    clock, made = StandingClock(), []
    reporter = NotebookReporter(show=made.append, clock=clock)
    for event in (*events, *delivery):
        clock.now += 1
        reporter.handle(event)
    for page in map(Page, made):
        assert page.tags <= {
            "p",
            "b",
            "i",
            "ul",
            "li",
            "div",
            "span",
            "small",
            "code",
            "table",
            "tr",
            "td",
            "progress",
        }
        assert page.attributes <= {"style", "max", "value"}
        assert page.open == []
        assert page.text.isprintable()


def test_markup_in_a_name_is_shown_as_it_is(pages, clock):
    made, reporter = pages
    reporter.handle(Message("<img src=x onerror=alert(1)>", "error"))
    assert Page(made[-1]).text.count("<img src=x onerror=alert(1)>") == 1


def test_without_ipython_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match="IPython"):
        NotebookReporter()


@pytest.mark.long
def test_the_example_runs_in_a_notebook_as_it_stands(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("moto")
    notebook = nbformat.read(EXAMPLE, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    (picture,) = [
        output
        for output in outputs
        if "text/html" in output.get("data", {})
        and "<progress" not in str(output)
        and "files valid" in str(output)
    ]
    assert "60 of 61 files valid; 1 invalid" in picture.data["text/html"]
    said = "".join(output.get("text", "") for output in outputs)
    assert said.splitlines() == ["done moor/draft.json", "valid moor/draft.json", "61 of 61 files valid"]
