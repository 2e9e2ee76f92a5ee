"""A receiver closes a delivery; whatever lies there, it is closed."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.closing import MAX_CLOSED, MAX_NOTE, Closed


@given(st.text(max_size=2 * MAX_NOTE))
@example("thanks")
def test_what_is_told_is_one_line_and_not_too_long(note):
    body = Closed("2026-11-29T06:00:00.000Z", note).encode()
    assert len(body) <= MAX_CLOSED
    found = Closed.decode(body)
    assert found.at == "2026-11-29T06:00:00.000Z"
    assert found.note.isprintable()
    if note.isprintable() and len(note) <= MAX_NOTE:
        assert found.note == note


def test_it_says_when_and_what_where_that_is_known():
    assert str(Closed("", "")) == "the receiver has taken this delivery over and closed it"
    assert str(Closed("T", "thanks")).endswith("closed it on T: thanks")


@given(st.binary())
@example(b"[1]")
@example(b"[" * 8000)
def test_bytes_that_are_no_note_close_it_all_the_same(body):
    assert isinstance(Closed.decode(body), Closed)


def test_one_that_was_removed_says_why():
    note = Closed("T", "consent is gone", "withdrawn")
    assert Closed.decode(note.encode()) == note
    said = "the receiver has removed this delivery (withdrawn) and closed it on T: consent is gone"
    assert str(note) == said
