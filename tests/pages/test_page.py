"""The report as text: complete by itself, light, and nothing in it is what a stranger wrote."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
from array import array
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages.example import END, HOSTILE, IMG, embedded, made

from upload_client.core.delivery_status import DeliveryPhase, Evidence
from upload_client.core.history import DeliveryHistory
from upload_client.core.observed import FileState, IndexRows
from upload_client.core.records import Init, SegmentHeader
from upload_client.core.segments import Records, Segment
from upload_client.core.status import status_of
from upload_client.reports.html import page as module
from upload_client.reports.html import render


class Parsed(html.parser.HTMLParser):
    """What a browser makes of a page, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.content: dict[str, list[str]] = {"script": [], "style": []}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in = tag

    def handle_data(self, data):
        if self._in in self.content:
            self.content[self._in].append(data)

    def handle_endtag(self, tag):
        self._in = ""


def status(history=None, **more):
    seen = Evidence(now=0.0, history=history or DeliveryHistory(), **more)
    return status_of(seen, dataset="toy", delivery_id="d1", transfer_type="sample")


def page_of(*files: FileState) -> str:
    return "".join(render(status(), iter(files), None))


def test_it_needs_nothing_else_and_its_policy_knows_its_own_parts_alone():
    parsed = Parsed(made(100))
    urls = [
        value for _, name, value in parsed.attributes if name in {"src", "href", "action", "data", "style"}
    ]
    assert urls == []
    policy = next(value for _, name, value in parsed.attributes if value.startswith("default-src"))
    style, (_, script) = parsed.content["style"], parsed.content["script"]
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() + "'"
        for part in (*style, script)
    ]
    assert policy == (
        f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; base-uri 'none';"
        " form-action 'none'"
    )
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_it_is_light():
    text = made(len(HOSTILE))
    data = len(text.partition('id="data">')[2].partition("</script>")[0])
    assert len(text.encode()) - data < 60_000


def test_every_file_is_in_its_data_as_it_is():
    told = embedded(made(40))
    rows = {row[0]: row for row in told["rows"]}
    assert len(rows) == 40
    assert told["states"][rows[IMG][1]] == "invalid"
    assert told["messages"][rows[IMG][5]] == "it does not open as csv: line 0: 3 fields"
    assert rows["site-6/exposure_0000020.csv"][2:] == [20_000, 1795051800000, 1795051820000, -1]
    given_up = rows["site-1/exposure_0000008.csv"]
    assert (told["states"][given_up[1]], given_up[3:5]) == ("failed", [None, None])
    assert told["messages"][given_up[5]] == "permission denied"


def test_no_name_and_no_message_is_markup():
    parsed = Parsed(made(60, message=f"{IMG} in line {{n}}{END}"))
    ours = Parsed(made(60, message="in line {n}"))
    assert parsed.tags == ours.tags
    assert "img" not in parsed.tags


texts = st.text(st.characters() | st.sampled_from("<>&'\"/\u2028\u202e\0\x1b\ud800-!]"), max_size=40)


@given(texts, texts)
def test_whatever_a_name_is_the_page_is_the_same_page(path, message):
    odd = Parsed(page_of(FileState(path, "invalid", 1, 2, 3, message or "x")))
    plain = Parsed(page_of(FileState("x", "invalid", 1, 2, 3, "x")))
    assert odd.tags == plain.tags
    assert [(tag, name) for tag, name, _ in odd.attributes] == [
        (tag, name) for tag, name, _ in plain.attributes
    ]
    data = odd.content["script"][0]
    assert data.isascii()
    assert not set(data) & set("<>&")


def test_a_long_message_is_cut():
    told = embedded(page_of(FileState("x", "invalid", 1, 2, 3, "y" * 5000)))
    assert len(told["messages"][0]) == module.MAX_MESSAGE


def test_of_many_files_those_that_went_wrong_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 5)
    order = ["valid", "ready", "done", "invalid", "failed"]
    files = [FileState(f"{state}{n}", state, n) for n in range(2) for state in order]
    text = page_of(*files)
    assert [row[0] for row in embedded(text)["rows"]] == [
        "failed0",
        "failed1",
        "invalid0",
        "invalid1",
        "done0",
    ]
    assert "5 of 10 files, those that went wrong first" in text
    monkeypatch.undo()
    assert "All 10 files" in page_of(*files)


def test_largest_files_and_longest_waits_are_named():
    files = [FileState(f"f{n}", "valid", n * 10, 1000, 1000 + n % 13 * 1000) for n in range(30)]
    text = page_of(*files, FileState("unknown", "ready", None))
    largest = text.partition('id="h-largest"')[2].partition("</section>")[0]
    assert re.findall(r"path\">(\w+)<", largest) == [f"f{n}" for n in range(29, 19, -1)]
    slowest = text.partition('id="h-slowest"')[2].partition("</section>")[0]
    assert re.findall(r"path\">(\w+)<", slowest)[:3] == ["f12", "f25", "f11"]
    assert "12 s" in slowest


def test_a_delivery_without_files_has_a_page_all_the_same():
    text = page_of()
    assert "Nothing was sent so far." in text
    assert embedded(text)["rows"] == []
    assert "the sample (sample)" in text


def test_how_it_went_is_seen_at_once():
    grades = {
        phase: re.search(r'class="outcome (\w+)"', "".join(render(replace(status(), phase=phase), (), None)))[
            1
        ]
        for phase in DeliveryPhase
    }
    assert {phase for phase in DeliveryPhase if grades[phase] == "good"} == {DeliveryPhase.COMPLETE}
    assert grades[DeliveryPhase.TRANSFERRING] == grades[DeliveryPhase.ENDED] == "fair"
    assert (
        grades[DeliveryPhase.CRASHED]
        == grades[DeliveryPhase.BROKEN_OFF]
        == grades[DeliveryPhase.LOG_BROKEN]
        == "bad"
    )


def test_runs_are_listed_with_how_they_ended():
    history = DeliveryHistory()
    init = Init("2026-01-02T03:04:05.678Z", 1, "", "0" * 64, 1, 1)
    history.add_client(Segment(SegmentHeader(1, 0, "<first>", 1, None), Records((init,)), ""))
    history.add_client(Segment(SegmentHeader(1, 1, "second", 2, None), Records(()), ""))
    text = "".join(render(status(history, index=IndexRows([], array("q"), bytearray())), (), history))
    assert "&lt;first&gt;" in text
    assert text.count("no record of its end") == 2
    assert "2026-01-02 03:04:05" in text


def test_more_reasons_than_a_person_reads_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_KINDS", 1)
    text = made(40, message="because {n} " * 2)
    assert "other reasons.</p>" in text
    assert "other reasons.</p>" not in page_of()


def test_colours_are_told_apart_by_whoever_sees_little():
    """WCAG 2.2, 1.4.3: text has a contrast of 4.5 to 1 against what it stands on, in light and in dark."""
    css = module._resource("page.css")
    themes = re.findall(r":root \{([^}]*)\}", css)
    assert len(themes) == 3  # light, dark, paper
    light = colours(themes[0])
    for theme in (light, light | colours(themes[1]), light | colours(themes[2])):
        for ink, ground in (
            *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("ground", "card")),
            *((state, f"{state}-ground") for state in ("valid", "invalid", "failed", "done")),
            ("soft", "ready-ground"),
            *(("ink", f"{state}-ground") for state in ("valid", "invalid", "failed")),
        ):
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground, theme[ink], theme[ground])


def colours(theme: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#\w+)", theme))


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.2 s"), (5, "5 s"), (59, "59 s"), (60, "1 min"), (90, "1:30"), (7200, "2 h"), (86400, "1 d")],
)
def test_a_length_of_time_is_told_shortly(seconds, words):
    assert module._span(seconds) == words
