"""The removal of a delivery's files from landing: exactly what its receipt names, each object on its ETag.

A hand-over does it at its end; a receiver does it to a delivery that is withdrawn, or whose time is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

from upload_client.control.identity import new_agent_id
from upload_client.control.lock import Lock
from upload_client.core.closing import Closed
from upload_client.core.custody import CustodyRecord, Happened
from upload_client.core.files import OTHER_TYPE
from upload_client.core.hand_over import archived_line
from upload_client.core.layout import Layout
from upload_client.core.receipt import ReceiptHead
from upload_client.core.text import counted
from upload_client.core.times import timestamp
from upload_client.errors import DeliveryError, Locked
from upload_client.receipts.custody import Recorder, record
from upload_client.receipts.hand_overs import closing
from upload_client.receipts.store import last_receipt
from upload_client.s3.bucket import Bucket, repeat_while_lost
from upload_client.support import failpoints
from upload_client.support.clock import SYSTEM, Clock

_LOOK = 1000  # objects, before each of which it is made sure that the lock is held
LEASE = 60  # seconds for which one that died keeps the next one out

Why = Literal["withdrawn", "expired"]
"""Why a delivery is removed that was not handed over."""


class HandOverRefused(DeliveryError):  # noqa: N818 - as those in `upload_client.errors`
    """Landing, or the archive, has something else than the receipt names. Nothing was removed."""

    hint = (
        "`upload-client verify RECEIPT --online` shows what happened to each file; nothing was removed, and"
        " what is in the archive already stays there."
    )


def take(lock: Lock) -> None:
    """Take the lock of what is done to a delivery by its receiver.

    Raises:
        Locked: somebody else does something to it. `unlock` and `status` know the lock of the provider's
            run alone, and help no one here.
    """
    try:
        lock.acquire(0)
    except Locked as held:
        dead = f", or until {held.until} if it has died" if held.until else ""
        held.hint = (
            f"Wait until that command or function has ended{dead}; then run this one again: it goes on with"
            " what is left."
        )
        raise


class NamedFile(NamedTuple):
    """A file as a receipt names it: path, bytes, ETag, CRC32 (base64)."""

    path: str
    size: int
    etag: str
    crc32: str


class Removed(NamedTuple):
    """The result of a removal.

    Attributes:
        n: objects that were deleted now.
        n_stay: objects under names of the receipt that are others than it names, and stay.
        gone: files of the receipt of which nothing is left there, in its order.
    """

    n: int
    n_stay: int
    gone: list[NamedFile]

    def happened(
        self, event: Literal["removed", "withdrawn", "expired"], place: str, note: str = ""
    ) -> Happened:
        """The event that is to be recorded."""
        digest = hashlib.sha256()
        for each in self.gone:
            digest.update(archived_line(each.path, each.size, each.crc32))
        n_bytes = sum(each.size for each in self.gone)
        return Happened(event, place, len(self.gone), n_bytes, digest.hexdigest(), note)


def check_receipt(
    control: Bucket,
    landing: Bucket,
    layout: Layout,
    head: ReceiptHead,
    sha256: str,
    recorder: Recorder | None = None,
    clock: Clock = SYSTEM,
    *,
    may_be_gone: bool = False,
) -> None:
    """Make sure that a receipt says nothing that the receiver's own logs do not prove.

    Args:
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: which delivery.
        head: of the receipt.
        sha256: of the receipt, hex.
        recorder: has the receiver's key; what that has signed was proven.
        clock: the machine's.
        may_be_gone: whether files need not lie in landing any more.

    Raises:
        HandOverRefused: it does.
        LogBroken: a log is no chain.
        StoreError: something could not be read.
    """
    # The rules for content come along, and few of the calls around a hand-over get here.
    from upload_client.validator.countersigning import NotSigned, check_proven  # noqa: PLC0415

    key = None if recorder is None else recorder.key.public
    try:
        check_proven(control, landing, layout, head, sha256, key, clock, may_be_gone=may_be_gone)
    except NotSigned as error:
        raise HandOverRefused(
            f"the receiver's own logs do not prove the receipt: {error}",
            hint="See who wrote it: a provider's program writes none for files that were not called valid."
            " Nothing was copied or removed.",
        ) from None


def check_provider(control: Bucket, layout: Layout, clock: Clock = SYSTEM) -> None:
    """Make sure that no run of the provider is at work on what lands where this delivery does.

    The sample and the whole share one lock. A run of the other one that says so in it writes nothing here,
    where each has a landing prefix of its own.

    Args:
        control: the control bucket, at the delivery's root.
        layout: which delivery.
        clock: the machine's.

    Raises:
        Locked: one is, or may be: its lock cannot be read, or does not say which of the two it delivers.
        StoreError: the store did not answer.
    """
    other = OTHER_TYPE[layout.transfer_type]
    is_separate = replace(layout, transfer_type=other).landing != layout.landing
    lock = Lock(control, layout.owned, agent_id=new_agent_id(), lease_seconds=LEASE, clock=clock)
    lock.check_free(besides=other if is_separate else None)


def remove_named(landing: Bucket, files: Sequence[NamedFile], check_held: Callable[[], object]) -> Removed:
    """Delete from landing exactly what a receipt names, each object on its ETag.

    Args:
        landing: the landing bucket, at the delivery's prefix.
        files: of the receipt.
        check_held: raises unless the lock is held still.

    Raises:
        StoreError: something could not be listed or deleted.
    """
    from upload_client.functions.data_sync.removal import delete_on  # noqa: PLC0415 - with what it stands on
    from upload_client.transfer.bulk_requests import remove_each  # noqa: PLC0415 - likewise

    listed = {info.key: info.etag for info in repeat_while_lost(lambda: list(landing.list()))}

    n = 0
    stay = {each.path for each in files if listed.get(each.path, each.etag) != each.etag}

    def named() -> Iterator[tuple[str, str]]:
        for at, each in enumerate(each for each in files if listed.get(each.path) == each.etag):
            if at % _LOOK == 0:
                check_held()
            yield each.path, each.etag

    # All over the same connections.
    for (path, _), done in remove_each(named(), landing, partial(delete_on, landing)):
        n += done
        if not done:
            stay.add(path)
        failpoints.reach("between:handover:some-removed")
    return Removed(n, len(stay), [each for each in files if each.path not in stay])


@dataclass(frozen=True)
class Removal:
    """A delivery that is to be removed.

    Attributes:
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: which delivery.
        why: it is.
        note: what the provider and the custody chain are told, one line.
        recorder: signs the record; None: there will be none.
        clock: the machine's.
    """

    control: Bucket
    landing: Bucket
    layout: Layout
    why: Why
    note: str = ""
    recorder: Recorder | None = None
    clock: Clock = SYSTEM


def remove_delivery(
    job: Removal, receipt: tuple[ReceiptHead, str, Sequence[NamedFile]], report: Callable[[str], object]
) -> tuple[Removed, CustodyRecord | None]:
    """Close a delivery, remove from landing what its receipt names, and record that.

    Run again, it goes on; done twice, it does nothing. The receiver's own logs have to prove the receipt, as
    for a hand-over, but not that the files lie there still.

    Args:
        job: what.
        receipt: head, SHA-256 and files of its last receipt.
        report: called with each step done, one line.

    Raises:
        HandOverRefused: the receiver's own logs do not prove the receipt; nothing was removed.
        Locked: somebody hands it over, or removes it, at this moment; or a run of the provider is at work.
        ChainBroken: what lies where the record would is no custody chain.
        DeliveryError: the receipt names another landing place, or is not the last one any more; nothing was
            removed.
        StoreError: a bucket refuses the request.
    """
    head, sha256, files = receipt
    place = f"s3://{job.landing.name}/{job.landing.prefix}"
    if head.landing != place:
        raise DeliveryError(
            f"the receipt names {head.landing} as the landing place, and the settings name {place}:"
            " nothing was removed",
            hint="Run it with the settings of the place where the files are.",
        )
    _check_last(job, head)
    check_receipt(
        job.control, job.landing, job.layout, head, sha256, job.recorder, job.clock, may_be_gone=True
    )
    lock = Lock(
        job.control,
        job.layout.handing_over,
        agent_id=new_agent_id(),
        lease_seconds=LEASE,
        clock=job.clock,
    )
    take(lock)
    lock.start()
    try:
        before = closing(job.control, job.layout)
        if before is None or not before.removed:  # a note that it was taken over would say something else
            note = Closed(timestamp(job.clock.wall()), job.note, job.why)
            repeat_while_lost(
                lambda: job.control.put(job.layout.closed, note.encode(), content_type="application/json")
            )
        report("closed: nothing more is sent")
        failpoints.reach("between:removal:closed")
        # A run of the provider that began before may be at work still; none begins any more.
        check_provider(job.control, job.layout, job.clock)
        _check_last(job, head)
        removed = remove_named(job.landing, files, lock.check_held)
        report(f"removed {counted(removed.n, 'file')} from landing")
        if removed.n_stay:
            report(f"left in landing, since replaced after the receipt: {counted(removed.n_stay, 'object')}")
        failpoints.reach("between:removal:removed")
        if job.recorder is None:
            return removed, None
        happened = removed.happened(job.why, place, job.note)
        made = record(job.control, job.layout, head, sha256, happened, job.recorder, job.clock)
        earlier = f" ({made.event}, {made.recorded_at})" if made.event != job.why else ""
        report(f"recorded: record {made.n} of its custody chain{earlier}")
        return removed, made
    finally:
        lock.release()


def _check_last(job: Removal, head: ReceiptHead) -> None:
    if last_receipt(job.control, job.layout) != job.layout.receipt(head.epoch):
        raise DeliveryError(
            "a run of the provider has written another receipt meanwhile; nothing was removed",
            hint="Run it again: it removes what the new receipt names.",
        )
