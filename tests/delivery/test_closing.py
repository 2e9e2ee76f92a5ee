"""A delivery that the receiver has taken over: its provider is told, and nothing is sent again."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from delivery.conftest import Delivery
from faults.conftest import client_of

from upload_client import NothingToDoError
from upload_client.cli.receiver import receiver
from upload_client.core.hand_over import HandOver
from upload_client.delivery import startup


def close(delivery: Delivery, monkeypatch, *more: str):
    sandbox = delivery.receiver.sandbox
    settings = {
        "control_bucket": sandbox.control_bucket,
        "landing_bucket": sandbox.landing_bucket,
        "worker_function": None,
        "endpoints": {"s3": sandbox.s3_endpoint_url},
    }
    monkeypatch.setenv("UPLOAD_CLIENT_VALIDATOR", json.dumps(settings))
    place = ["--dataset", delivery.dataset, "--delivery-id", delivery.delivery_id]
    said = CliRunner().invoke(receiver, ["close", *place, *more], standalone_mode=False)
    assert said.exception is None, said.output
    return said.output


def test_a_closed_delivery_sends_nothing_until_it_is_open_again(delivery, data, monkeypatch):
    assert "closed" in close(delivery, monkeypatch, "--note", "in the archive")
    client = client_of(delivery, data)
    outcome = client.run()
    assert outcome.exit_code == 0
    assert outcome.headline.startswith("nothing was sent: the receiver has taken this delivery over")
    assert "in the archive" in outcome.headline
    assert delivery.landed() == {}
    assert delivery.lock() is None
    with pytest.raises(NothingToDoError, match="closed"):
        client_of(delivery, data).plan()
    assert "open again" in close(delivery, monkeypatch, "--reopen")
    with client_of(delivery, data) as client:
        assert client.run().exit_code == 0
    assert len(delivery.landed()) == 12


def record_removal(delivery: Delivery, **when: str) -> None:
    """Write the record of a hand-over after which files leave landing."""
    sandbox, root = delivery.receiver.sandbox, f"{delivery.dataset}/{delivery.delivery_id}/"
    record = HandOver(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        transfer_type="staging",
        epoch=1,
        receipt="staging/receipt/00000001.json",
        receipt_sha256="0" * 64,
        landing=f"s3://{sandbox.landing_bucket}/x/",
        archive="s3://archive/x/",
        n_files=12,
        n_bytes=1,
        files_sha256="0" * 64,
        proven_at="2026-11-29T06:00:00.000Z",
        agent_id="abcdefghijk",
        **when,
    )
    sandbox.client("s3").put_object(
        Bucket=sandbox.control_bucket, Key=f"{root}staging/handover/00000001.json", Body=record.encode()
    )


@pytest.mark.parametrize(
    ("when", "said"), [("removing_at", "which are being removed"), ("removed_at", "handed")]
)
def test_what_was_handed_over_and_leaves_landing_is_not_sent_again(delivery, data, when, said):
    record_removal(delivery, **{when: "2026-11-29T06:00:01.000Z"})
    outcome = client_of(delivery, data).run()
    assert outcome.exit_code == 0
    assert "handed this delivery over" in outcome.headline
    assert said in outcome.headline
    assert delivery.landed() == {}
    assert delivery.lock() is None


def test_a_run_that_has_the_lock_looks_again_whether_files_leave_landing(delivery, data, monkeypatch):
    """So it, or whoever removes them, sees the other: they write that down, and then look for the lock."""
    real = startup.take_lock

    def take_lock(run):
        lock = real(run)
        record_removal(delivery, removing_at="2026-11-29T06:00:01.000Z")
        return lock

    monkeypatch.setattr(startup, "take_lock", take_lock)
    outcome = client_of(delivery, data).run()
    assert outcome.exit_code == 0
    assert "handed this delivery over" in outcome.headline
    assert delivery.landed() == {}
    assert delivery.lock()["state"] == "released"
