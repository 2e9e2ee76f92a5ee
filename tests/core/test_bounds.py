"""Whatever the other side writes, there is an end to what is kept of it, and to what is told."""

from __future__ import annotations

import pytest
from core.test_history import AS_ANNOUNCED, CRC, ETAG, LATER, T, client, said, sent, validator

from upload_client.core import columns, history_rows
from upload_client.core import history as module
from upload_client.core.columns import TextColumn
from upload_client.core.files import FileLedger
from upload_client.core.history import DeliveryHistory
from upload_client.core.notice_limit import MAX_NAMED, NoticeLimit
from upload_client.core.records import Crash, Failed, Init, Stop, ValidatorInit, Verdict
from upload_client.core.uploads import Upload
from upload_client.core.verdicts import CONTRADICTORY, apply


@pytest.fixture
def history() -> DeliveryHistory:
    return DeliveryHistory({"a": 0})


@pytest.fixture
def _little_room(monkeypatch):
    monkeypatch.setattr(history_rows, "MAX_EARLY", 10_000)
    monkeypatch.setattr(history_rows, "_ROOM", 2_500)


def kept(history: DeliveryHistory) -> int:
    return sum(map(len, history._early.values()))


@pytest.mark.usefixtures("_little_room")
@pytest.mark.parametrize(
    "verdict",
    [
        lambda n: said(path=f"no/such/file{n}"),
        lambda n: said("failure", path=f"file{n}", message="x" * 3000),
        lambda n: said(upload="1-9", message=str(n)),
        lambda n: Verdict(LATER, f"b{n}", "1-1", 0, "ok", "", AS_ANNOUNCED, ("x" * 1000,) * 9),
    ],
    ids=["unknown files", "long reasons", "an upload again and again", "long lists of checks"],
)
def test_of_verdicts_on_what_nobody_announced_no_more_is_kept_than_there_is_room_for(history, verdict):
    for n in range(100):
        history.add_validator(validator(verdict(n)))
        history.add_verdict(verdict(n))
    assert kept(history) < 10
    assert history._early_bytes <= 10_000
    assert history.n_passed_over == 200 - kept(history)


@pytest.mark.usefixtures("_little_room")
def test_what_is_announced_makes_room_again(history):
    for n in range(9):
        history.add_verdict(said(path=f"b{n}"))
    assert history.wants_announcements
    history.add_client(client(*[sent(f"b{n}", f"1-{n}") for n in range(9)]))
    assert kept(history) == 8  # each but b0 has another upload than was judged
    history.add_verdict(said(path="b1", upload="1-1"))
    assert history.latest("b1").verdict == "ok"
    for n in range(1, 9):
        history.add_client(client(sent(f"b{n}", "2-0"), epoch=2))
        history.add_verdict(said(path=f"b{n}", upload="3-0"))
        history.add_client(client(sent(f"b{n}", "3-0"), epoch=3))
        assert history.latest(f"b{n}").verdict == "ok"
    assert (kept(history), history._early_bytes, history.n_passed_over) == (0, 0, 0)
    assert not history.wants_announcements


@pytest.mark.usefixtures("_little_room")
def test_a_verdict_for_which_there_is_no_room_takes_the_place_of_none(history):
    history.add_verdict(said(path="b", upload="1-1"))
    for n in range(20):
        history.add_verdict(said(path=f"c{n}"))
    history.add_verdict(said(path="b", upload="1-2", message="x" * 4000))  # the one before is out of date
    assert "b" not in history._early
    assert history._early_bytes <= 10_000


def test_only_so_many_files_are_taken_in_beside_the_known_ones(history, monkeypatch):
    monkeypatch.setattr(history_rows, "MAX_OTHERS", 3)
    history.add_client(client(*[sent(f"b{n}", f"1-{n}") for n in range(5)], sent("a", "1-9")))
    assert [history.row(f"b{n}") for n in range(5)] == [1, 2, 3, None, None]
    assert history.latest("a") is not None
    assert (len(history), history.n_passed_over) == (4, 2)
    history.add_client(client(sent("b1", "1-11"), epoch=1))  # it is in already
    assert history.latest("b1").upload.n == 11


def test_only_so_many_files_that_were_given_up_are_named_and_the_later_ones_shortly(history, monkeypatch):
    monkeypatch.setattr(history_rows, "MAX_FAILED", 3)
    monkeypatch.setattr(history_rows, "MAX_WHOLE", 1)
    history.add_client(client(*[Failed(T, f"b{n}", "x" * 500, 0) for n in range(5)]))
    assert [(path, len(f.error)) for path, f in history.failed.items()] == [
        ("b0", 500),
        ("b1", 200),
        ("b2", 200),
    ]
    assert history.n_passed_over == 2
    history.add_client(client(Failed(T, "b1", "again", 1)))
    assert history.failed["b1"].error == "again"


def test_only_the_last_lives_are_told_and_only_of_the_latest_all(history, monkeypatch):
    monkeypatch.setattr(module, "MAX_LIVES", 5)
    monkeypatch.setattr(module, "_WHOLE_LIVES", 2)
    for epoch in range(1, 10):
        init = Init(T, epoch, "index", "0" * 64, 1, 1)
        history.add_client(client(init, Crash(T, "x" * 500), epoch=epoch))
        init = ValidatorInit(T, "v", 1)
        history.add_validator(validator(init, Stop(T, "x" * 500), epoch=epoch))
    for lives in (history.clients, history.validators):
        assert list(lives) == [5, 6, 7, 8, 9]
        assert [life.init is not None for life in lives.values()] == [False, False, False, True, True]
        assert [len(life.reason) for life in lives.values()] == [200, 200, 200, 500, 500]
    assert history.last_client.epoch == history.last_validator().epoch == 9


def test_of_many_long_texts_the_first_are_kept_whole(monkeypatch):
    monkeypatch.setattr(columns, "MAX_WHOLE", 2)
    column = TextColumn()
    for row in range(4):
        column[row] = str(row) * 300
    column[4] = "short"
    assert [len(column[row]) for row in range(5)] == [300, 300, 200, 200, 5]
    assert column[3].endswith("3…")
    again = TextColumn()
    again.unpack(5, column.packed())
    assert again.packed() == column.packed()


def test_a_validator_that_contradicts_itself_in_turns_is_told_of_once():
    ledger = FileLedger(["a"], abspaths="/")
    ledger.queue(0)
    ledger.start(0)
    ledger.transferred(0, Upload(1, 0, 9, CRC, ETAG), LATER)
    said_of_it = [
        apply(ledger, verdict, epoch=1, now=0.0).action
        for _ in range(5)
        for verdict in (said("failure", message="no"), said("ok"), said(upload="1-9"), said(upload="1-8"))
    ]
    assert said_of_it.count("invalid") == 2
    assert ledger.message(0) == CONTRADICTORY
    assert ledger.state(0) == "invalid"


def test_the_first_few_of_a_kind_are_named_and_the_rest_are_counted():
    few = NoticeLimit()
    assert [few.admits("a") for _ in range(600_000)].count(True) == MAX_NAMED
    assert few.admits("b")
    assert list(few.rest()) == [("a", 600_000 - MAX_NAMED)]
