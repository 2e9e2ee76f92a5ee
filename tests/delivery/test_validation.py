"""What a client asks of the starter, and believes of its validators, where several share the files."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from faults.memory import VirtualClock

from upload_client.aws.pipeline import Started
from upload_client.core.record_encoding import encode
from upload_client.core.records import Record, Shutdown, ValidatorInit
from upload_client.core.segments import LogChain, Segment, encode_segment
from upload_client.core.validator_watch import ValidatorWatch
from upload_client.delivery.validation import Request, Validation
from upload_client.errors import ValidatorSilent
from upload_client.s3.bucket import AnswerLost

T = "2026-01-02T03:04:05.678Z"


class Reader:
    """Of a log that the test writes."""

    def __init__(self) -> None:
        self.chain = LogChain("validator")
        self.trouble = self.polls_ok_at = None
        self.segments: list[Segment] = []

    @property
    def has_found(self) -> bool:
        return bool(self.segments)

    def start(self) -> None:
        pass

    def poll_now(self) -> None:
        pass

    def update(self) -> list[Segment]:
        segments, self.segments = self.segments, []
        return segments

    def say(self, *records: Record) -> None:
        header = self.chain.header(agent_id="v", epoch=1, client_epoch=1)
        data = encode_segment(header, map(encode, records))
        self.segments.append(self.chain.copy().accept(header.seq, data))
        self.chain.appended(header, data)


class Starter:
    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answer: Callable[[], Started] = lambda: Started("v", 1)
        self.answered = threading.Semaphore(0)

    def __call__(self, wanted: Request) -> Started:
        self.asked.append(wanted)
        self.answered.release()
        return self.answer()


@pytest.fixture
def starter() -> Starter:
    return Starter()


@pytest.fixture
def readers() -> dict[int, Reader]:
    return {}


@pytest.fixture
def validation(starter, readers) -> Validation:
    return Validation(
        {},
        lambda shard: readers.setdefault(shard, Reader()),
        lambda: ValidatorWatch(1),
        starter,
        VirtualClock(),
    )


def lost() -> Started:
    raise AnswerLost("no answer")


def hear(validation: Validation) -> None:
    assert list(validation.listen())


def test_a_client_that_was_told_of_one_validator_keeps_it_at_one(validation, starter, readers):
    assert validation.start(lambda: None)
    readers[0].say(ValidatorInit(T, "v", 1), Shutdown(T, "time"))
    hear(validation)
    validation.keep()
    assert [starter.answered.acquire(timeout=60) for _ in range(2)] == [True, True]
    assert starter.asked == [Request(1, 0, None), Request(2, 0, 1)]


def test_what_a_lost_answer_would_have_said_is_heard_in_the_log(validation, starter, readers):
    starter.answer = lost
    assert validation.start(lambda: None)
    readers[0].say(ValidatorInit(T, "v", 1, 3))
    hear(validation)
    assert readers.keys() == {0, 1, 2}
    readers[1].say(ValidatorInit(T, "v", 1, 3), Shutdown(T, "time"))
    hear(validation)
    validation.keep()
    assert [starter.answered.acquire(timeout=60) for _ in range(2)] == [True, True]
    assert starter.asked == [Request(1, 0, None), Request(2, 1, 3)]


def test_validators_that_do_not_agree_in_how_many_they_are_end_the_run(validation, starter, readers):
    """Else it would wait for ever for the files that are nobody's."""
    starter.answer = lambda: Started("v", 3)
    assert validation.start(lambda: None)
    for shard, shards in enumerate((2, 3, 3)):
        readers[shard].say(ValidatorInit(T, "v", 1, shards))
    hear(validation)
    with pytest.raises(ValidatorSilent, match="one of 2 that share the files, and others are of 3"):
        validation.keep()


def test_once_all_is_sent_a_wait_ends_with_what_comes_and_a_second_later_with_its_time(readers):
    class Telling(VirtualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            readers[0].say(ValidatorInit(T, "v", 1))

    clock = Telling()
    validation = Validation(
        {}, lambda shard: readers.setdefault(shard, Reader()), lambda: ValidatorWatch(1), Starter(), clock
    )

    def waited(seconds: float) -> float:
        began = clock.monotonic()
        validation.wait(seconds)
        return clock.monotonic() - began

    assert waited(0.1) == pytest.approx(0.1)
    hear(validation)
    validation.poll_now()
    assert 0 < waited(0.1) < 0.05
    assert waited(0.1) == 0
    clock.advance(1)
    assert waited(0.1) == pytest.approx(0.1)


def test_a_watch_is_only_ever_touched_in_the_callers_thread(validation, starter, readers):
    assert validation.start(lambda: None)
    here: list[bool] = []
    watch = validation.watch
    starting = watch.starting

    def noted() -> int:
        here.append(threading.current_thread() is threading.main_thread())
        return starting()

    watch.starting = noted
    readers[0].say(ValidatorInit(T, "v", 1), Shutdown(T, "time"))
    hear(validation)
    validation.keep()
    assert [starter.answered.acquire(timeout=60) for _ in range(2)] == [True, True]
    assert here == [True]
