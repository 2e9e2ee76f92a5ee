"""The history: the latest upload of each file and its verdict, whatever the order of reading."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upload_client.core.history import DeliveryHistory, Life
from upload_client.core.record_encoding import encode
from upload_client.core.records import (
    Crash,
    Failed,
    Found,
    IndexJudged,
    Init,
    Keepalive,
    SegmentHeader,
    Shutdown,
    Stop,
    Transferred,
    ValidatorInit,
    Verdict,
)
from upload_client.core.segments import Records, Segment, decode_segment, encode_segment
from upload_client.core.uploads import Upload, parse_upload_id
from upload_client.core.verdicts import CONTRADICTORY, SOMETHING_ELSE

T = "2026-01-02T03:04:05.678Z"
LATER = "2026-01-02T03:09:05.678Z"
CRC = "yH2GHg=="
ETAG = "ab" * 16
AS_ANNOUNCED = Found(9, CRC, ETAG)


def client(*written, epoch=1, superseded=False) -> Segment:
    header = SegmentHeader(1, 0, f"client{epoch}", epoch, None)
    return Segment(header, Records(written), "", superseded=superseded)


def validator(*written, epoch=1, serves=1, superseded=False) -> Segment:
    header = SegmentHeader(1, 0, f"validator{epoch}", epoch, None, client_epoch=serves)
    return Segment(header, Records(written), "", superseded=superseded)


def sent(path="a", upload="1-0", ask=0, t=T, etag=ETAG) -> Transferred:
    return Transferred(t, path, Upload(*parse_upload_id(upload), 9, CRC, etag, "v", 5), ask)


def said(status="ok", path="a", upload="1-0", ask=0, message="", found=AS_ANNOUNCED, t=LATER) -> Verdict:
    return Verdict(t, path, upload, ask, status, message, found)


@pytest.fixture
def history() -> DeliveryHistory:
    return DeliveryHistory()


def test_a_file_that_was_never_announced_has_no_history(history):
    history.add_client(client(Failed(T, "a", "no network", 2)))
    assert history.latest("a") is None
    assert len(history) == 0


def test_of_the_latest_upload_is_told_what_it_is_and_how_often_it_was_asked_about():
    history = DeliveryHistory({"known": 0})
    assert history.asked("known") is None  # nothing is announced so far
    history.add_client(client(sent("b", "1-3")))
    assert history.asked("known") is None
    assert history.asked("a") is None
    assert history.asked("b") == (1, 3, 0)
    history.add_client(client(sent("b", "2-0", ask=2), epoch=2))
    assert history.asked("b") == (2, 0, 2)
    latest = history.latest("b")
    assert history.asked("b") == (latest.upload.epoch, latest.upload.n, latest.ask)


def test_who_judged_a_file_is_remembered(history):
    history.add_client(client(sent(), sent("b", "1-1"), sent("c", "1-2")))
    history.add_validator(validator(said("error")))
    history.add_validator(validator(said(), said(path="b", upload="1-1"), epoch=2))
    history.add_validator(validator(said("failure"), said(path="b", upload="1-1"), epoch=3))
    rows = [history.row(path) for path in "abc"]
    # The contradiction is the last word on a; what says the same again is none.
    assert [history.judge(row) for row in rows] == ["validator3", "validator2", None]
    history.add_client(client(sent(upload="2-0"), epoch=2))
    assert history.judge(rows[0]) is None


def test_who_judged_too_early_is_remembered_too(history):
    assert DeliveryHistory({"a": 0}).judge(0) is None
    history.add_validator(validator(said(), epoch=4))
    history.add_client(client(sent()))
    assert history.judge(history.row("a")) == "validator4"


def test_an_upload_and_its_verdict_are_remembered(history):
    history.add_client(client(sent()))
    assert history.latest("a").verdict is None
    history.add_validator(validator(said(message="fine")))
    past = history.latest("a")
    assert past.upload == Upload(1, 0, 9, CRC, ETAG, "v", 5)
    assert (past.ask, past.transferred_at) == (0, T)
    assert (past.verdict, past.message, past.judged_at) == ("ok", "fine", LATER)


def test_a_newer_upload_takes_the_place_of_the_older_and_of_its_verdict(history):
    history.add_client(client(sent()))
    history.add_validator(validator(said("failure", message="bad")))
    history.add_client(client(sent(upload="2-0", t=LATER), epoch=2))
    past = history.latest("a")
    assert (past.upload.id, past.transferred_at) == ("2-0", LATER)
    assert (past.verdict, past.message, past.judged_at) == (None, None, None)


def test_a_late_word_on_the_older_upload_changes_nothing(history):
    history.add_client(client(sent(), sent(upload="1-4")))
    history.add_client(client(sent(), epoch=2))
    history.add_validator(validator(said("failure")))
    assert history.latest("a").upload.id == "1-4"
    assert history.latest("a").verdict is None


def test_announcing_it_again_keeps_the_upload_and_its_verdict(history):
    history.add_client(client(sent()))
    history.add_validator(validator(said("error", message="busy", found=None)))
    history.add_client(client(sent(ask=2, t=LATER, etag="other"), sent(ask=1), epoch=2))
    past = history.latest("a")
    assert (past.upload.etag, past.ask, past.transferred_at) == (ETAG, 2, T)
    assert (past.verdict, past.message) == ("error", "busy")


def test_no_client_announces_what_belongs_to_a_later_one(history):
    history.add_client(client(sent(upload="7-0"), epoch=3))
    assert history.latest("a") is None


def test_ok_for_something_else_is_a_failure(history):
    history.add_client(client(sent()))
    history.add_validator(validator(said(found=Found(8, CRC, ETAG))))
    assert (history.latest("a").verdict, history.latest("a").message) == ("failure", SOMETHING_ELSE)
    history.add_validator(validator(said()))
    assert (history.latest("a").verdict, history.latest("a").message) == ("failure", SOMETHING_ELSE)


def test_ok_for_nothing_is_a_failure(history):
    history.add_client(client(sent()))
    history.add_validator(validator(said(found=None)))
    assert history.latest("a").verdict == "failure"


@pytest.mark.parametrize(("first", "then"), [("ok", "failure"), ("failure", "ok")])
def test_contradictory_verdicts_are_a_failure_for_good(history, first, then):
    history.add_client(client(sent()))
    history.add_validator(validator(said(first), said(then), said(first), said("error")))
    assert (history.latest("a").verdict, history.latest("a").message) == ("failure", CONTRADICTORY)


def test_the_first_of_equal_verdicts_stands_and_an_error_gives_way(history):
    history.add_client(client(sent(), sent("b", "1-1")))
    history.add_validator(
        validator(said("error", message="busy", t=T), said("ok", t=LATER), said("ok", message="again", t=T))
    )
    history.add_validator(validator(said("error", "b", "1-1", t=T), said("error", "b", "1-1", message="x")))
    assert (history.latest("a").verdict, history.latest("a").judged_at) == ("ok", LATER)
    assert history.latest("a").message is None
    assert (history.latest("b").verdict, history.latest("b").message) == ("error", "x")


def test_what_a_dead_owner_wrote_late_does_not_count(history):
    history.add_client(client(sent(), superseded=True))
    assert history.latest("a") is None
    assert history.clients == {}
    history.add_client(client(sent()))
    history.add_validator(validator(said("failure"), superseded=True))
    assert history.latest("a").verdict is None
    assert history.validators == {}


# --- what is to be judged ---


def test_an_announcement_is_open_until_it_is_answered(history):
    history.add_client(client(sent(), sent("b", "1-1"), sent("c", "1-2")))
    assert history.n_unjudged == 3
    history.add_validator(validator(said("error", "b", "1-1"), said("ok", "nowhere"), said("ok", "a", "1-9")))
    assert history.n_unjudged == 2
    assert [(path, past.upload.id) for path, past in history.unjudged()] == [("a", "1-0"), ("c", "1-2")]


def test_a_second_announcement_wants_a_second_answer_and_brings_the_first_with_it(history):
    history.add_client(client(sent()))
    history.add_verdict(said())
    assert history.n_unjudged == 0
    history.add_client(client(sent(ask=1)))
    ((path, past),) = history.unjudged()
    assert (path, past.ask, past.verdict) == ("a", 1, "ok")
    history.add_verdict(said(ask=0))
    assert history.n_unjudged == 1
    history.add_verdict(said(ask=1))
    assert history.n_unjudged == 0


def test_an_announcement_that_is_read_twice_wants_no_second_answer(history):
    history.add_client(client(sent()))
    history.add_verdict(said())
    history.add_client(client(sent(), epoch=2))
    assert history.n_unjudged == 0


# --- who was there ---


def test_the_lives_of_clients_are_told(history):
    init = Init(T, 1, "staging/index/00000001.csv", "0" * 64, 1, 9)
    history.add_client(client())
    assert history.last_client == Life(1, "client1", None)
    history.add_client(client(init, Keepalive(LATER)))
    assert history.last_client == Life(1, "client1", None, init, LATER)
    history.add_client(client(Crash(LATER, "disk on fire")))
    assert history.last_client == Life(1, "client1", None, init, LATER, "crash", "disk on fire")
    history.add_client(client(Stop(LATER, "all valid"), epoch=2))
    assert history.last_client == Life(2, "client2", None, None, LATER, "stop", "all valid")
    assert set(history.clients) == {1, 2}


def test_the_lives_of_validators_are_told_by_whom_they_serve(history):
    init = ValidatorInit(T, "v1", 1)
    assert history.last_client is None
    assert history.last_validator() is None
    assert history.validators_of(1) == []
    history.add_validator(validator(init, Shutdown(LATER, "time"), epoch=4, serves=1))
    history.add_validator(validator(Keepalive(T), epoch=5, serves=1))
    history.add_validator(validator(Stop(T, "all judged"), epoch=6, serves=2))
    assert history.validators[4] == Life(4, "validator4", 1, init, LATER, "shutdown", "time")
    assert history.validators_of(1) == [Life(5, "validator5", 1, None, T)]
    assert history.validators_of(2) == [Life(6, "validator6", 2, None, T, "stop", "all judged")]
    assert history.validators_of(3) == []
    assert [history.last_validator()] == history.validators_of(2)


def test_whether_the_last_index_was_refused_as_a_whole_is_known(history):
    assert not history.index_refused
    no, yes = IndexJudged(LATER, ("'m.json' is missing",), "not_expected"), IndexJudged(LATER)
    history.add_validator(validator(ValidatorInit(T, "v", 1), no, epoch=1, serves=1))
    assert history.index_refused
    history.add_validator(validator(ValidatorInit(T, "v", 2), epoch=2, serves=2))
    assert history.index_refused  # nothing was said of that one
    history.add_validator(validator(yes, epoch=3, serves=2))
    assert not history.index_refused
    history.add_validator(validator(yes, epoch=1, serves=3), 1)
    history.add_validator(validator(no, epoch=4, serves=3), 0)
    assert history.index_refused  # whichever of those who share the files says so
    history.add_validator(validator(no, epoch=5, serves=3, superseded=True))
    history.add_validator(validator(yes, epoch=6, serves=4))
    assert not history.index_refused


def test_whether_the_receiver_expects_something_is_known_of_the_last_validator(history):
    assert not history.is_expected
    history.add_validator(
        validator(ValidatorInit(T, "v", 1, expectations_sha256="0" * 64), epoch=7, serves=1)
    )
    assert history.is_expected
    history.add_validator(validator(ValidatorInit(T, "v", 2), epoch=1, serves=2), 1)
    assert not history.is_expected
    history.add_validator(validator(Keepalive(T), epoch=2, serves=3), 1)
    assert not history.is_expected
    history.add_validator(
        validator(ValidatorInit(T, "v", 3, expectations_sha256="0" * 64), epoch=3, serves=3), 1
    )
    assert history.is_expected


def test_each_shard_counts_its_own_epochs(history):
    history.add_client(client(sent(), sent("b", "1-1")))
    history.add_validator(validator(said(), epoch=2, serves=1), 1)
    history.add_validator(validator(said(path="b", upload="1-1"), epoch=2, serves=1))
    history.add_validator(validator(Stop(T), epoch=1, serves=1), 2)
    assert [(life.shard, life.epoch) for life in history.validators_of(1)] == [(0, 2), (1, 2), (2, 1)]
    assert history.last_validator(2) == history.validators_of(1)[2]
    assert history.last_validator(3) is None
    assert history.judge(history.row("a")) == history.judge(history.row("b")) == "validator2"


@pytest.mark.parametrize(("answers", "n_unjudged"), [(1, 0), (0, 1)])
def test_many_verdicts_at_once_answer_what_was_asked_again_only_with_the_last_one(
    history, answers, n_unjudged
):
    history.add_client(client(sent(), sent("b", "1-1")))
    history.add_validator(validator(said("error", found=None)))
    history.add_client(client(sent(ask=1), epoch=2))
    lines = [encode(said(ask=answers)), encode(said(path="b", upload="1-1"))]
    header = SegmentHeader(1, 0, "validator2", 2, None, client_epoch=2)
    segment = decode_segment(encode_segment(header, lines), writer="validator")
    assert len(segment.records.oks.at) == 2
    history.add_validator(segment)
    assert [history.is_ok(row) for row in range(2)] == [True, True]
    assert history.n_unjudged == n_unjudged


def test_what_is_valid_is_told_in_the_order_of_the_paths(history):
    announced = [sent("b/c"), sent("a", "1-1"), sent("c", "1-2"), sent("b", "1-3")]
    history.add_client(client(*announced))
    history.add_validator(validator(said(path="a", upload="1-1"), said("failure", "c", "1-2")))
    history.add_verdict(said(path="b/c"))
    history.add_validator(validator(said(path="b", upload="1-3"), epoch=2), 1)
    ((rows, columns),) = history.valid()
    facts = list(zip(*columns, strict=True))
    assert [(row, one[0], one[8]) for row, one in zip(rows, facts, strict=True)] == [
        (1, "a", "validator1"),
        (3, "b", "validator2"),
        (0, "b/c", None),
    ]
    assert facts[0] == ("a", 9, CRC, ETAG, "v", "1-1", T, LATER, "validator1", None, history.opened[1])
    assert [*DeliveryHistory({"x": 0}).valid()] == []
    assert {life.agent_id for life in history.judges([1, 1, 1, 1])} == {"validator1", "validator2"}
    assert [life.agent_id for life in history.judges([1, 1, 0, 0])] == ["validator1"]


# --- properties ---

PATHS = st.sampled_from(["a", "b"])
CLIENT_LOG = st.lists(
    st.tuples(st.integers(1, 3), PATHS, st.integers(1, 3), st.integers(0, 2), st.integers(0, 2)), max_size=15
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
VALIDATOR_LOG = st.lists(
    st.builds(
        lambda status, path, epoch, n, ask, found: said(status, path, f"{epoch}-{n}", ask, found=found),
        st.sampled_from(["ok", "failure", "error"]),
        PATHS,
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from([None, AS_ANNOUNCED, AS_ANNOUNCED, Found(1, CRC, ETAG)]),
    ),
    max_size=15,
)


@given(CLIENT_LOG, VALIDATOR_LOG)
def test_the_history_is_what_a_naive_reading_of_both_logs_says(announced, verdicts):
    history = DeliveryHistory()
    for writer, path, epoch, n, ask in announced:
        history.add_client(client(sent(path, f"{epoch}-{n}", ask), epoch=writer))
    history.add_validator(validator(*verdicts))
    still_open = 0
    for path in ("a", "b"):
        issued = [(epoch, n, ask) for writer, p, epoch, n, ask in announced if p == path and epoch <= writer]
        past = history.latest(path)
        if not issued:
            assert past is None
            continue
        latest = max(issued)[:2]
        # A larger `ask` counts from the first announcement of this upload on.
        asks = max(ask for epoch, n, ask in issued if (epoch, n) == latest)
        assert (past.upload.epoch, past.upload.n, past.ask) == (*latest, asks)
        answers = [
            each for each in verdicts if each.path == path and each.upload == f"{latest[0]}-{latest[1]}"
        ]
        final = [each for each in answers if each.status != "error"]
        if not answers:
            assert past.verdict is None
        elif not final:
            assert past.verdict == "error"
        elif all(each.status == "ok" for each in final) and final[0].found == AS_ANNOUNCED:
            assert past.verdict == "ok"
        else:
            assert past.verdict == "failure"
        still_open += not any(each.ask >= asks for each in answers)
    assert history.n_unjudged == still_open == len(list(history.unjudged()))


STATUSES = st.lists(st.sampled_from(["ok", "failure", "error"]), max_size=3)


@given(st.lists(st.tuples(PATHS, STATUSES), max_size=8), st.data())
def test_how_the_two_logs_are_interleaved_does_not_matter(story, data):
    """Each upload is announced once, in order, and judged, perhaps before its announcement is read."""
    announcements = [client(sent(path, f"1-{n}")) for n, (path, _) in enumerate(story)]
    answers = [
        validator(*(said(status, path, f"1-{n}") for status in statuses))
        for n, (path, statuses) in enumerate(story)
    ]
    whole, mixed = DeliveryHistory(), DeliveryHistory()
    for segment in announcements:
        whole.add_client(segment)
    for segment in answers:
        whole.add_validator(segment)
    i = j = 0
    while i < len(announcements) or j < len(answers):
        if j == len(answers) or (i < len(announcements) and data.draw(st.booleans())):
            mixed.add_client(announcements[i])
            i += 1
        else:
            mixed.add_validator(answers[j])
            j += 1
    for path in ("a", "b"):
        assert mixed.latest(path) == whole.latest(path)
    assert mixed.n_unjudged == whole.n_unjudged


def test_more_files_than_it_grows_by_at_once_keep_apart(history):
    n = 9000
    history.add_client(client(*(sent(f"f{i}", f"1-{i}") for i in range(n))))
    history.add_validator(validator(*(said("ok", f"f{i}", f"1-{i}") for i in range(0, n, 2))))
    assert len(history) == n
    assert history.n_unjudged == n // 2
    for i in (0, 1, 4095, 4096, 4097, 8191, 8192, n - 1):
        assert history.latest(f"f{i}").upload.n == i
        assert history.latest(f"f{i}").verdict == (None if i % 2 else "ok")


def test_files_known_beforehand_keep_their_rows_and_others_follow():
    known = DeliveryHistory({"b": 0, "a": 1})
    assert (len(known), known.row("a"), known.at(1), known.is_ok(1)) == (0, 1, None, False)
    plain = DeliveryHistory()
    for history in (known, plain):
        history.add_client(client(sent("a"), sent("c", upload="1-1")))
        history.add_validator(validator(said(path="a")))
    assert (known.row("b"), known.row("a"), known.row("c"), known.row("d")) == (0, 1, 2, None)
    assert known.latest("b") is None
    assert known.is_ok(1)
    assert not known.is_ok(2)
    for path in "abcd":
        assert known.latest(path) == plain.latest(path)
    assert list(known.unjudged()) == list(plain.unjudged())
    assert len(known) == len(plain) == 2


@st.composite
def announcements(draw) -> list[Transferred]:
    """As clients make them: usual ones, and here and there one that is not."""
    made = []
    for _ in range(draw(st.integers(1, 6))):
        upload = Upload(
            draw(st.sampled_from([1, 1, 1, 1, 2])),
            draw(st.integers(0, 3)),
            draw(st.sampled_from([4, 0, 10**17])),
            CRC,
            draw(st.sampled_from([ETAG, ETAG, ETAG, ETAG, f"{ETAG}-2", "odd"])),
            draw(st.sampled_from([None, None, "v1"])),
            draw(st.sampled_from([None, 5, 2**63 - 1, -1])),
            *draw(st.sampled_from([(None, None)] * 5 + [(ETAG, "v")])),
            draw(st.sampled_from([None, "ab" * 32])),
        )
        path = draw(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "ä"]))
        made.append(Transferred(draw(st.sampled_from([T, LATER])), path, upload, draw(st.integers(0, 1))))
    return made


@given(
    st.lists(st.builds(sent, st.sampled_from("ab"), st.just("1-0")), max_size=1),
    announcements(),
    st.lists(st.builds(Failed, st.just(T), st.sampled_from("abz"), st.just("no"), st.just(0)), max_size=1),
    st.sampled_from([(), ("a",), ("f", "e", "d", "c", "b", "a"), ("a", "b", "c", "d", "e", "f", "g", "ä")]),
    st.booleans(),
)
@example([], [sent("a"), sent("b", "1-1")], [], (), False)
@example([], [sent("b"), sent("a", "1-1"), sent("c", "1-2")], [], ("a", "b", "c"), False)
@example([], [sent("a", "2-0")], [], (), False)
@example([], [sent("a"), sent("z")], [Failed(T, "z", "no", 0)], ("a",), False)
@example([], [sent("c"), sent("d", "1-1")], [Failed(T, "c", "no", 0)], (), True)
@example([], [sent("c"), sent("d", "1-1")], [Failed(T, "c", "no", 0)], (), False)
@example([sent("a")], [sent("a", "1-1")], [], ("a",), False)
@example([sent("a")], [sent("b", "1-1")], [], (), False)
def test_announcements_read_together_are_folded_as_one_by_one(before, together, failed, known, is_early):
    read = decode_segment(encode_segment(client().header, map(encode, together)), writer="client")
    assert list(read.records) == together
    folded = []
    for records in (read.records, Records(together)):
        history = DeliveryHistory({path: row for row, path in enumerate(known)})
        history.add_client(client(*before, *failed))
        if is_early:
            history.add_validator(validator(said(path="c"), said(path="a")))
        history.add_client(Segment(client().header, records, ""))
        history.add_client(client(sent("new", "1-9")))
        folded.append(history)
    for path in {*known, *(each.path for each in together), "a", "new"}:
        assert folded[0].latest(path) == folded[1].latest(path)
    one, other = folded
    assert sorted(one.paths()) == sorted(other.paths())
    assert sorted(one.unjudged()) == sorted(other.unjudged())
    assert (len(one), one.n_unjudged, one.failed) == (len(other), other.n_unjudged, other.failed)
    assert one.clients == other.clients


def test_no_more_files_are_taken_in_together_than_one_by_one(monkeypatch):
    monkeypatch.setattr("upload_client.core.history_rows.MAX_OTHERS", 3)
    lines = [encode(sent(path, f"1-{n}")) for n, path in enumerate("abcd")]
    history = DeliveryHistory()
    history.add_client(decode_segment(encode_segment(client().header, lines), writer="client"))
    assert (len(history), history.n_passed_over) == (3, 1)


VERDICTS = st.builds(
    said,
    st.sampled_from(["ok", "ok", "ok", "failure", "error"]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["1-0", "1-0", "1-1"]),
    st.integers(0, 1),
    st.just(""),
    st.sampled_from([AS_ANNOUNCED, AS_ANNOUNCED, Found(9, CRC, "cd" * 16), None]),
)


@given(
    st.lists(VERDICTS, max_size=3),
    st.lists(VERDICTS, max_size=6),
    st.sampled_from([{}, {"a": 0, "b": 1}, {"a": 0, "b": 1, "c": 2, "d": 3}]),
    st.integers(0, 1),
)
@example([], [said(path="b", ask=0)], {}, 1)
@example([], [said(path="b", ask=0)], {}, 0)
@example([], [said(path="d")], {}, 0)
@example([], [said(found=None), said(path="b", found=Found(9, CRC, "cd" * 16))], {}, 0)
def test_verdicts_read_together_are_folded_as_one_by_one(before, together, known, ask):
    header = SegmentHeader(1, 0, "validator1", 1, None, client_epoch=1)
    read = decode_segment(encode_segment(header, map(encode, together)), writer="validator")
    folded = []
    for records in (read.records, Records(together)):
        history = DeliveryHistory(known)
        history.add_client(client(sent("a"), sent("b", ask=ask), sent("c", upload="1-1")))
        history.add_validator(validator(*before))
        history.add_validator(Segment(header, records, ""))
        folded.append(history)
    packed = [history.packed() for history in folded]
    for each in packed:
        each["early"] = b"\n".join(sorted(each["early"].split(b"\n")))  # in order for each file
    assert packed[0] == packed[1]
    assert folded[0].n_unjudged == folded[1].n_unjudged == len(list(folded[0].unjudged()))
    assert folded[0].validators == folded[1].validators


def test_logs_that_tell_of_no_file_have_no_facts(history):
    assert history.logged() is None
    history.add_client(client(sent()))
    logged = history.logged()
    assert logged is not None
    assert logged.uploads[0] is not None
