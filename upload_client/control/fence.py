"""Fencing: after the lock is stolen from a holder that may be alive, nothing that it writes counts.

A holder checks its lock every quarter of its lease. It appends to its log every few seconds, and that fails
at once where a segment with a higher epoch is there: so whoever steals a lock appends a segment to each log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from upload_client.control.identity import new_agent_id
from upload_client.control.lock import Lock, epoch_floor, locked
from upload_client.control.log import LogWriter
from upload_client.control.store_probe import adopt_profile
from upload_client.core.files import TRANSFER_TYPES, TransferType
from upload_client.core.layout import Layout
from upload_client.core.lease import MAX_BODY, LockBody, WhyRefused, may_unlock
from upload_client.core.records import Stop
from upload_client.core.segments import LogChain
from upload_client.core.times import timestamp
from upload_client.errors import UsageError
from upload_client.s3.bucket import Bucket, NotFound, ObjectInfo, ObjectTooLarge
from upload_client.support.clock import SYSTEM, Clock


def fence_logs(
    control: Bucket,
    layout: Layout,
    lock: Lock,
    reason: str,
    *,
    agent_id: str,
    transfer_types: Iterable[TransferType] = TRANSFER_TYPES,
    clock: Clock = SYSTEM,
) -> None:
    """End, in the client logs that somebody has begun, whatever an earlier owner of the lock is doing.

    One that has the lock and has not begun its log yet finds out by looking at the lock once it has.

    Args:
        control: The control bucket, at the delivery's root.
        layout: Of the delivery.
        lock: Held.
        reason: Why, for whoever reads the log.
        agent_id: Who has the lock now.
        transfer_types: Of the logs.
        clock: The machine's.

    Raises:
        Superseded: Somebody newer was here.
        StoreError: The store did not answer.
    """
    for transfer_type in transfer_types:
        prefix = replace(layout, transfer_type=transfer_type).client_log()
        if next(iter(control.list(prefix)), None) is None:
            continue
        writer = LogWriter(
            control,
            prefix,
            agent_id=agent_id,
            epoch=lock.epoch,
            chain=LogChain("client"),
            clock=clock,
            may_write=lambda: lock.may_write,
        )
        writer.fence()
        writer.close([Stop(timestamp(clock.written()), reason)])  # for people: the fence is what counts


def unlock(
    control: Bucket,
    layout: Layout,
    *,
    holder: str,
    lease_seconds: int,
    sure: bool = False,
    clock: Clock = SYSTEM,
) -> LockBody | None:
    """Take the lock of a delivery from its holder, end what that may still be doing, and give it back.

    Args:
        control: The control bucket, at the delivery's root.
        layout: Of the delivery; its transfer type does not matter.
        holder: The agent that has it.
        lease_seconds: Of the lock, for as long as this takes.
        sure: Do it although the holder was heard of a moment ago.
        clock: The machine's.

    Returns:
        What the lock said; None where it could not be read.

    Raises:
        UsageError: It is nobody's.
        Locked: It is another agent's than the one named.
        HolderAlive: Its holder was heard of within the last minute, and `sure` was not given.
        StoreError: The store did not answer.
    """
    try:
        found = control.get(layout.owned, limit=MAX_BODY)
        body = LockBody.decode(found.body)
    except NotFound:
        raise UsageError("this delivery was never locked", hint="Nothing needs to be done.") from None
    except ObjectTooLarge as error:
        found, body = error.found, None
    if body is not None and body.state == "released":
        raise UsageError(
            f"the lock is free: agent {body.agent_id} gave it back at {body.refreshed_at}",
            hint="Nothing needs to be done.",
        )
    refusal = may_unlock(
        body,
        age=found.date - found.last_modified,
        silence=_silence(control, layout, found.date),
        agent=holder,
    )
    if refusal is not None and not (sure and refusal.why is WhyRefused.ALIVE):
        raise locked(f"{control.prefix}{layout.owned}", refusal, found.date)
    agent_id = new_agent_id()
    adopt_profile(control, layout)
    lock = Lock(control, layout.owned, agent_id=agent_id, lease_seconds=lease_seconds, clock=clock)
    try:
        lock.acquire(epoch_floor(control, layout), steal=holder, from_nobody_else=True)
        whose = f"agent {holder}" if body is not None else "somebody whose lock could not be read"
        fence_logs(
            control,
            layout,
            lock,
            f"unlocked: the lock was taken from {whose}, and given back",
            agent_id=agent_id,
            clock=clock,
        )
    finally:
        lock.release()
    return body


def _silence(control: Bucket, layout: Layout, date: float) -> float | None:
    """Seconds since anybody appended to a client log of the delivery, by the store's clock."""
    last: list[ObjectInfo] = []
    for transfer_type in TRANSFER_TYPES:
        prefix = replace(layout, transfer_type=transfer_type).client_log()
        last += deque(control.list(prefix), maxlen=1)
    return min((date - segment.last_modified for segment in last), default=None)
