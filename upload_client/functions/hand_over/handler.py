"""The hand-over as a function: all of it, or its first step for a state machine that copies by itself."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import boto3
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from upload_client.core.data_sync import BATCH_BYTES, BATCH_OBJECTS
from upload_client.core.files import TransferType
from upload_client.core.hand_over import HandOver, name_of_folder
from upload_client.core.layout import InvalidName, Layout
from upload_client.core.receipt import BadReceipt
from upload_client.core.text import for_log
from upload_client.errors import UsageError
from upload_client.functions.base.context import LocalContext
from upload_client.functions.base.handler import LambdaHandler
from upload_client.functions.data_sync.models import (
    BatchDataSyncRequest,
    DataSyncFilterConfig,
    PrepareBatchDataSyncRequest,
)
from upload_client.functions.data_sync.operations import PrepareBatchDataSyncHandler
from upload_client.functions.errors import InvalidRequest
from upload_client.functions.hand_over.work import (
    HandOverRefused,
    Job,
    check_archive,
    check_landing,
    check_no_overlap,
    check_receipt,
    check_same_archive,
    hand_over,
    last_hand_over,
    notifier,
    open_archive,
    read_receipt,
)
from upload_client.functions.models import Model
from upload_client.receipts.store import last_receipt, open_stored_receipt
from upload_client.receiver.process import buckets, recorder
from upload_client.s3 import clients
from upload_client.validator.settings import ValidatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from upload_client.s3.bucket import Bucket

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]

Topic = Annotated[str | None, BeforeValidator(lambda given: None if given in ("", "none") else given)]
"""An ARN; empty or ``none`` is none, for templates that cannot leave it out."""

_MOST_OTHERS: Final = 1000
_MOST_FILES: Final = 1_000_000
"""Files that a function of 15 minutes can prove, with a HEAD each."""


class HandOverRequest(Model):
    """A hand-over.

    Attributes:
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: ``staging`` or ``sample``.
        to: where it goes, ``s3://bucket/prefix/``; ``{dataset}``, ``{delivery_id}`` and ``{transfer_type}``
            are filled in.
        remove: delete the files from landing when all is recorded.
        notify_topic: ARN of an SNS topic that gets the record as JSON.
        step: ``all``, or ``prepare``: look at landing, and answer the batches that bring it to the archive.
        temporary_request_payload_path: an S3 folder for these batches, filled in as `to`; None: they are
            answered.
        batch_size_bytes_limit: bytes of a batch.
        batch_size_objects_limit: files of a batch.
    """

    model_config = ConfigDict(extra="ignore")

    dataset: Name
    delivery_id: Name
    transfer_type: TransferType = "staging"
    to: str
    remove: bool = False
    notify_topic: Topic = None
    step: Literal["all", "prepare"] = "all"
    temporary_request_payload_path: str | None = None
    batch_size_bytes_limit: int = Field(default=BATCH_BYTES, ge=1)
    batch_size_objects_limit: int = Field(default=BATCH_OBJECTS, ge=1)


class HandOverResponse(Model):
    """The result of a hand-over, or of its preparation.

    Attributes:
        record: as it lies in the control bucket; None after ``prepare``.
        copied: files that were copied now.
        removed: files that were removed from landing now.
        did_nothing: all was done before.
        requests: the batches of ``prepare``; none where all is recorded.
    """

    record: dict[str, Any] | None = None
    copied: int = 0
    removed: int = 0
    did_nothing: bool = False
    requests: list[BatchDataSyncRequest] = Field(default_factory=list)


class HandOverHandler(LambdaHandler[HandOverRequest, HandOverResponse]):
    """Hands a complete delivery over. Its settings are the validator's (``UPLOAD_CLIENT_VALIDATOR``)."""

    def handle(self, request: HandOverRequest) -> HandOverResponse:
        """Hand over, or prepare it.

        Raises:
            NotComplete: there is no receipt.
            Locked: somebody else does it at this moment.
            HandOverRefused: landing or archive is not what the receipt names, or there is more of it than a
                function can do.
            UsageError: the archive is no such place, or the delivery was handed over to another one.
            StoreError: a bucket refuses the request.
        """
        settings = ValidatorSettings.from_environment()
        layout = settings.layout(request.dataset, request.delivery_id, request.transfer_type)
        to = _folder(layout, request.to, "to")
        notify = None if request.notify_topic is None else _notifier(request.notify_topic, settings)
        control, landing = buckets(settings, layout)
        if not isinstance(self.context, LocalContext):
            _check_size(control, layout)
        if request.step == "prepare":
            return self._prepare(request, to, layout, settings, control, landing)
        done = hand_over(
            Job(
                control,
                landing,
                layout,
                to,
                clients.s3_client(boto3.Session(), settings, pool=64, read_timeout=300.0),
                remove=request.remove,
                notify=notify,
                recorder=recorder(settings),
            ),
            self.logger.info,
        )
        return HandOverResponse(
            record=done.record.as_json(),
            copied=done.copied,
            removed=done.removed,
            did_nothing=done.did_nothing,
        )

    def _prepare(
        self,
        request: HandOverRequest,
        to: str,
        layout: Layout,
        settings: ValidatorSettings,
        control: Bucket,
        landing: Bucket,
    ) -> HandOverResponse:
        archive = open_archive(to, landing.client, control, landing)
        where = request.temporary_request_payload_path or None
        if where is not None:
            where = _folder(layout, where, "temporary_request_payload_path")
        key, files, sha256, head = read_receipt(control, layout)
        known = last_hand_over(control, layout)
        if known is not None and (known.receipt, known.receipt_sha256) == (key, sha256):
            check_same_archive(known, archive)
            return HandOverResponse(record=known.as_json(), did_nothing=True)
        others = check_landing(landing, files)
        check_no_overlap(landing, archive, files)
        if len(others) > _MOST_OTHERS:
            raise HandOverRefused(
                f"{len(others):,} objects in {landing} are not of this delivery: too many to leave out",
                hint="Hand it over in one process: upload-client receiver hand-over.",
            )
        check_receipt(control, landing, layout, head, sha256, recorder(settings))
        check_archive(control, layout, archive, files)
        prepared = PrepareBatchDataSyncHandler().handle(
            PrepareBatchDataSyncRequest(
                source_path=f"s3://{landing.name}/{landing.prefix}",
                destination_path=f"s3://{archive.name}/{archive.prefix}",
                filter_config=DataSyncFilterConfig(exclude=[re.escape(path) for path in others]),
                delete=False,
                batch_size_bytes_limit=request.batch_size_bytes_limit,
                batch_size_objects_limit=request.batch_size_objects_limit,
                temporary_request_payload_path=where,
            )
        )
        return HandOverResponse(requests=prepared.requests)

    @classmethod
    def deserialize_sqs_record(cls, record: SQSRecord) -> HandOverRequest:
        """Make a request of the receiver's outcome message, as SNS puts it into a queue.

        The variable ``UPLOAD_CLIENT_HAND_OVER`` has the rest, as JSON:
        ``{"to": "s3://archive/{dataset}/…"}``.
        """
        return request_of_outcome(record.body)

    @classmethod
    def should_process_sqs_record(cls, record: SQSRecord) -> bool:
        """Whether a message says that a delivery is complete."""
        return outcome_in(record.body).get("complete") is True


def _check_size(control: Bucket, layout: Layout) -> None:
    """Refuse, before anything is copied, a delivery of more files than a function can prove."""
    if (key := last_receipt(control, layout)) is None:
        return  # it will be told
    try:
        with open_stored_receipt(control, key) as reader:
            n_files = reader.head.n_files
    except BadReceipt:
        return  # likewise
    if n_files > _MOST_FILES:
        raise HandOverRefused(
            f"the receipt names {n_files:,} files, and a function, which has 15 minutes, proves at most"
            f" {_MOST_FILES:,} of them; nothing was done",
            hint="Hand it over in one process: upload-client receiver hand-over.",
        )


def _folder(layout: Layout, text: str, field: str) -> str:
    """The S3 folder that a field names, once the delivery's names are filled in."""
    try:
        filled = layout.fill(text)
        name_of_folder(filled)
    except (InvalidName, ValueError) as error:
        raise InvalidRequest(for_log(f"{field}: {error}", 500)) from None
    return filled


def _notifier(topic: str, settings: ValidatorSettings) -> Callable[[HandOver], None]:
    try:
        return notifier(topic, settings)
    except UsageError as error:
        raise InvalidRequest(for_log(f"notify_topic: {error}", 500), hint=error.hint) from None


def outcome_in(body: str) -> dict[str, Any]:
    """The receiver's outcome message in a message of a queue, with the envelope of SNS or without."""
    try:
        found = json.loads(body)
        if isinstance(found, dict) and isinstance(found.get("Message"), str):
            found = json.loads(found["Message"])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest("the message is no outcome of a delivery")
    return found


def request_of_outcome(body: str) -> HandOverRequest:
    """The request that an outcome message is, with the settings of this function."""
    outcome = outcome_in(body)
    rest = os.environ.get("UPLOAD_CLIENT_HAND_OVER", "")
    try:
        settings = json.loads(rest)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise UsageError("UPLOAD_CLIENT_HAND_OVER is no JSON object", hint='Write {"to": "s3://…/"}.')
    names = {name: outcome.get(name) for name in ("dataset", "delivery_id", "transfer_type")}
    request: HandOverRequest = HandOverHandler.deserialize_request({**settings, **names})
    return request
