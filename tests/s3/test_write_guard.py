"""Leave to write is asked for each attempt that botocore makes, not once for all of them."""

from __future__ import annotations

import pytest
from faults import proxy as net

from upload_client.s3.bucket import AnswerLost
from upload_client.s3.wire import BotoWire, PutObject
from upload_client.s3.write_guard import guarded_by


class Leave:
    """Given for so many times; counts how often it was asked."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked <= self.times


@pytest.fixture
def busy(bucket, through, proxy):
    """A bucket in whose place a 503 answers whoever writes; botocore asks three times."""
    proxy.on(net.answer(503, "SlowDown"), method="PUT", times=None)
    return through(bucket, retries={"mode": "standard", "total_max_attempts": 3})


@pytest.mark.parametrize(("times", "sent"), [(0, 0), (1, 1), (2, 2), (9, 3)])
def test_an_attempt_that_is_no_longer_allowed_is_not_sent(busy, proxy, times, sent):
    with guarded_by(Leave(times)), pytest.raises(AnswerLost):
        busy.put("a", b"1")
    assert len(proxy.requests) == sent


def test_a_file_on_its_way_is_as_one_whose_answer_is_lost(busy, proxy):
    with guarded_by(Leave(1)):
        answer = BotoWire(busy).perform(PutObject("a", b"1", "g9DvPg==", None))
    assert answer.lost
    assert "the lock is not confirmed" in answer.message
    assert len(proxy.requests) == 1


def test_nobody_is_asked_where_nobody_said_so(busy, proxy, bucket):
    leave = Leave(0)
    with guarded_by(leave):
        pass
    with pytest.raises(AnswerLost):
        busy.put("a", b"1")
    assert leave.asked == 0
    assert len(proxy.requests) == 3
    with guarded_by(Leave(9)):
        bucket.put("a", b"1")
    assert bucket.read("a") == b"1"
