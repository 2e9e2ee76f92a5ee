"""Waits for a validator that no request starts: a process of the receiver notices the client by itself."""

from __future__ import annotations

from upload_client.core.layout import Layout, segment_key, segment_seq
from upload_client.core.records import MAX_SEGMENT, MalformedSegment, ValidatorInit
from upload_client.core.segments import decode_segment
from upload_client.s3.bucket import Bucket, NotFound, ObjectTooLarge


def find_validator(
    control: Bucket, layout: Layout, *, shard: int, epoch: int, known: int
) -> ValidatorInit | None:
    """The first record of the validator that serves a client.

    Args:
        control: the control bucket, at the delivery's root.
        layout: of the delivery.
        shard: whose log is looked into.
        epoch: the client's.
        known: number of the first segment that is looked at.

    Returns:
        None: there is none yet.

    Raises:
        StoreError: the store does not answer.
    """
    log = layout.validator_log(shard)
    for info in control.list(log, segment_key(log, known - 1) if known else None):
        if segment_seq(log, info.key) is None:
            continue
        try:
            segment = decode_segment(control.get(info.key, limit=MAX_SEGMENT).body, writer="validator")
        except (NotFound, ObjectTooLarge, MalformedSegment):
            continue  # who reads the log as a chain says so
        for record in segment.records.others:
            if isinstance(record, ValidatorInit) and record.client_epoch == epoch:
                return record
    return None
