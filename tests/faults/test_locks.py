"""The lock is stolen, deleted, garbled, expired: the old owner writes nothing more that counts.

With real time, a stopped process and a lease of 30 s:

    python -m pytest tests/faults/test_locks.py -m long
"""

from __future__ import annotations

import email.utils
import os
import re
import signal
import time
from pathlib import Path

import pytest
from delivery.conftest import Delivery, content
from faults.conftest import BOTH, PATIENT, Movable, Network, client_of, control_bucket, log_of, start
from faults.proxy import Exchange, Fault
from waiting import until

from upload_client import Bucket, UploadClient
from upload_client.control.fence import unlock
from upload_client.core.layout import Layout, segment_key
from upload_client.core.records import KEEPALIVE_SECONDS
from upload_client.core.segments import encode_segment
from upload_client.delivery import finish, startup
from upload_client.errors import DeliveryError, LockLost, Superseded


def later(seconds: float) -> Fault:
    """Let the store's clock be so much later in its answer (``Date``, RFC 9110 section 6.6.1)."""

    def fault(x: Exchange) -> None:
        raw = x.forward().raw
        date = email.utils.formatdate(time.time() + seconds, usegmt=True).encode()
        x.send(re.sub(rb"(?im)^date:.*\r$", b"Date: " + date + b"\r", raw, count=1))

    return fault


def stolen(delivery: Delivery, network: Network, old: UploadClient) -> dict:
    return {"steal": old.agent_id}


def deleted(delivery: Delivery, network: Network, old: UploadClient) -> dict:
    control_bucket(delivery).rm("owned")
    return {}


def garbled(delivery: Delivery, network: Network, old: UploadClient) -> dict:
    control_bucket(delivery).put("owned", b'{"epoch": -1, "\xff')
    # Unreadable: held, until as much time as an unknown lease may take has passed by the store's clock.
    network.s3.on(later(303.0), method="GET", path="/owned$", times=None)
    return {}


def expired(delivery: Delivery, network: Network, old: UploadClient) -> dict:
    network.s3.on(later(33.0), method="GET", path="/owned$", times=None)
    return {}


@pytest.mark.parametrize(
    ("happen", "calm"),
    [(stolen, "best"), (deleted, "best"), (garbled, "best"), (expired, "moto")],
    indirect=["calm"],
)
def test_who_lost_the_lock_writes_nothing_more_and_the_next_one_ends_all_valid(
    delivery: Delivery, data: Path, network: Network, happen
) -> None:
    clock = Movable()
    old = client_of(delivery, data, clock=clock)
    old.connect()
    old.write_index()
    old.initiate_transfer()
    for _ in range(3):
        old.transfer_next_file()
    while not any(file.state in ("done", "valid") for file in old.files):
        old.update()
    options = happen(delivery, network, old)
    with client_of(delivery, data, network.settings, **options) as new:
        assert new.run().exit_code == 0, new.outcome
    landed, chain = delivery.landed(), [segment.sha256 for segment in log_of(delivery, "client")]
    lock = delivery.lock()
    clock.ahead = clock.slept = 16.0  # past half of its lease: it must not write before it has looked
    while not old.done:
        if old.next_file is not None:
            old.transfer_next_file()
        try:
            old.update(0.1)
        except Exception:
            assert old.done
            raise
    assert old.outcome is not None
    assert old.outcome.exit_code == 12, old.outcome
    assert delivery.landed() == landed == content(data)
    assert [segment.sha256 for segment in log_of(delivery, "client")] == chain
    assert delivery.lock() == lock
    assert lock["state"] == "released"
    assert lock["epoch"] == 2
    assert lock["agent_id"] == new.agent_id


def connected(delivery: Delivery, data: Path, **options) -> UploadClient:
    client = client_of(delivery, data, **options)
    client.connect()
    client.write_index()
    client.initiate_transfer()
    return client


def taken_and_given_back(delivery: Delivery, old: UploadClient) -> None:
    layout = Layout(delivery.dataset, delivery.delivery_id, "sample")
    unlock(control_bucket(delivery), layout, holder=old.agent_id, lease_seconds=30, sure=True)


def all_valid_but_for_the_end(client: UploadClient) -> None:
    """Send and hear everything, up to the moment before the last look."""
    finish, client._finish = client._finish, lambda _: None
    while not client.validation_complete:
        if client.next_file is not None:
            client.transfer_next_file()
        client.update(0.1)
    client._finish = finish


def test_who_was_unlocked_while_it_worked_finds_out_within_seconds_and_writes_no_receipt(
    delivery: Delivery, data: Path
) -> None:
    clock = Movable()
    old = connected(delivery, data, clock=clock, more=PATIENT)
    old.transfer_next_file()
    while not any(file.state in ("done", "valid") for file in old.files):
        old.update()
    assert old._run.connected.writer.flush()
    taken_and_given_back(delivery, old)
    old._run.lock.stop()  # its next look at the lock is far away
    clock.ahead = clock.slept = KEEPALIVE_SECONDS  # and it has nothing to say but that it lives
    outcome = _driven(old, sends=False)
    assert outcome.exit_code == 12, outcome
    assert not [key for key in control_bucket(delivery).ls() if "/receipt/" in key]
    with client_of(delivery, data) as new:
        assert new.run().exit_code == 0, new.outcome


def _driven(client: UploadClient, *, sends: bool = True):
    while not client.done:
        if sends and client.next_file is not None:
            client.transfer_next_file()
        try:
            client.update(0.1)
        except DeliveryError:
            assert client.done
    return client.outcome


def test_who_was_unlocked_when_all_was_judged_writes_no_receipt_and_does_not_exit_0(
    delivery: Delivery, data: Path
) -> None:
    old = connected(delivery, data)
    all_valid_but_for_the_end(old)
    old._run.lock.stop()
    taken_and_given_back(delivery, old)
    outcome = _driven(old)
    assert outcome.exit_code == 12, outcome
    assert outcome.receipt is None
    assert not [key for key in control_bucket(delivery).ls() if "/receipt/" in key]


def test_who_was_unlocked_between_the_receipt_and_the_last_word_does_not_exit_0(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = connected(delivery, data)
    write = finish.write_receipt

    def then_unlocked(connected) -> None:
        write(connected)
        old._run.lock.stop()
        taken_and_given_back(delivery, old)

    monkeypatch.setattr(finish, "write_receipt", then_unlocked)
    outcome = _driven(old)
    assert outcome.exit_code == 12, outcome
    assert old.state == "quit"


def test_who_takes_the_lock_for_the_sample_ends_the_run_of_the_whole_delivery_at_once(
    delivery: Delivery, data: Path
) -> None:
    old = connected(delivery, data)
    old.transfer_next_file()
    assert old._run.connected.writer.flush()
    old._run.lock.stop()
    with client_of(delivery, data, steal=old.agent_id, transfer_type="sample") as new:
        new.connect()
        last = log_of(delivery, "client")[-1]
        assert (last.header.agent_id, last.header.epoch) == (new.agent_id, 2)
        assert "to deliver the sample" in next(iter(last.records)).reason
        outcome = _driven(old)
    assert outcome.exit_code == 12, outcome


def test_who_was_unlocked_before_its_first_word_in_the_log_announces_nothing(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = client_of(delivery, data)
    take = startup.take_lock

    def then_unlocked(run):
        lock = take(run)
        taken_and_given_back(delivery, old)
        return lock

    monkeypatch.setattr(startup, "take_lock", then_unlocked)
    with pytest.raises(LockLost):
        old.connect()
    assert [len(segment.records) for segment in log_of(delivery, "client")] == [0]


def test_an_epoch_that_was_given_before_is_noticed_before_anything_counts_under_it(
    delivery: Delivery, data: Path
) -> None:
    first = client_of(delivery, data)
    first.connect()
    first.quit()
    second = client_of(delivery, data)
    second.connect()
    bucket, chain = control_bucket(delivery), second._run.connected.chain
    header = chain.header(agent_id=first.agent_id, epoch=1)  # late, as of a request that was long on its way
    bucket.put(segment_key("staging/log/client/", header.seq), encode_segment(header, []))
    bucket.rm("owned")
    third = client_of(delivery, data)
    with pytest.raises(Superseded, match=second.agent_id), third:
        third.run()
    assert delivery.lock()["epoch"] == 2
    assert delivery.landed() == {}
    with client_of(delivery, data) as fourth:
        assert fourth.run().exit_code == 0, fourth.outcome
    assert delivery.lock()["epoch"] == 3
    assert delivery.landed() == content(data)
    second.quit()


def test_where_the_lock_is_gone_and_a_listing_leaves_out_its_folders_the_log_keeps_the_epochs(
    delivery: Delivery, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor of epochs believes that listing; that the log's number is taken is the second witness."""
    first = client_of(delivery, data)
    first.connect()
    first.quit()
    bucket, listed = control_bucket(delivery), Bucket.ls
    bucket.rm("owned")

    def without_folders(self: Bucket, *args, recursive: bool = True, **options):
        found = listed(self, *args, recursive=recursive, **options)
        return found if recursive else tuple(name for name in found if not name.endswith("/"))

    monkeypatch.setattr(Bucket, "ls", without_folders)
    second = client_of(delivery, data)
    with pytest.raises(Superseded, match=first.agent_id), second:
        second.run()
    assert delivery.landed() == {}
    with client_of(delivery, data) as third:
        assert third.run().exit_code == 0, third.outcome
    assert delivery.lock()["epoch"] == 2
    assert delivery.landed() == content(data)


def test_a_laptop_that_slept_goes_on_if_nobody_came(delivery: Delivery, data: Path) -> None:
    clock = Movable()
    with client_of(delivery, data, clock=clock) as client:
        client.connect()
        client.write_index()
        client.initiate_transfer()
        client.transfer_next_file()
        clock.ahead = 4000.0
        while not client.done:
            if client.next_file is not None:
                client.transfer_next_file()
            client.update(0.1)
    assert client.outcome is not None
    assert client.outcome.exit_code == 0, client.outcome
    assert delivery.lock()["epoch"] == 1


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_wrong_clock_takes_no_live_lock(delivery: Delivery, data: Path, minutes: int) -> None:
    from upload_client.errors import Locked

    held = client_of(delivery, data)
    held.connect()
    try:
        wrong = client_of(delivery, data, clock=Movable(60.0 * minutes))
        with pytest.raises(Locked, match=held.agent_id), wrong:
            wrong.run()
    finally:
        held.quit()
    with client_of(delivery, data, clock=Movable(60.0 * minutes)) as wrong:
        assert wrong.run().exit_code == 0


@pytest.mark.long
@pytest.mark.parametrize("calm", BOTH, indirect=True)
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot stop a process")
def test_a_process_that_was_stopped_for_longer_than_its_lease(
    delivery: Delivery, data: Path, network: Network
) -> None:
    def stop(x: Exchange) -> None:
        os.kill(old.pid, signal.SIGSTOP)
        x.send(x.forward().raw)

    network.s3.on(stop, method="PUT", path=r"^/landing-(?!.*/upload-client-probe-)", nth=4)
    old = start(delivery, "--source", data, env=network.env)
    until(delivery.lock)
    time.sleep(34)  # the lease passes by the store's clock, which nobody can move
    said = delivery.run("--source", data)
    assert said.exit_code == 0, said
    landed, chain = delivery.landed(), len(log_of(delivery, "client"))
    os.kill(old.pid, signal.SIGCONT)
    _, stderr = old.communicate(timeout=60)
    assert old.returncode == 12, stderr
    assert delivery.landed() == landed == content(data)
    assert len(log_of(delivery, "client")) == chain
    assert delivery.lock()["epoch"] == 2
