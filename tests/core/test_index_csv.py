"""An index that a client has written is read a row at a time, whatever it is."""

from __future__ import annotations

import csv
import io
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import index_csv
from upload_client.core.index_csv import MAX_ROW, lines_of, rows_of

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@given(st.lists(st.lists(cells, min_size=2, max_size=3), max_size=5))
def test_rows_come_out_as_they_were_written(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert list(rows_of(lines_of(text.getvalue().encode()))) == rows


@given(st.binary(max_size=50))
def test_the_lines_are_all_of_it(data):
    assert b"".join(lines_of(data)) == data
    assert all(line.endswith(b"\n") for line in list(lines_of(data))[:-1])
    assert all(b"\n" not in line[:-1] for line in lines_of(data))


@pytest.mark.parametrize(
    "lines",
    [
        lines_of(b"a," * MAX_ROW),
        lines_of(b"x" * 3 * MAX_ROW),
        chain([b'"'], repeat(b"x\n")),
        chain([b'"x\n'], repeat(b'y","x\n')),
    ],
    ids=["a line without an end", "one cell", "a quote that is left open", "a row of many lines"],
)
def test_no_more_is_taken_than_a_row_may_have(lines):
    taken = 0

    def counted():
        nonlocal taken
        for line in lines:
            taken += len(line)
            yield line

    with pytest.raises(ValueError, match=r"a row of more than|field larger than"):
        list(rows_of(counted()))
    assert taken <= MAX_ROW + 1000


def test_of_a_line_without_an_end_no_more_than_a_row_is_cut_off():
    assert list(map(len, lines_of(b"x" * (2 * MAX_ROW + 5)))) == [MAX_ROW + 1, MAX_ROW + 1, 3]


def test_there_are_no_more_rows_than_files_in_a_delivery(monkeypatch):
    monkeypatch.setattr(index_csv, "MAX_FILES", 3)
    assert len(list(rows_of([b"path\n", b"a\n", b"b\n", b"c\n"]))) == 4
    with pytest.raises(ValueError, match="more than 3 files"):
        list(rows_of([b"path\n", b"a\n", b"b\n", b"c\n", b"d\n"]))


@pytest.mark.parametrize("line", [b'"a" b\n', b"\xff\n"])
def test_what_is_no_csv_is_said_to_be_none(line):
    with pytest.raises(ValueError, match=r"line \d cannot be read"):
        list(rows_of([b"path\n", line]))
