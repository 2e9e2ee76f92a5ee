"""Data for machine learning: TFRecord, each record by its checksums, and safetensors, by its header.

https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details";
https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import json
from typing import BinaryIO

from upload_client.core.digests import Digests
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.packed import Budget

__all__ = ["open_safetensors", "open_tfrecord"]

_PIECE = 256 * 1024
_MAX_HEADER = 100_000_000  # bytes, as safetensors itself has it


def _masked(digests: Digests) -> int:
    crc = digests.crc("crc32c")
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def open_tfrecord(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file of TFRecord: each record, with the checksums of its length and of its data."""
    at, number = 0, 0
    file.seek(0)
    while at < size:
        budget.spend()
        number += 1
        head = file.read(12)
        digests = Digests(("crc32c",))
        digests.update(head[:8])
        if len(head) < 12 or _masked(digests) != int.from_bytes(head[8:], "little"):
            if number == 1:
                raise NotOpened("it does not begin as TFRecord does: it may be packed")
            raise ValueError(f"it is cut or damaged: record {number:,} does not begin as one does")
        left = n = int.from_bytes(head[:8], "little")
        if at + 16 + n > size:
            raise ValueError(f"it is cut: {at + 16 + n - size:,} bytes of record {number:,} are missing")
        digests = Digests(("crc32c",))
        while left:
            piece = file.read(min(left, _PIECE))
            budget.spend()
            digests.update(piece)
            left -= len(piece)
        if _masked(digests) != int.from_bytes(file.read(4), "little"):
            raise ValueError(f"record {number:,} is damaged: its CRC-32C is another")
        at += 16 + n


def open_safetensors(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a file of safetensors: whether it is as long as its header says."""
    file.seek(0)
    n = int.from_bytes(file.read(8), "little")
    if size < 8 or n > min(_MAX_HEADER, size - 8):
        raise ValueError("it is cut in its header")
    try:
        content = json.loads(file.read(n))
        ends = [one["data_offsets"][1] for name, one in content.items() if name != "__metadata__"]
        end = 8 + n + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise ValueError("its header is damaged") from None
    if end != size:
        raise ValueError(f"it has {size:,} bytes where its header says {end:,}")
