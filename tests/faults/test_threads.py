"""A thread of ours that dies of a fault of its own: the run ends with a clear error, and the next goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from delivery.conftest import Delivery, content
from faults.conftest import client_of

from upload_client.s3.multiplexer import Multiplexer
from upload_client.transfer.outcomes import Outcomes


@pytest.mark.parametrize(
    ("engine", "where", "what"), [("direct", Multiplexer, "_answered"), ("boto3", Outcomes, "conclude")]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_ends_the_run_and_hangs_nothing(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch, engine: str, where: type, what: str
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    with monkeypatch.context() as patch, client_of(delivery, data, more={"engine": engine}) as client:
        patch.setattr(where, what, broken)
        outcome = client.run()
    assert outcome.exit_code == 1, outcome
    assert "nobody expected this" in outcome.headline
    assert delivery.lock()["state"] == "released"
    with client_of(delivery, data) as following:
        assert following.run().exit_code == 0, following.outcome
    assert delivery.landed() == content(data)
