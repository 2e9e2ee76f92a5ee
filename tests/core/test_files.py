"""The ledger: every file moves by the table, and the counts are true whatever happens."""

from __future__ import annotations

import dataclasses
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from upload_client.core.columns import (
    CategoryColumn,
    ChecksumColumn,
    DigestColumn,
    NumberColumn,
    PathRows,
    TextColumn,
    TimeColumn,
)
from upload_client.core.files import ClientFile, FileLedger
from upload_client.core.sending_order import retry_delay
from upload_client.core.states import STATES, TRANSITIONS, IllegalTransition
from upload_client.core.uploads import OkVerdicts, Upload, UploadTable, parse_upload_id

T = "2026-01-02T03:04:05.678Z"
CRC = "yH2GHg=="
ETAG = "ab" * 16


def upload(n: int = 0, epoch: int = 1, **changes) -> Upload:
    return Upload(**{"epoch": epoch, "n": n, "size": 9, "crc32": CRC, "etag": ETAG} | changes)


def accepted(files: FileLedger, oks: OkVerdicts) -> tuple[list[int], list[int]]:
    """As `FileLedger.accept`, whose rows may be a range."""
    rows, left = files.accept(oks)
    return list(rows), left


def ledger(n: int = 3, **options) -> FileLedger:
    return FileLedger([f"f{i}" for i in range(n)], **{"abspaths": "/data/", "max_retries": 2} | options)


def send(files: FileLedger, row: int, n: int = 0) -> None:
    files.queue(row)
    files.start(row)
    files.transferred(row, upload(n), T)


def fail(files: FileLedger, row: int, **how) -> bool:
    files.queue(row)
    files.start(row)
    return files.fail(row, "no network", **{"now": 0.0} | how)


def test_files_that_were_put_ahead_are_sent_before_the_others():
    files = ledger(5)
    files.place(3, "valid", upload=upload(epoch=0))
    files.order.put_ahead([4, 3, 1])
    order = []
    while (row := files.order.next_row(0.0)) is not None:
        assert files.order.next_row(0.0) == row  # until it is queued
        order.append(row)
        files.queue(row)
    assert order == [4, 1, 0, 2]


# --- the table ---


def test_a_file_goes_the_way_of_the_protocol():
    files = ledger(1)
    assert files.state(0) == "ready"
    files.queue(0)
    assert files.state(0) == "pending"
    files.start(0)
    assert files.state(0) == "transferring"
    assert files.transferred(0, upload(), T)
    assert files.state(0) == "done"
    files.judge(0, "valid", None, T, verdict="ok")
    assert files.state(0) == "valid"


def test_valid_files_are_counted_by_how_they_were_judged():
    files = ledger(4)
    for row, opened in enumerate(("csv", "csv", "fits")):
        send(files, row, row)
        files.judge(row, "invalid" if opened == "fits" else "valid", None, T, opened=opened)
    assert {how: n for how, n in files.opened_counts().items() if n} == {"csv": 2}


def move(files: FileLedger, event: str) -> None:
    {
        "queue": lambda: files.queue(0),
        "start": lambda: files.start(0),
        "sent": lambda: files.transferred(0, upload(), T),
        "fail": lambda: files.fail(0, "why", now=0.0),
        "accept": lambda: files.judge(0, "valid", None, T),
        "reject": lambda: files.judge(0, "invalid", "why", T),
        "abandon": lambda: files.abandon(0),
    }[event]()


def reach(state: str) -> FileLedger:
    files = ledger(1)
    for event in {
        "ready": (),
        "pending": ("queue",),
        "transferring": ("queue", "start"),
        "failed": ("queue", "start", "fail"),
        "done": ("queue", "start", "sent"),
        "valid": ("queue", "start", "sent", "accept"),
        "invalid": ("queue", "start", "sent", "reject"),
    }[state]:
        move(files, event)
    return files


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", ["queue", "start", "sent", "fail", "accept", "reject", "abandon"])
def test_a_file_moves_by_the_table_and_any_other_move_raises(state, event):
    files = reach(state)
    assert files.state(0) == state
    if (state, event) in TRANSITIONS:
        move(files, event)
        assert files.state(0) == TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=event):
            move(files, event)
        assert files.state(0) == state


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TRANSITIONS["ready", "sent"] = "done"  # type: ignore[index]


# --- the queue ---


def test_the_next_file_is_the_first_that_is_ready_and_stays_so_until_it_is_queued():
    files = ledger(3)
    assert files.order.next_row(0.0) == files.order.next_row(0.0) == 0
    files.queue(0)
    assert files.order.next_row(0.0) == 1
    files.queue(2)
    files.queue(1)
    assert files.order.next_row(0.0) is None


def test_a_failed_file_goes_to_the_end_of_the_queue_and_waits_for_its_time():
    files = ledger(3)
    assert fail(files, 0, now=10.0, delay=5.0)
    assert files.order.next_row(100.0) == 1
    files.queue(1)
    files.queue(2)
    assert files.order.next_row(14.9) is None
    assert files.order.next_retry_at == 15.0
    assert files.order.next_row(15.0) == 0
    files.queue(0)
    assert files.order.retries[0] == 1
    assert files.message(0) is None
    assert files.order.next_retry_at is None
    assert files.order.next_row(100.0) is None


def test_of_failed_files_the_longest_waiting_is_tried_first():
    files = ledger(3)
    for row, delay in [(0, 3.0), (1, 1.0), (2, 1.0)]:
        fail(files, row, delay=delay)
    tried = []
    while (row := files.order.next_row(10.0)) is not None:
        tried.append(row)
        files.queue(row)
    assert tried == [1, 2, 0]


@pytest.mark.parametrize("max_retries", [0, 1, 2, 300])
def test_a_file_is_tried_once_and_max_retries_times(max_retries):
    files = ledger(1, max_retries=max_retries)
    tries = 0
    while (row := files.order.next_row(0.0)) is not None:
        again = fail(files, row)
        tries += 1
        assert again == (tries <= max_retries)
    assert tries == 1 + max_retries
    assert files.file(0).retries == max_retries
    assert (files.order.n_given_up, files.n_complete) == (1, 1)
    with pytest.raises(IllegalTransition, match="no try left"):
        files.queue(0)


def test_a_failure_that_would_repeat_itself_burns_no_retries():
    files = ledger(1)
    assert not fail(files, 0, again=False)
    assert files.order.retries[0] == 0
    assert files.order.next_row(1e9) is None
    assert files.transfer_complete
    assert files.validation_complete
    assert not files.all_valid


def test_an_abandoned_file_is_the_next_one_again():
    files = ledger(3)
    files.queue(0)
    files.queue(1)
    files.start(1)
    files.abandon(1)
    assert files.order.next_row(0.0) == 1
    files.abandon(0)
    assert files.order.next_row(0.0) == 0
    assert files.counts()["ready"] == 3


def test_an_abandoned_retry_keeps_its_count():
    files = ledger(1)
    fail(files, 0)
    files.queue(0)
    files.abandon(0)
    assert files.order.next_row(0.0) == 0
    assert fail(files, 0)
    assert files.order.next_retry_at == 0.0
    assert not fail(files, 0)
    assert files.order.retries[0] == 2


def test_a_file_that_is_judged_while_it_waits_for_a_retry_is_not_tried_again():
    files = ledger(2)
    fail(files, 0)
    files.judge(0, "invalid", "verdict before transfer", T)
    files.queue(1)
    assert files.order.next_retry_at is None
    assert files.order.next_row(1e9) is None


@given(st.integers(0, 200), st.floats(0, 1))
@example(0, 0.0)
@example(200, 1.0)
def test_the_wait_before_a_retry_grows_to_a_minute_and_is_spread(retries, jitter):
    whole = min(2**retries, 60)
    assert whole / 2 <= retry_delay(retries, jitter) <= whole


# --- judging ---


def test_what_was_on_its_way_when_it_was_declared_invalid_changes_nothing():
    for finish in ("sent", "fail", "abandon"):
        files = ledger(1)
        files.queue(0)
        files.judge(0, "invalid", "verdict before transfer", T)
        files.start(0)
        if finish == "sent":
            assert not files.transferred(0, upload(), T)
        elif finish == "fail":
            assert not files.fail(0, "why", now=0.0)
        else:
            files.abandon(0)
        assert files.file(0).message == "verdict before transfer"
        assert files.file(0).etag is None
        assert (files.order.n_given_up, files.n_invalid_this_run, files.n_complete) == (0, 1, 1)


def test_a_file_that_was_given_up_and_then_judged_is_complete_once():
    files = ledger(1)
    fail(files, 0, again=False)
    files.judge(0, "invalid", "verdict before transfer", T)
    assert (files.order.n_given_up, files.n_complete) == (0, 1)


def test_only_files_that_become_invalid_in_this_run_count_towards_its_limit():
    files = ledger(3)
    files.place(0, "invalid", upload=upload(0), verdict="failure", message="bad")
    send(files, 1, 1)
    files.judge(1, "invalid", "bad", T, verdict="failure")
    files.judge(1, "invalid", "contradictory verdicts", T)
    files.judge(0, "invalid", "contradictory verdicts", T)
    assert files.n_invalid_this_run == 1
    assert files.verdict(1) == "failure"


def test_a_valid_file_can_become_invalid():
    files = ledger(1)
    send(files, 0)
    files.judge(0, "valid", None, T, verdict="ok")
    assert files.all_valid
    files.judge(0, "invalid", "contradictory verdicts", T)
    assert not files.all_valid
    assert files.file(0).etag == ETAG  # it is what was judged
    assert files.verdict(0) == "ok"


def test_an_upload_that_could_not_be_judged_is_asked_about_once_for_each_time():
    files = ledger(2)
    send(files, 0)
    files.asks.again(0, 5.0)
    assert (files.asks[0], files.asks.errors(0)) == (1, 1)
    assert files.asks.next(4.9) is None
    assert files.asks.next(5.0) == 0
    assert files.asks.next(5.0) is None


def test_a_file_that_was_judged_meanwhile_is_not_asked_about():
    files = ledger(2)
    for row in (0, 1):
        send(files, row, row)
        files.asks.again(row, 5.0)
    files.judge(0, "valid", None, T, verdict="ok")
    assert files.asks.next(9.0) == 1
    assert files.asks.next(9.0) is None


def test_a_question_that_was_put_off_again_is_asked_once():
    files = ledger(1)
    send(files, 0)
    files.asks.again(0, 5.0)
    files.asks.again(0, 6.0)
    assert files.asks.next(9.0) == 0
    assert files.asks.next(9.0) is None


def test_a_file_that_cannot_be_judged_stays_done_and_is_not_waited_for():
    files = ledger(1)
    send(files, 0)
    files.give_up_judging(0, "not judged")
    assert files.state(0) == "done"
    assert (files.asks.n_unjudged, files.n_complete, files.validation_complete) == (1, 0, True)
    for again in (lambda: files.asks.again(0, 0.0), lambda: files.give_up_judging(0, "")):
        with pytest.raises(IllegalTransition, match="awaits no verdict"):
            again()
    files.judge(0, "valid", None, T, verdict="ok")
    assert (files.asks.n_unjudged, files.n_complete, files.file(0).message) == (0, 1, None)


def test_who_awaits_a_verdict_and_who_is_to_be_asked_about_again_is_known():
    files = ledger(3)
    for row in (0, 1):
        send(files, row)
    assert list(files.asks.unanswered()) == [0, 1]
    files.asks.again(0, 5.0)
    assert files.asks.are_waiting
    files.give_up_judging(1, "not judged")
    assert list(files.asks.unanswered()) == [0]
    files.judge(0, "valid", None, T, verdict="ok")
    assert not files.asks.are_waiting
    assert list(files.asks.unanswered()) == []


def test_only_a_file_that_is_done_can_be_asked_about():
    with pytest.raises(IllegalTransition, match="ready"):
        ledger(1).asks.again(0, 0.0)


def oks(*verdicts: tuple[str, str, int, str, str]) -> OkVerdicts:
    """Verdicts, each of path, upload, size, CRC32 and ETag."""
    paths, uploads, sizes, crc32s, etags = zip(*verdicts, strict=True)
    n = len(verdicts)
    return OkVerdicts((T,) * n, paths, uploads, ("0",) * n, tuple(map(str, sizes)), crc32s, etags, ("",) * n)


GOOD = ("f0", "1-0", 9, CRC, ETAG)


@pytest.mark.parametrize(
    "other",
    [
        ("f0", "1-1", 9, CRC, ETAG),
        ("f0", "2-0", 9, CRC, ETAG),
        ("f0", "1-0", 8, CRC, ETAG),
        ("f0", "1-0", 9, "AAAAAA==", ETAG),
        ("f0", "1-0", 9, CRC, "ac" * 16),
        ("f0", "1-0", 9, CRC, "bb" + "ab" * 15),
    ],
)
def test_only_the_upload_that_awaits_a_verdict_is_accepted_by_all_it_announced(other):
    files = ledger(2)
    assert accepted(files, oks(GOOD)) == ([], [0])
    send(files, 0)
    send(files, 1, 1)
    good = ("f1", "1-1", 9, CRC, ETAG)
    assert accepted(files, oks(other, good)) == ([1], [0])
    assert [files.state(row) for row in (0, 1)] == ["done", "valid"]
    files.give_up_judging(0, "no")
    assert accepted(files, oks(GOOD)) == ([0], [])
    assert (files.state(0), files.verdict(0), files.file(0).judged_at) == ("valid", "ok", T)
    assert (files.asks.n_unjudged, files.message(0), files.counts()["valid"]) == (0, None, 2)
    assert accepted(files, oks(GOOD, good)) == ([], [0, 1])


def test_an_object_in_parts_is_not_the_one_whose_etag_lacks_their_number():
    files = ledger(1)
    files.queue(0)
    files.start(0)
    files.transferred(0, upload(etag=f"{ETAG}-2"), T)
    assert accepted(files, oks(GOOD)) == ([], [0])


def test_of_verdicts_with_one_for_an_unknown_file_none_is_accepted_at_once():
    files = ledger(1)
    send(files, 0)
    assert accepted(files, oks(GOOD, ("x", "1-0", 9, CRC, ETAG))) == ([], [0, 1])
    assert accepted(files, OkVerdicts()) == ([], [])


def test_the_columns_of_all_files_say_what_each_file_does():
    files = ledger(5000, checksums=[None, CRC] * 2500, sizes=[None, 9, 9, None] * 1250)
    files.place(0, "valid", upload=upload(0), transferred_at=T, judged_at=T)
    files.place(4097, "invalid", upload=upload(1, etag="odd"), message="why", transferred_at=T)
    files.place(4098, "done", upload=upload(2, etag=f"{ETAG}-7"))
    files.place(4099, "ready", upload=upload(3))
    fail(files, 1)
    rows = [row for columns in files.columns() for row in zip(*columns, strict=True)]
    names = [each.name for each in dataclasses.fields(ClientFile)]
    assert [dict(zip(names, row, strict=True)) for row in rows] == list(map(dataclasses.asdict, files))
    assert (rows[4097][8], rows[4098][8], rows[4099][8]) == ("odd", f"{ETAG}-7", None)


def test_a_file_has_landed_with_the_etag_of_its_upload_only():
    files = ledger(1)
    assert not files.are_in_place([0], [""])[0]
    send(files, 0)
    assert files.are_in_place([0], [ETAG])[0]
    assert not files.are_in_place([0], [ETAG + "0"])[0]


# --- placing and looking ---


def test_a_file_starts_where_earlier_runs_left_it():
    files = ledger(4)
    files.place(0, "valid", upload=upload(0), ask=2, verdict="ok", transferred_at=T, judged_at=T)
    files.place(1, "invalid", upload=upload(1), message="bad", verdict="failure")
    files.place(2, "done", upload=upload(2), ask=1)
    files.place(3, "ready", upload=upload(3))
    assert [files.state(row) for row in range(4)] == ["valid", "invalid", "done", "ready"]
    assert files.file(0) == ClientFile(
        "/data/f0", "f0", "valid", 0, 2, None, CRC, size=9, etag=ETAG, transferred_at=T, judged_at=T
    )
    assert files.asks[0] == 2
    assert [files.verdict(row) for row in range(4)] == ["ok", "failure", None, None]
    assert files.file(1).message == "bad"
    assert files.upload(3) == upload(3)
    assert files.n_invalid_this_run == 0
    assert files.order.next_row(0.0) == 3


def test_a_new_upload_forgets_what_was_said_of_the_old_one():
    files = ledger(1)
    files.place(0, "ready", upload=upload(0, 1), ask=3, message="old", transferred_at=T, judged_at=T)
    send(files, 0)
    assert files.file(0).judged_at is None
    assert (files.asks[0], files.message(0), files.verdict(0)) == (0, None, None)


def test_the_upload_of_an_earlier_run_says_nothing_about_a_file_that_is_sent_again():
    files = ledger(1)
    files.place(0, "ready", upload=upload(0))
    assert (files.file(0).etag, files.file(0).size, files.file(0).checksum) == (None, None, None)
    files.judge(0, "invalid", "verdict before transfer", T)
    assert (files.file(0).etag, files.file(0).size, files.upload(0)) == (None, None, None)


def test_no_file_starts_in_the_middle_or_twice():
    files = ledger(1)
    with pytest.raises(IllegalTransition):
        files.place(0, "transferring")
    files.place(0, "done", upload=upload())
    with pytest.raises(IllegalTransition):
        files.place(0, "valid", upload=upload())


def test_a_row_is_found_by_its_path():
    files = FileLedger(["b", "a/ä"], abspaths=lambda relpath: f"s3://bucket/{relpath}", max_retries=1)
    assert files.row("a/ä") == 1
    assert files.row("c") is None
    assert files.relpath(1) == "a/ä"
    assert files.abspath(1) == "s3://bucket/a/ä"
    assert [file.relpath for file in files] == ["b", "a/ä"]
    assert len(files) == 2


def test_checksums_and_sizes_come_from_the_index_until_a_file_is_sent():
    files = ledger(2, checksums=[None, "AAAAAA=="], sizes=[None, 0])
    assert [(files.checksum(row), files.size(row)) for row in range(2)] == [(None, None), ("AAAAAA==", 0)]
    assert [(file.checksum, file.size) for file in files] == [(None, None), ("AAAAAA==", 0)]
    send(files, 0)
    assert (files.file(0).checksum, files.file(0).size) == (CRC, 9)
    assert files.checksum(0) is None


def test_the_sizes_of_all_files_are_given_at_once():
    assert list(ledger(3, sizes=[5, None, 0]).sizes()) == [5, -1, 0]
    assert list(ledger(2, sizes=[5, 0]).sizes()) == [5, 0]


def test_states_are_given_all_at_once():
    files = ledger(3)
    send(files, 1)
    assert list(files.states()) == ["ready", "done", "ready"]


def test_a_file_that_has_moved_cannot_be_placed_as_valid():
    files = ledger(1)
    files.queue(0)
    with pytest.raises(IllegalTransition, match="moved already"):
        files.place_valid([0])
    with pytest.raises(IllegalTransition, match="never sent"):
        ledger(1).place_valid([0])


def test_an_index_with_a_path_twice_or_columns_of_other_lengths_is_refused():
    with pytest.raises(ValueError, match="twice"):
        FileLedger(["a", "a"], abspaths="/")
    with pytest.raises(ValueError, match=r"shorter|longer"):
        ledger(2, sizes=[1])


def test_an_empty_delivery_is_complete():
    files = ledger(0)
    assert files.all_valid
    assert files.transfer_complete
    assert files.order.next_row(0.0) is None
    assert list(files) == []


# --- the counts are true under any sequence of events ---


class AnyDelivery(RuleBasedStateMachine):
    """A ledger beside a naive model of it: one dict a file, counted from scratch each time."""

    @initialize(n=st.integers(0, 6), max_retries=st.integers(0, 2), data=st.data())
    def begin(self, n, max_retries, data):
        self.files = ledger(n, max_retries=max_retries)
        self.max_retries = max_retries
        self.now = 0.0
        self.n_uploads = 0
        self.failures = 0
        self.model = [
            {
                "state": "ready",
                "retries": 0,
                "left": True,
                "unjudged": False,
                "new": False,
                "due": None,
                "asks": 0,
            }
            for _ in range(n)
        ]
        for row in range(n):
            state = data.draw(st.sampled_from(["ready", "ready", "done", "valid", "invalid"]))
            self.files.place(row, state, upload=upload(row))
            self.model[row]["state"] = state
        self.asked: list[tuple[float, int, int]] = []

    def some(self, data, *states):
        return data.draw(st.sampled_from([r for r, f in enumerate(self.model) if f["state"] in states]))

    def has(self, *states):
        return any(file["state"] in states for file in self.model)

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def the_next_file_is_queued(self):
        ready = [row for row, file in enumerate(self.model) if file["state"] == "ready"]
        due = sorted(
            (file["due"], row)
            for row, file in enumerate(self.model)
            if file["state"] == "failed" and file["left"]
        )
        assert self.files.order.next_retry_at == (due[0][0][0] if due else None)
        row = self.files.order.next_row(self.now)
        if ready:
            assert row == ready[0]
        elif due and due[0][0][0] <= self.now:
            assert row == due[0][1]
        else:
            assert row is None
            return
        self.model[row]["retries"] += self.model[row]["state"] == "failed"
        self.model[row]["state"] = "pending"
        self.files.queue(row)

    @precondition(lambda self: self.has("pending"))
    @rule(data=st.data())
    def a_thread_takes_it(self, data):
        row = self.some(data, "pending")
        self.files.start(row)
        self.model[row]["state"] = "transferring"

    @precondition(lambda self: self.has("transferring"))
    @rule(data=st.data())
    def it_arrives(self, data):
        row = self.some(data, "transferring")
        self.n_uploads += 1
        assert self.files.transferred(row, upload(self.n_uploads, 2), T)
        self.model[row] |= {"state": "done", "unjudged": False, "asks": 0}
        assert self.files.upload(row) == upload(self.n_uploads, 2)

    @precondition(lambda self: self.has("transferring"))
    @rule(data=st.data(), again=st.booleans(), delay=st.floats(0, 5))
    def it_fails(self, data, again, delay):
        row = self.some(data, "transferring")
        left = again and self.model[row]["retries"] < self.max_retries
        assert self.files.fail(row, "why", now=self.now, again=again, delay=delay) == left
        self.failures += 1
        self.model[row] |= {"state": "failed", "left": left, "due": (self.now + delay, self.failures)}

    @precondition(lambda self: self.has("pending", "transferring"))
    @rule(data=st.data())
    def it_is_abandoned(self, data):
        row = self.some(data, "pending", "transferring")
        self.files.abandon(row)
        self.model[row]["state"] = "ready"

    @precondition(lambda self: self.has("done"))
    @rule(data=st.data())
    def it_is_accepted(self, data):
        row = self.some(data, "done")
        self.files.judge(row, "valid", None, T, verdict="ok")
        self.model[row] |= {"state": "valid", "unjudged": False}

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def it_is_rejected(self, data):
        row = data.draw(st.sampled_from(range(len(self.model))))
        self.files.judge(row, "invalid", "why", T)
        new = self.model[row]["new"] or self.model[row]["state"] != "invalid"
        self.model[row] |= {"state": "invalid", "unjudged": False, "left": True, "new": new}

    @precondition(lambda self: any(f["state"] == "done" and not f["unjudged"] for f in self.model))
    @rule(data=st.data(), wait=st.floats(0, 9), give_up=st.booleans())
    def it_cannot_be_judged(self, data, wait, give_up):
        waiting = [r for r, f in enumerate(self.model) if f["state"] == "done" and not f["unjudged"]]
        row = data.draw(st.sampled_from(waiting))
        if give_up:
            self.files.give_up_judging(row, "why")
            self.model[row]["unjudged"] = True
        else:
            self.files.asks.again(row, self.now + wait)
            self.model[row]["asks"] += 1
            self.asked.append((self.now + wait, row, self.model[row]["asks"]))

    @rule()
    def the_questions_that_are_due_are_asked(self):
        due = sorted(each for each in self.asked if each[0] <= self.now)
        self.asked = [each for each in self.asked if each[0] > self.now]
        expected = [
            row
            for _, row, ask in due
            if self.model[row]["state"] == "done" and self.model[row]["asks"] == ask
        ]
        asked = []
        while (row := self.files.asks.next(self.now)) is not None:
            asked.append(row)
        assert asked == expected

    @invariant()
    def the_counts_are_true(self):
        if not hasattr(self, "model"):
            return
        states = [file["state"] for file in self.model]
        assert self.files.counts() == {state: states.count(state) for state in STATES}
        assert [self.files.state(row) for row in range(len(states))] == states
        assert [self.files.order.retries[row] for row in range(len(states))] == [
            f["retries"] for f in self.model
        ]
        given_up = sum(file["state"] == "failed" and not file["left"] for file in self.model)
        judged = states.count("valid") + states.count("invalid")
        unjudged = sum(file["unjudged"] for file in self.model)
        assert self.files.order.n_given_up == given_up
        assert self.files.n_complete == judged + given_up
        assert self.files.asks.n_unjudged == unjudged
        assert self.files.n_invalid_this_run == sum(file["new"] for file in self.model)
        assert self.files.transfer_complete == (judged + given_up + states.count("done") == len(states))
        assert self.files.validation_complete == (judged + given_up + unjudged == len(states))
        assert self.files.all_valid == (states.count("valid") == len(states))


TestAnyDelivery = AnyDelivery.TestCase
TestAnyDelivery.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


# --- columns give back what was put in ---

CRC32S = st.binary(min_size=4, max_size=4).map(lambda data: b64encode(data).decode())
ETAGS = st.one_of(
    st.from_regex(r"[0-9a-fA-F]{32}(-[0-9]{1,6})?", fullmatch=True),
    st.from_regex(r"[0-9a-f]{30,34}-?", fullmatch=True),
    st.text(max_size=40),
)
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
UPLOADS = st.builds(
    Upload,
    st.integers(0, 10**9 - 1),
    st.integers(0, 10**9 - 1),
    st.integers(0, 2**63 - 1),
    CRC32S,
    ETAGS,
    st.none() | st.text(max_size=5),
    st.none() | INT64,
    st.none() | ETAGS,
    st.none() | st.text(max_size=5),
    st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(st.lists(st.tuples(st.integers(0, 4), st.none() | UPLOADS), max_size=12))
def test_a_table_of_uploads_gives_back_what_was_put_in(writes):
    table = UploadTable(2)
    table.extend(3)
    expected: list[Upload | None] = [None] * 5
    for row, each in writes:
        table[row] = expected[row] = each
    assert [table[row] for row in range(5)] == expected
    assert table.epochs(4) == [-1 if each is None else each.epoch for each in expected[:4]]
    for row, each in enumerate(expected):
        assert table.identity(row) == ((-1, -1) if each is None else (each.epoch, each.n))
        if each is not None:
            assert table.announces(row, each.id, each.size, each.crc32, each.etag)
            assert not table.announces(row, each.id, each.size, each.crc32, each.etag + "x")
            assert table.lies(row, each.size, each.etag)
        assert not table.lies(row, -1 if each is None else each.size + 1, "" if each is None else each.etag)
        assert not table.lies(row, 0 if each is None else each.size, "x" if each is None else each.etag + "x")
    rows = [row for row in (3, 1, 4, 0, 2) if expected[row] is not None]
    for some in (rows, rows[:1], sorted(rows)):
        assert list(zip(*table.columns(some), strict=True)) == [
            (each.id, each.size, each.crc32, each.etag, each.version_id, each.sha256)
            for each in map(expected.__getitem__, some)
        ]


@pytest.mark.parametrize(
    "etag",
    [
        ETAG,
        f"{ETAG}-1",
        f"{ETAG}-10000",
        f"{ETAG}-10001",
        f"{ETAG}-65534",
        f"{ETAG}-0",
        f"{ETAG}-01",
        f"{ETAG}-",
        "",
        ETAG.upper(),
    ],
)
def test_every_etag_survives_its_packing(etag):
    table = UploadTable(2)
    table[0] = upload(etag=etag, source_etag=etag)
    table[1] = upload()
    assert table[0] == upload(etag=etag, source_etag=etag)
    assert list(table.columns([1, 0])[3]) == [upload().etag, etag]


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (ChecksumColumn, st.none() | CRC32S),
        (NumberColumn, st.none() | INT64),
        (TextColumn, st.none() | st.text(max_size=5)),
        (TimeColumn, st.sampled_from([None, T, "1969-12-31T23:59:59.999Z", "2026-01-02T03:04:06.000Z"])),
    ],
)
@given(data=st.data())
def test_a_column_gives_back_what_was_put_in(make, values, data):
    column = make()
    column.extend(2)
    column.extend(3)
    expected = [None] * 5
    for row, each in data.draw(st.lists(st.tuples(st.integers(0, 4), values), max_size=12)):
        column[row] = expected[row] = each
    assert [column[row] for row in range(5)] == expected
    assert [*column.values(0, 2), *column.values(2, 2), *column.values(2, 5)] == expected


def test_whole_numbers_are_taken_at_many_rows_at_once():
    numbers = NumberColumn()
    numbers.extend(3)
    numbers[1] = -7
    assert numbers.values(0, 3) == [None, -7, None]


def test_moments_are_put_and_messages_taken_at_many_rows_at_once():
    moments, messages = TimeColumn(), TextColumn()
    moments.extend(3)
    moments.put([2, 0], [T, "1969-12-31T23:59:59.999Z"])
    assert moments.values(0, 3) == ["1969-12-31T23:59:59.999Z", None, T]
    messages[1] = messages[2] = "why"
    messages.clear([0, 1])
    assert messages.values(0, 3) == [None, None, "why"]


@given(st.lists(CRC32S), st.lists(st.none() | CRC32S), st.lists(st.none() | INT64))
def test_a_column_is_filled_at_once_as_row_by_row(all_known, some_known, numbers):
    for make, values in ((ChecksumColumn, all_known), (ChecksumColumn, some_known), (NumberColumn, numbers)):
        column = make()
        column.extend(len(values))
        column.fill(values)
        assert [column[row] for row in range(len(values))] == values


@pytest.mark.parametrize(
    "values", [["AAAAAA=="], ["AAAAAA=="] * 3, ["AAAAAA==", "AAAA"], ["AAAAAA==", "!!!!AA=="]]
)
def test_a_column_is_not_filled_with_what_does_not_fit(values):
    column = ChecksumColumn()
    column.extend(2)
    with pytest.raises(ValueError, match=r"shorter|longer|CRC32"):
        column.fill(values)


@pytest.mark.parametrize("crc32", ["AAAA", "AAAAAAAA", ""])
def test_what_is_no_crc32_does_not_shift_its_neighbours(crc32):
    column, table = ChecksumColumn(), UploadTable(1)
    column.extend(1)
    with pytest.raises(ValueError, match="not a CRC32"):
        column[0] = crc32
    with pytest.raises(ValueError, match="not a CRC32"):
        table[0] = upload(crc32=crc32)


# --- identities ---


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_an_upload_is_known_by_its_epoch_and_number(epoch, n):
    assert parse_upload_id(upload(n, epoch).id) == (epoch, n)


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "1-2-3", "01-2", "1-02", "1 -2", "+1-2", "1-2\n", "1-1234567890"]
)
def test_what_is_no_upload_is_refused(text):
    with pytest.raises(ValueError, match="not an upload"):
        parse_upload_id(text)


def test_files_and_uploads_are_compared_and_hashed_by_what_they_say():
    assert upload() == upload()
    assert len({upload(), upload(), upload(1)}) == 2
    assert ledger(1).file(0) == ledger(1).file(0)


@given(UPLOADS, st.none() | CRC32S)
def test_an_upload_is_known_by_what_can_change(each, crc32):
    table, other = UploadTable(1), UploadTable(2)
    assert table.brief(0) is None
    table[0] = each
    assert table.brief(0) == (each.size, each.crc32, each.etag)
    other.copy(1, table, 0)
    assert (other[0], other[1]) == (None, each)
    same = (each.size, each.etag, each.mtime_ns)
    assert table.is_unchanged(0, *same, None) is (each.mtime_ns is not None)
    assert table.is_unchanged(0, *same, crc32) is (each.mtime_ns is not None and crc32 in (None, each.crc32))
    assert not table.is_unchanged(0, each.size + 1, each.etag, each.mtime_ns, None)
    assert not table.is_unchanged(0, each.size, each.etag + "x", each.mtime_ns, None)
    assert not table.is_unchanged(0, each.size, each.etag, (each.mtime_ns or 0) + 1, None)


def test_the_last_of_many_moments_is_known():
    moments = TimeColumn()
    assert moments.latest is None
    moments.extend(3)
    assert moments.latest is None
    moments[0], moments[2] = "2026-01-02T03:04:06.000Z", T
    assert moments.latest == "2026-01-02T03:04:06.000Z"


def test_sha256_takes_nothing_until_a_row_has_one():
    column, hexes = DigestColumn(), {row: f"{row:064x}" for row in (1, 3)}
    column[7] = None
    assert (column[7], column.packed()) == (None, b"")
    for row, value in hexes.items():
        column[row] = value
    column[0] = None
    assert [column[row] for row in range(6)] == [hexes.get(row) for row in range(6)]
    other = DigestColumn()
    other.unpack(4, column.packed())
    assert [other[row] for row in range(6)] == [hexes.get(row) for row in range(6)]
    column[1] = hexes[3]
    assert column[1] == hexes[3]
    column[1] = column[3] = None
    assert (column[1], column.packed()) == (None, b"")
    with pytest.raises(ValueError, match="not a SHA-256"):
        column[0] = "ab"


@pytest.mark.parametrize("data", [b"x", bytes(33 * 2), b"\2" + bytes(32)])
def test_what_is_no_column_of_sha256_is_refused(data):
    with pytest.raises(ValueError, match="no column"):
        DigestColumn().unpack(1, data)


USUAL = st.builds(Upload, st.just(1), st.integers(0, 9), st.integers(0, 3), st.just(CRC), st.just(ETAG))
LISTED = st.tuples(st.integers(0, 3), st.sampled_from([ETAG, ETAG, ETAG, f"{ETAG}-2", "ab", ETAG.upper()]))


@given(
    st.lists(st.none() | USUAL, min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), LISTED), max_size=6, unique_by=lambda each: each[0]),
)
@example([Upload(1, n, n, CRC, ETAG) for n in range(6)], [(n, (n, ETAG)) for n in range(6)])
@example([Upload(1, n, n, CRC, ETAG) for n in range(6)], [(n, (n, "x" * 32)) for n in range(6)])
@example([Upload(1, 0, 0, CRC, ETAG)] * 6, [(0, (0, ETAG[:31])), (1, (0, f"{ETAG}a"))])
@example([None] * 6, [(0, (0, "00" * 16))])
def test_many_objects_lie_as_they_were_left_where_each_of_them_does(uploads, listed):
    table = UploadTable(6)
    for row, upload in enumerate(uploads):
        table[row] = upload
    rows = [row for row, _ in listed]
    sizes, etags = [size for _, (size, _) in listed], [etag for _, (_, etag) in listed]
    assert table.lie(rows, sizes, etags) == list(map(table.lies, rows, sizes, etags))


@given(
    st.lists(st.none() | USUAL, min_size=6, max_size=6),
    st.lists(
        st.tuples(st.integers(0, 5), LISTED, st.sampled_from([None, 7, 7, 8])),
        max_size=6,
        unique_by=lambda each: each[0],
    ),
    st.lists(st.sampled_from([None, CRC, "AAAAAA=="]), min_size=6, max_size=6),
)
@example(
    [Upload(1, n, n, CRC, ETAG, mtime_ns=7) for n in range(6)],
    [(n, (n, ETAG), 7) for n in range(6)],
    [CRC] * 6,
)
@example(
    [Upload(1, n, n, CRC, ETAG, mtime_ns=7) for n in range(6)],
    [(n, (n, ETAG), 7) for n in (3, 1)],
    [None] * 6,
)
@example(
    [Upload(1, n, n, CRC, ETAG) for n in range(6)],
    [(n, (n, ETAG), 7 + (n == 2)) for n in range(6)],
    [CRC] * 6,
)
@example(
    [Upload(1, n, n, CRC, ETAG) for n in range(6)],
    [(n, (n, ETAG), 7) for n in range(6)],
    [CRC, None, "AAAAAA==", CRC, CRC, CRC],
)
def test_many_files_are_unchanged_where_each_of_them_is(uploads, now, crc32s):
    table, known = UploadTable(6), ChecksumColumn(crc32s)
    for row, upload in enumerate(uploads):
        table[row] = None if upload is None else replace(upload, mtime_ns=7)
    rows, columns = [row for row, *_ in now], [[], [], []]
    for _, (size, etag), mtime_ns in now:
        for column, value in zip(columns, (size, etag, mtime_ns), strict=True):
            column.append(value)
    each = [table.is_unchanged(row, *one, crc32s[row]) for row, *one in zip(rows, *columns, strict=True)]
    assert table.are_unchanged(rows, *columns, known) == each
    have = [(brief := table.brief(row)) is not None and brief[2] == etag for row, (_, etag), _ in now]
    assert table.have_etags(rows, columns[1]) == have
    assert table.are_there(rows) is all(table.brief(row) for row in rows)
    assert table.n_bytes(6) == sum(upload.size for upload in uploads if upload is not None)


# --- columns that hold the same ---

COLUMNS = {
    UploadTable: (USUAL, lambda: UploadTable(4)),
    TimeColumn: (st.sampled_from([T, "2026-01-02T03:04:06.000Z"]), lambda: TimeColumn(4)),
    CategoryColumn: (st.sampled_from(["fits", "csv"]), lambda: CategoryColumn(4)),
}


@pytest.mark.parametrize("kind", COLUMNS)
@given(data=st.data())
def test_what_is_shared_shows_no_changes_of_the_other(kind, data):
    values, make = COLUMNS[kind]
    columns, expected = [make()], [[None] * 4]
    for _ in range(data.draw(st.integers(0, 12))):
        of = data.draw(st.integers(0, len(columns) - 1))
        if data.draw(st.booleans()) and len(columns) < 4:
            columns.append(columns[of].share())
            expected.append(expected[of][:])
        else:
            row, value = data.draw(st.tuples(st.integers(0, 3), st.none() | values))
            columns[of][row] = expected[of][row] = value
        assert [[column[row] for row in range(4)] for column in columns] == expected


def test_what_is_shared_is_grown_and_filled_by_one_of_both_alone():
    moments, words, uploads = TimeColumn(1), CategoryColumn(1), UploadTable(1)
    others = moments.share(), words.share(), uploads.share()
    moments.put([0], [T])
    words[0] = "fits"
    uploads[0] = upload(sha256="ab" * 32, version_id="v")
    assert [column[0] for column in others] == [None, None, None]
    again = uploads.share()
    uploads[0] = upload(1, version_id="w")
    assert (again[0].version_id, uploads[0].version_id) == ("v", "w")
    assert (again[0].sha256, uploads[0].sha256) == ("ab" * 32, None)
    for column in (moments, words):
        other = column.share()
        column.extend(2)
        assert (len(column), len(other)) == (3, 1)


def test_the_last_one_to_hold_what_was_shared_holds_it_without_copying():
    table = UploadTable(3)
    other = table.share()
    held = table._rows
    other[0] = upload()
    table[1] = upload()
    assert table._rows is held
    assert table.epochs(3) == [-1, upload().epoch, -1]


# --- rows of paths ---

PATHS = st.text(alphabet="ab/", max_size=4)


@given(st.lists(PATHS, unique=True, max_size=12), st.lists(PATHS, max_size=12), st.booleans(), st.data())
def test_rows_are_found_in_any_order_of_paths(paths, asked, in_order, data):
    paths = sorted(paths) if in_order else paths
    rows, known = PathRows(paths), {path: row for row, path in enumerate(paths)}
    start = data.draw(st.integers(0, len(paths)))
    for some in (asked, paths, paths[start:], paths[:start], tuple(paths[start:]), paths[::-1]):
        assert list(rows.many(some)) == list(map(known.get, some))
        assert list(map(rows.get, some)) == list(map(known.get, some))
        assert [path in rows for path in some] == [path in known for path in some]
    assert dict(rows) == known
    assert (list(rows), len(rows), 7 in rows) == (paths, len(paths), False)
    for path in asked:
        if path not in known:
            with pytest.raises(KeyError):
                rows[path]


def test_paths_in_their_order_take_no_table():
    paths = [f"{n:04d}" for n in range(100)]
    assert PathRows(paths)._table is None
    assert PathRows(paths).many(paths[5:9]) == range(5, 9)
    assert PathRows(paths[::-1])._table is not None


# --- checksums of an index ---


@given(st.lists(st.lists(st.none() | CRC32S, max_size=4), max_size=4), st.data())
def test_checksums_are_added_and_read_as_a_list(pieces, data):
    column, values = ChecksumColumn(), [value for piece in pieces for value in piece]
    for piece in pieces:
        column.add(piece)
    assert list(column) == values
    assert len(column) == len(values)
    some = slice(
        data.draw(st.integers(-5, 5)), data.draw(st.integers(-5, 9)), data.draw(st.sampled_from([1, 2]))
    )
    assert column[some] == values[some]
    for row in range(-len(values), len(values)):
        assert column[row] == values[row]


@pytest.mark.parametrize(
    "odd", ["", CRC[:-1], "AAAAAB==", "AAAAAA= =", "AAAAAA", " AAAAAA==", "AAAAAA==\n", "é"]
)
def test_what_is_no_crc32_is_not_added(odd):
    column = ChecksumColumn([CRC])
    for some in ([CRC, odd], [CRC + CRC, odd or CRC]):
        with pytest.raises(ValueError, match="CRC32"):
            column.add(some)
    assert list(column) == [CRC]


def test_rows_are_found_many_at_once_whatever_the_order_of_the_paths():
    for paths in (["a", "b", "c"], ["c", "a", "b"]):
        rows = PathRows(paths)
        assert rows.in_order is (paths == sorted(paths))
        assert dict(rows) == {path: row for row, path in enumerate(paths)}
        assert ("a" in rows, "z" in rows, 7 in rows) == (True, False, False)
        with pytest.raises(KeyError):
            rows["z"]
        assert list(rows.many(paths)) == [0, 1, 2]
        assert list(rows.many(["c", "z", "a"])) == [paths.index("c"), None, paths.index("a")]


def test_a_column_of_checksums_is_a_list_and_agrees_row_by_row():
    column = ChecksumColumn([CRC, None, CRC])
    assert column == [CRC, None, CRC]
    assert column != CRC
    column.add([None, CRC])
    assert column[2:] == [CRC, None, CRC]
    same = [bytes([byte] * 2) for byte in b64decode(CRC)]
    assert column.agree([2, 0], same)
    assert column.agree([0, 1], same)  # of the second nothing is known
    assert not column.agree([2, 0], [bytes(2)] * 4)


def test_a_ledger_takes_a_column_as_it_is_and_none_of_another_length():
    files = ledger(2, checksums=ChecksumColumn([CRC, None]))
    assert [files.checksum(row) for row in range(2)] == [CRC, None]
    with pytest.raises(ValueError, match="shorter or longer"):
        ledger(3, checksums=ChecksumColumn([CRC]))


def test_the_latest_uploads_are_told_in_columns_and_their_bytes_together():
    files = ledger(3)
    send(files, 0, 0)
    send(files, 2, 1)
    identities, sizes, crc32s, *_ = files.uploads([0, 2])
    assert (list(identities), list(sizes), list(crc32s)) == (["1-0", "1-1"], [9, 9], [CRC, CRC])
    assert files.n_bytes_uploaded == 18
