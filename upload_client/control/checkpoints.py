"""Checkpoints in the control bucket: written by a client, and read where its log names their hash.

A checkpoint saves reading and folding both logs from their beginning. It decides nothing: one that is
missing, damaged, forged or of another log is passed over, and the logs say the same at a higher cost.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from upload_client.control.log import LogReader
from upload_client.core.checkpoint import (
    MAX_CHECKPOINT,
    BadCheckpoint,
    Checkpoint,
    decode_checkpoint,
    encode_checkpoint,
)
from upload_client.core.history import DeliveryHistory
from upload_client.core.layout import Layout, shard_in
from upload_client.core.records import CheckpointMade
from upload_client.core.segments import LogChain, Segment
from upload_client.errors import LogBroken
from upload_client.s3.bucket import Bucket, StoreError, repeat_while_lost
from upload_client.support.clock import SYSTEM, Clock

_log = logging.getLogger(__name__)

_KEPT = 2  # checkpoints: the newest may be one whose record never reached the log


@dataclass(frozen=True, slots=True)
class Folded:
    """All logs, read to their end.

    Attributes:
        history: what they say.
        client: reader of the client's log, ready to go on.
        validators: the same of each shard of the validator that wrote anything, by shard.
        n_segments: segments that had to be read for it, of all logs.
    """

    history: DeliveryHistory
    client: LogReader
    validators: dict[int, LogReader]
    n_segments: int


def validator_reader(
    control: Bucket, layout: Layout, shard: int, clock: Clock = SYSTEM, chain: LogChain | None = None
) -> LogReader:
    """A reader of the log of a shard of the validator, from where its chain is known to have got."""
    return LogReader(control, layout.validator_log(shard), writer="validator", clock=clock, chain=chain)


def find_shards(control: Bucket, layout: Layout, clock: Clock = SYSTEM) -> list[int]:
    """The shards of the validator that ever wrote anything. One LIST.

    Raises:
        StoreError: That could not be found out.
    """
    logs = repeat_while_lost(lambda: control.ls(layout.validator_logs, recursive=False), clock)
    return [shard for log in logs if (shard := shard_in(log)) is not None]


def fold_validators(
    control: Bucket,
    layout: Layout,
    history: DeliveryHistory,
    client: LogReader,
    readers: dict[int, LogReader],
    clock: Clock = SYSTEM,
) -> Iterator[tuple[int, Segment]]:
    """Fold what is new in the logs of all shards of the validator, and yield each segment with its shard.

    While that is read, a client may announce a million files more, on which there are verdicts. So its log is
    read on, too, where many of them wait for their announcements.

    Args:
        control: The control bucket, at the delivery's root.
        layout: Of the delivery.
        history: Gets it, and has got what the client's log says so far.
        client: Reader of the client's log.
        readers: By shard; those of shards that have begun since are added.
        clock: The machine's.

    Raises:
        LogBroken: A log is no chain, as far as it had to be read.
        StoreError: A log could not be read.
    """
    for shard in find_shards(control, layout, clock):
        if shard not in readers:
            readers[shard] = validator_reader(control, layout, shard, clock)
        for segment in readers[shard].read_all():
            history.add_validator(segment, shard)
            yield shard, segment
            if history.wants_announcements:
                for announced in client.read_all():
                    history.add_client(announced)


def read_logs(control: Bucket, layout: Layout, rows: Mapping[str, int], clock: Clock = SYSTEM) -> Folded:
    """Read and fold the logs of client and validator, from the last checkpoint that can be used.

    Args:
        control: The control bucket, at the delivery's root.
        layout: Of the delivery.
        rows: Files known beforehand, see `DeliveryHistory`.
        clock: The machine's.

    Raises:
        LogBroken: A log is no chain, as far as it had to be read.
        StoreError: A log could not be read.
    """
    for key in _newest(control, layout):
        try:
            data = repeat_while_lost(lambda key=key: control.read(key, MAX_CHECKPOINT), clock)  # type: ignore[misc]
            named = key, hashlib.sha256(data).hexdigest()
            found = decode_checkpoint(data, rows)
            del data
            folded = _fold(control, layout, found, clock, named)
        except (BadCheckpoint, LogBroken, StoreError) as error:
            _log.info("checkpoint %s passed over: %s", key, error)
            continue  # whatever is wrong with the logs themselves is met again below
        if folded is not None:
            _log.info("logs read: from checkpoint %s, and %d segments", key, folded.n_segments)
            return folded
        _log.info("checkpoint %s passed over: the log does not name it", key)
    start = Checkpoint(DeliveryHistory(rows), LogChain("client"), {})
    folded = _fold(control, layout, start, clock, None)
    assert folded is not None  # nothing had to be named
    _log.info("logs read: %d segments", folded.n_segments)
    return folded


def write_checkpoint(control: Bucket, layout: Layout, checkpoint: Checkpoint, at: str) -> CheckpointMade:
    """Write a checkpoint, and remove those before the last one.

    Returns:
        The record that has to get into the client log for it to be of use.

    Raises:
        ValueError: This history cannot be put into that form.
        StoreError: It could not be written.
    """
    key = layout.checkpoint(checkpoint.client.next_seq - 1)
    pieces = io.BytesIO()  # which gives them as one without holding them twice
    pieces.writelines(encode_checkpoint(checkpoint))
    body = pieces.getvalue()
    older = [other for other in _newest(control, layout) if other != key]
    control.put(key, body, content_type="application/octet-stream")
    _log.info("checkpoint %s written, %d bytes", key, len(body))
    for other in older[_KEPT - 1 :]:
        with contextlib.suppress(StoreError):
            control.rm(other)
    return CheckpointMade(at, key, hashlib.sha256(body).hexdigest())


def _newest(control: Bucket, layout: Layout) -> list[str]:
    """Keys of checkpoints, the newest first; a few, however many somebody has put there."""
    try:
        return repeat_while_lost(
            lambda: heapq.nlargest(2 * _KEPT, (info.key for info in control.list(layout.checkpoint_prefix)))
        )
    except StoreError:
        return []


def _fold(
    control: Bucket, layout: Layout, start: Checkpoint, clock: Clock, named: tuple[str, str] | None
) -> Folded | None:
    """Read all logs from there; None where the rest of the client log does not name that checkpoint."""
    n_segments = 0
    history = start.history
    client = LogReader(control, layout.client_log(), writer="client", clock=clock, chain=start.client)
    is_named = named is None
    for segment in client.read_all():
        history.add_client(segment)
        n_segments += 1
        if not is_named and not segment.superseded:
            is_named = any(
                isinstance(record, CheckpointMade) and (record.key, record.sha256) == named
                for record in segment.records
            )
    if not is_named:
        return None
    validators = {
        shard: validator_reader(control, layout, shard, clock, chain)
        for shard, chain in start.validators.items()
    }
    known = {shard: chain.next_seq for shard, chain in start.validators.items()}
    for _ in fold_validators(control, layout, history, client, validators, clock):
        n_segments += 1
    for shard, reader in validators.items():
        # A segment that followed was linked to it. A validator that comes begins at the end that is there.
        if reader.chain.next_seq == known.get(shard):
            reader.check_end()
    return Folded(history, client, validators, n_segments)
