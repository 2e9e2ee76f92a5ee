"""The head of a receipt, held against the delivery that it is kept with: place, runs, the ends of the logs.

Whoever may write into the control bucket may change it, and its form says nothing of that. Its SHA-256 is in
the last record of the client that wrote it. Of a run that was cut off before that, the logs have most of the
head, but not who delivered, and what kind of store it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, segment_key
from upload_client.core.receipt import ReceiptHead, ended_at
from upload_client.core.records import MAX_SEGMENT, MalformedSegment, Stop
from upload_client.core.segments import decode_segment
from upload_client.receipts.store import runs
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge

_SEGMENTS_BEHIND: Final = 10  # of the client that wrote a receipt, after that: signs of life, and its end
CLAIMED: Final = ("finished_at", "versions", "delivered_by", "store", "clients", "validators")
"""Fields of a head that nothing proves where there is no signature, and no log that names the receipt."""


def problem_of_delivery(head: ReceiptHead, layout: Layout, epoch: int) -> str | None:
    """Say that it is of another delivery, or of another run of it; None: it is not.

    Args:
        head: of the receipt.
        layout: of the delivery.
        epoch: of the run, by the receipt's key.
    """
    named = (head.dataset, head.delivery_id, head.transfer_type, head.epoch)
    if named != (layout.dataset, layout.delivery_id, layout.transfer_type, epoch):
        return "it is the receipt of another delivery or run"
    return None


def problem_of_place(
    head: ReceiptHead, control: Bucket, landing: Bucket, layout: Layout, epoch: int
) -> str | None:
    """Say why it is no receipt of this run of this delivery, in these places; None: it is.

    Args:
        head: of the receipt.
        control: the control bucket, at the delivery's root.
        landing: the landing bucket, at the delivery's prefix.
        layout: of the delivery.
        epoch: of the run, by the receipt's key.
    """
    if (problem := problem_of_delivery(head, layout, epoch)) is not None:
        return problem
    if (head.landing, head.control) != (str(landing), str(control)):
        return "it is the receipt of another place"
    if head.index.key != layout.index(epoch):
        return f"it names {head.index.key} as the index, which is that of another run"
    return None


def problem_of_runs(head: ReceiptHead, history: DeliveryHistory) -> str | None:
    """Say that it names runs that the logs do not have so, or leaves a client out; None: neither.

    Those that came later are none of this receipt's. The run that finished it was made of what it set out
    with, and did so before its last record, unless the clocks of others were ahead (`ended_at`).
    """
    if (life := history.clients.get(head.epoch)) is not None and life.init is not None:
        if head.schema_version > 1 and life.init.versions != head.versions:
            return "the logs say otherwise by which programs it was finished"
        last = ended_at(life.seen or "", history.transferred_at.latest, history.judged_at.latest)
        if head.finished_at < life.init.t or (life.ended == "stop" and head.finished_at > last):
            return "the logs say otherwise when it was finished"
    clients, validators = runs(history)
    if head.schema_version == 1:
        clients = tuple(replace(run, versions={}) for run in clients)
        validators = tuple(replace(run, versions={}, expectations_sha256=None) for run in validators)
    named = {(run.shard, run.epoch) for run in head.validators}
    if head.clients != tuple(run for run in clients if run.epoch <= head.epoch) or head.validators != tuple(
        run for run in validators if (run.shard, run.epoch) in named
    ):
        return "the logs have other runs than it names, or other versions of them"
    return None


def problem_of_content(head: ReceiptHead, sha256: str, history: DeliveryHistory) -> str | None:
    """Say that its client has written another receipt; None: it is this one, or the log names none.

    Args:
        head: of the receipt.
        sha256: of all of it, hex.
        history: both logs, folded.
    """
    life = history.clients.get(head.epoch)
    return None if life is None else _other(life.receipt_sha256, sha256)


def problem_of_name(head: ReceiptHead, sha256: str, control: Bucket, layout: Layout) -> str | None:
    """The same, by no more than the end of the client's log (`named_receipt`)."""
    return _other(named_receipt(head, control, layout), sha256)


def _other(named: str | None, sha256: str) -> str | None:
    if named in (None, sha256):
        return None
    return f"its SHA-256 is {sha256}, and the client's log names {named} as that of what it has written"


def named_receipt(head: ReceiptHead, control: Bucket, layout: Layout) -> str | None:
    """The SHA-256 (hex) of the receipt that its client has written, as the end of that log says it.

    Read is what follows the segment that the receipt names as the last one, and no more than a few.

    Returns:
        None: it does not say it: the run was cut off before, or of a version that did not.

    Raises:
        StoreError: the log could not be read.
    """
    for seq in range(head.client_log.seq + 1, head.client_log.seq + 1 + _SEGMENTS_BEHIND):
        try:
            data = control.get(segment_key(layout.client_log(), seq), limit=MAX_SEGMENT).body
            segment = decode_segment(data, writer="client")
        except (NotFound, ObjectTooLarge, MalformedSegment):
            return None
        if segment.header.epoch != head.epoch:
            return None
        for record in segment.records:
            if isinstance(record, Stop):
                return record.receipt_sha256
    return None


def problem_of_tails(head: ReceiptHead, control: Bucket, layout: Layout) -> str | None:
    """Name a log that does not end, up to the receipt, as it says; None: all do. One request for each log.

    Raises:
        StoreError: a log could not be read.
    """
    tails = [(layout.client_log(), head.client_log)]
    tails += [(layout.validator_log(tail.shard), tail) for tail in head.validator_logs]
    for log, tail in tails:
        key = segment_key(log, tail.seq)
        try:
            found = hashlib.sha256(control.get(key, limit=MAX_SEGMENT).body).hexdigest()
        except (NotFound, ObjectTooLarge):
            found = None
        if found != tail.sha256:
            return f"{key} is not what the receipt names as the end of that log"
    return None
