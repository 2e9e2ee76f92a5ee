"""The report in a real browser: it is read as a person reads it, with a mouse, on a phone, on paper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from pages import browser
from pages.example import END, HOSTILE, IMG, made

ROWS = "#all tbody tr"
FIND = "document.getElementById('find')"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[browser.Page]:
    program = browser.find()
    if program is None:
        pytest.skip("no Chromium is here: the report is not read in a browser (apt-get install chromium)")
    with browser.Page(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(made(400), encoding="utf-8")
    return path


@pytest.fixture
def page(chromium: browser.Page, report: Path) -> browser.Page:
    chromium.complaints.clear()
    chromium.asked.clear()
    chromium.open(report)
    return chromium


def found(page: browser.Page) -> str:
    (text,) = page.texts("#found")
    return text


def search(page: browser.Page, words: str) -> None:
    page.run(f"(e => {{ e.value = {json.dumps(words)}; e.dispatchEvent(new Event('input')) }})({FIND})")


def test_it_loads_nothing_else_and_the_browser_has_nothing_against_it(page, report):
    assert page.texts("h1") == ["survey7 / 2026-11"]
    assert found(page) == "1 to 50 of 400 rows"
    assert page.asked == [report.as_uri()]
    assert page.complaints == []


def test_the_policy_would_stop_what_got_in_all_the_same(page):
    page.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=http://127.0.0.1:9/x onerror=alert(3)>')"
    )
    page.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.x = 1'}))"
    )
    assert page.run("window.x") is None
    assert any("Content Security Policy" in said for said in page.complaints)


def test_hostile_names_are_text(page):
    for name in (IMG, "'\"&amp;<b>.json", "\\x1b[31mred.txt", "__proto__", "fdp\\u202egnp.exe"):
        search(page, name.lower())
        assert page.texts(f"{ROWS} .path") == [name]
    search(page, "</script>")
    assert page.texts(f"{ROWS} .path") == [END.replace("\u2028", "\\u2028")]
    assert page.run("document.images.length + document.querySelectorAll('b b, main script').length") == 0
    assert page.complaints == []


def test_it_is_searched_by_names_and_reasons(page):
    search(page, "EXPOSURE_0000042")
    assert page.texts(f"{ROWS} .path") == ["site-0/exposure_0000042.csv"]
    search(page, "permission site-3")
    assert set(page.texts(f"{ROWS} .state")) == {"not transferred"}
    assert all("site-3/" in name for name in page.texts(f"{ROWS} .path"))
    search(page, "no such thing")
    assert (page.texts(ROWS), found(page)) == ([], "No file matches.")
    search(page, "")
    assert found(page) == "1 to 50 of 400 rows"


def test_it_is_narrowed_by_state_and_turned_page_by_page(page):
    labels = page.texts("#states button")
    assert labels == ["all", "not transferred", "invalid", "valid"]
    page.click("#states button", labels.index("valid"))
    assert set(page.texts(f"{ROWS} .state")) == {"valid"}
    n_valid = 400 - 40 - 40 - len(HOSTILE) + 1  # the fourth hostile one counts among the tenths
    assert found(page) == f"1 to 50 of {n_valid} rows"
    first = page.texts(f"{ROWS} .path")
    page.click("#pages button", 1)
    assert found(page) == f"51 to 100 of {n_valid} rows"
    assert not set(first) & set(page.texts(f"{ROWS} .path"))
    page.click("#pages button", 0)
    assert page.texts(f"{ROWS} .path") == first
    assert page.run("document.querySelectorAll('#pages button')[0].disabled")


def test_it_is_sorted_by_each_column_both_ways(page):
    page.click("#all th button", 2)
    sizes = page.texts(f"{ROWS} td:nth-child(3)")
    assert sizes[0] == "389.6 KiB"
    assert page.run("document.querySelector('th[aria-sort]').ariaSort") == "descending"
    page.click("#all th button", 2)
    assert page.texts(f"{ROWS} td:nth-child(3)")[0] == "0 B"
    page.click("#all th button", 3)
    ascending = page.texts(f"{ROWS} td:nth-child(4)")
    assert ascending == sorted(ascending)
    page.click("#all th button", 3)
    assert page.texts(f"{ROWS} td:nth-child(4)")[0] > ascending[-1]  # what was never sent is last both ways


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_wider_than_the_screen(page, report, dark):
    page.open(report, width=360, height=740, dark=dark)
    assert page.run("document.documentElement.scrollWidth") == 360
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(17, 21, 28)" if dark else "rgb(246, 247, 249)"
    )


def test_on_paper_there_is_what_matters(page, report):
    page.open(report, media="print")
    seen = page.texts("body")[0]
    assert "What went wrong" in seen
    assert "permission denied" in seen
    assert "Search" not in seen
    assert page.run("document.querySelector('#all').checkVisibility()") is False
    assert page.run("document.querySelector('.chart').checkVisibility()") is True


def test_it_can_be_used_without_eyes_or_a_mouse(page):
    levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(later <= level + 1 for level, later in pairwise(levels))
    assert page.run("[...document.querySelectorAll('th')].every(e => e.scope === 'col')")
    unnamed = "[...document.querySelectorAll('svg')].filter(e => !e.ariaHidden && !e.ariaLabel).length"
    assert page.run(unnamed) == 0
    assert page.run(f"{FIND}.ariaLabel && document.documentElement.lang") == "en"
    page.run(f"{FIND}.focus()")
    assert page.run(f"getComputedStyle({FIND}).outlineStyle") != "none"


def test_of_very_many_files_the_page_holds_some_and_stays_quick_to_use(page, tmp_path, monkeypatch):
    monkeypatch.setattr("upload_client.reports.html.page.MAX_ROWS", 2000)
    large = tmp_path / "large.html"
    large.write_text(made(9000), encoding="utf-8")
    page.open(large)
    assert found(page) == "1 to 50 of 2,000 rows"
    assert page.run("document.querySelectorAll('tr').length") < 1000
    assert set(page.texts(f"{ROWS} .state")) == {"not transferred"}
    assert "2,000 of 9,000 files, those that went wrong first" in page.texts("body")[0]
