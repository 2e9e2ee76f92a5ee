"""One run of the validator with all that belongs to it: buckets, judges, metrics, and the message at its end.

A Lambda function and an ordinary process (`upload-client receiver validate`) both serve like this.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from upload_client.control.store_probe import adopt_profile
from upload_client.core import expectations
from upload_client.core.layout import Layout, number
from upload_client.core.object_options import for_control
from upload_client.core.serving import outcome_mail
from upload_client.core.text import for_log
from upload_client.errors import NothingToDoError
from upload_client.receipts.store import last_receipt
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, StoreError, repeat_while_lost
from upload_client.s3.direct import DirectWire
from upload_client.s3.options import use
from upload_client.s3.route import NoRoute
from upload_client.s3.store_clock import StoreClock
from upload_client.support.clock import SYSTEM
from upload_client.validator.completing import Completing
from upload_client.validator.expected import (
    NO_DOCUMENT,
    InvalidExpectations,
    MalformedIndex,
    index_rows,
    judge_index,
    limits,
    made_of,
    make_checker,
    read_expected,
)
from upload_client.validator.judging import AT_ONCE, Judging
from upload_client.validator.pipeline import Outcome, Validator
from upload_client.validator.readers import ReaderWorkers, Undecided
from upload_client.validator.settings import ValidatorSettings
from upload_client.validator.tally import Tally
from upload_client.validator.telemetry import Telemetry

_WIDTH = 8 * AT_ONCE
"""Uploads that are handed out to be judged, so that there are some while the log is read and written."""
_MOST_PROBLEMS = 10
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
    notify: Callable[[dict[str, object]], None] = lambda _: None,
) -> Outcome:
    """Run a validator for a delivery until it has to stop.

    Args:
        settings: the receiver's.
        layout: where the delivery is.
        validator_id: this run's name.
        client_epoch: the client that it serves.
        shard: which share of the files it judges, from 0.
        shards: how many validators share them. The first reports the outcome of the run.
        seconds_left: how long this run may still take.
        readers: reader workers shared with other runs; None: this run has its own.
        notify: called with the outcome message, as the topic is.

    Raises:
        Locked: another validator is there; nothing was done.
        StoreError: the store does not answer.
    """
    session, control, landing, clock = _places(settings, layout)
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
            readers.for_another()
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
                checker := make_checker(
                    *(settings, layout, control, landing, reader_workers, client_epoch),
                    others_judge=shards > 1
                    or not repeat_while_lost(lambda: control.is_empty(layout.validator_log(shard))),
                ),
                threads,
                _wire(landing),
                on_judgement=telemetry.judged,
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
            judge_index=lambda: judge_index(
                control, layout, client_epoch, required=settings.require_expectations
            ),
            clock=clock,
        )
        telemetry.info("the validator begins")
        with telemetry.watching(validator):
            outcome = validator.run()
            if shard == 0 and outcome in ("stop", "error"):  # else another validator goes on with it
                if shards > 1:
                    # After an error they may go on for long: what they have said so far is told.
                    validator.await_others(patience=120.0 if outcome == "stop" else 0.0)
                epoch = client_epoch
                if validator.client_found_nothing_to_do:
                    epoch = _epoch_of_receipt(control, layout, client_epoch)
                outcome_message = _outcome_message(
                    layout, outcome, *_tally(settings, layout, validator, control, epoch)
                )
                telemetry.count(
                    "DeliveriesComplete" if outcome_message["complete"] else "DeliveriesIncomplete"
                )
                telemetry.info("the run of the delivery has ended", **outcome_message)
                completing = Completing(
                    settings, session, layout, control, landing, epoch, telemetry, clock, seconds_left
                )
                outcome_message |= completing.begin(is_complete=outcome_message["complete"] is True)
                try:
                    if outcome_message["complete"]:
                        outcome_message |= completing.complete()
                finally:  # last: who is told learns whether the receipt is signed
                    notify(outcome_message)
                    _publish_or_log(session, settings, outcome_message, telemetry)
    wrong = {"clock_ahead_seconds": clock.clock_ahead} if clock.is_wrong else {}
    telemetry.info("the validator leaves", outcome=outcome, **wrong)
    return outcome


def complete_again(
    settings: ValidatorSettings, layout: Layout, client_epoch: int, outcome_message: dict[str, object]
) -> dict[str, object]:
    """Try once more what the receipt of a complete delivery has lacked; no log is read for what is done.

    Args:
        settings: the receiver's.
        layout: where the delivery is.
        client_epoch: of the client that has written the receipt, or found that nothing was left to do.
        outcome_message: the message about that run, as it was sent last.

    Returns:
        The updated message.
    """
    session, control, landing, clock = _places(settings, layout)
    telemetry = Telemetry(
        dataset=layout.dataset,
        delivery_id=layout.delivery_id,
        transfer_type=layout.transfer_type,
        client_epoch=client_epoch,
    )
    epoch = _epoch_of_receipt(control, layout, client_epoch)
    completing = Completing(
        *(settings, session, layout, control, landing, epoch, telemetry, clock),
        seconds_left=lambda: math.inf,
        again=True,
    )
    now = outcome_message | completing.complete()
    if {
        **now,
        "receipt_problems": outcome_message.get("receipt_problems"),
    } != outcome_message:  # other words make no other message
        _publish_or_log(session, settings, now, telemetry)
    return now


def _places(settings: ValidatorSettings, layout: Layout) -> tuple[boto3.Session, Bucket, Bucket, StoreClock]:
    """A session, the control bucket at the delivery's root, the landing bucket at its prefix, and a clock."""
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
    return session, control, landing, clock


def _epoch_of_receipt(control: Bucket, layout: Layout, client_epoch: int) -> int:
    """The run that has written the last receipt; a client with nothing to do writes none, nor an index."""
    try:
        last = last_receipt(control, layout)
    except StoreError:
        return client_epoch
    epoch = None if last is None else number(last)
    return client_epoch if epoch is None else epoch


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


def _tally(
    settings: ValidatorSettings, layout: Layout, validator: Validator, control: Bucket, epoch: int
) -> tuple[Tally, list[str]]:
    """Count the files of a client's index by state; not those that earlier runs have delivered.

    Returns:
        Those, and why the files together are not the delivery that was agreed on. The start function has
        looked at that, where there is one; the index is the client's, and may be another one since.
    """
    problems: list[str] = []
    expected = None
    try:
        expected = repeat_while_lost(lambda: read_expected(control, layout))
        if expected is None and settings.require_expectations:
            problems = [NO_DOCUMENT]
    except (StoreError, InvalidExpectations) as error:
        problems = [str(error)]

    def count() -> tuple[Tally, expectations.Tally | None]:
        whole = None if expected is None else expectations.Tally(expected.rules)
        see = (lambda *_: None) if whole is None else whole.add
        return validator.tally((path for path, _ in index_rows(control, layout.index(epoch))), see), whole

    try:
        tally, whole = repeat_while_lost(count)
    except (StoreError, MalformedIndex) as error:
        # Nobody knows what belongs to it. It is not called complete.
        return validator.tally(), [*problems, f"its index cannot be read: {error}"]
    if whole is not None:
        problems += whole.problems(complete=layout.transfer_type == "staging")
    return tally, problems


def _outcome_message(
    layout: Layout, outcome: Outcome, tally: Tally, problems: list[str]
) -> dict[str, object]:
    """The message about a run that has ended: docs/receiver.md lists its fields."""
    return {
        "version": 1,
        "dataset": layout.dataset,
        "delivery_id": layout.delivery_id,
        "transfer_type": layout.transfer_type,
        "complete": (outcome, tally.client_ended) == ("stop", "stop")
        and (tally.client_reason == "complete" or tally.client_code == NothingToDoError.code)
        and not tally.invalid + tally.not_judged + tally.not_delivered
        and not problems,
        "validator": outcome,
        "client": for_log(tally.client_reason, 300) if tally.client_ended else "no record of its end",
        "n_files": tally.valid + tally.invalid + tally.not_judged + tally.not_delivered,
        "valid": tally.valid,
        "invalid": tally.invalid,
        "not_judged": tally.not_judged,
        "not_delivered": tally.not_delivered,
        "n_bytes_valid": tally.n_bytes_valid,
        "invalid_first": [
            {"path": for_log(path, 500), "why": for_log(why, 300)} for path, why in tally.invalid_first
        ],
        "not_agreed": [for_log(each, 500) for each in problems[:_MOST_PROBLEMS]],
    }


def _publish_or_log(
    session: boto3.Session,
    settings: ValidatorSettings,
    outcome_message: dict[str, object],
    telemetry: Telemetry,
) -> None:
    try:
        _publish(session, settings, outcome_message)
    except (BotoCoreError, ClientError) as error:  # the log has it, and the delivery is none the worse
        telemetry.count("MessagesNotSent")
        telemetry.info("the message about it was not sent", why=for_log(str(error)))


def _publish(session: boto3.Session, settings: ValidatorSettings, outcome_message: dict[str, object]) -> None:
    """One message for the whole run: for people by mail, and as JSON for programs."""
    if settings.outcome_topic is None:
        return
    subject, text = outcome_mail(outcome_message)
    clients.client(session, "sns", settings).publish(
        TopicArn=settings.outcome_topic,
        Subject=subject[:_MAX_SUBJECT],
        MessageStructure="json",
        Message=json.dumps({"default": json.dumps(outcome_message), "email": text}),
        MessageAttributes={
            key: {
                "DataType": "String",
                "StringValue": str(outcome_message[key]).lower()
                if key == "complete"
                else outcome_message[key],
            }
            for key in ("dataset", "delivery_id", "transfer_type", "complete")
        },
    )
