"""Who has much to do keeps nobody waiting, and what reads one delivery's files reads nobody else's."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from waiting import until

from upload_client.validator import readers
from upload_client.validator.fair_semaphore import TURN_SECONDS, FairSemaphore
from upload_client.validator.readers import ReaderWorkers


def turns(seconds: float, parties: list[str]) -> list[str]:
    """The order in which they get the one place that there is, each for so long, all waiting at once."""
    now, had = [0.0], []
    slots = FairSemaphore(1, lambda: now[0])

    def work(party: str) -> None:
        with slots.acquire(party):
            had.append(party)
            now[0] += seconds

    threads = [threading.Thread(target=work, args=(party,)) for party in parties]
    with slots.acquire("before"):
        for n, thread in enumerate(threads, 1):
            thread.start()
            until(lambda n=n: sum(map(len, slots._waiting.values())) == n)
    for thread in threads:
        thread.join()
    with slots.acquire("after"):
        had.append("after")
    return had


def test_whoever_has_had_least_is_next_however_many_others_wait():
    assert turns(300, ["much"] * 4 + ["little"]) == ["much", "little", "much", "much", "much", "after"]


def test_a_party_keeps_its_place_for_a_turn():
    assert turns(TURN_SECONDS / 2, ["one"] * 4 + ["other"] * 2) == [
        *["one"] * 2,
        *["other"] * 2,
        *["one"] * 2,
        "after",
    ]


def test_what_waits_and_is_interrupted_leaves_its_place_to_others(monkeypatch):
    slots = FairSemaphore(1)

    class Interrupted(threading.Event):
        def wait(self, _timeout=None):
            raise KeyboardInterrupt

    with slots.acquire("first"):
        # Only what is waited for here: threads of others wait for events of their own.
        monkeypatch.setattr(
            "upload_client.validator.fair_semaphore.threading", SimpleNamespace(Event=Interrupted)
        )
        with pytest.raises(KeyboardInterrupt), slots.acquire("second"):
            pass
        monkeypatch.undo()
    with slots.acquire("third"):
        pass
    slots.forget("third")
    assert not slots._waiting


class Process:
    """A reader worker that reads nothing."""

    stdin = stdout = None
    ended = False
    confinement = readers.Confinement((), {})

    def __init__(self, _limits):
        pass

    def kill(self):
        self.ended = True

    wait = kill

    def poll(self):
        return -9 if self.ended else None


@pytest.fixture
def asked(monkeypatch) -> list[Process]:
    """The processes that were asked, in their order."""
    asked: list[Process] = []

    def converse(process, _order, _read):
        asked.append(process)
        return {"opens": True}

    monkeypatch.setattr(readers, "_Reader", Process)
    monkeypatch.setattr(readers, "_converse", converse)
    return asked


def test_a_process_reads_files_of_one_delivery_alone(asked):
    with ReaderWorkers(1) as shared:
        with shared.for_another() as one, shared.for_another() as other:
            for whose in (one, other, one, other):
                whose.open("json", 0, lambda *_: b"")
            assert asked[0] is asked[2] is not asked[1] is asked[3]
            third = shared.for_another()
            third.open("json", 0, lambda *_: b"")  # of too many the one goes that has been idle for longest
            assert [each.ended for each in asked[:2]] == [True, False]
        assert asked[1].ended
        assert not asked[4].ended
    assert asked[4].ended


def test_each_delivery_that_a_server_judges_has_reader_workers_of_its_own(monkeypatch):
    from upload_client.core.layout import Layout
    from upload_client.s3.bucket import Bucket
    from upload_client.validator import ValidatorSettings, serving

    used: list[ReaderWorkers] = []

    def checker(*arguments, others_judge):
        assert not others_judge
        used.append(arguments[4])
        raise InterruptedError  # it is not to be judged

    settings = ValidatorSettings(control_bucket="c", landing_bucket="l", worker_function=None)
    monkeypatch.setattr(serving, "make_checker", checker)
    monkeypatch.setattr(serving, "adopt_profile", lambda *_: None)
    monkeypatch.setattr(Bucket, "is_empty", lambda *_: True)  # nobody was there before
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    shared = ReaderWorkers(1)
    for delivery in ("1", "2"):
        with pytest.raises(InterruptedError):
            serving.serve(
                settings, Layout("d", delivery, "staging"), validator_id="v", client_epoch=1, readers=shared
            )
    assert len({id(shared), *map(id, used)}) == 3
