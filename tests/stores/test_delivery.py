"""Deliveries to a store that verifies nothing: read back; or refused; or accepted, as the receipt says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from delivery.conftest import Delivery, Receiver, make_data
from faults.proxy import Proxy, corrupt_request
from waiting import until

from upload_client import UploadClient
from upload_client.control import store_probe
from upload_client.core import checksums
from upload_client.core.store_profile import Observation
from upload_client.delivery import startup
from upload_client.errors import NotReachable, StoreUnsafe
from upload_client.index import scan
from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client
from upload_client.sandbox import Sandbox
from upload_client.settings import load_settings
from upload_client.transfer.dataroot import DataRoot
from upload_client.transfer.engine import TransferEngine
from upload_client.transfer.task import TransferOutcome, TransferTask


class Endpoint:
    def __init__(self, url: str) -> None:
        self.endpoint_url = url
        self.endpoints: dict[str, str] = {}


@pytest.fixture(scope="module")
def careless(moto_server: str) -> Iterator[Sandbox]:
    """A receiver whose store is moto itself, which takes any checksum."""
    with Sandbox(s3_endpoint=moto_server) as made:
        yield made


@pytest.fixture
def delivery(careless: Sandbox, tmp_path) -> Delivery:
    (tmp_path / "output").mkdir()
    return Receiver(careless, tmp_path / "output").new_delivery()


def client_of(delivery: Delivery, tmp_path, **more) -> UploadClient:
    data = make_data(tmp_path / "data", 3)
    (data / "large.bin").write_bytes(b"x" * 17 * 1024**2)
    return UploadClient(
        dataset=delivery.dataset,
        delivery_id=delivery.delivery_id,
        file_index=scan(data),
        transfer_type="staging",
        source=data,
        settings=load_settings(profile=delivery.receiver.sandbox.profile, environ={}, flags=more),
        session=boto3.Session("sandbox", "sandbox", region_name="us-east-1"),
        output_dir=delivery.receiver.output,
        n_threads=2,
    )


def test_content_is_read_back_from_a_store_that_verifies_nothing_and_the_receipt_says_so(delivery, tmp_path):
    with client_of(delivery, tmp_path) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    receipt = json.loads(outcome.receipt_file.read_text("ascii"))
    assert "confirmed by reading back" in receipt["store"]
    assert not any("-" in each["etag"] for each in receipt["files"])  # nothing went in parts


def test_what_a_killed_run_left_damaged_is_not_taken_for_sent_by_what_it_says_of_itself(delivery, tmp_path):
    client = client_of(delivery, tmp_path)
    sound = (tmp_path / "data" / "large.bin").read_bytes()
    landing = delivery.receiver.sandbox.client("s3")
    landing.put_object(
        Bucket=delivery.receiver.sandbox.landing_bucket,
        Key=f"{delivery.dataset}/{delivery.delivery_id}/staging/large.bin",
        Body=sound[:-1] + b"y",
        ChecksumAlgorithm="CRC32",
        ChecksumCRC32=checksums.encode(checksums.crc32(sound)),  # which moto does not hold against it
    )
    with client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    key = f"{delivery.dataset}/{delivery.delivery_id}/staging/large.bin"
    there = landing.get_object(Bucket=delivery.receiver.sandbox.landing_bucket, Key=key)["Body"].read()
    assert there == sound


def test_where_that_cannot_be_either_it_is_refused_before_anything_is_sent(delivery, tmp_path, monkeypatch):
    unpinned(monkeypatch)
    with pytest.raises(StoreUnsafe, match="wrong CRC32") as refused, client_of(delivery, tmp_path) as client:
        client.run()
    assert refused.value.exit_code == 14
    assert "--accept-unverified-store" in refused.value.hint
    assert delivery.lock()["state"] == "released"
    assert delivery.landed() == {}
    told = json.loads(delivery.control("probe/store"))  # what was seen is there to be looked at
    assert told["observed"]["put-crc32"] == "broken"


def test_a_store_is_tried_beside_what_is_asked_before_a_file_is_sent(delivery, tmp_path, monkeypatch):
    """What it takes, 23 requests, would else be waited for."""
    real, landed = startup._profile_of_store, []

    def late(run, places, **about):
        until(lambda: run.lock is not None and run.lock.state == "held", why="the lock waits for the trials")
        landed.append(delivery.landed())
        return real(run, places, **about)

    monkeypatch.setattr(startup, "_profile_of_store", late)
    with client_of(delivery, tmp_path) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert landed == [{}]
    assert "confirmed by reading back" in json.loads(outcome.receipt_file.read_text("ascii"))["store"]


def test_step_by_step_it_is_known_once_the_client_is_connected(delivery, tmp_path):
    with client_of(delivery, tmp_path) as client:
        client.connect()
        assert client._run.store.verification == "read-back"


def test_what_fails_in_the_trials_is_asked_again_for_as_long_as_there_is_patience(
    delivery, tmp_path, monkeypatch
):
    real, tries = startup._profile_of_store, []

    def out_of_reach_at_first(run, places, **about):
        tries.append(None)
        if len(tries) == 1:
            raise NotReachable("nobody answers")
        return real(run, places, **about)

    monkeypatch.setattr(startup, "_profile_of_store", out_of_reach_at_first)
    with client_of(delivery, tmp_path) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    assert len(tries) == 2


def test_a_run_that_is_stopped_while_it_waits_for_the_trials_lets_them_clear_up(
    delivery, tmp_path, monkeypatch
):
    real, ended = startup._profile_of_store, []

    def stopped_meanwhile(run, places, **about):
        until(lambda: run.connected is not None, why="all else that comes before a file is sent is done")
        client.stop()
        until(lambda: run.ending, why="it is on the way to its outcome")
        profile = real(run, places, **about)
        ended.append(client.outcome)
        return profile

    monkeypatch.setattr(startup, "_profile_of_store", stopped_meanwhile)
    with client_of(delivery, tmp_path) as client:
        outcome = client.run()
    assert outcome.exit_code == 130, outcome
    assert ended == [None]  # they were over before the run was


def test_who_accepts_it_delivers_and_the_receipt_confirms_nothing(delivery, tmp_path, monkeypatch):
    unpinned(monkeypatch)
    with client_of(delivery, tmp_path, accept_unverified_store=True) as client:
        outcome = client.run()
    assert outcome.exit_code == 0, outcome
    receipt = json.loads(outcome.receipt_file.read_text("ascii"))
    assert "NOT verified" in receipt["store"]
    assert "confirmed" not in receipt["store"]
    assert not any("-" in each["etag"] for each in receipt["files"])  # nothing went in parts


def unpinned(monkeypatch) -> None:
    """Let a GET on a wrong ETag look as if the store had answered it."""

    def pinned_get(trials):
        trials.note(Observation.PINNED_GET, kept=False)

    monkeypatch.setattr(store_probe._Trials, "pinned_get", pinned_get)


@pytest.mark.parametrize("engine", ["direct", "boto3"])
def test_what_was_damaged_on_its_way_is_told_when_it_is_read_back(moto_server, session, tmp_path, engine):
    client = s3_client(session, Endpoint(moto_server))  # moto takes whatever arrives
    name = f"damaged-{engine}"
    client.create_bucket(Bucket=name)
    with Proxy(moto_server) as proxy:
        bucket = Bucket(name, client=s3_client(session, Endpoint(proxy.url)))
        proxy.on(corrupt_request(3), method="PUT", times=None)
        outcomes = send(bucket, tmp_path, engine=engine, md5=False, read_back=True)
        assert not any(one.ok for one in outcomes), outcomes
        assert all("read back, it has" in one.error and one.again for one in outcomes)
        proxy.calm()
        # What lies there damaged says the CRC32 that it was sent with: it is replaced all the same.
        outcomes = send(bucket, tmp_path, engine=engine, md5=False, read_back=True)
        assert all(one.ok for one in outcomes), outcomes
        gets = [one.headers for one in proxy.requests if one.method == "GET"]
        assert all("if-match" in {name.lower() for name in headers} for headers in gets)
    names = [each.relpath for each in outcomes]
    there = {each: client.get_object(Bucket=name, Key=each)["Body"].read() for each in names}
    assert there == {each: (tmp_path / each).read_bytes() for each in there}
    client.close()


def send(bucket, tmp_path, **how) -> list[TransferOutcome]:
    names = ["small.csv", "larger.bin"]
    (tmp_path / names[0]).write_bytes(b"a,b\n1,2\n")
    (tmp_path / names[1]).write_bytes(b"x" * 300_000)
    engine = TransferEngine(DataRoot(tmp_path), bucket, n_threads=2, **{"md5": True, "no_parts": "why"} | how)
    try:
        for row, name in enumerate(names):
            engine.submit(TransferTask(row, name, str(tmp_path / name), name))
        outcomes: list[TransferOutcome] = []
        while len(outcomes) < len(names):
            outcomes += engine.poll(1.0)[1]
    finally:
        engine.close()
    return outcomes


@pytest.mark.parametrize("engine", ["direct", "boto3"])
def test_the_md5_goes_along(bucket, session, tmp_path, engine):
    with Proxy(bucket.client.meta.endpoint_url) as proxy:
        client = s3_client(session, Endpoint(proxy.url))
        through = Bucket(bucket.name, prefix=bucket.prefix, client=client)
        outcomes = send(through, tmp_path, engine=engine)
        asked = [one.headers for one in proxy.requests if one.method == "PUT"]
        client.close()
    assert all(one.ok for one in outcomes), outcomes
    assert len(asked) == 2
    assert all("content-md5" in {name.lower() for name in headers} for headers in asked)


def test_an_etag_that_is_not_the_md5_of_what_was_sent_confirms_nothing(bucket, tmp_path):
    def another(parsed, **_):
        parsed["ETag"] = f'"{"0" * 32}"'

    bucket.client.meta.events.register("after-call.s3.PutObject", another)
    outcomes = send(bucket, tmp_path, engine="boto3")
    assert not any(one.ok for one in outcomes)
    assert "not the MD5" in outcomes[0].error
    assert outcomes[0].again
