"""One run of the validator with all that belongs to it: buckets, judges, metrics, and the word at its end.

A Lambda function and an ordinary process (`upload-client receiver validate`) both serve like this.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from upload_client.control.store_probe import adopt_profile
from upload_client.core.layout import Layout
from upload_client.core.object_options import for_control
from upload_client.core.serving import outcome_mail
from upload_client.core.text import for_log
from upload_client.errors import DeliveryError
from upload_client.receipts.dating import date_stored
from upload_client.receipts.retention import retain
from upload_client.receipts.signing import SigningKey, open_key
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, StoreError
from upload_client.s3.direct import DirectWire
from upload_client.s3.options import use
from upload_client.s3.route import NoRoute
from upload_client.s3.store_clock import StoreClock
from upload_client.support.clock import SYSTEM, Clock
from upload_client.validator.countersigning import NotSigned, countersign
from upload_client.validator.expected import MalformedIndex, index_rows, limits, made_of, make_checker
from upload_client.validator.judging import AT_ONCE, Judging
from upload_client.validator.pipeline import Outcome, Tally, Validator
from upload_client.validator.readers import ReaderWorkers, Undecided
from upload_client.validator.settings import ValidatorSettings
from upload_client.validator.telemetry import Telemetry

__all__ = ["confined", "serve"]

_WIDTH = 8 * AT_ONCE
"""Uploads that are handed out to be judged, so that there are some while the log is read and written."""
_MAX_SUBJECT = 100
"""Characters, https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""


def serve(
    settings: ValidatorSettings,
    layout: Layout,
    *,
    validator_id: str,
    client_epoch: int,
    shard: int = 0,
    shards: int = 1,
    seconds_left: Callable[[], float] = lambda: math.inf,
    readers: ReaderWorkers | None = None,
    tell: Callable[[dict[str, object]], None] = lambda _: None,
) -> Outcome:
    """Be a delivery's validator until it is time to leave.

    Args:
        settings: the receiver's.
        layout: where the delivery is.
        validator_id: this run's name.
        client_epoch: the client that it serves.
        shard: which share of the files it judges, from 0.
        shards: how many validators share them. The first tells how the run of the delivery has ended.
        seconds_left: how long this run may still take.
        readers: who open files, shared with other runs; None: this run has its own.
        tell: told how the run of the delivery has ended, as the topic is.

    Raises:
        Locked: another validator is there; nothing was done.
        StoreError: the store cannot be asked whether there is one.
    """
    session = clients.one_of_many()
    client = clients.s3_client(session, settings, pool=settings.threads + 4)
    options = for_control(settings.object_options)
    control = Bucket(layout.fill(settings.control_bucket), prefix=layout.root, client=client, options=options)
    clock = StoreClock(SYSTEM)
    clock.watch(client)
    landing = Bucket(layout.fill(settings.landing_bucket), prefix=layout.landing, client=client)
    if landing.name != control.name:
        use(client, landing.name, options)
    adopt_profile(control, layout)
    telemetry = Telemetry(
        dataset=layout.dataset,
        delivery_id=layout.delivery_id,
        transfer_type=layout.transfer_type,
        validator_id=validator_id,
        client_epoch=client_epoch,
        shard=shard,
    )
    with (
        (
            contextlib.nullcontext(readers)
            if readers is not None
            else ReaderWorkers(
                settings.reader_workers,
                limits(settings),
                on_first=lambda found: telemetry.info(
                    "a reader worker is started", confinement=f"it {found}"
                ),
            )
        ) as reader_workers,
        ThreadPoolExecutor(settings.threads) as threads,
        contextlib.closing(
            Judging(
                checker := make_checker(settings, layout, control, landing, reader_workers, client_epoch),
                threads,
                _wire(landing),
                heard=telemetry.judged,
            )
        ) as judging,
    ):
        validator = Validator(
            control,
            layout,
            judging,
            validator_id=validator_id,
            client_epoch=client_epoch,
            shard=shard,
            shards=shards,
            seconds_left=seconds_left,
            leave_seconds=min(settings.leave_seconds, seconds_left() / 4),
            width=_WIDTH,
            lease_seconds=settings.lease_seconds,
            poll_seconds=settings.poll_seconds,
            poll_longest_seconds=settings.poll_longest_seconds,
            versions=made_of(),
            expectations_sha256=checker.expectations_sha256,
            clock=clock,
        )
        telemetry.info("the validator begins")
        with telemetry.watching(validator):
            outcome = validator.run()
            if shard == 0 and outcome in ("stop", "error"):  # else another validator goes on with it
                if shards > 1:
                    # After an error they may go on for long: what they have said so far is told.
                    validator.await_others(patience=120.0 if outcome == "stop" else 0.0)
                told = _told(layout, outcome, _tally(validator, control, layout.index(client_epoch)))
                telemetry.count("DeliveriesComplete" if told["complete"] else "DeliveriesIncomplete")
                telemetry.info("the run of the delivery has ended", **told)
                try:
                    if told["complete"]:
                        _complete(settings, session, layout, control, landing, client_epoch, telemetry, clock)
                finally:  # last: who is told finds the receipt signed
                    tell(told)
                    try:
                        _publish(session, settings, told)
                    except (
                        BotoCoreError,
                        ClientError,
                    ) as error:  # the log has it, and the delivery is none the worse
                        telemetry.count("MessagesNotSent")
                        telemetry.info("the message about it was not sent", why=for_log(str(error)))
    wrong = {"clock_ahead_seconds": clock.clock_ahead} if clock.is_wrong else {}
    telemetry.info("the validator leaves", outcome=outcome, **wrong)
    return outcome


def _complete(
    settings: ValidatorSettings,
    session: boto3.Session,
    layout: Layout,
    control: Bucket,
    landing: Bucket,
    epoch: int,
    telemetry: Telemetry,
    clock: Clock,
) -> None:
    """Sign, date and keep the receipt of a complete delivery, as the settings say."""
    if settings.signing_key is not None:
        key = partial(open_key, settings.signing_key, session, settings)
        _sign(key, layout, control, landing, epoch, telemetry, clock)
    if settings.tsa_url is not None:
        _date(settings.tsa_url, layout, control, epoch, telemetry)
    if settings.retain_days is not None:
        _retain(settings, settings.retain_days, layout, control, epoch, telemetry, clock)


def _sign(
    open_it: Callable[[], SigningKey],
    layout: Layout,
    control: Bucket,
    landing: Bucket,
    epoch: int,
    telemetry: Telemetry,
    clock: Clock,
) -> None:
    """Sign the receipt, where the logs prove it; where that fails, the operator is told."""
    try:
        key = open_it()
        statement = countersign(control, landing, layout, key, epoch, clock=clock)
    except (NotSigned, DeliveryError) as error:
        telemetry.count("ReceiptsNotSigned")
        telemetry.info("the receipt is not signed", why=for_log(str(error), 500))
    else:
        telemetry.count("ReceiptsSigned")
        telemetry.info("the receipt is signed", sha256=statement.sha256, key=key.public.key_id)


def _date(url: str, layout: Layout, control: Bucket, epoch: int, telemetry: Telemetry) -> None:
    """Have the receipt dated; where that fails, the operator is told."""
    try:
        key = date_stored(control, layout, epoch, url)
    except (DeliveryError, StoreError, OSError) as error:
        telemetry.count("ReceiptsNotDated")
        telemetry.info("the receipt is not dated", why=for_log(str(error), 500))
    else:
        telemetry.info("the receipt is dated by a third party", key=key)


def _retain(
    settings: ValidatorSettings,
    days: int,
    layout: Layout,
    control: Bucket,
    epoch: int,
    telemetry: Telemetry,
    clock: Clock,
) -> None:
    """Let nobody delete the receipt and its signature; where that fails, the operator is told."""
    for key in (layout.receipt(epoch), layout.signature(epoch), layout.time_stamp(epoch)):
        try:
            kept = retain(control, key, days=days, mode=settings.retain_mode, now=clock.wall())
        except StoreError as error:
            telemetry.count("ReceiptsNotRetained")
            telemetry.info("the receipt can be deleted by others", why=for_log(str(error), 500))
            return
        if kept is not None:
            telemetry.info("an object is kept by Object Lock", key=key, mode=kept.mode, until=kept.until)


def _wire(landing: Bucket) -> DirectWire | None:
    """Connections of our own to the landing bucket; None where botocore asks in a way not known here."""
    try:
        return DirectWire(landing)
    except NoRoute:
        return None


def confined(reader_workers: ReaderWorkers) -> str:
    """Tell what a reader worker can do on this machine."""
    try:
        return f"it {reader_workers.confinement()}"
    except Undecided as error:
        return str(error)


def _tally(validator: Validator, control: Bucket, index: str) -> Tally:
    """Count the files of a client's index by state; not those that earlier runs have delivered."""
    try:
        return validator.tally(path for path, _ in index_rows(control, index))
    except (StoreError, MalformedIndex):
        return validator.tally()


def _told(layout: Layout, outcome: Outcome, tally: Tally) -> dict[str, object]:
    """The message about a run that has ended: docs/receiver.md lists its fields."""
    return {
        "version": 1,
        "dataset": layout.dataset,
        "delivery_id": layout.delivery_id,
        "transfer_type": layout.transfer_type,
        "complete": (outcome, tally.client_ended, tally.client_said) == ("stop", "stop", "complete")
        and not tally.invalid + tally.not_judged + tally.not_delivered,
        "validator": outcome,
        "client": for_log(tally.client_said, 300) if tally.client_ended else "no last word",
        "n_files": tally.valid + tally.invalid + tally.not_judged + tally.not_delivered,
        "valid": tally.valid,
        "invalid": tally.invalid,
        "not_judged": tally.not_judged,
        "not_delivered": tally.not_delivered,
        "n_bytes_valid": tally.n_bytes_valid,
        "invalid_first": [
            {"path": for_log(path, 500), "why": for_log(why, 300)} for path, why in tally.invalid_first
        ],
    }


def _publish(session: boto3.Session, settings: ValidatorSettings, told: dict[str, object]) -> None:
    """One message for the whole run: for people by mail, and as JSON for programs."""
    if settings.outcome_topic is None:
        return
    subject, text = outcome_mail(told)
    clients.client(session, "sns", settings).publish(
        TopicArn=settings.outcome_topic,
        Subject=subject[:_MAX_SUBJECT],
        MessageStructure="json",
        Message=json.dumps({"default": json.dumps(told), "email": text}),
        MessageAttributes={
            key: {
                "DataType": "String",
                "StringValue": str(told[key]).lower() if key == "complete" else told[key],
            }
            for key in ("dataset", "delivery_id", "transfer_type", "complete")
        },
    )
