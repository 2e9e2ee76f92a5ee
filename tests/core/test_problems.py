"""Files with the same trouble, together, and what to do about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import problems
from upload_client.core.problems import group


def test_the_most_frequent_trouble_comes_first_and_names_ten_of_its_files():
    files = [("odd", "failed", "is not there", "missing")]
    files += [
        (f"{n}.csv", "invalid", f"line {n}: 2 fields, where the first row has 3", None) for n in range(12)
    ]
    many, one = group(files)
    assert (many.state, many.n, many.reason) == ("invalid", 12, "line 0: 2 fields, where the first row has 3")
    assert many.relpaths == tuple(f"{n}.csv" for n in range(10))
    assert (one.state, one.n, one.relpaths) == ("failed", 1, ("odd",))
    assert one.todo.startswith("Put it back")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("line 7: unexpected value", "line 12: unexpected value"),
        (
            "its content has CRC32 AAAAAA== where BBBBBB== was",
            "its content has CRC32 CCCCCC== where DDDDDD== was",
        ),
        ("no column 'a'", "no column 'b'"),
        ('no column "a"', 'no column "b"'),
        ("larger than 1,024 bytes", "larger than 12.5 bytes"),
        (f"etag {'0' * 32}", f"etag {'a' * 32}-7"),
        ("S3 refuses it: 403 (request id 4A/b+c)", "S3 refuses it: 403 (request id Z9.x)"),
    ],
)
def test_messages_that_differ_in_particulars_tell_of_the_same_trouble(one, other):
    (found,) = group([("a", "invalid", one, "content"), ("b", "invalid", other, "content")])
    assert (found.n, found.reason) == (2, one)


def test_the_same_words_about_files_in_other_states_are_another_trouble():
    assert len(group([("a", "invalid", "it is gone", None), ("b", "failed", "it is gone", None)])) == 2


def test_a_file_without_a_message_is_told_of_all_the_same():
    (found,) = group([("a", "invalid", None, None)])
    assert found.reason == "no reason was given"


def test_a_million_reasons_take_no_more_room_than_a_thousand(monkeypatch):
    monkeypatch.setattr(problems, "_MAX_KINDS", 3)
    words = ["a", "b", "c", "d", "e", "a"]
    found = group((word, "invalid", word, None) for word in words)
    assert {(one.reason, one.n) for one in found} == {("a", 2), ("b", 1), ("c", 1), ("other reasons", 2)}


@given(
    st.lists(
        st.tuples(
            st.text(),
            st.sampled_from(["failed", "invalid", "done"]),
            st.none() | st.text(),
            st.none() | st.sampled_from(["content", "missing", "of_another_make"]),
        )
    )
)
def test_no_file_is_lost_or_counted_twice(files):
    found = group(files)
    assert sum(one.n for one in found) == len(files)
    assert all(0 < len(one.relpaths) <= min(one.n, 10) and one.todo and one.reason for one in found)


def test_the_same_words_with_another_code_are_another_trouble():
    found = group([("a", "failed", "no", "missing"), ("b", "failed", "no", "access_denied")])
    assert [(one.code, one.n) for one in found] == [("missing", 1), ("access_denied", 1)]
    assert found[0].todo != found[1].todo
