"""The work of a hand-over: a complete delivery is moved on into an archive, with proof.

In this order, and each step only when the one before it is done: the receipt is read; every object in
landing is the one that it names; the receiver's own logs prove it, since a provider may write whatever they
like where it lies; the objects are copied, each on the receipt's ETag; every object in the archive has the
receipt's CRC32 and size; a record is written into the control bucket, on the condition that there is none;
whoever is to be told is told; and only then, if asked, the files are removed from landing. Whatever ends it,
it is run again and goes on; done twice, it does nothing. Two at once: a lock lets one work.

Before the first file is removed, the record says that this begins; then the provider's lock is looked at. A
run of theirs takes that lock, and then looks at the record. So one of the two sees the other: the run sends
nothing, or nothing is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import boto3

from upload_client.control.identity import new_agent_id
from upload_client.control.lock import Lock
from upload_client.core import checksums
from upload_client.core.custody import Happened
from upload_client.core.hand_over import (
    BadRecord,
    HandOver,
    archived_line,
    landing_differs,
    name_of_folder,
)
from upload_client.core.layout import Layout, number
from upload_client.core.notifications import TargetError, Topic, target_of
from upload_client.core.receipt import BadReceipt, ReceiptHead
from upload_client.core.text import counted, for_terminal
from upload_client.core.times import timestamp
from upload_client.errors import DeliveryError, NotComplete, UsageError
from upload_client.functions.hand_over.removal import (
    LEASE,
    HandOverRefused,
    NamedFile,
    check_provider,
    check_receipt,
    remove_named,
    take,
)
from upload_client.receipts.custody import Recorder
from upload_client.receipts.custody import record as record_custody
from upload_client.receipts.hand_overs import last_hand_over, read_record
from upload_client.receipts.store import last_receipt, open_stored_receipt
from upload_client.s3 import clients
from upload_client.s3.bucket import (
    Bucket,
    NotFound,
    PreconditionFailed,
    repeat_while_lost,
    store_errors,
)
from upload_client.s3.trouble import trouble_of
from upload_client.support import failpoints
from upload_client.support.clock import SYSTEM, Clock
from upload_client.transfer import DataRoot, TransferTask, send_files
from upload_client.transfer.bulk_requests import head_each

__all__ = [
    "HandOverRefused",
    "HandedOver",
    "Job",
    "check_archive",
    "check_landing",
    "check_no_overlap",
    "check_receipt",
    "check_same_archive",
    "hand_over",
    "last_hand_over",
    "message_of",
    "notifier",
    "open_archive",
    "read_receipt",
]

_log = logging.getLogger(__name__)

_FEW: Final = 5
_TRIES: Final = 3


@dataclass(frozen=True)
class Job:
    """One hand-over.

    Attributes:
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: which delivery.
        to: where it goes, ``s3://bucket/prefix/``.
        client: of the archive; may read landing.
        remove: delete the files from landing when all is recorded.
        notify: tells whoever is to be told, with the record; None: nobody. It may be called twice for one
            hand-over, if the first time was not noted down.
        recorder: signs the records of the custody chain; None: there is no chain.
        clock: the machine's.
    """

    control: Bucket
    landing: Bucket
    layout: Layout
    to: str
    client: Any
    remove: bool = False
    notify: Callable[[HandOver], None] | None = None
    recorder: Recorder | None = None
    clock: Clock = SYSTEM


@dataclass
class HandedOver:
    """The result of a hand-over.

    Attributes:
        record: as it is now.
        copied: files that were copied this time.
        removed: files that were removed from landing this time.
        did_nothing: all was done before.
    """

    record: HandOver
    copied: int = 0
    removed: int = 0
    did_nothing: bool = False


def hand_over(job: Job, report: Callable[[str], object] = _log.info) -> HandedOver:
    """Hand a delivery over, or go on with it.

    Args:
        job: what.
        report: called with each step done, one line.

    Raises:
        NotComplete: there is no receipt.
        Locked: somebody else does it at this moment.
        HandOverRefused: landing or archive is not what the receipt names.
        UsageError: the archive is no such place, or the delivery was handed over to another one.
        StoreError: a bucket refuses the request.
    """
    archive = open_archive(job.to, job.client, job.control, job.landing)
    agent_id = new_agent_id()
    lock = Lock(job.control, job.layout.handing_over, agent_id=agent_id, lease_seconds=LEASE, clock=job.clock)
    take(lock)
    lock.start()
    try:
        return _Work(job, archive, lock, agent_id, report).run()
    finally:
        lock.release()


class _Work:
    """One run of a hand-over; see the module."""

    def __init__(
        self, job: Job, archive: Bucket, lock: Lock, agent_id: str, report: Callable[[str], object]
    ) -> None:
        self._job = job
        self._agent_id = agent_id
        self._archive = archive
        self._lock = lock
        self._report = report
        self._copied = 0

    def run(self) -> HandedOver:
        job = self._job
        key, files, sha256, head = read_receipt(job.control, job.layout)
        epoch = number(key)
        assert epoch is not None  # `last_receipt` names no other
        here = f"s3://{job.landing.name}/{job.landing.prefix}"
        if head.landing != here:
            raise HandOverRefused(
                f"the receipt names {head.landing} as the landing place, the settings {here}"
            )
        record, etag = self._known(epoch, sha256)
        before = record
        if record is None:
            check_landing(job.landing, files)
            check_no_overlap(job.landing, self._archive, files)
            self._report(f"landing has the {len(files):,} files of the receipt, unchanged")
            check_receipt(job.control, job.landing, job.layout, head, sha256, job.recorder, job.clock)
            self._report("each of them was called valid by a validator")
            failpoints.reach("between:handover:landing")
            copied = self._copy(files)
            failpoints.reach("between:handover:copied")
            self._prove(files if copied else [])
            self._report(f"proven: {len(files):,} files in the archive have the receipt's CRC32 and size")
            failpoints.reach("between:handover:proven")
            record = HandOver(
                dataset=job.layout.dataset,
                delivery_id=job.layout.delivery_id,
                transfer_type=job.layout.transfer_type,
                epoch=epoch,
                receipt=key,
                receipt_sha256=sha256,
                landing=here,
                archive=f"s3://{self._archive.name}/{self._archive.prefix}",
                n_files=len(files),
                n_bytes=sum(each.size for each in files),
                files_sha256=_digest(files),
                proven_at=self._now(),
                agent_id=self._agent_id,
            )
            record, etag = self._write(record, None)
            self._report(f"recorded: {job.layout.hand_over(epoch)}")
        failpoints.reach("between:handover:recorded")
        handed = Happened("handed over", record.archive, record.n_files, record.n_bytes, record.files_sha256)
        self._chain(head, sha256, handed)
        if job.notify is not None and record.notified_at is None:
            self._lock.check_held()
            job.notify(record)
            failpoints.reach("between:handover:notified")
            record, etag = self._write(replace(record, notified_at=self._now()), etag)
        removed = 0
        if job.remove and record.removed_at is None:
            if before is not None:  # it was proven by another run, perhaps long ago
                self._prove(files)
                self._report("proven once more: they are in the archive")
            record, etag = self._begin_removing(key, record, etag)
            done = remove_named(job.landing, files, self._lock.check_held)
            if done.n_stay:
                self._report(
                    f"left in landing, since replaced after the receipt: {counted(done.n_stay, 'object')}"
                )
            failpoints.reach("between:handover:removed")
            self._chain(head, sha256, done.happened("removed", here))
            failpoints.reach("between:handover:chained")
            removed = done.n
            record, etag = self._write(replace(record, removed_at=self._now()), etag)
            self._report(f"removed {removed:,} files from landing")
        elif record.removed_at is None and record.removing_at is not None:
            self._report(
                f"the removal from landing that began at {record.removing_at} was interrupted: --remove"
                " resumes it"
            )
        return HandedOver(record, self._copied, removed, did_nothing=record == before)

    def _chain(self, head: ReceiptHead, sha256: str, happened: Happened) -> None:
        """Record in the custody chain what has happened, if there is a key and no record of it."""
        job = self._job
        if job.recorder is not None:
            self._lock.check_held()
            record_custody(job.control, job.layout, head, sha256, happened, job.recorder, job.clock)

    def _now(self) -> str:
        return timestamp(self._job.clock.wall())

    def _known(self, epoch: int, sha256: str) -> tuple[HandOver | None, str | None]:
        """The record of this receipt, if there is one."""
        job = self._job
        try:
            record, etag = read_record(job.control, job.layout.hand_over(epoch))
        except NotFound:
            return None, None
        except BadRecord as error:
            raise HandOverRefused(
                f"{job.control.prefix}{job.layout.hand_over(epoch)} is no record of a hand-over: {error}",
                hint="See who wrote it; the receiver alone may write there.",
            ) from None
        if record.receipt_sha256 != sha256:
            raise HandOverRefused(
                f"the record of the hand-over is of another receipt ({record.receipt_sha256}), and this one"
                f" has SHA-256 {sha256}"
            )
        check_same_archive(record, self._archive)
        return record, etag

    def _copy(self, files: list[NamedFile]) -> bool:
        """Copy what the archive has not, each object on the receipt's ETag and with its CRC32.

        Returns:
            Whether there was anything to copy; else each was just seen to be as it has to be.
        """
        there = check_archive(self._job.control, self._job.layout, self._archive, files)
        right = {path for path, etag in there.items() if etag is None}
        left = [each for each in files if each.path not in right]
        if right:
            self._report(f"the archive has {len(right):,} of them already")
        failures: list[tuple[str, str]] = []
        for _ in range(_TRIES):
            tasks = (
                TransferTask(
                    row,
                    each.path,
                    each.path,
                    each.path,
                    size=each.size,
                    checksum=each.crc32,
                    expect_etag=there.get(each.path),
                    source_etag=each.etag,
                )
                for row, each in enumerate(left)
            )
            again: list[NamedFile] = []
            failures = []
            for outcome in send_files(tasks, DataRoot(self._job.landing), self._archive):
                if outcome.ok:
                    self._copied += 1
                else:
                    failures.append((outcome.relpath, outcome.error or "it was not copied"))
                    again += [left[outcome.row]] if outcome.again else []
            if not again:
                break
            left = again
        if failures:
            raise HandOverRefused(f"{len(failures):,} files could not be copied: {_named(failures)}")
        self._report(f"copied {self._copied:,} files")
        return len(right) < len(files)

    def _prove(self, files: list[NamedFile]) -> None:
        """Make sure that each object of the archive has the receipt's CRC32 and size."""
        wanted = {each.path: each for each in files}
        wrong: list[tuple[str, str]] = []
        for path, info in head_each(wanted, self._archive):
            each = wanted[path]
            if info is None:
                wrong.append((path, "is not in the archive"))
                continue
            crc32 = info.crc32 or _crc32_of(self._archive, path, info.etag)
            if (info.size, crc32) != (each.size, each.crc32):
                wrong.append((path, f"has CRC32 {crc32} in the archive, and {each.crc32} in the receipt"))
        if wrong:
            raise HandOverRefused(f"{len(wrong):,} files are not what the receipt says: {_named(wrong)}")

    def _write(self, record: HandOver, etag: str | None) -> tuple[HandOver, str]:
        """Write the record, if nobody else has."""
        self._lock.check_held()
        job = self._job
        key = job.layout.hand_over(record.epoch)

        def put() -> tuple[HandOver, str]:
            try:
                stored = job.control.put(
                    key,
                    record.encode(),
                    if_none_match=etag is None,
                    if_match=etag,
                    content_type="application/json",
                )
            except (PreconditionFailed, NotFound) as error:
                # Perhaps by an attempt the answer to which was lost.
                found, there = read_record(job.control, key)
                if found != record:
                    raise HandOverRefused(
                        "somebody else has recorded this hand-over at this moment",
                        hint="Run it again: it goes on from what is recorded.",
                    ) from error
                return found, there
            return record, stored.etag

        return repeat_while_lost(put, job.clock)

    def _begin_removing(self, key: str, record: HandOver, etag: str | None) -> tuple[HandOver, str | None]:
        """Write down that files leave landing, unless a run of the provider is at work there.

        Raises:
            Locked: it is.
            HandOverRefused: it was, since the receipt was read, and has written another one.
        """
        job = self._job
        check_provider(job.control, job.layout, job.clock)
        before = record
        if record.removing_at is None:
            record, etag = self._write(replace(record, removing_at=self._now()), etag)
        failpoints.reach("between:handover:removing")
        try:
            check_provider(job.control, job.layout, job.clock)
            if last_receipt(job.control, job.layout) != key:
                raise HandOverRefused(
                    "a run of the provider has written another receipt at this moment; nothing was removed",
                    hint="Run it again: it hands over what the new receipt names.",
                )
        except DeliveryError:
            if record != before:
                self._write(before, etag)
            raise
        return record, etag


def check_same_archive(record: HandOver, archive: Bucket) -> None:
    """Make sure that a delivery that was handed over goes to no other archive.

    Raises:
        UsageError: it would.
    """
    if record.archive != f"s3://{archive.name}/{archive.prefix}":
        raise UsageError(
            f"it was handed over to {record.archive} already", hint="Name that archive, or copy from there."
        )


def read_receipt(control: Bucket, layout: Layout) -> tuple[str, list[NamedFile], str, ReceiptHead]:
    """The last receipt of a delivery, read to its end: its key, its files, its SHA-256, its head.

    Raises:
        NotComplete: there is none.
        HandOverRefused: what is there is none.
        StoreError: it could not be read.
    """
    key = last_receipt(control, layout)
    if key is None:
        raise NotComplete(
            f"there is no receipt of {layout.dataset}/{layout.delivery_id}: the delivery is not complete"
        )
    try:
        with open_stored_receipt(control, key) as reader:
            files = [NamedFile(each.path, each.size, each.etag, each.crc32) for each in reader]
            return key, files, reader.sha256, reader.head
    except BadReceipt as error:
        raise HandOverRefused(
            f"{control.prefix}{key} is no receipt: {error}",
            hint="See who wrote it (`upload-client docs runbook`).",
        ) from None


def check_landing(landing: Bucket, files: list[NamedFile]) -> list[str]:
    """Make sure that landing has what a receipt names. Paths of what it has besides.

    Raises:
        HandOverRefused: it has not.
        StoreError: it could not be listed.
    """
    listed = {info.key: (info.size, info.etag) for info in repeat_while_lost(lambda: list(landing.list()))}
    wrong = landing_differs(listed, ((each.path, each.size, each.etag) for each in files))
    if wrong:
        raise HandOverRefused(
            f"{len(wrong):,} of {len(files):,} files of the receipt are not in {landing}: {_named(wrong)}"
        )
    for each in files:
        del listed[each.path]
    return list(listed)


def check_no_overlap(landing: Bucket, archive: Bucket, files: Sequence[NamedFile]) -> None:
    """Refuse an archive that is landing by another name, such as that of an access point.

    All would be there already, and be removed with landing. Only where the first file is the very same object
    of the same moment an object is put there, to look.

    Raises:
        UsageError: they may be one place.
        StoreError: a bucket refuses the request.
    """
    from upload_client.functions.data_sync.overlap import are_one_place  # noqa: PLC0415 - with what it stands on

    for path in [each.path for each in files[:1]]:
        # Landing twice: it may be written anew, with the same content, while this looks.
        before, there, after = (
            repeat_while_lost(partial(bucket.head, path, checksum=False))
            for bucket in (landing, archive, landing)
        )
        if there is not None and there in (before, after) and are_one_place(landing, archive, _log.warning):
            raise UsageError(
                f"the archive {archive} and {landing} may be one place under two names; nothing was done",
                hint="Name a place of its own, its bucket by its own name.",
            )


def check_archive(
    control: Bucket, layout: Layout, archive: Bucket, files: list[NamedFile]
) -> dict[str, str | None]:
    """Find what an archive has of a delivery, and refuse where it has something else under such a name.

    What an earlier hand-over of this delivery has brought there may be replaced.

    Returns:
        None for each path that is there as it has to be, the ETag for each that is to be replaced.

    Raises:
        HandOverRefused: other objects are there.
        StoreError: a bucket refuses the request.
    """
    there = {info.key: (info.size, info.etag) for info in repeat_while_lost(lambda: list(archive.list()))}
    found: dict[str, str | None] = {each.path: there[each.path][1] for each in files if each.path in there}
    known = {
        each.path: (each.size, each.crc32) for each in files if there.get(each.path, (-1, ""))[0] == each.size
    }
    for path, info in head_each(known, archive):
        if info is None:
            del found[path]  # it was removed meanwhile
        elif (info.size, info.crc32 or _crc32_of(archive, path, info.etag)) == known[path]:
            found[path] = None
    others = [(path, "is there with other content") for path, etag in found.items() if etag is not None]
    before = last_hand_over(control, layout) if others else None
    if others and (before is None or before.archive != f"s3://{archive.name}/{archive.prefix}"):
        raise HandOverRefused(
            f"the archive {archive} has {len(others):,} other objects under names of this delivery,"
            f" and they are not replaced: {_named(others)}",
            hint="Name a place for this delivery alone, or remove them there if nobody needs them.",
        )
    return found


def open_archive(to: str, client: Any, control: Bucket, landing: Bucket) -> Bucket:  # noqa: ANN401 - boto3's
    """The bucket at the archive's prefix.

    Args:
        to: ``s3://bucket/prefix/``.
        client: of the archive.
        control: of the delivery; an archive does not lie in it, nor it in the archive.
        landing: the same.

    Raises:
        UsageError: it is no such place.
    """
    try:
        bucket, prefix = name_of_folder(to)
    except ValueError as error:
        raise UsageError(str(error), hint="Name the archive as s3://BUCKET/PREFIX/.") from None
    archive = Bucket(bucket, prefix=prefix, client=client)
    for other in (landing, control):
        if other.name == archive.name and (
            archive.prefix.startswith(other.prefix) or other.prefix.startswith(archive.prefix)
        ):
            raise UsageError(
                f"the archive {archive} and {other} overlap: one lies in the other",
                hint="Name a place of its own.",
            )
    return archive


def _digest(files: list[NamedFile]) -> str:
    digest = hashlib.sha256()
    for each in files:
        digest.update(archived_line(each.path, each.size, each.crc32))
    return digest.hexdigest()


def _crc32_of(bucket: Bucket, key: str, etag: str) -> str:
    """The CRC32 of an object of which the store knows none: it is read."""
    client: Any = bucket.client

    def read() -> str:
        crc = 0
        with store_errors(f"GET {bucket.prefix}{key}"):
            answer = client.get_object(Bucket=bucket.name, Key=bucket.prefix + key, IfMatch=f'"{etag}"')
            for block in answer["Body"].iter_chunks(1 << 20):
                crc = checksums.crc32(block, crc)
        return checksums.encode(crc)

    return repeat_while_lost(read)


def _named(wrong: list[tuple[str, str]]) -> str:
    named = "; ".join(f"{for_terminal(path)} {why}" for path, why in wrong[:_FEW])
    return named + "; …" * (len(wrong) > _FEW)


def message_of(record: HandOver) -> str:
    """The record as the text of a message for programs: JSON."""
    return json.dumps(record.as_json())


def notifier(topic: str, settings: clients.Endpoints | None = None) -> Callable[[HandOver], None]:
    """A function that publishes a record to a topic of SNS, in the region that its ARN names.

    Raises:
        UsageError: it is no ARN of a topic.
    """
    try:
        found = target_of({"topic": topic})
    except TargetError as error:
        raise UsageError(
            f"{topic!r}: {error}", hint="Write arn:aws:sns:REGION:ACCOUNT:NAME, as SNS shows it."
        ) from None
    assert isinstance(found, Topic)  # nothing else has a topic

    def notify(record: HandOver) -> None:
        name = f"{record.dataset}/{record.delivery_id}"
        options: dict[str, str] = {}
        if found.is_fifo:
            options = {"MessageGroupId": "hand-overs", "MessageDeduplicationId": record.receipt_sha256}
        try:
            clients.client(boto3.Session(region_name=found.region), "sns", settings).publish(
                TopicArn=found.arn,
                Subject=f"handed over: {name}"[:100],
                Message=message_of(record),
                MessageAttributes={
                    key: {"DataType": "String", "StringValue": getattr(record, key)}
                    for key in ("dataset", "delivery_id", "transfer_type")
                },
                **options,
            )
        except Exception as error:
            if (trouble := trouble_of(error)) is None:
                raise
            raise DeliveryError(
                f"it is recorded, but the SNS topic was not notified: {trouble.message} ({trouble.code})",
                hint="See what SNS says of the topic, and run it again: it goes on from here.",
            ) from None

    return notify
