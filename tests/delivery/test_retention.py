"""Receipts that nobody can delete for a time, in buckets with Object Lock, and in others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import waiting
from botocore.exceptions import ClientError
from delivery.conftest import Delivery, Receiver
from delivery.test_python import client_of
from moto import mock_aws

from upload_client.cli.app import main
from upload_client.core.layout import Layout
from upload_client.core.times import timestamp
from upload_client.index import scan
from upload_client.receipts.retention import retain, retained
from upload_client.s3.bucket import AccessDenied, Bucket, StoreError
from upload_client.sandbox import Sandbox
from upload_client.validator import ValidatorSettings
from upload_client.validator.completing import Completing

DAY = 86_400


class Locked(Sandbox):
    """A sandbox whose buckets are made with Object Lock."""

    def client(self, service: str):
        made = super().client(service)
        made.meta.events.register(
            "provide-client-params.s3.CreateBucket",
            lambda params, **_: {**params, "ObjectLockEnabledForBucket": True},
        )
        return made


@pytest.fixture(scope="module")
def locked(s3_endpoint: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Locked(s3_endpoint=s3_endpoint, validator={"retain_days": 3}) as sandbox:
        yield Receiver(sandbox, tmp_path_factory.mktemp("output"))


@pytest.mark.long  # with a sandbox of its own
def test_the_receipt_of_a_complete_delivery_is_kept(locked: Receiver, tmp_path: Path, capsys) -> None:
    delivery = Delivery(locked, "kept")
    (tmp_path / "a.csv").write_text("x\n1\n")
    with client_of(delivery, tmp_path, scan(tmp_path)) as client:
        outcome = client.run()
    assert outcome.exit_code == 0
    s3 = locked.sandbox.client("s3")
    control = Bucket(locked.sandbox.control_bucket, prefix="toy/kept/", client=s3)
    kept = waiting.until(lambda: retained(control, outcome.receipt))  # the validator leaves after the client
    assert kept.mode == "GOVERNANCE"
    version = s3.head_object(Bucket=control.name, Key=control.prefix + outcome.receipt)["VersionId"]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=control.name, Key=control.prefix + outcome.receipt, VersionId=version)
    profile = str(locked.sandbox.profile)
    assert main(["verify", str(outcome.receipt_file), "--online", "--profile", profile]) == 0
    told = f"the receipt there is kept until {kept.until} (GOVERNANCE, Object Lock)"
    assert told in capsys.readouterr().out
    assert retain(control, "not-there", days=1, mode="GOVERNANCE", now=time.time()) is None


def test_what_is_kept_is_kept_longer_and_never_shorter() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="control", ObjectLockEnabledForBucket=True)
        control, now = Bucket("control", prefix="D/", client=s3), time.time()
        control.put("receipt", b"1")
        assert retained(control, "receipt") is None
        for days, kept_for in ((2, 2), (9, 9), (1, 9)):
            kept = retain(control, "receipt", days=days, mode="COMPLIANCE", now=now)
            assert kept is not None
            assert (kept.mode, kept.until[:19]) == ("COMPLIANCE", timestamp(now + kept_for * DAY)[:19])
            assert retained(control, "receipt").until[:19] == kept.until[:19]


@pytest.mark.parametrize("days", [1, 9])
def test_what_is_kept_in_governance_is_raised_to_compliance_and_never_back(days: int) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="control", ObjectLockEnabledForBucket=True)
        control, now = Bucket("control", prefix="D/", client=s3), time.time()
        control.put("receipt", b"1")
        retain(control, "receipt", days=3, mode="GOVERNANCE", now=now)
        for mode in ("COMPLIANCE", "GOVERNANCE"):
            retain(control, "receipt", days=days, mode=mode, now=now)
            kept = retained(control, "receipt")
            assert (kept.mode, kept.until[:19]) == ("COMPLIANCE", timestamp(now + max(days, 3) * DAY)[:19])


def test_where_the_bucket_cannot_it_is_said(sandbox: Sandbox) -> None:
    control = Bucket(sandbox.control_bucket, client=sandbox.client("s3"))
    control.put("something", b"1")
    assert retained(control, "something") is None
    with pytest.raises(StoreError):
        retain(control, "something", days=1, mode="GOVERNANCE", now=time.time())


def test_retention_is_not_asked_of_a_bucket_that_does_not_say_it_has_object_lock(sandbox: Sandbox) -> None:
    """There are stores that carry out the rest of the request: a PutObject, of the retention itself."""
    s3, asked = sandbox.client("s3"), []
    s3.meta.events.register("before-call.s3.PutObjectRetention", lambda **_: asked.append(1))
    control = Bucket(sandbox.control_bucket, client=s3)
    control.put("kept-as-it-is", b"1")
    for answer in (None, {}, {"ObjectLockConfiguration": {}}):  # an answer that is a listing has none of it
        if answer is not None:
            s3.get_object_lock_configuration = lambda answer=answer, **_: answer
        with pytest.raises(StoreError, match="Object Lock of"):
            retain(control, "kept-as-it-is", days=1, mode="GOVERNANCE", now=time.time())
    assert asked == []
    assert s3.get_object(Bucket=control.name, Key="kept-as-it-is")["Body"].read() == b"1"


def test_who_may_not_ask_for_object_lock_keeps_a_receipt_all_the_same() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="control", ObjectLockEnabledForBucket=True)
        control = Bucket("control", prefix="D/", client=s3)
        control.put("receipt", b"1")

        def refuse(**_) -> None:
            error = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(error, "GetObjectLockConfiguration")

        s3.meta.events.register("before-call.s3.GetObjectLockConfiguration", refuse)
        retain(control, "receipt", days=3, mode="GOVERNANCE", now=time.time())
        assert retained(control, "receipt") is not None


def test_where_the_mode_may_not_be_raised_it_is_kept_as_long_and_that_is_told() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="control", ObjectLockEnabledForBucket=True)
        control, now = Bucket("control", prefix="D/", client=s3), time.time()
        control.put("receipt", b"1")
        retain(control, "receipt", days=3, mode="GOVERNANCE", now=now)
        asked = []

        def refuse(params, **_) -> None:
            asked.append((params["Retention"]["Mode"], params.get("BypassGovernanceRetention")))
            if params["Retention"]["Mode"] == "COMPLIANCE":
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObjectRetention")

        s3.meta.events.register("provide-client-params.s3.PutObjectRetention", refuse)
        with pytest.raises(AccessDenied, match="in COMPLIANCE"):
            retain(control, "receipt", days=9, mode="COMPLIANCE", now=now)
        assert asked == [("COMPLIANCE", None), ("COMPLIANCE", True), ("GOVERNANCE", None)]
        assert retained(control, "receipt").until[:19] == timestamp(now + 9 * DAY)[:19]


def test_a_receipt_that_is_completed_again_is_kept_for_no_longer_and_not_once_its_time_is_over() -> None:
    layout = Layout("D", "Y", "staging")
    settings = ValidatorSettings(
        control_bucket="control", landing_bucket="l", worker_function=None, retain_days=3
    )
    later = [0.0]
    clock = SimpleNamespace(wall=lambda: time.time() + later[0])
    told = SimpleNamespace(info=lambda *_, **__: None)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="control", ObjectLockEnabledForBucket=True)
        control = Bucket("control", prefix=layout.root, client=s3)
        for epoch in (1, 2):
            control.put(layout.receipt(epoch), b"1")
        first, second = (
            Completing(settings, None, layout, control, control, epoch, told, clock, float)
            for epoch in (1, 2)
        )
        first._retain()
        kept = retained(control, layout.receipt(1))
        later[0] = 2 * DAY
        first._retain()
        assert retained(control, layout.receipt(1)) == kept is not None
        later[0] = 4 * DAY
        second._retain()
        assert retained(control, layout.receipt(2)) is None
