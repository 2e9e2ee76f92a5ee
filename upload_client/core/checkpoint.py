"""A checkpoint: both logs of a delivery folded up to a point, so that a resume need not read them again.

It is derived from the logs, and nothing is believed because a checkpoint says so: the client log names the
SHA-256 of each one, and what is not named there, or cannot be read, is as if it were not there.

The form: one line of JSON (see `encode`), then a zlib stream of the columns in the order of `PACKED`, each
as long as the line says. Numbers are little-endian.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from upload_client.core.history import DeliveryHistory, Life, validator_number
from upload_client.core.history_rows import PACKED
from upload_client.core.layout import MAX_SHARDS
from upload_client.core.record_encoding import encode
from upload_client.core.records import IndexJudged, Init, SegmentHeader, ValidatorInit, Writer
from upload_client.core.segments import LogChain, decode_segment, encode_segment
from upload_client.core.text import for_log
from upload_client.core.times import from_milliseconds, milliseconds
from upload_client.core.values import value

VERSION: Final = 4
MAX_CHECKPOINT: Final = 1024 * 1024 * 1024
"""Bytes, before and after unpacking: five million files take some 800 MB."""
_MAX_HEAD: Final = 8 * 1024 * 1024
_LARGE: Final = ("paths", "uploads")  # which are not copied
_PIECE: Final = 256 * 1024  # bytes that are unpacked at once
_LITTLE_ENDIAN: Final = struct.pack("=H", 1)[0] == 1
_ENDS: Final[dict[object, Any]] = {None: None, "stop": "stop", "crash": "crash", "shutdown": "shutdown"}


@value
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        history: both logs, folded.
        client: the client log up to there.
        validators: the log of each shard of the validator up to there, by shard.
    """

    history: DeliveryHistory
    client: LogChain
    validators: Mapping[int, LogChain]


class BadCheckpoint(ValueError):  # noqa: N818 - it reads as what it says
    """These bytes are no checkpoint that can be used; the logs say all it could have said."""


def encode_checkpoint(checkpoint: Checkpoint) -> Iterator[bytes]:
    """A checkpoint as bytes, piece by piece.

    Raises:
        ValueError: this history cannot be put into that form.
    """
    if not _LITTLE_ENDIAN:
        raise ValueError("this machine writes its numbers the other way round")
    history = checkpoint.history
    columns = history.packed()
    head = {
        "kind": "checkpoint",
        "version": VERSION,
        "n_rows": len(columns["said"]),
        "client": _chain(checkpoint.client),
        "shards": [[shard, *_chain(chain)] for shard, chain in checkpoint.validators.items()],
        "clients": [_life(life) for life in history.clients.values()],
        "validators": [_life(life) for life in history.validators.values()],
        "sizes": [len(columns[name]) for name in PACKED],
    }
    line = json.dumps(head).encode("ascii") + b"\n"
    if len(line) > _MAX_HEAD or sum(map(len, columns.values())) > MAX_CHECKPOINT:
        raise ValueError("it would be too large")
    yield line
    pack = zlib.compressobj(1)
    for name in PACKED:
        yield pack.compress(columns.pop(name))
    yield pack.flush()


def decode_checkpoint(data: bytes, rows: Mapping[str, int]) -> Checkpoint:
    """Read a checkpoint. Takes time and memory in proportion to what it says at its head, bounded.

    Args:
        data: all of it.
        rows: files that are known beforehand, see `DeliveryHistory`.

    Raises:
        BadCheckpoint: it is none.
    """
    try:
        return _decode(data, rows)
    except BadCheckpoint:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, zlib.error) as e:
        raise BadCheckpoint(f"{type(e).__name__}: {e}"[:500]) from None


def _decode(data: bytes, rows: Mapping[str, int]) -> Checkpoint:
    end = data.find(b"\n", 0, _MAX_HEAD)
    if end < 0 or not _LITTLE_ENDIAN:
        raise BadCheckpoint("it has no head, or not for this machine")
    head = json.loads(data[:end])
    if (head["kind"], head["version"]) != ("checkpoint", VERSION):
        raise BadCheckpoint("it is something else, or of another version")
    sizes = [_count(size) for size in head["sizes"]]
    if sum(sizes) > MAX_CHECKPOINT:
        raise BadCheckpoint("it is too large")
    unpacked = zip(PACKED, _unpacked(memoryview(data)[end + 1 :], sizes), strict=True)
    columns = {name: column if name in _LARGE else bytes(column) for name, column in unpacked}
    history = DeliveryHistory(rows)
    history.unpack(_count(head["n_rows"]), columns)
    for each in head["clients"]:
        life = _lived(each, "client")
        history.clients[life.epoch] = life
    for each in head["validators"]:
        life = _lived(each, "validator")
        life.shard = _shard(each["shard"])
        history.validators[validator_number(life.epoch, life.shard)] = life
    validators = {_shard(shard): _chained("validator", fields) for shard, *fields in head["shards"]}
    return Checkpoint(history, _chained("client", head["client"]), validators)


def _unpacked(packed: memoryview, sizes: list[int]) -> Iterator[bytearray]:
    unpack = zlib.decompressobj()
    at, rest = 0, b""
    for size in sizes:
        column = bytearray()
        while len(column) < size:
            if not rest:  # a piece at a time: what zlib leaves of it is copied
                rest = bytes(packed[at : at + _PIECE])
                at += len(rest)
            before = len(rest)
            column += unpack.decompress(rest, size - len(column))
            rest = unpack.unconsumed_tail
            if not before or unpack.eof:
                break
        if len(column) != size:
            raise BadCheckpoint("it ends too early")
        yield column


def _count(number: object) -> int:
    if type(number) is not int or not 0 <= number <= MAX_CHECKPOINT:
        raise BadCheckpoint("no count")
    return number


def _shard(number: object) -> int:
    shard = _count(number)
    if shard >= MAX_SHARDS:
        raise BadCheckpoint("no shard")
    return shard


def _chain(chain: LogChain) -> list[Any]:
    return [chain.next_seq, chain.tail_sha, chain.highest_epoch, chain.highest_agent]


def _chained(writer: Writer, fields: list[Any]) -> LogChain:
    next_seq, tail_sha, highest_epoch, highest_agent = fields
    if (tail_sha is None) is not (_count(next_seq) == 0) or not isinstance(tail_sha, str | None):
        raise BadCheckpoint("no end of a log")
    chain = LogChain(writer)
    chain.next_seq, chain.tail_sha = next_seq, tail_sha
    chain.highest_epoch, chain.highest_agent = _count(highest_epoch), highest_agent
    return chain


def _life(life: Life) -> dict[str, object]:
    header = SegmentHeader(1, 0, life.agent_id, life.epoch, None, life.client_epoch)
    lines = [encode(record) for record in (life.init, life.index) if record is not None]
    return {
        "said": encode_segment(header, lines).decode("ascii"),
        "seen": life.seen,
        "ended": life.ended,
        "reason": life.reason,
        "shard": life.shard,
        "receipt_sha256": life.receipt_sha256,
    }


def _lived(fields: dict[str, Any], writer: Any) -> Life:  # noqa: ANN401 - a `Writer`, which a tuple's type loses
    segment = decode_segment(fields["said"].encode(), writer=writer)
    header = segment.header
    life = Life(header.epoch, header.agent_id, header.client_epoch)
    inits = [record for record in segment.records if isinstance(record, Init | ValidatorInit)]
    life.init = inits[-1] if inits else None
    judged = [record for record in segment.records if isinstance(record, IndexJudged)]
    life.index = judged[-1] if judged else None
    life.seen = None if fields["seen"] is None else from_milliseconds(milliseconds(fields["seen"]))
    life.ended = _ENDS[fields["ended"]]
    life.reason = for_log(str(fields["reason"]))
    receipt = fields.get("receipt_sha256")  # older ones have none
    life.receipt_sha256 = receipt if isinstance(receipt, str) else None
    return life
