"""How a file was judged is told from what its verdict says that was checked."""

from __future__ import annotations

import pytest

from upload_client.core.columns import CategoryColumn
from upload_client.core.opened import not_opened, opened_as, opened_as_written, sentence

METADATA = ("size", "etag", "crc32")


@pytest.mark.parametrize(
    ("checks", "opened"),
    [
        ((), None),
        (METADATA, "not opened: size and checksum alone were compared"),
        ((*METADATA, "expected"), "not opened: size and checksum alone were compared"),
        ((*METADATA, "fits"), "fits"),
        ((*METADATA, "expected", "csv as expected of 'tables'"), "csv as expected of 'tables'"),
        (
            (*METADATA, "expected", "opaque as expected of 'logs'"),
            "not opened: the receiver expects it to hold anything",
        ),
        ((*METADATA, "parquet not opened: pyarrow is not installed"), "not opened: pyarrow is not installed"),
        (("x" * 500,), "x" * 200),
    ],
)
def test_the_last_check_says_it(checks, opened):
    assert opened_as(checks) == opened


def test_checks_are_read_as_a_record_has_them():
    assert opened_as_written('"size","fits in gzip"') == "fits in gzip"
    assert opened_as_written("") is None


def test_those_that_were_not_opened_are_counted_by_why_the_most_first():
    counts = {"fits": 9, "not opened: b": 2, "not opened: a": 2, "not opened: c": 3, "not opened: d": 0}
    assert list(not_opened(counts).items()) == [("c", 3), ("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ({}, ""),
        ({"it is encrypted": 1}, "1 file was not opened: it is encrypted"),
        ({"it is encrypted": 2}, "2 files were not opened: it is encrypted"),
        ({"a": 3000, "b": 2}, "3,002 files were not opened: a (3,000), b (2)"),
        (
            {"a": 4, "b": 3, "c": 2, "d": 1},
            "10 files were not opened: a (4), b (3), c (2), and for 1 more reason",
        ),
    ],
)
def test_they_are_told_in_a_sentence(why, said):
    assert sentence(why) == said


def test_a_column_of_few_texts_gives_back_what_was_put_in():
    column = CategoryColumn(3)
    column[0] = "fits"
    column.put([1, 2], ["csv", "fits"])
    column.extend(1)
    assert column.values(0, 4) == ["fits", "csv", "fits", None]
    assert len(column) == 4
    assert column.counts(b"\1\1\0\1", 1) == {"fits": 1, "csv": 1}
    other = CategoryColumn(1)
    other.copy(0, column, 1)
    assert other[0] == "csv"
    again = CategoryColumn()
    again.unpack(column.packed(3))
    assert again.values(0, 3) == ["fits", "csv", "fits"]


def test_of_texts_without_end_further_ones_are_called_others(monkeypatch):
    monkeypatch.setattr(CategoryColumn, "MAX_TEXTS", 2)
    column = CategoryColumn(5)
    column.put(range(5), ["a", "b", "c", "d", "a"])
    assert column.values(0, 5) == ["a", "b", CategoryColumn.OTHER, CategoryColumn.OTHER, "a"]
    again = CategoryColumn()
    again.unpack(column.packed(5))
    assert again.values(0, 5) == column.values(0, 5)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[1]\n", b'["a"]\n\2\0', b'["a"]\n\1'])
def test_what_is_no_such_column_is_refused(data):
    with pytest.raises(ValueError):
        CategoryColumn().unpack(data)


def test_texts_of_a_damaged_column_cannot_move_the_cursor():
    column = CategoryColumn()
    column.unpack(b'["a\\u001b[2J"]\n\1\0')
    assert "\x1b" not in str(column[0])
