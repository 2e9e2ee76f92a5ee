"""Validators that never start, start twice, die, go silent, contradict themselves, or are somebody's prank.

Silence for as long as a lease:

    python -m pytest tests/faults/test_validators.py -m long
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from delivery.conftest import Delivery, Receiver, content, make_data
from faults.conftest import (
    PATIENT,
    Movable,
    Sandboxes,
    Told,
    all_sent,
    client_of,
    control_bucket,
    log_of,
    records_of,
    silence,
    until,
    until_done,
)
from faults.handlers import ANSWERS

from upload_client import Bucket, UploadClient
from upload_client.core.layout import segment_key
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    Cursor,
    Found,
    Keepalive,
    PassedOver,
    Record,
    Shutdown,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import LogChain, encode_segment
from upload_client.core.uploads import Upload
from upload_client.errors import DeliveryError, LogBroken, PipelineRefused

LOG = "staging/log/validator/0000/"
NOW = "2026-01-02T03:04:05.678Z"


@pytest.fixture
def receiver(sandboxes: Sandboxes, tmp_path: Path) -> Receiver:
    handlers = Path(__file__).with_name("handlers.py")
    sandbox = sandboxes.get(
        "bad validators",
        start_handler=f"{handlers}:start",
        work_handler=f"{handlers}:work",
        validator={"lease_seconds": 30},
    )
    output = tmp_path / "output"
    output.mkdir()
    return Receiver(sandbox, output)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data", 3)


def delivery_to(receiver: Receiver, dataset: str) -> Delivery:
    made = receiver.new_delivery()
    return Delivery(receiver, made.delivery_id, dataset)


class Prankster:
    """Writes a validator's log, and anything else, by hand."""

    def __init__(self, delivery: Delivery) -> None:
        self.bucket = control_bucket(delivery)
        self.chain = LogChain("validator")

    def say(self, *said: Record | bytes) -> None:
        header = self.chain.header(agent_id="prankster", epoch=1, client_epoch=1)
        lines = [one if isinstance(one, bytes) else encode(one) for one in said]
        data = encode_segment(header, lines)
        self.put(self.chain.next_seq, data)
        self.chain.appended(header, data)

    def put(self, seq: int, data: bytes) -> None:
        self.bucket.put(segment_key(LOG, seq), data)


def uploads(client: UploadClient) -> dict[str, Upload]:
    assert client._run.connected is not None
    ledger = client._run.connected.ledger
    return {ledger.relpath(row): ledger.upload(row) for row in range(len(ledger))}


def verdict(
    path: str, of: Upload, status: str = "ok", message: str = "", *, upload: str = "", crc32: str = ""
) -> Verdict:
    """A verdict on the upload `of`, but for what is given."""
    found = Found(of.size, crc32 or of.crc32, of.etag)
    return Verdict(NOW, path, upload or of.id, 0, status, message, found)


def good(client: UploadClient) -> Iterable[Verdict]:
    return [verdict(path, upload) for path, upload in uploads(client).items()]


# --- starting ---


@pytest.mark.parametrize("dataset", [*ANSWERS, "raises"])
def test_whatever_the_starter_answers_the_run_ends_with_its_words_made_safe(
    receiver: Receiver, data: Path, dataset: str
) -> None:
    delivery = delivery_to(receiver, dataset)
    client = client_of(delivery, data)
    with pytest.raises(PipelineRefused) as refused, client:
        client.run()
    assert refused.value.exit_code == 13
    assert len(str(refused.value)) < 5000
    assert "\x1b" not in client.excformat(refused.value)
    assert delivery.lock()["state"] == "released"
    assert delivery.landed() == {}


def test_two_workers_started_at_once_are_one_validator(receiver: Receiver, data: Path) -> None:
    delivery = delivery_to(receiver, "twice")
    with client_of(delivery, data) as client:
        assert client.run().exit_code == 0, client.outcome
    assert len(records_of(delivery, "validator", ValidatorInit)) == 1
    assert len(records_of(delivery, "validator", Verdict)) == len(content(data))


@pytest.mark.parametrize("dataset", ["dies", "hangs"])
def test_one_that_dies_or_whose_time_is_over_in_mid_judging_is_started_again(
    receiver: Receiver, data: Path, dataset: str
) -> None:
    delivery, clock = delivery_to(receiver, dataset), Movable()
    client = all_sent(delivery, data, clock=clock, more=PATIENT)
    bucket = Bucket(receiver.sandbox.control_bucket, client=receiver.sandbox.client("s3"))
    until(client, lambda: bucket.ls(f"died/{delivery.delivery_id}"))
    silence(client, clock)
    until_done(client)
    assert client.outcome is not None
    assert client.outcome.exit_code == 0, client.outcome
    assert len(records_of(delivery, "validator", ValidatorInit)) == 2
    first, _ = {segment.header.agent_id: None for segment in log_of(delivery, "validator")}
    last_words = [s.records for s in log_of(delivery, "validator") if s.header.agent_id == first]
    assert not any(isinstance(record, Shutdown | Verdict) for records in last_words for record in records)
    assert len(records_of(delivery, "validator", Verdict)) == len(content(data))


def test_one_that_never_comes_is_waited_for_twice_and_the_files_are_safe(
    receiver: Receiver, data: Path
) -> None:
    delivery = delivery_to(receiver, "never")
    for n_sent in (len(content(data)), 0):
        clock = Movable()
        client = all_sent(delivery, data, clock=clock, more=PATIENT)
        silence(client, clock)
        assert not client.done
        silence(client, clock)
        outcome = client.outcome
        assert outcome is not None
        assert (outcome.exit_code, outcome.files_sent) == (5, n_sent), outcome
        assert client._run.connected.validation.watch.attempt == 2
        assert outcome.counts["done"] == len(content(data))
        assert delivery.landed() == content(data)
        assert delivery.lock()["state"] == "released"


# --- saying odd things ---


def test_odd_verdicts_make_files_invalid_and_strange_ones_are_told(receiver: Receiver, data: Path) -> None:
    delivery = delivery_to(receiver, "never")
    told = Told()
    client = all_sent(delivery, data, reporter=told)
    prankster = Prankster(delivery)
    (a, ua), (b, ub), (c, uc) = sorted(uploads(client).items())
    prankster.say(
        ValidatorInit(NOW, "prankster", 1),
        verdict(a, ua, upload="1-4711"),
        verdict(b, ub, crc32="AAAAAA=="),
        verdict(c, uc, upload="0-1"),
        verdict("../../etc/passwd", uc),
        verdict("no\x1b[2Jsuch\u202efile", uc, message="\x1b[31m[/bold]"),
        verdict(c, uc, "failure", "=cmd|' /C calc'!A0 \x1b[31m\r\n"),
        verdict(c, uc, "ok"),
    )
    until_done(client)
    assert client.outcome is not None
    assert client.outcome.exit_code == 3, client.outcome
    messages = {file.relpath: file.message for file in client.files}
    assert messages[a] == "verdict before transfer"
    assert messages[b] == "judged something else"
    assert messages[c] == "contradictory verdicts"
    assert sum("not in the index" in message for message in told.messages) == 2
    assert client.outcome.receipt is None


def test_an_answer_for_an_older_upload_is_ignored(receiver: Receiver, data: Path) -> None:
    delivery = delivery_to(receiver, "never")
    first = all_sent(delivery, data)
    old = uploads(first)
    first.quit()
    for path in data.rglob("*.csv"):
        path.write_text("row,value\n1,2\n")
    second = all_sent(delivery, data)
    prankster = Prankster(delivery)
    prankster.say(*[verdict(path, upload) for path, upload in old.items()])
    prankster.say(*[verdict(path, upload, "failure", "bad") for path, upload in old.items()])
    until(second, lambda: second.reader.chain.next_seq == prankster.chain.next_seq)
    second.update()
    assert second.counts["done"] == len(old)
    prankster.say(*good(second))
    until_done(second)
    assert second.outcome is not None
    assert second.outcome.exit_code == 0, second.outcome


HOSTILE_LINES = [
    b'{"kind":"verdict","path":NaN}',
    b'{"kind":"verdict","t":"x","path":"a","upload":"1-1","ask":1' + b"0" * 400 + b"}",
    b'{"kind":"stop","kind":"verdict","t":"x"}',
    b'{"kind":"verdict","path":"\\ud800","upload":"1-1"}',
    b'{"kind":"keepalive","t":"\xff\xfe"}',
    b'{"kind":"keepalive","t":"' + b"x" * 70_000 + b'"}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 100_000,
    b"null",
    b"\x00\x1b[31m",
    b'{"kind":"verdict","path":7,"upload":[],"ask":"0"}',
    b'{"kind":"invented","by":"tomorrow"}',
]


def test_hostile_lines_are_counted_and_the_rest_is_heard(receiver: Receiver, data: Path) -> None:
    delivery = delivery_to(receiver, "never")
    told = Told()
    client = all_sent(delivery, data, reporter=told)
    Prankster(delivery).say(*HOSTILE_LINES, *good(client))
    until_done(client)
    assert client.outcome is not None
    assert client.outcome.exit_code == 0, client.outcome
    assert any("could not be read" in message for message in told.messages)


def test_what_the_validator_has_passed_over_is_not_waited_for(receiver: Receiver, data: Path) -> None:
    delivery = delivery_to(receiver, "never")
    told = Told()
    client = all_sent(delivery, data, reporter=told)
    passed_over = PassedOver(NOW, 2, 1, ("line 3: no ETag",))
    prankster = Prankster(delivery)
    prankster.say(ValidatorInit(NOW, "prankster", 1), passed_over, *list(good(client))[1:])
    until(client, lambda: client.counts["valid"] == 2)
    assert client.counts["done"] == 1
    prankster.say(Cursor(NOW, 10_000))
    until_done(client)
    assert client.outcome.exit_code == 5, client.outcome
    assert client.outcome.counts["done"] == 1
    assert any("could not read 1 line of this run's log" in message for message in told.messages)
    assert any("line 3: no ETag" in message for message in told.messages)


def test_a_record_that_the_receivers_own_validator_refuses_ends_the_run_with_a_reason(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_an_earlier_version_did(record: Record) -> bytes:
        line = encode(record)
        wrong = isinstance(record, Transferred) and record.path.endswith("table_00001.csv")
        return line.replace(f'"etag":"{record.upload.etag}"'.encode(), b'"etag":""') if wrong else line

    monkeypatch.setattr("upload_client.control.log.encode", as_an_earlier_version_did)
    told = Told()
    with client_of(delivery, data, reporter=told) as client:
        outcome = client.run()
    assert outcome.exit_code == 5, outcome
    assert (outcome.counts["valid"], outcome.counts["done"]) == (2, 1)
    assert any("could not read 1 line of this run's log" in message for message in told.messages)
    monkeypatch.undo()
    with client_of(delivery, data) as client:
        assert client.run().exit_code == 0, client.outcome


def test_one_that_is_alive_and_never_judges_is_not_waited_for_for_ever(
    receiver: Receiver, data: Path
) -> None:
    delivery = delivery_to(receiver, "never")
    clock = Movable()
    client = all_sent(delivery, data, more={"standstill": 3.0}, clock=clock)
    prankster = Prankster(delivery)
    prankster.say(ValidatorInit(NOW, "prankster", 1))

    def alive() -> bool:
        prankster.say(Keepalive(NOW))
        clock.slept += 0.3
        return client.done

    until(client, alive)
    assert client.outcome.exit_code == 5, client.outcome
    assert "3 files are in S3 and have no verdict" in str(client.outcome.error)
    assert delivery.lock()["state"] == "released"


def test_of_a_million_odd_things_the_first_ten_are_named_and_the_rest_is_counted(
    receiver: Receiver, data: Path
) -> None:
    delivery = delivery_to(receiver, "never")
    told = Told()
    client = all_sent(delivery, data, reporter=told)
    prankster = Prankster(delivery)
    upload = next(iter(uploads(client).values()))
    for part in range(12):
        unknown = [verdict(f"no/such/{part}/{n}", upload, "failure", "x" * 1000) for n in range(250)]
        prankster.say(b"not JSON", *unknown)
    prankster.say(*good(client))
    until_done(client)
    assert client.outcome is not None
    assert client.outcome.exit_code == 0, client.outcome
    messages = told.messages
    assert sum("not in the index: no/such" in message for message in messages) == 10
    assert "and 2,990 more verdicts for files that are not in the index" in messages
    assert sum(" of the validator's log could not be read" in message for message in messages) == 10
    assert "and 2 more segments of the validator's log with such lines" in messages
    assert len(told.events) < 200
    assert sum(map(len, messages)) < 5000


def garbage(prankster: Prankster) -> None:
    prankster.put(1, b"\xff\x00{{{")


def truncated(prankster: Prankster) -> None:
    header = prankster.chain.header(agent_id="prankster", epoch=1, client_epoch=1)
    prankster.put(1, encode(header)[:-7])


def another_past(prankster: Prankster) -> None:
    prankster.chain.tail_sha = "0" * 64
    prankster.say(Verdict(NOW, "a", "1-1", 0, "ok"))


def gap(prankster: Prankster) -> None:
    prankster.chain.next_seq += 1
    prankster.say(Verdict(NOW, "a", "1-1", 0, "ok"))


def too_long(prankster: Prankster) -> None:
    header = prankster.chain.header(agent_id="prankster", epoch=1, client_epoch=1)
    prankster.put(1, encode_segment(header, [b"{}" + b" " * (9 << 20)]))


@pytest.mark.parametrize("break_it", [garbage, truncated, another_past, gap, too_long])
def test_a_broken_log_ends_the_run_and_names_the_segment(receiver: Receiver, data: Path, break_it) -> None:
    delivery = delivery_to(receiver, "never")
    client = all_sent(delivery, data)
    prankster = Prankster(delivery)
    prankster.say(ValidatorInit(NOW, "prankster", 1))
    break_it(prankster)
    until_done(client)
    assert client.outcome is not None
    assert isinstance(client.outcome.error, LogBroken)
    assert re.search(r"log/validator/0000/000000000[12]\.jsonl", str(client.outcome.error))
    assert client.outcome.exit_code == 1
    assert client.outcome.counts["done"] == 3
    assert delivery.lock()["state"] == "released"
    assert log_of(delivery, "client")
    with pytest.raises(DeliveryError, match="log is broken"), client_of(delivery, data) as again:
        again.run()


@pytest.mark.long
def test_one_that_goes_silent_and_keeps_its_lock_is_replaced_after_its_lease(
    receiver: Receiver, data: Path
) -> None:
    delivery = delivery_to(receiver, "silent")
    # Longer than the starter takes one that has said something for alive.
    with client_of(delivery, data, more={"validator_silence": 35.0}) as client:
        assert client.run().exit_code == 0, client.outcome
