"""Names and messages from outside, made safe for each medium."""

from __future__ import annotations

import csv
import functools
import io
import re
import sys
import unicodedata

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upload_client.core.text import (
    MAX_LOGGED,
    counted,
    for_csv_cell,
    for_log,
    for_terminal,
    from_csv_cell,
)

ODD = "=+-@'\";,\t\r\n\0\x1a\x1b\x7f\x9b\xa0\xad\u200b\u202e\u2028\u2066\ufeff\uff1d\ud800\udfff\U000e0041"
ODD += "[]/\\#aé0 "
anything = st.text(st.one_of(st.sampled_from(ODD), st.characters(), st.characters(categories=["Cs"])))


# -------------------------------------------------------------------------------------------- the terminal


@given(anything)
def test_nothing_that_moves_colours_reorders_or_hides_reaches_a_terminal(text):
    shown = for_terminal(text)
    assert shown.isprintable()
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode("utf-8")


@given(anything)
def test_lines_are_kept_where_that_is_asked_for_and_nothing_else(text):
    shown = for_terminal(text, lines=True)
    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.csv", "plain name.csv"),
        ("Ångström/名前", "Ångström/名前"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("C:\\x1b", "C:\\x1b"),
    ],
)
def test_what_is_not_printable_is_shown_as_its_code(text, shown):
    assert for_terminal(text) == shown


# ------------------------------------------------------------------------------------------------- the CSV


@given(anything)
def test_a_cell_gives_back_the_text_it_was_made_of(text):
    assert from_csv_cell(for_csv_cell(text)) == text


@settings(max_examples=300)
@given(st.lists(anything, min_size=1, max_size=5))
@example(["NA", "001", "a,b", 'say "x"', "a\nb", "a\rb", "a\r\nb"])
@example(["", "null", "nan", " lead", "1e5", "\0", "\x1a", "\ud800"])
def test_every_text_comes_back_exactly_through_a_file_and_pandas(texts):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(["first", "second"])
    writer.writerows((for_csv_cell(text), for_csv_cell(text)) for text in texts)
    frame = pd.read_csv(io.BytesIO(file.getvalue().encode()), dtype=str, keep_default_na=False)
    assert [from_csv_cell(cell) for cell in frame["first"]] == texts
    assert [from_csv_cell(cell) for cell in frame["second"]] == texts


@functools.cache
def unseen():
    blanks = {
        one for one in map(chr, range(sys.maxunicode)) if one.isspace() or unicodedata.category(one) == "Cc"
    }
    return blanks | set('"\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff')


SEPARATORS = set(";\t\r\n")


@given(anything)
@example("=1+1")
@example("a;=1+1;b")
@example("a\n=1+1")
@example(" =1+1")
@example("\ufeff=1+1")
@example("'=1+1")
@example("\uff1d1+1")
def test_no_cell_is_a_formula_even_where_it_is_cut_at_another_countrys_separator(text):
    for cell in re.split("[;\t\r\n]", for_csv_cell(text)):
        first = next((one for one in cell if one not in unseen()), "")
        assert first not in tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def test_nothing_unseen_hides_the_beginning_of_a_formula():
    missed = [
        hex(ord(one))
        for one in unseen() - SEPARATORS - {"\0", "\x1a"}
        if for_csv_cell(one + "=1") != f"'{one}=1"
    ]
    assert missed == []
    assert for_csv_cell("\x1a=1") == "\x1a001a=1"
    assert for_csv_cell("\0=1") == "\x1a0000=1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NA",
        "001",
        "a,b",
        'a"b',
        "a\nb",
        "a\rb",
        "/a/b",
        "a=b",
        "a-b",
        "1-2",
        "'quoted'",
        "a;b",
        "_x",
        "Ü",
    ],
)
def test_an_ordinary_text_is_its_own_cell(text):
    assert for_csv_cell(text) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("-rf", "'-rf"),
        ("+1", "'+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("'=1", "''=1"),
        ("a;=1", "a;'=1"),
        ("\udc80", "\x1adc80"),
        ("\x1adc80", "\x1a001adc80"),
    ],
)
def test_a_formula_is_defused_and_a_surrogate_spelled_out(text, cell):
    assert for_csv_cell(text) == cell
    assert from_csv_cell(cell) == text


# ------------------------------------------------------------------------------------------------- the log


@given(anything, st.integers(20, 200))
def test_a_logged_text_is_safe_and_within_its_limit(text, limit):
    logged = for_log(text, limit)
    assert len(logged) <= limit
    assert logged.isprintable()
    if len(for_terminal(text)) <= limit:
        assert logged == for_terminal(text)


def test_a_long_text_keeps_its_beginning_and_its_end():
    logged = for_log("Traceback\n" + "x" * 10**6 + "\nValueError: here")
    assert len(logged) == MAX_LOGGED
    assert logged.startswith("Traceback\\nx")
    assert logged.endswith("x\\nValueError: here")
    assert " […] " in logged


def test_a_text_that_grows_when_it_is_escaped_stays_within_its_limit():
    assert len(for_log("\x1b" * MAX_LOGGED)) == MAX_LOGGED


def test_nouns_agree_with_their_number():
    assert [counted(n, "file") for n in (0, 1, 2000)] == ["0 files", "1 file", "2,000 files"]
    assert [counted(n, "delivery", "deliveries") for n in (1, 2)] == ["1 delivery", "2 deliveries"]
