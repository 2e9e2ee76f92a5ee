"""Files with the same trouble, together, and what to do about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core import problems
from upload_client.core.problems import group, what_to_do


def test_the_most_frequent_trouble_comes_first_and_names_ten_of_its_files():
    files = [("odd", "failed", "is not there")]
    files += [(f"{n}.csv", "invalid", f"line {n}: 2 fields, where the first row has 3") for n in range(12)]
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
    (found,) = group([("a", "invalid", one), ("b", "invalid", other)])
    assert (found.n, found.reason) == (2, one)


def test_the_same_words_about_files_in_other_states_are_another_trouble():
    assert len(group([("a", "invalid", "it is gone"), ("b", "failed", "it is gone")])) == 2


def test_a_file_without_a_message_is_told_of_all_the_same():
    (found,) = group([("a", "invalid", None)])
    assert found.reason == "no reason was given"


def test_a_million_reasons_take_no_more_room_than_a_thousand(monkeypatch):
    monkeypatch.setattr(problems, "_MAX_KINDS", 3)
    words = ["a", "b", "c", "d", "e", "a"]
    found = group((word, "invalid", word) for word in words)
    assert {(one.reason, one.n) for one in found} == {("a", 2), ("b", 1), ("c", 1), ("other reasons", 2)}


@given(st.lists(st.tuples(st.text(), st.sampled_from(["failed", "invalid", "done"]), st.none() | st.text())))
def test_no_file_is_lost_or_counted_twice(files):
    found = group(files)
    assert sum(one.n for one in found) == len(files)
    assert all(0 < len(one.relpaths) <= min(one.n, 10) and one.todo and one.reason for one in found)


@pytest.mark.parametrize(
    ("state", "message", "todo"),
    [
        ("failed", "may not be read: permission denied", "Make it readable"),
        ("failed", "vanished while it was being sent", "Put it back"),
        ("failed", "changed while it was being sent", "when nothing writes to it"),
        ("failed", "the file's content does not match the checksum in the index", "write the index anew"),
        ("failed", "the source object has changed since it was indexed", "Write the index anew"),
        ("failed", "lies outside the source: a symlink leads out of it", "Put the file itself"),
        ("failed", "is not a regular file", "Put the file itself"),
        ("failed", "is too large: 6 TiB", "smaller files"),
        ("failed", "no answer from S3: TimeoutError: silent", "network"),
        ("failed", "S3 refuses the request because this clock is late", "clock"),
        ("failed", "no valid credentials: expired", "Log in anew"),
        ("failed", "S3 refuses it: 403 AccessDenied: no", "permission"),
        ("failed", "Input/output error", "disk"),
        ("failed", "something new", "show the message"),
        ("failed", None, "show the message"),
        ("invalid", "contradictory verdicts", "contradicts itself"),
        ("invalid", "was replaced in the bucket after it was judged", "has changed the bucket"),
        ("invalid", "it is not what was announced: size 3 where 4 was announced", "has changed the bucket"),
        ("invalid", "line 3: it ends too early", "Mend the file"),
        ("done", "not judged: out of memory", "not sent again"),
    ],
)
def test_for_each_trouble_there_is_something_to_do(state, message, todo):
    assert todo in what_to_do(state, message)


def test_about_a_file_that_is_tried_again_nothing_is_to_be_done():
    assert "by itself" in what_to_do("failed", "no answer from S3", again=True)


def test_the_words_are_those_that_are_written_elsewhere():
    from upload_client.core import verdicts
    from upload_client.support import local_file
    from upload_client.transfer import copy, upload

    for message in (verdicts.BEFORE_TRANSFER, verdicts.SOMETHING_ELSE, verdicts.CONTRADICTORY):
        assert "contradicts itself" in what_to_do("invalid", message)
    for message in (local_file.CHANGED, copy.CHANGED, upload.MISMATCH):
        assert what_to_do("failed", message) != what_to_do("failed", "something new")
