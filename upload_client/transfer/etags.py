"""The ETag that content would have as an object, and the parts that an object was made of."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from upload_client.core.parts import MIB
from upload_client.s3.bucket import Bucket, StoreError, store_errors


def part_size_of(bucket: Bucket, key: str, etag: str, size: int) -> int | None:
    """Bytes of each part but the last that an object was made of; all of it where there is one.

    Args:
        bucket: where it is.
        key: relative to its prefix.
        etag: of the object; ``…-3``: of three parts.
        size: bytes of the object.

    Returns:
        None where its parts are of different sizes, or the store does not say them.

    Raises:
        StoreError: the store does not answer, or the object is another one by now.
    """
    n = etag.rpartition("-")[2] if "-" in etag else "1"
    if not n.isdigit() or int(n) < 1:
        return None
    if int(n) == 1:
        return size
    try:
        first, last = (_size_of_part(bucket, key, etag, number) for number in (1, int(n)))
    except StoreError as error:
        if error.status in (400, 403, 416, 501):
            return None
        raise
    return first if first > 0 and first * (int(n) - 1) + last == size and last <= first else None


def _size_of_part(bucket: Bucket, key: str, etag: str, number: int) -> int:
    client: Any = bucket.client
    with store_errors(f"HEAD of part {number} of {bucket.prefix}{key}"):
        answer = client.head_object(
            Bucket=bucket.name, Key=bucket.prefix + key, PartNumber=number, IfMatch=f'"{etag}"'
        )
    found: int = answer.get("ContentLength", 0)
    return found


def read_etag(path: str, part_size: int | None, like: str) -> str | None:
    """The ETag that a file would have as an object: its MD5, or the MD5 of those of its parts.

    Args:
        path: of the file.
        part_size: bytes of its parts; None: not known.
        like: an ETag of the same form, ``…-3`` or without a number.

    Returns:
        Without quotes; None where the part size is not known.
    """
    if part_size is None:
        return None
    digests: list[bytes] = []
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of many files
        size = os.fstat(file.fileno()).st_size
        for offset in range(0, max(size, 1), max(part_size, 1)):
            digest = hashlib.md5(usedforsecurity=False)
            left = min(part_size, size - offset)
            while left and (block := file.read(min(left, MIB))):
                digest.update(block)
                left -= len(block)
            digests.append(digest.digest())
    return _joined(digests, like)


def etag_of(body: bytes | bytearray, part_size: int | None, like: str) -> str | None:
    """The same of content in memory."""
    if part_size is None:
        return None
    view = memoryview(body)
    starts = range(0, max(len(body), 1), max(part_size, 1))
    return _joined(
        [hashlib.md5(view[at : at + part_size], usedforsecurity=False).digest() for at in starts], like
    )


def _joined(digests: list[bytes], like: str) -> str:
    if "-" not in like:
        return digests[0].hex()
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
