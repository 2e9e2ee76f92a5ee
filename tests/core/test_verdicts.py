"""The verdict table: one row, one test; and the ledger after any verdict."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.codes import FileCode
from upload_client.core.files import FileLedger
from upload_client.core.record_encoding import encode
from upload_client.core.records import Found, Keepalive, SegmentHeader, Verdict
from upload_client.core.segments import Records, Segment, decode_segment, encode_segment
from upload_client.core.uploads import Upload
from upload_client.core.verdicts import (
    _IRREGULAR,
    ASK_AGAIN_AFTER,
    BEFORE_TRANSFER,
    CONTRADICTORY,
    NOT_IN_INDEX,
    SOMETHING_ELSE,
    apply,
    apply_all,
    is_for,
    judge,
)

T = "2026-01-02T03:04:05.678Z"
LATER = "2026-01-02T03:09:05.678Z"
CRC = "yH2GHg=="
ETAG = "ab" * 16
EPOCH = 3
U = Upload(EPOCH, 7, 9, CRC, ETAG)
AS_ANNOUNCED = Found(9, CRC, ETAG)


def verdict(
    status="ok", *, path="a", upload=U.id, ask=0, message="", found=AS_ANNOUNCED, t=T, code=None
) -> Verdict:
    return Verdict(t, path, upload, ask, status, message, found, code=code)


def sent(*, epoch: int = EPOCH, upload: Upload = U) -> FileLedger:
    """A delivery of the file `a`, sent in this run, and `b`, not yet."""
    files = FileLedger(["a", "b"], abspaths="/", max_retries=1)
    files.queue(0)
    files.start(0)
    files.transferred(0, upload, T)
    return files


def give(files: FileLedger, said: Verdict, now: float = 0.0):
    return apply(files, said, epoch=EPOCH, now=now)


def test_ok_for_what_was_announced_makes_the_latest_upload_valid():
    files = sent()
    assert give(files, verdict()).action == "valid"
    assert files.state(0) == "valid"
    assert files.file(0).judged_at == T


@pytest.mark.parametrize(
    "found",
    [None, Found(8, CRC, ETAG), Found(9, "AAAAAA==", ETAG), Found(9, None, ETAG), Found(9, CRC, "cd" * 16)],
)
def test_ok_for_anything_else_makes_it_invalid(found):
    files = sent()
    assert give(files, verdict(found=found)).action == "invalid"
    assert (files.state(0), files.message(0)) == ("invalid", SOMETHING_ELSE)


def test_the_table_without_a_ledger_says_the_same():
    assert judge(verdict(), epoch=EPOCH, state="done", latest=U).action == "valid"
    assert judge(verdict(found=None), epoch=EPOCH, state="done", latest=U).action == "invalid"


@pytest.mark.parametrize("found", [None, AS_ANNOUNCED, Found(8, None, "x")])
def test_failure_makes_it_invalid_whatever_was_found(found):
    files = sent()
    assert give(files, verdict("failure", message="does not open", found=found)).action == "invalid"
    assert (files.state(0), files.message(0)) == ("invalid", "does not open")
    assert files.n_invalid_this_run == 1


def test_a_failure_without_words_gets_some():
    files = sent()
    give(files, verdict("failure"))
    assert files.message(0)


def test_that_a_file_was_not_judged_is_said_once():
    files = sent()
    said = "it could not be judged: a library is missing"
    ruling = give(files, verdict("error", message=said, found=None, code=FileCode.UNABLE), 0.0)
    assert ruling.message == "not judged: a library is missing"


def test_error_is_asked_again_after_5_30_and_120_seconds_and_then_not_judged():
    files, now = sent(), 1000.0
    for ask, wait in enumerate((5.0, 30.0, 120.0)):
        ruling = give(files, verdict("error", ask=ask, message="busy", found=None), now)
        assert (ruling.action, ruling.wait) == ("ask_again", wait)
        assert files.asks.next(now + wait - 0.001) is None
        now += wait
        assert files.asks.next(now) == 0
        assert files.asks[0] == ask + 1
    ruling = give(files, verdict("error", ask=3, message="busy", found=None), now)
    assert (ruling.action, ruling.message) == ("unjudged", "not judged: busy")
    assert (files.state(0), files.asks.n_unjudged) == ("done", 1)
    assert files.asks.next(1e9) is None
    assert ASK_AGAIN_AFTER == (5.0, 30.0, 120.0)


def test_a_validator_that_lacks_what_it_needs_is_not_asked_again():
    files = sent()
    ruling = give(files, verdict("error", message="needs pyarrow", found=None, code="unable"))
    assert (ruling.action, ruling.code) == ("unjudged", "unable")
    assert (files.state(0), files.asks.n_unjudged, files.asks.next(1e9)) == ("done", 1, None)
    assert give(files, verdict("error", found=None, code="unable")).action == "ignore"
    assert files.asks.n_unjudged == 1


def test_each_announcement_has_one_answer_that_it_could_not_be_judged():
    files = sent()
    assert give(files, verdict("error", found=None)).action == "ask_again"
    assert give(files, verdict("error", found=None)).action == "ignore"
    assert give(files, verdict("error", ask=5, found=None)).action == "ignore"
    assert files.asks.errors(0) == 1


def test_after_the_last_question_errors_change_nothing():
    files = sent()
    for ask in range(4):
        give(files, verdict("error", ask=ask, found=None))
    assert files.asks.n_unjudged == 1
    for ask in range(5):
        assert give(files, verdict("error", ask=ask, found=None)).action == "ignore"
    assert files.asks.n_unjudged == 1


@pytest.mark.parametrize("status", ["ok", "failure"])
def test_a_late_answer_is_believed_whichever_announcement_it_answers(status):
    files = sent()
    for ask in range(4):
        give(files, verdict("error", ask=ask, found=None))
    assert give(files, verdict(status)).action == ("valid" if status == "ok" else "invalid")
    assert files.asks.n_unjudged == 0
    assert files.validation_complete is False  # `b` is still to be sent


@pytest.mark.parametrize("status", ["ok", "failure", "error"])
def test_a_verdict_for_an_earlier_upload_is_ignored(status):
    files = sent()
    assert give(files, verdict(status, upload="2-900")).action == "ignore"
    assert files.state(0) == "done"


@pytest.mark.parametrize("status", ["ok", "failure", "error"])
def test_a_late_verdict_for_a_file_that_is_sent_again_is_ignored(status):
    files = FileLedger(["a"], abspaths="/")
    files.place(0, "ready", upload=Upload(2, 7, 9, CRC, ETAG))
    for prepare in (lambda: None, lambda: files.queue(0), lambda: files.start(0)):
        prepare()
        assert give(files, verdict(status, upload="2-7")).action == "ignore"
        assert give(files, verdict(status, upload="1-9")).action == "ignore"
    assert files.state(0) == "transferring"


@pytest.mark.parametrize("status", ["ok", "failure", "error"])
@pytest.mark.parametrize("upload", ["3-8", "3-6", "4-0", "999999999-0"])
def test_a_verdict_for_an_upload_never_issued_makes_the_file_invalid(status, upload):
    files = sent()
    assert give(files, verdict(status, upload=upload)).action == "invalid"
    assert (files.state(0), files.message(0)) == ("invalid", BEFORE_TRANSFER)


@pytest.mark.parametrize("upload", ["0-0", "2-7", "3-0"])
def test_a_verdict_for_a_file_not_yet_done_makes_it_invalid(upload):
    for moves in ("", "queue", "queue start", "queue start fail"):
        files = FileLedger(["a"], abspaths="/")
        for move in moves.split():
            if move == "fail":
                files.fail(0, "why", now=0.0)
            else:
                getattr(files, move)(0)
        assert give(files, verdict(upload=upload)).action == "invalid"
        assert (files.state(0), files.message(0)) == ("invalid", BEFORE_TRANSFER)


def test_an_upload_of_an_earlier_epoch_that_no_log_has_was_never_issued():
    files = FileLedger(["a"], abspaths="/")
    files.place(0, "ready", upload=Upload(1, 7, 9, CRC, ETAG))
    assert give(files, verdict(upload="1-8")).action == "invalid"


@pytest.mark.parametrize("status", ["ok", "failure"])
def test_the_same_verdict_again_is_ignored(status):
    files = sent()
    give(files, verdict(status, message="m"))
    before = files.file(0)
    assert give(files, verdict(status, message="n", ask=1, t=LATER)).action == "ignore"
    assert give(files, verdict("error", ask=1, t=LATER)).action == "ignore"
    assert files.file(0) == before


def test_ok_for_something_else_again_is_ignored():
    files = sent()
    give(files, verdict(found=None))
    assert give(files, verdict(found=None, t=LATER)).action == "ignore"
    assert (files.message(0), files.file(0).judged_at) == (SOMETHING_ELSE, T)


@pytest.mark.parametrize(("first", "then"), [("ok", "failure"), ("failure", "ok")])
def test_contradictory_verdicts_make_the_file_invalid_for_good(first, then):
    files = sent()
    give(files, verdict(first))
    assert give(files, verdict(then, t=LATER)).action == "invalid"
    assert (files.state(0), files.message(0)) == ("invalid", CONTRADICTORY)
    for again in (first, then):
        assert give(files, verdict(again)).action == "ignore"
    assert (files.state(0), files.message(0)) == ("invalid", CONTRADICTORY)
    assert files.n_invalid_this_run == 1


def test_a_contrary_word_about_a_file_that_earlier_runs_found_valid_counts():
    files = FileLedger(["a"], abspaths="/")
    files.place(0, "valid", upload=Upload(2, 7, 9, CRC, ETAG), verdict="ok")
    assert give(files, verdict(upload="2-7")).action == "ignore"
    assert give(files, verdict("failure", upload="2-7")).action == "invalid"
    assert files.message(0) == CONTRADICTORY


def test_a_path_that_is_not_in_the_index_is_warned_of():
    files = sent()
    ruling = give(files, verdict(path="c"))
    assert (ruling.action, ruling.message) == ("warn", NOT_IN_INDEX)
    assert files.counts() == sent().counts()


def test_a_judge_that_invented_an_upload_is_not_believed_about_the_real_one():
    files = sent()
    give(files, verdict(upload="3-8"))
    for status in ("ok", "failure", "error"):
        assert give(files, verdict(status)).action == "ignore"
    assert give(files, verdict(upload="3-9")).action == "ignore"
    assert (files.state(0), files.message(0)) == ("invalid", BEFORE_TRANSFER)


@pytest.mark.parametrize(
    ("serves", "superseded", "counts"),
    [(1, False, True), (EPOCH, False, True), (EPOCH + 1, False, False), (EPOCH, True, False)],
)
def test_verdicts_count_from_any_validator_but_a_dead_one_and_a_later_clients(serves, superseded, counts):
    segment = Segment(
        SegmentHeader(1, 0, "v", 1, None, serves), Records((verdict(),)), "", superseded=superseded
    )
    assert is_for(segment, EPOCH) is counts


STATUSES = st.sampled_from(["ok", "failure", "error"])
ANY_FOUND = st.one_of(
    st.none(), st.just(AS_ANNOUNCED), st.just(Found(9, CRC, "other")), st.just(Found(1, CRC, ETAG))
)
ANY_VERDICT = st.builds(
    lambda status, path, epoch, n, ask, found: verdict(
        status, path=path, upload=f"{epoch}-{n}", ask=ask, found=found
    ),
    STATUSES,
    st.sampled_from(["a", "b", "c"]),
    st.integers(1, 4),
    st.integers(5, 8),
    st.integers(0, 4),
    ANY_FOUND,
)


@given(st.lists(ANY_VERDICT, max_size=20), st.lists(ANY_VERDICT, max_size=20))
def test_no_verdicts_whatever_make_a_file_valid_that_was_not_found_as_announced(before, after):
    files = FileLedger(["a", "b"], abspaths="/")
    for said in before:
        give(files, said)
    files_before = files.state(0)
    if files_before == "ready":
        files.queue(0)
        files.start(0)
        files.transferred(0, U, T)
    for said in after:
        give(files, said)
    assert files.state(1) in ("ready", "invalid")
    believed = [said for said in after if said.path == "a" and said.upload == U.id]
    if files.state(0) == "valid":
        assert files_before == "ready"
        assert any(said.status == "ok" and said.found == AS_ANNOUNCED for said in believed)
        assert all(said.status != "failure" for said in believed)


@given(st.lists(ANY_VERDICT, max_size=12), ANY_VERDICT)
@example(
    [verdict("ok", path="a", upload="3-7", found=None)], verdict("ok", path="a", upload="3-5", found=None)
)
def test_the_short_way_of_the_usual_verdict_is_the_table(before, said):
    files = sent()
    for each in before:
        give(files, each)
    row = files.row(said.path)
    if row is None:
        return
    ruling = judge(
        said,
        epoch=EPOCH,
        state=files.state(row),
        latest=files.upload(row),
        ask=files.asks[row],
        errors=files.asks.errors(row),
        previous=files.verdict(row),
    )
    # Of what is irregular, the first is told.
    told = files.state(row) == "invalid" and files.message(row) in (ruling.message, *_IRREGULAR)
    done = give(files, said)
    assert done.action == ("ignore" if told and ruling.action == "invalid" else ruling.action)


SOON_OK = st.lists(ANY_VERDICT | st.sampled_from([verdict(), verdict(path="b")]), max_size=6)


@given(st.lists(ANY_VERDICT, max_size=2), SOON_OK, st.booleans())
@example([], [verdict()], False)
@example([], [verdict("failure"), verdict(path="b"), verdict(path="c")], False)
@example([], [verdict("error", path="a", upload="3-7", ask=0, found=None)], True)
def test_verdicts_that_come_together_do_what_they_do_one_by_one(before, together, unjudged):
    data = encode_segment(SegmentHeader(1, 0, "v", 1, None, 1), map(encode, [Keepalive(T), *together]))
    read = decode_segment(data, writer="validator").records
    at_once, one_by_one = sent(), sent()
    for files in (at_once, one_by_one):
        for said in before:
            give(files, said)
        if unjudged and files.state(0) == "done" and not files.asks.n_unjudged:
            files.give_up_judging(0, "why")
    done = [(path, what) for _, path, what in apply_all(at_once, read, epoch=EPOCH, now=0.0)]
    expected = [(said.path, give(one_by_one, said)) for said in together]
    for path in ("a", "b", "c"):
        assert [each for each in done if each[0] == path] == [each for each in expected if each[0] == path]
    assert list(at_once) == list(one_by_one)
    for row in (0, 1):
        for fact in (
            FileLedger.upload,
            FileLedger.verdict,
            lambda files, row: (files.asks[row], files.asks.errors(row)),
        ):
            assert fact(at_once, row) == fact(one_by_one, row)
    for number in (
        lambda files: (files.asks.n_unjudged, files.order.n_given_up),
        lambda files: (files.n_invalid_this_run, files.n_complete),
    ):
        assert number(at_once) == number(one_by_one)
    assert at_once.counts() == one_by_one.counts()
