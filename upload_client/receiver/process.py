"""The validator as an ordinary process: in a container, from cron, on a machine with a GPU.

It is the same code as the Lambda function's. Where the receiver is deployed with ``ValidatorRuns=elsewhere``,
a process that watches is the validator; else one can still judge, afterwards, what was left unjudged.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import boto3

from upload_client.control.identity import new_agent_id
from upload_client.control.log import last_epoch, last_seq
from upload_client.core.layout import Layout, segment_key
from upload_client.core.lease import MAX_BODY, LockBody
from upload_client.core.object_options import for_control
from upload_client.core.records import MAX_SEGMENT, MalformedSegment, Stop
from upload_client.core.segments import decode_segment
from upload_client.errors import Locked, LogBroken
from upload_client.receipts.custody import Recorder
from upload_client.receipts.signing import open_key, public_key_of_line
from upload_client.receiver.stack import Receiver
from upload_client.s3 import clients
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge
from upload_client.validator import ValidatorSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from upload_client.validator.pipeline import Outcome


def settings_of(receiver: Receiver) -> ValidatorSettings:
    """The settings that the stack gives to its own start function."""
    functions = clients.client(boto3.Session(region_name=receiver.region), "lambda")
    made = functions.get_function_configuration(FunctionName=receiver.outputs["StartFunction"])
    return ValidatorSettings.from_environment(made["Environment"]["Variables"])


def recorder(settings: ValidatorSettings) -> Recorder | None:
    """The means to record what becomes of a delivery, where there is a key that signs.

    Raises:
        UsageError: there is no such key, or none that can sign receipts.
    """
    if settings.signing_key is None:
        return None
    key = open_key(settings.signing_key, endpoints=settings)
    earlier = tuple(public_key_of_line(line, "setting receipt_keys") for line in settings.receipt_keys)
    return Recorder(key, settings.retain_days, settings.retain_mode, earlier)


def control_bucket(settings: ValidatorSettings, layout: Layout, client: S3Client | None = None) -> Bucket:
    """The control bucket, at the root of a delivery's keys."""
    layout.check_places(settings.control_bucket, settings.landing_bucket)
    client = client or clients.s3_client(boto3.Session(), settings)
    return Bucket(
        layout.fill(settings.control_bucket),
        prefix=layout.root,
        client=client,
        options=for_control(settings.object_options),
    )


def buckets(settings: ValidatorSettings, layout: Layout) -> tuple[Bucket, Bucket]:
    """The control bucket, at the root of a delivery's keys, and the landing bucket, at its prefix."""
    control = control_bucket(settings, layout)
    client = clients.s3_client(boto3.Session(), settings)
    landing = Bucket(
        layout.fill(settings.landing_bucket),
        prefix=layout.landing,
        client=client,
        options=for_control(settings.object_options),
    )
    return control, landing


class Process:
    """Validates one delivery, or its share of one.

    Args:
        settings: the receiver's.
        layout: which delivery.
        shard: which of the `settings.shards` validators that share its files.
        client: to look for clients with; None: one of its own.

    Attributes:
        layout: which delivery.
    """

    def __init__(
        self, settings: ValidatorSettings, layout: Layout, *, shard: int = 0, client: S3Client | None = None
    ) -> None:
        self._control = control_bucket(settings, layout, client)
        self._settings = settings
        self.layout = layout
        self._shard = shard
        self._stopping = threading.Event()

    def readers(self) -> str:
        """Tell what a reader worker can do on this machine."""
        # What judges is loaded where something is judged: a hand-over only asks here for buckets and the key.
        from upload_client.validator.expected import limits  # noqa: PLC0415
        from upload_client.validator.readers import ReaderWorkers  # noqa: PLC0415
        from upload_client.validator.serving import confined  # noqa: PLC0415

        with ReaderWorkers(1, limits(self._settings)) as reader_workers:
            return confined(reader_workers)

    def stop(self) -> None:
        """Stop soon, in order."""
        self._stopping.set()

    def once(self) -> Outcome | None:
        """Judge for the client that is there, until it ends, or what the last one has left.

        Returns:
            How it ended; None where there is nothing to judge.

        Raises:
            Locked: another validator is at it.
        """
        epoch = self.waiting(self.lock())
        return None if epoch is None else self._serve(epoch)

    def waiting(self, lock: LockBody | None) -> int | None:
        """The epoch of the client for whom something is to be judged; None where there is none.

        Args:
            lock: as it is now.

        Raises:
            StoreError: the store does not answer.
        """
        client = self._client(lock)
        return None if client is None or self._is_settled(client.epoch) else client.epoch

    def lock(self) -> LockBody | None:
        """The lock of the delivery's last client, of whatever transfer type; None where there is none.

        Raises:
            StoreError: the store does not answer.
        """
        try:
            return LockBody.decode(self._control.get(self.layout.owned, limit=MAX_BODY).body)
        except (NotFound, ObjectTooLarge):
            return None

    def watch(self) -> None:
        """Judge for every client that comes, until `stop`."""
        seen: LockBody | None = (
            None  # what there is nothing more to do for; a live client's changes all the time
        )
        while not self._stopping.wait(self._settings.poll_longest_seconds):
            client = self._client(self.lock())
            if client is None or client == seen:
                continue
            if self._is_settled(client.epoch):
                seen = client
                continue
            try:
                outcome = self._serve(client.epoch)
            except Locked:
                continue
            if outcome == "error":
                seen = self._client(self.lock())

    def _serve(self, epoch: int) -> Outcome:
        from upload_client.validator.serving import serve  # noqa: PLC0415 - see `readers`

        return serve(
            self._settings,
            self.layout,
            validator_id=new_agent_id(),
            client_epoch=epoch,
            shard=self._shard,
            shards=self._settings.shards,
            seconds_left=lambda: 0.0 if self._stopping.is_set() else float("inf"),
        )

    def _client(self, client: LockBody | None) -> LockBody | None:
        """The last client, where it has come to this log: `staging` and `sample` share one lock."""
        if client is None or client.transfer_type not in (None, self.layout.transfer_type):
            return None
        here = last_epoch(self._control, self.layout.client_log(), writer="client")
        return client if client.epoch == here else None

    def _is_settled(self, epoch: int) -> bool:
        """Whether the last word in the validator's log is that all this client has sent is judged."""
        log = self.layout.validator_log(self._shard)
        try:
            end = last_seq(self._control, log)
            if end is None:
                return False
            last = decode_segment(
                self._control.get(segment_key(log, end), limit=MAX_SEGMENT).body, writer="validator"
            )
        except (NotFound, ObjectTooLarge, MalformedSegment, LogBroken):
            return False
        ended = any(isinstance(record, Stop) for record in last.records.others)
        return ended and last.header.client_epoch == epoch
