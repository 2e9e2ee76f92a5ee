"""Parts of a multipart upload: how large, how many, and which ones of an interrupted upload are kept.

Limits: S3 user guide, "Amazon S3 multipart upload limits".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from upload_client.core import checksums

MIB = 1024**2
GIB = 1024**3
MIN_PART = 5 * MIB
"""Bytes every part but the last must have."""
MAX_PART = 5 * GIB
"""Bytes a part may have."""
MAX_PARTS = 10_000
"""Parts an upload may have."""
MAX_OBJECT = MAX_PARTS * MAX_PART
"""Bytes that can be sent at all. (A store may allow less, and says so.)"""
MULTIPART_COPY_LIMIT = 5 * GIB
"""Bytes one CopyObject copies; what is larger is copied in parts."""
DEFAULT_PART = 16 * MIB
"""Large enough that requests cost little, small enough that little is sent twice and many are in flight."""


class TooLarge(ValueError):  # noqa: N818 - says what is wrong with the file
    """A file that no number of parts can hold."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: its number (from 1), where it begins and how long it is, in bytes."""

    number: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part as ListParts tells it; what of it is not known (some stores list no checksum) is None."""

    number: int
    size: int
    etag: str
    crc32: str | None = None


def part_size_for(size: int, *, wanted: int | None = None) -> int:
    """Bytes of each part but the last, for a file of `size` bytes.

    Args:
        size: of the file, in bytes.
        wanted: the part size asked for; taken where it is allowed, else the nearest one that is.

    Raises:
        TooLarge: the file is larger than `MAX_OBJECT`.
    """
    if size > MAX_OBJECT:
        raise TooLarge(f"{size} bytes are more than S3 can hold in one object ({MAX_OBJECT})")
    needed = -(-size // MAX_PARTS)
    needed = -(-needed // MIB) * MIB  # whole mebibytes read well, in logs and from disk
    return min(max(wanted or DEFAULT_PART, needed, MIN_PART), MAX_PART)


def parts(size: int, part_size: int) -> list[Part]:
    """The parts of a file, in order. An empty file has one, empty.

    Args:
        size: of the file, in bytes.
        part_size: of each part but the last, in bytes.
    """
    starts = range(0, max(size, 1), part_size)
    return [
        Part(number, offset, min(part_size, size - offset)) for number, offset in enumerate(starts, start=1)
    ]


def part_size_of(listed: Iterable[ListedPart], size: int) -> int | None:
    """The part size with which an interrupted upload of a file of `size` bytes was cut, if it can be used.

    None: nothing is listed, or it is no cut of a file of this size that S3 would complete. Only the last part
    may be smaller than the others, so the largest one listed tells; where that is the last part, alone,
    its bytes will turn out to be others, and nothing is kept of it.
    """
    largest = max((part.size for part in listed), default=0)
    if not MIN_PART <= largest <= MAX_PART or largest * MAX_PARTS < size:
        return None
    return largest


def is_kept(listed: ListedPart, part: Part, crc32: str, md5: Callable[[], str]) -> bool:
    """Whether a part that is in S3 is the local one, so that it need not be sent again.

    Args:
        listed: the part in S3.
        part: the part of the local file.
        crc32: of the local bytes, as base64.
        md5: computes the MD5 of the local bytes, as hexadecimal text; asked only where S3 lists no CRC32. The
            ETag of a part is its MD5, unless it is encrypted with a key of KMS; then it is sent again.
    """
    if (listed.number, listed.size) != (part.number, part.size):
        return False
    if listed.crc32 is not None:
        return listed.crc32 == crc32
    return listed.etag == md5()


def crc32_of_parts(sizes_and_crcs: Iterable[tuple[int, int]]) -> int:
    """CRC32 of a whole file from its parts in order, each as its size in bytes and its CRC32."""
    whole = 0
    for size, crc in sizes_and_crcs:
        whole = checksums.combine(whole, crc, size)
    return whole


def streamed_part_size(number: int) -> int:
    """Bytes of a part of something whose size nobody knows before its end.

    A part lies in memory as a whole, so it begins small; it grows so that the parts that an upload may have
    are enough for `MAX_STREAMED` bytes.

    Args:
        number: of the part, from 1.
    """
    return min(8 * MIB << (number - 1) // 2000, 64 * MIB)


MAX_STREAMED = sum(streamed_part_size(number) for number in range(1, MAX_PARTS + 1))
"""Bytes of a stream of unknown size that can be sent as one object."""
