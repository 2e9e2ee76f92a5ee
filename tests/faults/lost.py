"""What the tests of locks and logs share: time that can be moved, and ways to lose an answer."""

from __future__ import annotations

import pytest
from faults import proxy as net
from faults.memory import VirtualClock

LOST_ANSWERS = {
    "swallowed": net.swallow_answer(),
    "cut in its head": net.cut_answer(),
    "cut before its ETag": net.cut_answer(after=20),
    "reset": net.reset(),
    "half-closed": net.half_close(hold=1.0),
    "replaced by a 503": net.answer(503, "SlowDown", forward=True),
    "replaced by a 500": net.answer(500, "InternalError", forward=True),
}
LOST_REQUESTS = {
    "dropped": net.drop(),
    "reset": net.reset(forward=False),
    "answered by a 503": net.answer(503, "SlowDown"),
    "cut on its way": net.cut_request(10),
    "damaged on its way": net.answer(400, "BadDigest"),
    "refused by a 409": net.answer(409, "ConditionalRequestConflict"),
}


@pytest.fixture(params=LOST_ANSWERS.values(), ids=LOST_ANSWERS.keys())
def lost_answer(request: pytest.FixtureRequest) -> net.Fault:
    """Each way in which a request is carried out and nobody hears of it."""
    return request.param


@pytest.fixture(params=LOST_REQUESTS.values(), ids=LOST_REQUESTS.keys())
def lost_request(request: pytest.FixtureRequest) -> net.Fault:
    """Each way in which a request is not carried out, and that is uncertain or only for a moment."""
    return request.param


@pytest.fixture
def clock() -> VirtualClock:
    """Time that passes only when somebody sleeps, or when the test moves it."""
    return VirtualClock()
