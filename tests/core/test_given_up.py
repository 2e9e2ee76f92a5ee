"""What was given up stays known until it is announced, and an observer tells a million files at a glance."""

from __future__ import annotations

import json
import zlib

import pytest

from upload_client.core.checkpoint import BadCheckpoint, Checkpoint, decode_checkpoint, encode_checkpoint
from upload_client.core.columns import TimeColumn
from upload_client.core.history import DeliveryHistory
from upload_client.core.history_rows import PACKED
from upload_client.core.records import Failed, Found, SegmentHeader, Transferred, Verdict
from upload_client.core.segments import LogChain, Records, Segment
from upload_client.core.times import milliseconds
from upload_client.core.uploads import Upload

T = "2026-01-02T03:04:05.678Z"
LATER = "2026-01-02T03:05:00.000Z"
CRC = "yH2GHg=="
ETAG = "ab" * 16


def client(*records, epoch=1) -> Segment:
    return Segment(SegmentHeader(1, 0, f"client{epoch}", epoch, None), Records(records), "")


def validator(*records) -> Segment:
    return Segment(SegmentHeader(1, 0, "validator", 1, None, 1), Records(records), "")


def sent(path: str, n: int, epoch: int = 1) -> Transferred:
    return Transferred(T, path, Upload(epoch, n, 9, CRC, ETAG), 0)


def packed(history: DeliveryHistory) -> bytes:
    return b"".join(encode_checkpoint(Checkpoint(history, LogChain("client"), {0: LogChain("validator")})))


def test_a_file_that_was_given_up_is_so_until_it_is_announced():
    history = DeliveryHistory()
    history.add_client(client(Failed(T, "a", "no permission", 0), Failed(T, "b", "gone", 2)))
    assert list(history.failed) == ["a", "b"]
    history.add_client(client(sent("a", 0, epoch=2), epoch=1))  # no client issues that: it counts for nothing
    assert list(history.failed) == ["a", "b"]
    history.add_client(client(sent("a", 0)))
    assert list(history.failed) == ["b"]
    history.add_client(client(Failed(LATER, "b", "gone for good", 0), epoch=2))
    assert history.failed["b"].error == "gone for good"


@pytest.mark.parametrize("rows", [{}, {"b": 0, "c": 1}])
def test_a_checkpoint_knows_what_was_given_up(rows):
    history = DeliveryHistory()
    history.add_client(client(sent("a", 0), Failed(T, "b", "weg: \u00e4", 2)))
    found = decode_checkpoint(packed(history), rows).history
    assert found.failed == {"b": Failed(T, "b", "weg: \u00e4", 2)}


@pytest.mark.parametrize(
    "told", ["7", '[["x","a","e",0]]', f'[["{T}","a",5,0]]', f'[["{T}","a","e","0"]]', "[[1]]"]
)
def test_a_checkpoint_that_gives_up_nonsense_is_none(told):
    history = DeliveryHistory()
    history.add_client(client(Failed(T, "b", "gone", 2)))
    line, _, rest = packed(history).partition(b"\n")
    head, columns, parts = json.loads(line), zlib.decompress(rest), {}
    for name, size in zip(PACKED, head["sizes"], strict=True):
        parts[name], columns = columns[:size], columns[size:]
    parts["failed"] = told.encode()
    head["sizes"] = [len(parts[name]) for name in PACKED]
    with pytest.raises(BadCheckpoint):
        decode_checkpoint(json.dumps(head).encode() + b"\n" + zlib.compress(b"".join(parts.values())), {})


def test_at_a_glance_a_file_is_what_it_is_in_full():
    history = DeliveryHistory({"known": 0})
    assert history.glance(0) == (-1, 0, None, None, None)
    found = Found(9, CRC, ETAG)
    history.add_client(client(*(sent(path, n) for n, path in enumerate(["good", "bad", "odd", "open"]))))
    history.add_validator(
        validator(
            Verdict(LATER, "good", "1-0", 0, "ok", "", found),
            Verdict(LATER, "bad", "1-1", 0, "failure", "torn", found),
            Verdict(LATER, "odd", "1-2", 0, "ok", "", Found(8, CRC, ETAG)),
        )
    )
    rows = {path: row for row, path in enumerate(history.paths())}
    assert list(rows) == ["known", "good", "bad", "odd", "open"]
    at, judged = milliseconds(T), milliseconds(LATER)
    assert history.glance(rows["known"]) == (-1, 0, None, None, None)
    assert history.glance(rows["good"]) == (1, 9, at, "ok", judged)
    assert history.glance(rows["bad"]) == (1, 9, at, "failure", judged)
    assert history.glance(rows["odd"]) == (1, 9, at, "failure", judged)
    assert history.glance(rows["open"]) == (1, 9, at, None, None)
    assert [history.message(rows[path]) for path in ("good", "bad", "odd")] == [
        None,
        "torn",
        "judged something else",
    ]


def test_a_moment_is_told_in_milliseconds_as_well():
    column = TimeColumn()
    column.extend(2)
    column[1] = T
    assert [column.ms(0), column.ms(1)] == [None, milliseconds(T)]


def test_the_last_of_many_moments_is_known():
    column = TimeColumn()
    assert column.latest is None
    column.extend(3)
    assert column.latest is None
    column[1], column[0] = "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.677Z"
    assert column.latest == column[1]
