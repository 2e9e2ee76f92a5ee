"""A client whose clock is wrong: it is told so, and it harms nobody."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from delivery.conftest import Delivery
from faults import proxy as net
from faults.conftest import Network
from faults.proxy import Request

LIBRARIES = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
]


@pytest.fixture
def faketime() -> dict[str, str]:
    """Environment of a process whose wall clock a test sets, by ``FAKETIME``."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    return {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


NO_LOGIN = {
    "UPLOAD_CLIENT_AUTH": "aws",
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
}
"""Environment of a run that needs none: the sandbox's are good for less than 20 minutes."""


def too_skewed(minutes: float):
    """Whether a request was signed further from now than AWS allows."""

    def matches(request: Request) -> bool:
        signed = request.headers.get("x-amz-date")
        if signed is None:
            return False
        at = dt.datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        return abs((dt.datetime.now(dt.UTC) - at).total_seconds()) > 60 * minutes

    return matches


def date() -> str:
    return f"Date: {dt.datetime.now(dt.UTC):%a, %d %b %Y %H:%M:%S GMT}\r\n"


@pytest.mark.parametrize(("offset", "said"), [("+20m", "20 min ahead"), ("-20m", "20 min behind")])
def test_a_signature_refused_for_its_time_is_explained_by_the_clock(
    delivery: Delivery, data: Path, network: Network, faketime: dict[str, str], offset: str, said: str
) -> None:
    skewed = net.answer(403, "RequestTimeTooSkewed", headers=date())
    network.s3.on(skewed, when=too_skewed(15), times=None)
    outcome = delivery.run("--source", data, env={**network.env, **faketime, **NO_LOGIN, "FAKETIME": offset})
    assert outcome.exit_code not in (0, 12), outcome
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert delivery.landed() == {}


@pytest.mark.long
def test_credentials_that_have_ended_by_a_wrong_clock_are_a_refused_login_that_says_why(
    delivery: Delivery, data: Path, faketime: dict[str, str]
) -> None:
    outcome = delivery.run("--source", data, env={**faketime, "FAKETIME": "+2h"})
    assert outcome.exit_code == 10, outcome
    assert "2 h 0 min ahead" in outcome.stderr
    assert "Set this machine's clock" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert delivery.lock() is None
    assert delivery.run("--source", data).exit_code == 0
