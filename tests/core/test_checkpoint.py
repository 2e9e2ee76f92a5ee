"""A checkpoint is the logs folded, and nothing else: whatever is done to it changes no outcome."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upload_client.core import checkpoint as module
from upload_client.core.checkpoint import BadCheckpoint, Checkpoint, decode_checkpoint, encode_checkpoint
from upload_client.core.columns import PathRows
from upload_client.core.history import DeliveryHistory
from upload_client.core.history_rows import PACKED
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    Crash,
    Cursor,
    Found,
    IndexJudged,
    Init,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import LogChain, Records, Segment, encode_segment
from upload_client.core.uploads import Upload, parse_upload_id

T = "2026-01-02T03:04:05.678Z"
CRC = "yH2GHg=="
PATHS = ["a", "b/ä", "c\nd", "\U0001f600", "e" * 50]
ETAGS = ["ab" * 16, f"{'cd' * 16}-3", "odd"]

uploads = st.builds("{}-{}".format, st.integers(1, 3), st.integers(0, 2))
transferred = st.builds(
    lambda path, upload, ask, size, etag, version, mtime_ns, source: Transferred(
        T, path, Upload(*parse_upload_id(upload), size, CRC, etag, version, mtime_ns, *source), ask
    ),
    st.sampled_from(PATHS),
    uploads,
    st.integers(0, 2),
    st.integers(0, 2**62),
    st.sampled_from(ETAGS),
    st.none() | st.just("v1"),
    st.none() | st.integers(0, 2**62),
    st.just((None, None)) | st.tuples(st.sampled_from(ETAGS), st.none() | st.just("v2")),
)
verdicts = st.builds(
    Verdict,
    st.just(T),
    st.sampled_from(PATHS),
    uploads,
    st.integers(0, 2),
    st.sampled_from(["ok", "failure", "error"]),
    st.sampled_from(["", "nö"]),
    st.none() | st.builds(Found, st.just(9), st.just(CRC), st.sampled_from(ETAGS)),
)
texts = st.text(max_size=5).filter(str.isprintable)  # as they come out of a log
client_records = st.one_of(
    transferred,
    st.builds(Init, st.just(T), st.just(1), st.just("index"), st.just("0" * 64), st.just(3), st.just(4)),
    st.builds(Stop, st.just(T), texts, st.none(), st.none() | st.just("a" * 64)),
    st.builds(Crash, st.just(T), texts),
)
validator_records = st.one_of(
    verdicts,
    st.builds(ValidatorInit, st.just(T), st.just("v"), st.just(1)),
    st.builds(Cursor, st.just(T), st.integers(0, 9)),
    st.builds(IndexJudged, st.just(T), st.lists(texts, max_size=2).map(tuple)),
    st.builds(Shutdown, st.just(T), st.just("time")),
)


def client_segment(epoch: int, records: list) -> tuple[str, Segment]:
    return "client", Segment(SegmentHeader(1, 0, f"client{epoch}", epoch, None), Records(records), "")


def validator_segment(epoch: int, records: list) -> tuple[str, Segment]:
    header = SegmentHeader(1, 0, f"validator{epoch}", epoch, None, epoch)
    return "validator", Segment(header, Records(records), "")


segments = st.lists(
    st.one_of(
        st.builds(client_segment, st.integers(1, 3), st.lists(client_records, max_size=6)),
        st.builds(validator_segment, st.integers(1, 3), st.lists(validator_records, max_size=6)),
    ),
    max_size=6,
)
indexes = st.lists(st.sampled_from([*PATHS, "new"]), unique=True).map(
    lambda paths: {path: row for row, path in enumerate(paths)}
)


def fold(history: DeliveryHistory, added) -> None:
    for log, segment in added:
        getattr(history, f"add_{log}")(segment)


def chain(writer: str, n: int = 3) -> LogChain:
    made = LogChain(writer)
    made.next_seq, made.tail_sha, made.highest_epoch, made.highest_agent = n, "0" * 64, 2, "agent"
    return made


def packed(history: DeliveryHistory) -> bytes:
    return b"".join(encode_checkpoint(Checkpoint(history, chain("client"), {0: chain("validator")})))


def everything(history: DeliveryHistory) -> object:
    return (
        {path: history.latest(path) for path in [*PATHS, "new"]},
        sorted((path, repr(past)) for path, past in history.unjudged()),
        history.n_unjudged,
        history.clients,
        history.validators,
        len(history),
        history._early,
        {path: row if row is None else history.judge(row) for path in PATHS for row in [history.row(path)]},
    )


@settings(max_examples=300)
@given(indexes, indexes, segments, segments)
@example(
    {},
    {"b": 0},
    [client_segment(1, [Transferred(T, name, Upload(1, 0, 9, CRC, ETAGS[0]), 0) for name in ("a", "b")])],
    [],
)
@example({"a": 0}, {"b": 0}, [], [])
def test_to_go_on_from_a_checkpoint_is_to_have_read_everything(before, after, first, then):
    history, expected = DeliveryHistory(before), DeliveryHistory(after)
    fold(history, first)
    found = decode_checkpoint(packed(history), after)
    fold(expected, first)
    assert everything(found.history) == everything(expected)
    fold(found.history, then)
    fold(expected, then)
    assert everything(found.history) == everything(expected)
    for row in after.values():
        assert found.history.at(row) == expected.at(row)
        assert found.history.is_ok(row) == expected.is_ok(row)


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_it_is_unpacked_in_pieces_of_any_size(piece, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", piece)
    known = {f"{n:04d}": n for n in range(2000)}  # much that is alike: few bytes become many
    history = DeliveryHistory(known)
    fold(history, [client_segment(1, [Transferred(T, "0007", Upload(1, 0, 9, CRC, "odd"), 0)])])
    found = decode_checkpoint(packed(history), known)
    assert found.history.packed() == history.packed()
    with pytest.raises(BadCheckpoint, match="too early"):
        decode_checkpoint(packed(history)[:-40], known)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abc", "abc"),
        ("abcd", "abcd"),
        ("abcd", "abce"),
        ("abcd", "abc"),
        ("abc", "abcd"),
        (["a", "b"], ["a", "bb"]),
        (["a", "bb"], ["a", "b"]),
        (["a", "b", "cc"], ["a", "b", "c"]),
        ("abc", ""),
        ("", "abc"),
    ],
)
@pytest.mark.parametrize("others", ["", "x", "xy"])
def test_files_are_found_whatever_the_index_was_and_is(before, after, others, monkeypatch):
    monkeypatch.setattr("upload_client.core.history_rows.GROWTH", 2)
    sent = [Transferred(T, path, Upload(1, n, 9, CRC, "odd"), 0) for n, path in enumerate([*before, *others])]
    history, expected = (
        DeliveryHistory(PathRows(list(index))) if index else DeliveryHistory() for index in (before, after)
    )
    for one in (history, expected):
        fold(one, [client_segment(1, sent)])
    found = decode_checkpoint(packed(history), PathRows(list(after))).history
    for path in {*before, *after, *others}:
        assert found.latest(path) == expected.latest(path)
    assert sorted(found.paths()) == sorted(expected.paths())


def test_it_knows_where_both_logs_go_on():
    found = decode_checkpoint(packed(DeliveryHistory()), {})
    for log in (found.client, found.validators[0]):
        assert (log.next_seq, log.tail_sha, log.highest_epoch, log.highest_agent) == (3, "0" * 64, 2, "agent")
    assert (found.client.writer, found.validators[0].writer) == ("client", "validator")


def some() -> DeliveryHistory:
    history = DeliveryHistory({"a": 0})
    fold(
        history,
        [
            client_segment(
                1,
                [
                    Transferred(T, "a", Upload(1, 0, 9, CRC, "odd"), 0),
                    Transferred(T, "b", Upload(1, 1, 9, CRC, ETAGS[0]), 0),
                ],
            ),
            validator_segment(
                1, [Verdict(T, "a", "1-0", 0, "failure", "no"), Verdict(T, "c", "1-7", 0, "ok")]
            ),
        ],
    )
    return history


@settings(max_examples=300)
@given(st.data())
def test_damaged_bytes_are_a_bad_checkpoint_or_one_and_nothing_else(data):
    good = packed(some())
    end = good.index(b"\n") + 1
    plain = zlib.decompress(good[end:])
    if data.draw(st.booleans()):  # damage what is inside, not only what the stream's own checksum guards
        damaged = bytearray(plain)
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
        made = good[:end] + zlib.compress(damaged)
    else:
        damaged = bytearray(good)
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
        made = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        found = decode_checkpoint(made, {"a": 0})
    except BadCheckpoint:
        return
    repr(everything(found.history))  # nothing in it is worse than wrong


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"kind":"checkpoint","version":2}\n',
        b"[" * 100_000 + b"\n",
        b'{"kind":"checkpoint","version":1,"sizes":[99999999999]}\n',
        b'{"kind":"checkpoint","version":1,"sizes":[-1]}\n',
    ],
)
def test_what_is_no_checkpoint_is_refused(data):
    with pytest.raises(BadCheckpoint):
        decode_checkpoint(data, {})


def test_no_more_is_unpacked_than_its_head_says(monkeypatch):
    good = packed(some())
    monkeypatch.setattr(module, "MAX_CHECKPOINT", 100)
    with pytest.raises(BadCheckpoint, match=r"count|large"):
        decode_checkpoint(good, {})
    with pytest.raises(ValueError, match="too large"):
        packed(some())


def test_a_machine_of_the_other_byte_order_has_none(monkeypatch):
    good = packed(some())
    monkeypatch.setattr(module, "_LITTLE_ENDIAN", False)
    with pytest.raises(BadCheckpoint):
        decode_checkpoint(good, {})
    with pytest.raises(ValueError, match="other way"):
        packed(some())


def test_a_path_that_could_not_be_told_from_the_next_makes_none():
    history = DeliveryHistory()
    fold(history, [client_segment(1, [Transferred(T, "a\0b", Upload(1, 0, 9, CRC, ETAGS[0]), 0)])])
    with pytest.raises(ValueError, match="NUL"):
        packed(history)


def altered(head: dict | None = None, **columns: bytes) -> bytes:
    """A checkpoint in good form with something else in it."""
    good = packed(some())
    line, _, packed_columns = good.partition(b"\n")
    told = json.loads(line)
    rest = zlib.decompress(packed_columns)
    parts = {}
    for name, size in zip(PACKED, told["sizes"], strict=True):
        parts[name], rest = rest[:size], rest[size:]
    parts |= columns
    told |= {"sizes": [len(parts[name]) for name in PACKED]} | (head or {})
    return json.dumps(told).encode() + b"\n" + zlib.compress(b"".join(parts.values()))


def lived(**changes: object) -> dict:
    """The head of a checkpoint whose client has lived otherwise."""
    told = json.loads(packed(some()).partition(b"\n")[0])
    return {"clients": [told["clients"][0] | changes]}


def test_what_people_read_of_one_is_in_one_line():
    found = decode_checkpoint(
        altered(
            lived(ended="crash", reason="x\nFORGED"),
            messages=json.dumps([[0], ["x\nFORGED"]]).encode(),
            failed=json.dumps([[T, "b", "x\nFORGED", 0, None]]).encode(),
        ),
        {"a": 0},
    ).history
    assert found.clients[1].reason == found.message(0) == found.failed["b"].error == "x\\nFORGED"


def test_what_is_said_to_be_open_without_an_upload_is_passed_over():
    uploads = DeliveryHistory({"a": 0, "b": 1})
    uploads._begin()
    found = decode_checkpoint(altered(uploads=uploads.packed()["uploads"]), {"a": 0})
    assert found.history._open.find(1) >= 0
    assert list(found.history.unjudged()) == []


def test_what_is_altered_to_the_same_is_read():
    assert everything(decode_checkpoint(altered(), {"a": 0}).history) == everything(some())


@pytest.mark.parametrize(
    "made",
    [
        lambda: altered({"shards": "x"}),
        lambda: altered({"shards": [[64, 0, None, 0, ""]]}),
        lambda: altered({"client": [0, "0" * 64, 1, "a"]}),
        lambda: altered({"client": [1, None, 1, "a"]}),
        lambda: altered({"client": [1, 7, 1, "a"]}),
        lambda: altered({"sizes": [module.MAX_CHECKPOINT] * len(PACKED)}),
        lambda: altered({"sizes": [10**6] * len(PACKED)}),
        lambda: altered({"n_rows": 3}),
        lambda: altered(lived(ended="gone")),
        lambda: altered(lived(seen="yesterday")),
        lambda: altered(lived(seen=7)),
        lambda: altered(paths=b"a\0a"),
        lambda: altered(uploads=b""),
        lambda: altered(asks=bytes(4)),
        lambda: altered(judges=bytes(4)),
        lambda: altered(early_judges=b""),
        lambda: altered(said=b"\x09\x00"),
        lambda: altered(messages=b"7"),
        lambda: altered(messages=b'[[9],["x"]]'),
        lambda: altered(messages=b"[[0],[7]]"),
        lambda: altered(judged_at=struct.pack("<qq", 2**62, 0)),
        lambda: altered(judged_at=struct.pack("<qq", -(2**62), -(2**63))),
        lambda: altered(early=encode_segment(SegmentHeader(1, 0, "v", 0, None, 0), [encode(Stop(T))])),
    ],
)
def test_what_does_not_belong_into_one_is_refused(made):
    with pytest.raises(BadCheckpoint):
        decode_checkpoint(made(), {"a": 0})
