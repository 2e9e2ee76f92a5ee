"""The record of a hand-over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from upload_client.core.hand_over import (
    MAX_RECORD,
    BadRecord,
    HandOver,
    archived_line,
    landing_differs,
    name_of_folder,
)

RECORD = HandOver(
    "survey",
    "1",
    "staging",
    3,
    "staging/receipt/00000003.json",
    "a" * 64,
    "s3://landing/survey/1/",
    "s3://archive/x y/",
    2,
    9,
    "b" * 64,
    "2026-01-02T03:04:05.678Z",
    "agent-1",
)


def test_a_record_is_read_as_it_was_written() -> None:
    later = replace(RECORD, notified_at="2026-01-02T03:04:06.000Z", removed_at="2026-01-02T03:04:07.000Z")
    for record in (RECORD, later):
        assert HandOver.decode(record.encode()) == record
    assert RECORD.encode().isascii()
    old = replace(RECORD, landing="s3://My_Landing/survey/1/")
    assert HandOver.decode(old.encode()) == old
    assert not RECORD.leaves_landing
    assert later.leaves_landing
    assert replace(RECORD, removing_at="2026-01-02T03:04:06.500Z").leaves_landing


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("kind", "receipt"),
        ("schema_version", 2),
        ("dataset", "../x"),
        ("transfer_type", "other"),
        ("transfer_type", []),
        ("epoch", -1),
        ("n_files", True),
        ("n_bytes", "9"),
        ("receipt_sha256", "A" * 64),
        ("archive", "https://elsewhere/"),
        ("proven_at", None),
        ("removed_at", "yesterday"),
        ("agent_id", "two\nlines"),
    ],
)
def test_what_is_not_as_it_is_written_is_no_record(field: str, wrong: object) -> None:
    data = json.dumps({**json.loads(RECORD.encode()), field: wrong}).encode()
    with pytest.raises(BadRecord):
        HandOver.decode(data)


@pytest.mark.parametrize("data", [b"", b"[1]", b"{}", b"[" * 100_000, b" " * (MAX_RECORD + 1)])
def test_other_bytes_are_no_record(data: bytes) -> None:
    with pytest.raises(BadRecord):
        HandOver.decode(data)


def test_an_archive_is_a_bucket_and_a_prefix() -> None:
    assert name_of_folder("s3://archive") == ("archive", "")
    assert name_of_folder("s3://archive/") == ("archive", "")
    assert name_of_folder("s3://archive/a/b") == ("archive", "a/b/")


@pytest.mark.parametrize(
    "uri", ["", "archive", "s3://", "s3://A_B/", "s3://archive/ä/", "s3://archive/a//b/", "s3://archive/../x"]
)
def test_what_is_no_place_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"is no s3|has an empty part"):
        name_of_folder(uri)


def test_what_landing_does_not_have_as_the_receipt_says_is_told() -> None:
    listed = {"a": (1, "x"), "b": (2, "y"), "c": (3, "z")}
    files = [("a", 1, "x"), ("b", 2, "other"), ("c", 4, "z"), ("d", 1, "x")]
    assert [path for path, _ in landing_differs(listed, files)] == ["b", "c", "d"]


def test_a_line_of_the_archive_is_ascii() -> None:
    assert archived_line("ä\n", 1, "AAAAAA==") == b'["\\u00e4\\n",1,"AAAAAA=="]\n'
