"""Log records: what is written is read back, and no bytes whatever make trouble."""

from __future__ import annotations

import contextlib
import hashlib
import json
from base64 import b64encode
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upload_client.core import forms, record_decoding, records
from upload_client.core.layout import MAX_SHARDS
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    MAX_NESTING,
    MAX_RECORD,
    MAX_SEGMENT,
    CheckpointMade,
    Crash,
    Cursor,
    Failed,
    Found,
    IndexJudged,
    Init,
    Keepalive,
    MalformedSegment,
    PassedOver,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import LogBroken, LogChain, decode_segment, encode_segment
from upload_client.core.text import for_log
from upload_client.core.times import from_milliseconds, milliseconds, timestamp
from upload_client.core.uploads import Upload

T = "2026-01-02T03:04:05.678Z"
HEADERS = {
    "client": SegmentHeader(1, 0, "abcdefghijk", 3, None),
    "validator": SegmentHeader(1, 0, "abcdefghijk", 3, None, client_epoch=2),
}
VERDICT = Verdict(T, "a/b.csv", "3-17", 0, "ok", "", Found(9, "yH2GHg==", "ab" * 16), ("present",))
TRANSFERRED = Transferred(
    T, "a/b.csv", Upload(3, 17, 9, "yH2GHg==", "ab" * 16, "v1", 1_700_000_000_000_000_000), 0
)

# --- anything that may be in a record ---

ANYTHING = st.text(max_size=60)
TEXT = ANYTHING.filter(str.isprintable)  # what else there is in it does not come out as it went in
TIMES = st.integers(0, 4_000_000_000_000).map(from_milliseconds)
PATHS = st.text(min_size=1, max_size=100).filter(lambda path: len(path.encode()) <= 1024)
SMALL = st.integers(0, 10**9 - 1)
EPOCHS = st.integers(0, 10**8 - 1)
COUNTS = st.integers(0, 2**63 - 1)
CRC32S = st.binary(min_size=4, max_size=4).map(lambda data: b64encode(data).decode())
VISIBLE = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=64
)
ETAGS = st.one_of(st.from_regex(r"[0-9a-f]{32}(-[1-9][0-9]{0,3})?", fullmatch=True), VISIBLE)
UPLOADS = st.builds("{}-{}".format, SMALL, SMALL)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
FOUND = st.builds(Found, COUNTS, st.none() | CRC32S, ETAGS)


def uploads(numbers, sizes, crc32s, etags, versions, times, hashes):
    """Uploads, of local files and of copies."""
    sources = st.just((None, None)) | st.tuples(etags, st.none() | versions)
    return st.builds(
        lambda epoch, n, size, crc32, etag, version, mtime_ns, source, sha256: Upload(
            epoch, n, size, crc32, etag, version, mtime_ns, *source, sha256
        ),
        numbers,
        numbers,
        sizes,
        crc32s,
        etags,
        st.none() | versions,
        st.none() | times,
        sources,
        st.none() | hashes,
    )


TRANSFERREDS = st.builds(
    Transferred,
    TIMES,
    PATHS,
    uploads(SMALL, COUNTS, CRC32S, ETAGS, VISIBLE, st.integers(-(2**63) + 1, 2**63 - 1), HASHES),
    SMALL,
)
VERDICTS = st.builds(
    Verdict,
    TIMES,
    PATHS,
    UPLOADS,
    SMALL,
    st.sampled_from(["ok", "failure", "error"]),
    TEXT,
    st.none() | FOUND,
    st.lists(TEXT, max_size=4).map(tuple),
)
OF_A_CLIENT = st.one_of(
    TRANSFERREDS,
    st.builds(Init, TIMES, EPOCHS, TEXT, HASHES, COUNTS, COUNTS, st.dictionaries(TEXT, TEXT, max_size=3)),
    st.builds(Failed, TIMES, PATHS, TEXT, SMALL),
    st.builds(Keepalive, TIMES),
    st.builds(CheckpointMade, TIMES, TEXT, HASHES),
    st.builds(Crash, TIMES, TEXT),
    st.builds(Stop, TIMES, TEXT),
)
OF_A_VALIDATOR = st.one_of(
    VERDICTS,
    st.builds(
        ValidatorInit,
        TIMES,
        NAMES,
        EPOCHS,
        st.integers(1, MAX_SHARDS),
        st.dictionaries(TEXT, TEXT, max_size=3),
        st.none() | HASHES,
        st.booleans(),
    ),
    st.builds(IndexJudged, TIMES, st.lists(TEXT, max_size=4).map(tuple), st.none() | st.just("not_expected")),
    st.builds(Cursor, TIMES, COUNTS),
    st.builds(Keepalive, TIMES),
    st.builds(PassedOver, TIMES, COUNTS, COUNTS, st.lists(TEXT, max_size=4).map(tuple)),
    st.builds(Shutdown, TIMES, TEXT, TEXT),
    st.builds(Stop, TIMES, TEXT),
)
OF = {"client": OF_A_CLIENT, "validator": OF_A_VALIDATOR}


def decode(writer, *lines: bytes):
    return decode_segment(encode_segment(HEADERS[writer], lines), writer=writer)


def line(record, **changes) -> bytes:
    """The line of a record with some fields changed; `...` takes a field out."""
    fields = json.loads(encode(record)) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


# --- writing and reading back ---


@pytest.mark.parametrize("writer", ["client", "validator"])
@given(data=st.data())
def test_a_segment_is_read_back_as_it_was_written(writer, data):
    written = data.draw(st.lists(OF[writer], max_size=5))
    segment = decode(writer, *map(encode, written))
    assert segment.header == HEADERS[writer]
    assert segment.records == tuple(written)
    assert (segment.n_ignored, segment.problems, segment.superseded) == (0, (), False)


# Whatever a store, a file system or another program may come up with, in every field of every record.
ODD_TEXT = st.text(
    st.characters() | st.sampled_from('\ud800\udcff"\\\x00\n\U0001f600'), max_size=30
) | st.sampled_from(["", "x" * 70_000, "\U0001f600" * 8000, "[" * 40])
ODD_NUMBER = st.integers() | st.sampled_from([-1, 2**63 - 1, 2**63, -(2**63), 10**9])


def odd_or(usual):
    kind = int if usual in (SMALL, EPOCHS, COUNTS) else str
    return st.one_of(usual, usual, usual, ODD_NUMBER if kind is int else ODD_TEXT)


ODD_TEXTS = st.lists(ODD_TEXT, max_size=40).map(tuple) | st.just(("x",) * 150)
ODD_FOUND = st.builds(Found, odd_or(COUNTS), st.none() | odd_or(CRC32S), odd_or(ETAGS))
STATUSES = st.sampled_from(["ok", "failure", "error"])
ODD = {
    Transferred: (
        odd_or(TIMES),
        odd_or(PATHS),
        uploads(
            *map(odd_or, (SMALL, COUNTS, CRC32S, ETAGS, VISIBLE, COUNTS, HASHES)),
        ),
        odd_or(SMALL),
    ),
    Init: (
        odd_or(TIMES),
        odd_or(EPOCHS),
        ODD_TEXT,
        odd_or(HASHES),
        odd_or(COUNTS),
        odd_or(COUNTS),
        st.dictionaries(ODD_TEXT, ODD_TEXT, max_size=30) | st.just({f"{n}": "x" for n in range(150)}),
    ),
    Failed: (odd_or(TIMES), odd_or(PATHS), ODD_TEXT, odd_or(SMALL)),
    Keepalive: (odd_or(TIMES),),
    CheckpointMade: (odd_or(TIMES), ODD_TEXT, odd_or(HASHES)),
    Crash: (odd_or(TIMES), ODD_TEXT),
    Stop: (odd_or(TIMES), ODD_TEXT),
    ValidatorInit: (
        odd_or(TIMES),
        odd_or(NAMES),
        odd_or(EPOCHS),
        odd_or(COUNTS),
        st.dictionaries(ODD_TEXT, ODD_TEXT, max_size=30),
        st.none() | odd_or(HASHES),
        st.booleans(),
    ),
    IndexJudged: (odd_or(TIMES), ODD_TEXTS),
    Verdict: (
        odd_or(TIMES),
        odd_or(PATHS),
        odd_or(UPLOADS),
        odd_or(SMALL),
        odd_or(STATUSES),
        ODD_TEXT,
        st.none() | ODD_FOUND,
        ODD_TEXTS,
    ),
    Cursor: (odd_or(TIMES), odd_or(COUNTS)),
    PassedOver: (odd_or(TIMES), odd_or(COUNTS), odd_or(COUNTS), ODD_TEXTS),
    Shutdown: (odd_or(TIMES), ODD_TEXT, ODD_TEXT),
}
WRITES = {"client": records.ClientRecord, "validator": records.ValidatorRecord}


def test_every_kind_of_record_is_among_those_that_are_tried():
    assert {*get_args(records.ClientRecord), *get_args(records.ValidatorRecord)} == {*ODD}


@pytest.mark.parametrize("kind", ODD)
@given(data=st.data())
def test_a_writer_never_writes_what_its_reader_refuses(kind, data):
    record = data.draw(st.builds(kind, *ODD[kind]))
    try:
        encoded = encode(record)
    except ValueError:
        return  # it is not written at all
    for writer in (writer for writer, kinds in WRITES.items() if kind in get_args(kinds)):
        segment = decode(writer, encoded)
        assert segment.problems == ()
        (again,) = segment.records
        # Only what is there for people may have become shorter.
        texts = {"message", "checks", "reason", "error", "problems", "versions", "code"}
        kept = {name for name in kind.__slots__ if name not in texts}
        assert {name: getattr(again, name) for name in kept} == {name: getattr(record, name) for name in kept}


@given(
    st.builds(
        SegmentHeader,
        odd_or(COUNTS),
        odd_or(COUNTS),
        odd_or(NAMES),
        odd_or(EPOCHS),
        st.none() | odd_or(HASHES),
    )
)
def test_a_writer_begins_no_segment_that_its_reader_refuses(header):
    try:
        data = encode_segment(header, [])
    except ValueError:
        return
    assert decode_segment(data, writer="client").header == header


@pytest.mark.parametrize(
    "record",
    [
        Verdict(T, "p", "1-1", 0, "failure", "\U0001f600" * 4000, None, ("\U0001f600" * 4000,) * 20),
        Shutdown(T, "\U0001f600" * 4000, "\U0001f600" * 4000),
        PassedOver(T, 3, 20, ("\U0001f600" * 4000,) * 20),
        IndexJudged(T, ("\U0001f600" * 4000,) * 20),
    ],
)
def test_a_record_of_many_long_messages_is_cut_until_it_fits(record):
    (again,) = decode("validator", encode(record)).records
    assert type(again) is type(record)


def test_an_init_of_many_long_versions_is_cut_until_it_fits():
    versions = {f"{n}" * 100: "\U0001f600" * 4000 for n in range(30)}
    (again,) = decode("client", encode(Init(T, 1, "index", "ab" * 32, 1, 1, versions))).records
    assert len(again.versions) == 10


@pytest.mark.parametrize(
    "record",
    [
        Transferred(T, "p", Upload(1, 1, 1, "yH2GHg==", ""), 0),  # as Ceph RGW 16.2.15 answers Complete
        Transferred(T, "p", Upload(1, 1, 1, "yH2GHg==", "e f"), 0),
        Transferred(T, "p", Upload(1, 1, 1, "", "e"), 0),
        Transferred(T, "", Upload(1, 1, 1, "yH2GHg==", "e"), 0),
        Transferred(T, "p" * 1025, Upload(1, 1, 1, "yH2GHg==", "e"), 0),
        Transferred(T, "p", Upload(1, 1, -1, "yH2GHg==", "e"), 0),
        Transferred(T, "p", Upload(1, 1, 1, "yH2GHg==", "e", mtime_ns=2**63), 0),  # the year 2262
        Transferred("2026-02-30T03:04:05.678Z", "p", Upload(1, 1, 1, "yH2GHg==", "e"), 0),
        Verdict(T, "p", "1-1", 0, "ok", "", Found(1, "yH2GHg==", "")),
        CheckpointMade(T, "k" * 70_000, "ab" * 32),
        SegmentHeader(1, 0, "", 3, None),
    ],
)
def test_what_no_reader_would_take_is_an_error_where_it_is_written(record):
    with pytest.raises(ValueError, match=r"no \w|more than|month|too large"):
        encode(record)


@pytest.mark.parametrize(("text", "usable"), [("ab-3", True), ("", False), ('a"b', False), ("ä", False)])
def test_what_a_store_says_is_an_etag_or_a_version_only_if_it_can_be_told(text, usable):
    assert forms.is_etag(text) is usable
    assert forms.is_version_id(text) is usable


@pytest.mark.parametrize(("text", "usable"), [("yH2GHg==", True), ("", False), ("yH2GHg==-3", False)])
def test_what_a_store_says_is_a_crc32_only_if_it_is_one(text, usable):
    assert forms.is_crc32(text) is usable


@given(st.one_of(TRANSFERREDS, VERDICTS))
def test_the_lines_written_by_hand_are_what_json_dumps_writes(record):
    assert json.dumps(json.loads(encode(record)), separators=(",", ":")).encode() == encode(record)


@given(st.one_of(OF_A_CLIENT, OF_A_VALIDATOR))
def test_a_line_is_plain_ascii_without_control_characters(record):
    assert encode(record).isascii()
    assert not set(encode(record)) & set(range(32))


def test_an_announcement_says_where_a_copy_came_from():
    upload = Upload(1, 2, 3, "yH2GHg==", "e", None, None, "source", "v")
    written = json.loads(encode(Transferred(T, "p", upload, 4)))
    assert (written["upload"], written["source"]) == ("1-2", {"etag": "source", "version": "v"})


@pytest.mark.parametrize(
    "record",
    [
        Transferred(T, "bad\udcff", Upload(1, 1, 1, "yH2GHg==", "e"), 0),
        Verdict(T, "bad\udcff", "1-1", 0, "ok"),
        Failed(T, "bad\udcff", "", 0),
        Init(T, 1, "bad\udcff", "", 0, 0),
        ValidatorInit(T, "bad\udcff", 1),
        Transferred(T, "p", Upload(1, 1, 1, "yH2GHg==", "bad\udcff"), 0),
    ],
)
def test_a_name_that_no_reader_could_take_is_not_written(record):
    with pytest.raises(ValueError, match="surrogates"):
        encode(record)


def test_a_message_of_the_operating_system_is_written_whatever_file_name_is_in_it():
    (record,) = decode("client", encode(Crash(T, "cannot open 'bad\udcff'"))).records
    assert record.error == "cannot open 'bad\\udcff'"


@given(ANYTHING)
def test_what_the_other_side_says_is_one_line_that_shows_what_it_holds(text):
    said = [
        *decode(
            "client", encode(Stop(T, text)), encode(Crash(T, text)), encode(Failed(T, "p", text, 0))
        ).records,
        *decode("validator", encode(Shutdown(T, text, text)), encode(Stop(T, text))).records,
        *decode("validator", encode(Verdict(T, "p", "1-1", 0, "failure", text, None, (text,)))).records,
    ]
    stop, crash, failed, shutdown, validators_stop, verdict = said
    found = {stop.reason, crash.error, failed.error, shutdown.reason, shutdown.message, verdict.message}
    assert found | {validators_stop.reason, *verdict.checks} == {for_log(text)}
    init = Init(T, 1, "k", "0" * 64, 0, 0, {text: text})
    short = for_log(for_log(text), 100)
    assert decode("client", encode(init)).records.others[0].versions == {short: short}


@pytest.mark.parametrize("message", ["\nFORGED", "\rFORGED", "\x85FORGED", "\u2028FORGED"])
def test_a_usual_verdict_is_one_line_too(message):
    (record,) = decode("validator", encode(Verdict(T, "p", "1-1", 0, "failure", message))).records
    assert "FORGED" in record.message
    assert len(record.message.splitlines()) == 1


@given(st.integers(3990, 4010), st.sampled_from("aä\U0001f600"))
def test_a_long_message_is_cut_so_that_its_record_is_read(n, letter):
    (record,) = decode("validator", encode(Verdict(T, "p", "1-1", 0, "failure", letter * n))).records
    assert record.message == (letter * n if n <= 4000 else letter * 3999 + "…")


def test_a_validator_segment_names_the_client_it_serves():
    assert json.loads(encode(HEADERS["validator"]))["client_epoch"] == 2
    assert "client_epoch" not in json.loads(encode(HEADERS["client"]))


# --- reading what others wrote ---


@given(st.one_of(st.tuples(st.just("client"), TRANSFERREDS), st.tuples(st.just("validator"), VERDICTS)))
def test_the_usual_line_and_any_other_spelling_of_it_read_the_same(case):
    writer, record = case
    fields = json.loads(encode(record))
    other = json.dumps(dict(reversed(fields.items())), ensure_ascii=False, indent=None).encode()
    assert decode(writer, encode(record)).records == decode(writer, other).records == (record,)


@settings(max_examples=400)
@given(
    st.sampled_from(["client", "validator"]),
    st.data(),
    st.integers(0, 400),
    st.sampled_from(
        ['"', "\\", "\\u", "[", "]", "{", "}", ",", "0", "9" * 20, "-", "e5", " ", "null", "\x7f", "Z", ":"]
    ),
    st.integers(0, 3),
)
def test_a_damaged_usual_line_is_read_as_json_has_it_or_not_at_all(writer, data, at, put_in, cut_out):
    record = data.draw(TRANSFERREDS if writer == "client" else VERDICTS)
    whole = encode(record).decode()
    damaged = whole[:at] + put_in + whole[at + cut_out :]
    usual, kinds = record_decoding.OF_CLIENT if writer == "client" else record_decoding.OF_VALIDATOR
    read = usual(damaged)
    if read is not None:
        assert record_decoding.decode_line(damaged, kinds) == read


OKS = st.builds(
    Verdict,
    st.sampled_from([T, "2026-01-02T03:04:06.000Z", "1969-12-31T23:59:59.999Z"]),
    st.sampled_from(["a", "b", "c d.csv", "e" * 1024]) | PATHS,
    UPLOADS,
    SMALL,
    st.just("ok"),
    st.sampled_from(["", "", "", "fine"]),
    st.builds(Found, COUNTS, CRC32S, st.binary(min_size=16, max_size=16).map(bytes.hex)) | FOUND,
    st.sampled_from([(), ("present",), ("present", "opens"), ("a\\b", "]")]),
)
ODD_LINES = st.one_of(
    OKS.map(lambda ok: encode(ok).replace(b"2026-01-02", b"2026-02-30")),
    OKS.map(lambda ok: encode(ok).replace(b'"checks":[', b'"checks":[1,')),
    OKS.map(lambda ok: encode(ok).replace(b'"checks":[', b'"checks":["x"],"path":["y",')),
    OKS.map(lambda ok: encode(ok).replace(b'"path":"', b'"path":"' + b"e" * 1024)),
    OKS.map(lambda ok: encode(ok) + b"\r"),
    OKS.map(lambda ok: encode(ok)[:-1]),
    st.sampled_from(
        [b"", b"\xff", b'{"kind":"verdict"}', b'{"kind":"weather"}', b"}" * 100, b"\xe2\x80\xa8"]
    ),
)


@pytest.mark.parametrize(
    ("writer", "record"),
    [
        ("client", Keepalive(T)),
        ("client", Crash(T, "it died", "crashed")),
        ("client", Stop(T, "done", "stopped")),
        ("client", Stop(T, "complete", receipt_sha256="a" * 64)),
        ("client", CheckpointMade(T, "k", "0" * 64)),
        ("validator", ValidatorInit(T, "v", 1, 2, {"boto3": "1.2"}, "0" * 64)),
        ("validator", ValidatorInit(T, "v", 1)),
        ("validator", ValidatorInit(T, "v", 1, judges_index=True)),
        ("validator", IndexJudged(T, ("a file lacks",), "not_expected")),
    ],
)
def test_records_that_are_about_no_file_are_read_back(writer, record):
    assert decode(writer, encode(record)).records == (record,)


@settings(max_examples=300)
@given(st.lists(st.one_of(OKS, OKS, OKS, OF_A_VALIDATOR).map(encode) | ODD_LINES, max_size=12))
@example([encode(Verdict(T, "a", "1-1", 0, "ok", found=Found(9, "yH2GHg==", "ab" * 16)))])
def test_a_segment_read_in_one_go_is_what_its_lines_are_by_way_of_json(lines):
    expected, problems = [], []
    for number, one in enumerate(lines, 2):
        try:
            text = one.decode("utf-8", "surrogateescape")
            record = record_decoding.decode_line(text, record_decoding.VALIDATOR_KINDS)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
        else:
            expected += [] if record is None else [record]
    segment = decode("validator", *lines)
    assert segment.records == tuple(expected)
    assert (segment.n_ignored, segment.problems) == (len(problems), tuple(problems[:10]))
    assert (len(segment.records), hash(segment.records)) == (len(expected), hash(tuple(expected)))
    assert segment.records.written_at == (expected[-1].t if expected else None)
    # What is taken in columns is about files of which nothing more is said.
    oks, others = segment.records.oks, segment.records.others
    everything = list(segment.records.but(range(len(oks.paths))))
    assert sorted(map(repr, everything)) == sorted(map(repr, expected))
    named = [record.path for record in others if isinstance(record, Verdict)]
    assert len({*oks.paths, *named}) == len(oks.paths) + len(set(named))


def test_what_nearly_all_lines_say_is_taken_in_columns():
    lines = [encode(Verdict(T, f"{n}", f"3-{n}", 0, "ok", "", VERDICT.found, ("present",))) for n in range(9)]
    mixed = [*lines[:4], encode(Cursor(T, 1)), *lines[4:], encode(Verdict(T, "x", "3-9", 0, "failure", "no"))]
    read = decode("validator", *mixed).records
    assert read.oks.paths == list(map(str, range(9)))
    assert read.others == [Cursor(T, 1), Verdict(T, "x", "3-9", 0, "failure", "no")]
    again = decode("validator", *lines, encode(Verdict(T, "8", "3-8", 0, "failure"))).records
    assert (len(again.oks.paths), len(again.others)) == (0, 10)
    assert not decode("validator", *lines, lines[0]).records.oks.paths


def test_of_the_announcements_of_a_segment_the_usual_are_read_as_columns():
    lines = [
        encode(Transferred(T, str(n), Upload(3, n, n, "yH2GHg==", "ab" * 16, mtime_ns=n or None), 0))
        for n in range(9)
    ]
    stop = encode(Stop(T, "done"))
    read = decode("client", *lines[:4], b"garbage", *lines[4:], stop).records
    assert read.sent.paths == list(map(str, range(9)))
    assert read.sent.mtimes == [None, *map(str, range(1, 9))]
    assert (read.others, read.written_at, len(read)) == ([Stop(T, "done")], T, 10)
    assert [each.upload.n for each in list(read)[:-1]] == list(range(9))
    # What is said twice of a file is said in its order.
    for twice in (lines[3], encode(Failed(T, "3", "no", 0))):
        again = decode("client", *lines, twice).records
        assert (len(again.sent.paths), len(again.others)) == (0, 10)
    # A moment that there is not: the line is passed over, and no other.
    odd = decode("client", *lines, lines[0].replace(T[:10].encode(), b"2026-02-30"))
    assert (odd.n_ignored, len(odd.records), len(odd.records.sent.paths)) == (1, 9, 0)


@pytest.mark.parametrize("record", [TRANSFERRED, VERDICT])
def test_a_usual_line_of_a_day_that_never_was_is_passed_over(record):
    bad = encode(record).replace(b"2026-01-02", b"2026-02-30")
    assert decode("client" if record is TRANSFERRED else "validator", bad).n_ignored == 1


def test_a_line_may_have_fields_and_kinds_of_a_later_version():
    segment = decode("validator", line(VERDICT, colour="blue"), b'{"kind":"weather","t":1}')
    assert segment.records == (VERDICT,)
    assert segment.n_ignored == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"version_id": ..., "mtime_ns": ...},
        {"version_id": None, "mtime_ns": None, "source": None},
    ],
)
def test_what_may_be_missing_may_be_null(changes):
    (record,) = decode("client", line(TRANSFERRED, **changes)).records
    upload = record.upload
    assert (upload.version_id, upload.mtime_ns, upload.source_etag) == (None, None, None)


@pytest.mark.parametrize(
    ("writer", "record", "changes"),
    [
        ("client", TRANSFERRED, {"kind": ...}),
        ("client", TRANSFERRED, {"kind": 7}),
        ("client", TRANSFERRED, {"t": ...}),
        ("client", TRANSFERRED, {"t": 7}),
        ("client", TRANSFERRED, {"t": "2026-02-30T03:04:05.678Z"}),
        ("client", TRANSFERRED, {"t": "2026-02-20T03:04:60.678Z"}),
        ("client", TRANSFERRED, {"t": "2026-02-20T24:04:00.678Z"}),
        ("client", TRANSFERRED, {"t": "2026-02-20T03:04:05.678+00:00"}),
        ("client", TRANSFERRED, {"t": "0000-01-01T00:00:00.000Z"}),
        ("client", TRANSFERRED, {"path": ...}),
        ("client", TRANSFERRED, {"path": ""}),
        ("client", TRANSFERRED, {"path": ["a"]}),
        ("client", TRANSFERRED, {"path": "a" * 1025}),
        ("client", TRANSFERRED, {"path": "ä" * 513}),
        ("client", TRANSFERRED, {"path": "\ud800"}),
        ("client", TRANSFERRED, {"upload": "03-17"}),
        ("client", TRANSFERRED, {"upload": "3-1234567890"}),
        ("client", TRANSFERRED, {"upload": "3-17\n"}),
        ("client", TRANSFERRED, {"upload": "3"}),
        ("client", TRANSFERRED, {"upload": 3}),
        ("client", TRANSFERRED, {"ask": -1}),
        ("client", TRANSFERRED, {"ask": True}),
        ("client", TRANSFERRED, {"ask": 0.0}),
        ("client", TRANSFERRED, {"ask": "0"}),
        ("client", TRANSFERRED, {"size": -1}),
        ("client", TRANSFERRED, {"size": 2**63}),
        ("client", TRANSFERRED, {"size": 10**30}),
        ("client", TRANSFERRED, {"size": float("nan")}),
        ("client", TRANSFERRED, {"size": float("inf")}),
        ("client", TRANSFERRED, {"crc32": "yH2GHh=="}),  # bits that no encoder sets
        ("client", TRANSFERRED, {"crc32": "yH2GHg"}),
        ("client", TRANSFERRED, {"crc32": None}),
        ("client", TRANSFERRED, {"etag": ""}),
        ("client", TRANSFERRED, {"etag": '"quoted"'}),
        ("client", TRANSFERRED, {"etag": "a\r\nx-amz-acl: public-read"}),
        ("client", TRANSFERRED, {"etag": "a b"}),
        ("client", TRANSFERRED, {"etag": "a" * 129}),
        ("client", TRANSFERRED, {"version_id": "a b"}),
        ("client", TRANSFERRED, {"version_id": 5}),
        ("client", TRANSFERRED, {"mtime_ns": 1.5}),
        ("client", TRANSFERRED, {"source": "etag"}),
        ("client", TRANSFERRED, {"source": {}}),
        ("client", TRANSFERRED, {"source": {"etag": "e", "version": 1}}),
        ("client", TRANSFERRED, {"more": float("nan")}),
        ("client", TRANSFERRED, {"more": "\udfff"}),
        ("client", TRANSFERRED, {"more": 2**63}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"index_sha256": "0" * 63}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"index": "i" * 1025}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"index": 7}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"versions": {str(n): "1" for n in range(101)}}),
        ("client", CheckpointMade(T, "k", "0" * 64), {"key": "k" * 1025}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"epoch": 10**8}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"versions": []}),
        ("client", Init(T, 1, "i", "0" * 64, 1, 1), {"versions": {"a": 1}}),
        ("client", Failed(T, "p", "e", 1), {"error": 5}),
        ("client", Crash(T, "e"), {"error": ...}),
        ("client", Stop(T, "e"), {"reason": {}}),
        ("client", Stop(T, "e"), {"receipt_sha256": "a" * 63}),
        ("validator", VERDICT, {"status": "fine"}),
        ("validator", VERDICT, {"status": ...}),
        ("validator", VERDICT, {"message": 3}),
        ("validator", VERDICT, {"message": "\ud800"}),
        ("validator", VERDICT, {"found": "nothing"}),
        ("validator", VERDICT, {"found": {"size": 1}}),
        ("validator", VERDICT, {"found": {"size": 1, "crc32": 2, "etag": "e"}}),
        ("validator", VERDICT, {"checks": "present"}),
        ("validator", VERDICT, {"checks": [1]}),
        ("validator", VERDICT, {"checks": ["x"] * 101}),
        ("validator", ValidatorInit(T, "v", 1), {"validator_id": "a/b"}),
        ("validator", ValidatorInit(T, "v", 1), {"shards": 0}),
        ("validator", ValidatorInit(T, "v", 1), {"shards": MAX_SHARDS + 1}),
        ("validator", ValidatorInit(T, "v", 1), {"shards": True}),
        ("validator", ValidatorInit(T, "v", 1), {"versions": ["1"]}),
        ("validator", ValidatorInit(T, "v", 1), {"expectations_sha256": "A" * 64}),
        ("client", TRANSFERRED, {"sha256": "A" * 64}),
        ("validator", Cursor(T, 1), {"seq": -1}),
        ("validator", Shutdown(T, "time"), {"reason": None}),
    ],
)
def test_a_line_with_a_wrong_field_is_passed_over_and_counted(writer, record, changes):
    segment = decode(writer, line(record, **changes), encode(Keepalive(T)))
    assert segment.records == (Keepalive(T),)
    assert segment.n_ignored == 1
    assert segment.problems[0].startswith("line 2: ")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b'{"kind":"keepalive","t":"' + T.encode(), "not JSON"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'"} more', "not JSON"),
        (b'{"kind":"keepalive","kind":"keepalive","t":"' + T.encode() + b'"}', "twice"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":{"a":1,"a":2}}', "twice"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":"\xff"}', "not UTF-8"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":-Infinity}', "-Infinity"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":1e999}', "too large"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":' + b"9" * 5000 + b"}", "too large"),
        (b'{"kind":"keepalive","t":"' + T.encode() + b'","x":-9223372036854775808}', "too large"),
        (
            b'{"kind":"keepalive","t":"' + T.encode() + b'","x":"' + b"a" * MAX_RECORD + b'"}',
            "bytes, more than",
        ),
        (b'{"kind":"keepalive","x":' + b"[" * 50_000 + b"]" * 10_000 + b"}", "nested"),
        (b'{"kind":"keepalive","x":' + b'{"":' * 10_000 + b"1" + b"}" * 10_001, "nested"),
    ],
)
def test_a_line_that_is_no_sound_json_is_passed_over_and_counted(bad, why):
    segment = decode("client", bad, encode(Keepalive(T)))
    assert segment.records == (Keepalive(T),)
    assert segment.n_ignored == 1
    assert why in segment.problems[0]


def test_a_line_that_is_long_in_bytes_but_not_in_letters_is_too_long():
    bad = json.dumps(
        {"kind": "crash", "t": T, "error": "ä" * (MAX_RECORD - 100)}, ensure_ascii=False
    ).encode()
    assert decode("client", bad).n_ignored == 1


@pytest.mark.parametrize("record", [VERDICT, TRANSFERRED])
def test_a_usual_line_must_not_be_longer_than_others(record):
    writer = "client" if record is TRANSFERRED else "validator"
    usual, _ = record_decoding.OF_CLIENT if writer == "client" else record_decoding.OF_VALIDATOR
    long = line(record, path="a" * (MAX_RECORD + 1)).replace(b": ", b":").replace(b", ", b",").decode()
    assert usual(long) is None


def test_brackets_within_a_text_are_not_nesting_and_the_limit_itself_is_fine():
    deep: list = []
    for _ in range(MAX_NESTING - 2):
        deep = [deep]
    fields = {"kind": "keepalive", "t": T, "x": deep, "y": '[{"' * 100}
    assert decode("client", json.dumps(fields).encode()).records == (Keepalive(T),)
    fields["x"] = [deep]
    assert decode("client", json.dumps(fields).encode()).n_ignored == 1


def test_a_line_that_is_hard_to_match_takes_no_longer_than_others():
    """With a pattern that goes back and forth, each of these takes many seconds."""
    hard = b"[" * 20 + b'"' + b'\\"' * 30_000
    assert decode("client", *[hard] * 50).n_ignored == 50


@pytest.mark.parametrize("inner", ['"]"', '"\\"]"', '"\\\\"', '"\\'])
def test_where_a_string_ends_is_seen_as_json_sees_it(inner):
    assert record_decoding._nesting("[[" + inner) == 2
    assert record_decoding._nesting("[" + inner + "]") == 1


def test_a_list_of_checks_that_ends_early_is_no_way_into_another_field():
    usual = encode(VERDICT)
    forged = usual.replace(b'"checks":["present"]', b'"checks":["present"],"path":["else"]')
    assert decode("validator", forged).n_ignored == 1  # a key stands twice
    harmless = usual.replace(b'"checks":["present"]', b'"checks":["present"],"more":["else"]')
    assert decode("validator", harmless).records == (VERDICT,)


def test_many_problems_are_counted_and_some_told():
    segment = decode("client", *[b"x"] * 100)
    assert segment.n_ignored == 100
    assert len(segment.problems) == 10


def test_kinds_of_the_other_side_do_not_count():
    assert decode("client", encode(VERDICT)).records == ()
    assert decode("validator", encode(TRANSFERRED)).records == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty|end of a line"),
        (b"\n", "header"),
        (encode(HEADERS["client"]), "end of a line"),
        (encode_segment(HEADERS["client"], [encode(Keepalive(T))])[:-1], "end of a line"),
        (encode(Keepalive(T)) + b"\n", "not a segment's header"),
        (b" " * (MAX_SEGMENT + 1), "bytes, more than"),
        (encode_segment(HEADERS["client"]) + b"\n" * 100_000, "lines, more than"),
        (line(HEADERS["client"], version=2) + b"\n", "version 2"),
        (line(HEADERS["client"], version="1") + b"\n", "header"),
        (line(HEADERS["client"], seq=-1) + b"\n", "header"),
        (line(HEADERS["client"], agent_id="") + b"\n", "header"),
        (line(HEADERS["client"], agent_id="a/b") + b"\n", "header"),
        (line(HEADERS["client"], epoch=True) + b"\n", "header"),
        (line(HEADERS["client"], epoch=10**8) + b"\n", "header"),
        (line(HEADERS["client"], prev="0" * 63) + b"\n", "header"),
        (line(HEADERS["client"], prev=0) + b"\n", "header"),
        (b"\xff" + encode(HEADERS["client"]) + b"\n", "header"),
        (encode(HEADERS["client"])[:-1] + b',"seq":1}\n', "twice"),
    ],
)
def test_a_segment_without_a_sound_header_is_malformed(data, why):
    with pytest.raises(MalformedSegment, match=why):
        decode_segment(data, writer="client")


def test_a_validator_segment_must_say_whom_it_serves():
    with pytest.raises(MalformedSegment, match="header"):
        decode_segment(encode_segment(HEADERS["client"]), writer="validator")


@given(st.sampled_from(["client", "validator"]), st.binary(max_size=300), st.booleans())
@example("client", b"\n", True)
def test_no_bytes_whatever_raise_anything_else(writer, data, with_header):
    data = encode(HEADERS[writer]) + b"\n" + data if with_header else data
    try:
        segment = decode_segment(data, writer=writer)
    except MalformedSegment:
        return
    assert segment.sha256 == hashlib.sha256(data).hexdigest()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["kind", "t", "path", "upload", "ask", "size", "crc32", "etag", "version_id", "mtime_ns", "source"]
FIELDS += [
    "status",
    "message",
    "found",
    "checks",
    "reason",
    "error",
    "retries",
    "seq",
    "versions",
    "validator_id",
]
KINDS = [
    "transferred",
    "verdict",
    "init",
    "stop",
    "shutdown",
    "failed",
    "cursor",
    "keepalive",
    "crash",
    "segment",
]


@given(st.sampled_from(["client", "validator"]), st.data())
def test_no_fields_whatever_raise_anything_else(writer, data):
    base = json.loads(encode(data.draw(OF[writer])))
    changes = data.draw(st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(KINDS), max_size=4))
    segment = decode(writer, json.dumps(base | changes).encode())
    for record in segment.records:
        # What has been let in can be written again, and is then the same.
        assert decode(writer, encode(record)).records == (record,)


@pytest.mark.parametrize("writer", ["client", "validator"])
@given(data=st.data())
def test_a_segment_that_is_cut_or_flipped_anywhere_is_read_or_malformed(writer, data):
    whole = bytearray(
        encode_segment(HEADERS[writer], map(encode, data.draw(st.lists(OF[writer], max_size=3))))
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(MalformedSegment):
        decode_segment(bytes(whole), writer=writer)


# --- the chain ---


def chain_of(*headers_and_lines):
    """Segments that follow each other, as (agent, epoch, lines)."""
    chain, segments = LogChain("client"), []
    for agent, epoch, lines in headers_and_lines:
        header = chain.header(agent_id=agent, epoch=epoch)
        data = encode_segment(header, lines)
        chain.appended(header, data)
        segments.append(data)
    return segments


def test_segments_are_accepted_in_their_order():
    segments = chain_of(("first", 1, []), ("first", 1, [encode(Keepalive(T))]), ("second", 2, []))
    chain = LogChain("client")
    read = [chain.accept(seq, data) for seq, data in enumerate(segments)]
    assert [segment.superseded for segment in read] == [False] * 3
    assert read[1].records == (Keepalive(T),)
    assert chain.next_seq == 3
    assert chain.tail_sha == hashlib.sha256(segments[-1]).hexdigest()
    assert (chain.highest_epoch, chain.highest_agent) == (2, "second")


def test_a_dead_owners_late_segment_is_chained_through_but_does_not_count():
    segments = chain_of(("old", 1, []), ("new", 2, []), ("old", 1, [encode(Keepalive(T))]), ("new", 2, []))
    chain = LogChain("client")
    assert [chain.accept(seq, data).superseded for seq, data in enumerate(segments)] == [
        False,
        False,
        True,
        False,
    ]
    assert (chain.highest_epoch, chain.highest_agent) == (2, "new")


def test_of_two_agents_with_one_epoch_the_first_to_write_owns_the_log():
    segments = chain_of(("one", 1, []), ("two", 1, []), ("one", 1, []))
    chain = LogChain("client")
    assert [chain.accept(seq, data).superseded for seq, data in enumerate(segments)] == [False, True, False]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 5)), max_size=12))
def test_a_segment_counts_unless_an_earlier_one_outranks_it(owners):
    segments = chain_of(*[(agent, epoch, []) for agent, epoch in owners])
    chain = LogChain("client")
    read = [chain.accept(seq, data) for seq, data in enumerate(segments)]
    for i, segment in enumerate(read):
        earlier = [each.header for each in read[:i] if not each.superseded]
        outranked = any(header.outranks(segment.header.epoch, segment.header.agent_id) for header in earlier)
        assert segment.superseded == outranked


@pytest.mark.parametrize(
    ("header", "outranks"),
    [
        (SegmentHeader(1, 0, "other", 4, None), True),
        (SegmentHeader(1, 0, "other", 3, None), True),
        (SegmentHeader(1, 0, "me", 4, None), True),
        (SegmentHeader(1, 0, "me", 3, None), False),
        (SegmentHeader(1, 0, "other", 2, None), False),
    ],
)
def test_a_higher_epoch_or_another_agents_equal_one_takes_the_log(header, outranks):
    assert header.outranks(3, "me") is outranks


def broken(chain: LogChain, seq: int, data: bytes, why: str) -> LogBroken:
    before = (chain.next_seq, chain.tail_sha, chain.highest_epoch, chain.highest_agent)
    with pytest.raises(LogBroken, match=why) as caught:
        chain.accept(seq, data)
    assert (chain.next_seq, chain.tail_sha, chain.highest_epoch, chain.highest_agent) == before
    return caught.value


def test_a_gap_breaks_the_log_and_the_missing_segment_is_named():
    segments = chain_of(("a", 1, []), ("a", 1, []), ("a", 1, []))
    chain = LogChain("client")
    chain.accept(0, segments[0])
    assert broken(chain, 2, segments[2], "segment 1: it is missing; segment 2 is there").seq == 1


def test_a_wrong_link_breaks_the_log():
    segments = chain_of(("a", 1, []), ("a", 1, []))
    chain = LogChain("client")
    chain.accept(0, encode_segment(SegmentHeader(1, 0, "a", 1, None), [encode(Keepalive(T))]))
    assert broken(chain, 1, segments[1], "does not follow").seq == 1


def test_the_first_segment_follows_none():
    data = encode_segment(SegmentHeader(1, 0, "a", 1, "0" * 64))
    assert (
        broken(LogChain("client"), 0, data, "does not follow").why
        == "it does not follow the segment before it"
    )


def test_a_segment_under_another_number_breaks_the_log():
    data = encode_segment(SegmentHeader(1, 1, "a", 1, None))
    broken(LogChain("client"), 0, data, "it says that it is segment 1")


def test_a_malformed_segment_breaks_the_log():
    broken(LogChain("client"), 0, b"garbage\n", "header: not JSON")


def test_an_own_segment_that_does_not_follow_is_not_linked_in():
    chain = LogChain("client")
    header = chain.header(agent_id="a", epoch=1)
    chain.appended(header, encode_segment(header))
    with pytest.raises(ValueError, match="does not follow"):
        chain.appended(header, encode_segment(header))
    assert chain.next_seq == 1


def test_a_writer_and_its_readers_see_the_same_chain():
    writer, reader = LogChain("validator"), LogChain("validator")
    for epoch, agent in [(1, "a"), (2, "b"), (1, "a")]:
        header = writer.header(agent_id=agent, epoch=epoch, client_epoch=9)
        data = encode_segment(header)
        writer.appended(header, data)
        reader.accept(header.seq, data)
        assert (reader.next_seq, reader.tail_sha) == (writer.next_seq, writer.tail_sha)
        assert (reader.highest_epoch, reader.highest_agent) == (writer.highest_epoch, writer.highest_agent)


# --- moments ---


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_is_read_back_to_the_millisecond(ms):
    assert milliseconds(from_milliseconds(ms)) == ms


def test_a_moment_is_written_in_utc_with_milliseconds():
    assert timestamp(1767323045.678) == T
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_a_chain_follows_another_one_of_the_same_log():
    one, other = LogChain("client"), LogChain("client")
    segments = []
    for epoch in (1, 2, 1):
        header = one.header(agent_id=f"agent{epoch}", epoch=epoch)
        data = encode_segment(header)
        segments.append(one.accept(header.seq, data))
    with pytest.raises(ValueError, match="does not follow"):
        other.follow(segments[1])
    for segment in segments:
        other.follow(segment)
    for same in (other, one.copy()):
        assert all(getattr(same, name) == getattr(one, name) for name in LogChain.__slots__)
