"""What becomes of a delivery: a chain in which nothing can be left out, moved, exchanged or replayed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from core.test_attestation import HEAD, changed
from hypothesis import given
from hypothesis import strategies as st

from upload_client.core.attestation import BadSignature
from upload_client.core.custody import (
    EVENTS,
    BadChain,
    CustodyRecord,
    Happened,
    chain_name,
    check_chain,
    decode_record,
    encode_record,
    existing_record,
    next_record,
)

T = "2026-01-02T03:04:05.{:03}Z"
SHA256 = "ab" * 32
HANDED = Happened("handed over", "s3://archive/D/", 2, 9, "cd" * 32)


def chain(*events: Happened, head=HEAD, sha256=SHA256) -> list[tuple[bytes, CustodyRecord]]:
    made: list[tuple[bytes, CustodyRecord]] = []
    for ms, happened in enumerate(events):
        record = next_record(made, head, sha256, happened, now=T.format(ms), signer="x")
        made.append((encode_record(record) + b"\n", record))
    return made


THREE = chain(HANDED, Happened("removed", "s3://l/D/Y/", 2, 9), Happened("closed", note="bye"))


def test_a_chain_is_walked_from_its_receipt_to_its_last_record():
    walked = check_chain(THREE, HEAD, SHA256)
    assert [each.happened for each in walked] == [
        HANDED,
        Happened("removed", "s3://l/D/Y/", 2, 9),
        Happened("closed", note="bye"),
    ]
    assert [each.n for each in walked] == [1, 2, 3]
    assert walked[0].previous == SHA256
    assert check_chain([], HEAD, SHA256) == []


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=6), st.data())
def test_any_record_left_out_moved_or_repeated_is_found_but_at_the_end(events, data):
    whole = chain(*(Happened(event, n_files=2, n_bytes=9) for event in events))
    rows = data.draw(st.lists(st.sampled_from(range(len(whole))), max_size=8)) if whole else []
    if rows == list(range(len(rows))):
        check_chain([whole[row] for row in rows], HEAD, SHA256)
        return
    first = next(n for n, row in enumerate(rows, 1) if row != n - 1)
    with pytest.raises(BadChain) as told:
        check_chain([whole[row] for row in rows], HEAD, SHA256)
    assert told.value.at == first


@pytest.mark.parametrize(
    ("at", "spoilt", "said"),
    [
        (2, {"sha256": "0" * 64}, "record 2: it is of another receipt"),
        (1, {"dataset": "E"}, "record 1: it names another delivery"),
        (1, {"epoch": 4}, "record 1: it names another delivery"),
        (3, {"n": 4}, "record 3: record 4 stands here"),
        (1, {"previous": "0" * 64}, "record 1: it does not hold the SHA-256 of the receipt"),
        (2, {"previous": "0" * 64}, "record 2: it does not hold the SHA-256 of record 1"),
        (3, {"recorded_at": T.format(0)}, "record 3: it is dated"),
        (1, {"n_files": 1}, "record 1: what was handed over is not what the receipt names"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_with_its_number_and_why(at, spoilt, said):
    broken = list(THREE)
    broken[at - 1] = (broken[at - 1][0], replace(broken[at - 1][1], **spoilt))
    with pytest.raises(BadChain, match=said):
        check_chain(broken, HEAD, SHA256)


def test_a_record_whose_line_was_written_anew_breaks_the_next_one():
    broken = list(THREE)
    broken[0] = (broken[0][0].replace(b"archive", b"archiwe"), broken[0][1])
    with pytest.raises(BadChain, match="record 2: it does not hold the SHA-256 of record 1"):
        check_chain(broken, HEAD, SHA256)


def test_a_clock_that_was_set_back_dates_no_record_before_the_last_one():
    record = next_record(
        THREE, HEAD, SHA256, Happened("reopened"), now="2020-01-01T00:00:00.000Z", signer="x"
    )
    assert record.recorded_at == THREE[-1][1].recorded_at


def test_what_is_recorded_already_stands_and_a_closing_until_it_is_taken_back():
    records = [record for _, record in THREE]
    assert existing_record(records, HANDED) is records[0]
    assert existing_record(records, replace(HANDED, place="s3://elsewhere/")) is None
    assert existing_record(records, Happened("closed")) is records[2]
    assert existing_record(records, Happened("reopened")) is None
    records.append(replace(records[2], n=4, event="reopened"))
    assert existing_record(records, Happened("closed")) is None
    assert existing_record(records, Happened("reopened")) is records[3]
    assert existing_record([], Happened("closed")) is None
    withdrawn = replace(records[1], event="withdrawn")
    assert existing_record([withdrawn], Happened("expired", withdrawn.place)) is withdrawn
    assert existing_record([withdrawn], Happened("removed", withdrawn.place)) is None


def test_a_record_is_read_as_it_was_written():
    for _, record in THREE:
        assert decode_record(encode_record(record)) == record


SAID = json.loads(encode_record(THREE[0][1]))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (changed(SAID, "predicateType", to="urn:upload-client:receipt:1"), "does not know"),
        (changed(SAID, "predicate", "critical", to=True), "'critical', which this program does not know"),
        (changed(SAID, "predicate", "event", to=None), "says no event"),
        (changed(SAID, "predicate", "event", to="sold"), "its event"),
        (changed(SAID, "predicate", "event", to=["closed"]), "its event"),
        (changed(SAID, "predicate", "n", to=True), "its n is"),
        (changed(SAID, "predicate", "n", to=-1), "its n is"),
        (changed(SAID, "predicate", "previous", to="0"), "its previous"),
        (changed(SAID, "predicate", "place", to="s3://\x1b"), "its place"),
        (changed(SAID, "predicate", "note", to="\x1b[2J"), "its note"),
        (changed(SAID, "predicate", "note", to="x" * 999), "its note"),
        (changed(SAID, "predicate", "recorded_at", to="2026-02-30T00:00:00.000Z"), "its recorded at"),
        (changed(SAID, "predicate", "recorded_at", to="2026-02-03"), "its recorded at"),
        (changed(SAID, "subject", 0, "digest", "sha256", to="0"), "its sha256"),
    ],
)
def test_a_record_that_says_less_more_or_something_else_is_refused(document, why):
    with pytest.raises(BadSignature, match=why):
        decode_record(json.dumps(document).encode())


def test_the_words_of_the_receiver_make_one_short_line():
    note = next_record(
        [], HEAD, SHA256, Happened("closed", note="a\nb" * 999), now=T.format(0), signer="x"
    ).note
    assert "\n" not in note
    assert len(note) <= 501


def test_a_chain_lies_beside_its_receipt():
    assert chain_name("a.receipt.json") == "a.receipt.custody.jsonl"
