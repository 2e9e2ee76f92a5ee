"""Blocks of N5, unpacked as the attributes of their array say.

https://github.com/saalfeldlab/n5#file-system-specification. Each block tells its own shape; one that is not
there is zeros. Arrays of texts and of objects are not looked into.
"""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any, BinaryIO, cast

from upload_client.core.text import for_log
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.zarr import MAX_CHUNK, undone
from upload_client.expectations.packed import Budget, Unpacked

_ITEM_BYTES = {
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": 4,
    "float64": 8,
}
_PACKINGS = {"gzip": "gzip", "bzip2": "bz2", "zstd": "zstd", "blosc": "blosc"}
_MAX_AXES = 64


def open_block(file: BinaryIO, size: int, budget: Budget, metadata: bytes) -> None:
    """Unpack a block: as many values as its own shape says, which is no larger than its array's blocks.

    Args:
        file: binary and seekable.
        size: of it, in bytes.
        budget: what it may take.
        metadata: of its array, ``attributes.json``.

    Raises:
        ValueError: it is cut or damaged.
        NotOpened: it is of a kind that is not known here.
    """
    try:
        content = json.loads(metadata)
        block, kind = content["blockSize"], content["dataType"]
        # Before version 1 there was the name alone.
        packing: Any = content.get("compression") or {"type": content["compressionType"]}
        name, axes = packing["type"], len(block)
        can_be = all(type(n) is int and n > 0 for n in block) and 0 < axes <= _MAX_AXES
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        can_be = False
    if not can_be:
        raise NotOpened("the metadata of its array cannot be understood")
    if not isinstance(kind, str) or kind not in _ITEM_BYTES:
        raise NotOpened(f"values of the type {for_log(str(kind), 40)} are not known here")
    if size > MAX_CHUNK:
        raise NotOpened(f"a block has more than {MAX_CHUNK:,} bytes")
    file.seek(0)
    data = file.read(size)
    if len(data) < 4 + 4 * axes:
        raise ValueError("it is cut in its header" if size else "it is empty")
    mode, n_axes = struct.unpack_from(">HH", data)
    if mode not in (0, 1) or n_axes != axes:
        raise ValueError("it is damaged: it does not begin as a block of its array does")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    start, n = 4 + 4 * axes, math.prod(shape)
    if any(length > most for length, most in zip(shape, block, strict=True)):
        raise ValueError("it is damaged: it tells more values along an axis than a block has")
    if mode:
        n, start = int.from_bytes(data[start : start + 4], "big"), start + 4
    due = n * _ITEM_BYTES[kind]
    if due > MAX_CHUNK:
        raise NotOpened(f"a block has more than {MAX_CHUNK:,} bytes")
    found = _unpacked(name, packing, memoryview(data)[start:], budget)
    if found != due:
        raise ValueError(f"it is cut or damaged: it unpacks to {found:,} bytes where {due:,} are due")


def _unpacked(name: Any, how: dict[str, Any], data: memoryview, budget: Budget) -> int:  # noqa: ANN401 — from metadata
    """The number of bytes that it unpacks to."""
    if name == "raw":
        return len(data)
    if name == "xz":
        whole = Unpacked("xz", io.BytesIO(data), len(data), budget)
        return len(cast("BinaryIO", io.BufferedReader(whole)).read(MAX_CHUNK + 1))
    if name not in _PACKINGS:
        raise NotOpened(f"it is packed with {for_log(str(name), 40)}, which is not known here")
    packing = "zlib" if name == "gzip" and how.get("useZlib") is True else _PACKINGS[name]
    found = undone(packing, {}, data, budget)
    n = found.nbytes if hasattr(found, "nbytes") else len(found)
    budget.take(n)
    return int(n)
