"""The checksums that people's lists and buckets have besides the CRC32 that both sides here speak of.

A list has a column by the name of the algorithm, its cells in hexadecimal or base64; S3 says some of them of
an object. They are compared where the content is read anyhow, or with what S3 says; none takes CRC32's part.

The CRCs are in S3's parameters: CRC-32C is that of RFC 3720 (iSCSI); CRC-64/NVME that of the NVM Command Set
Specification, which S3 gives objects that are sent without a checksum. `awscrt` computes them hundreds of
times faster than `crcmod`, which does it where that is not installed.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from upload_client.core.checksums import Buffer, Polynomial

CRCS: Final = {
    "crc32c": Polynomial(0x82F63B78, 32),
    "crc64nvme": Polynomial(0x9A6C9329AC4BC9B5, 64),
}
"""CRCs, which can be put together from those of parts."""

_SIZES: Final = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
ALGORITHMS: Final = ("crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512")
"""The algorithms besides CRC32, by the names of their columns."""

_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_MD5: Final = re.compile(r"[0-9a-f]{32}")


def parse(algorithm: str, value: object) -> bytes:
    """Read a checksum.

    Args:
        algorithm: its name.
        value: text, in hexadecimal or in base64 with its padding; or the bytes themselves.

    Raises:
        ValueError: it is none of that algorithm.
    """
    size = _SIZES[algorithm]
    found = b""
    if isinstance(value, bytes):
        found = value
    elif isinstance(value, str) and len(value) == 2 * size and _HEX.fullmatch(value):
        found = bytes.fromhex(value)
    elif isinstance(value, str) and value.isascii():
        try:
            found = binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            found = b""
        if encode(found) != value:  # there is one spelling of each
            found = b""
    if len(found) != size:
        raise ValueError(f"not the {size} bytes of a {algorithm}, in hexadecimal or base64")
    return found


def encode(digest: bytes) -> str:
    """Spell a checksum as S3 does, in base64."""
    return base64.b64encode(digest).decode("ascii")


class Digests:
    """Checksums of several kinds over the same content, which comes in blocks.

    Args:
        algorithms: which.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        names = tuple(algorithms)
        self._crcs = {name: 0 for name in names if name in CRCS}
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names if name not in CRCS}

    def update(self, block: Buffer) -> None:
        """Go on with the next block."""
        for name, value in self._crcs.items():
            self._crcs[name] = _crc(name)(block, value)
        for each in self._hashes.values():
            each.update(block)

    def crc(self, algorithm: str) -> int:
        """A CRC so far, as a number."""
        return self._crcs[algorithm]

    def digest(self, algorithm: str) -> bytes:
        """A checksum so far."""
        if algorithm in CRCS:
            return self._crcs[algorithm].to_bytes(_SIZES[algorithm], "big")
        return self._hashes[algorithm].digest()


def combine(algorithm: str, parts: Iterable[tuple[int, int]]) -> bytes:
    """The CRC of a whole from those of its parts.

    Args:
        algorithm: one of `CRCS`.
        parts: bytes and CRC of each, in their order.
    """
    whole = 0
    for size, crc in parts:
        whole = CRCS[algorithm].combine(whole, crc, size)
    return whole.to_bytes(_SIZES[algorithm], "big")


def checksums_stated(answer: Mapping[str, Any], *, bucket: str = "") -> dict[str, bytes]:
    """The checksums of an object in S3's answer to a HEAD that asked for them.

    A checksum of checksums (COMPOSITE, ``…-3``) says nothing of the content. The ETag is its MD5 where the
    object was written in one piece and is encrypted with no key of its own (S3 API reference, "Object"); in
    directory buckets it never is.

    Args:
        answer: as boto3 gives it: ``ChecksumSHA256``, ``ChecksumType``, ``ETag``, ``ServerSideEncryption``, …
        bucket: the bucket's name.
    """
    found: dict[str, bytes] = {}
    for name in ALGORITHMS if answer.get("ChecksumType") != "COMPOSITE" else ():
        try:
            found[name] = parse(name, answer.get(f"Checksum{name.upper()}"))
        except ValueError:
            continue  # it is not said, or in a form that says something else
    etag = str(answer.get("ETag", "")).strip('"')
    plain = answer.get("ServerSideEncryption") in (None, "AES256") and not answer.get("SSECustomerAlgorithm")
    if plain and not bucket.endswith("--x-s3") and _MD5.fullmatch(etag):
        found.setdefault("md5", bytes.fromhex(etag))
    return found


@lru_cache(maxsize=len(CRCS))
def _crc(name: str) -> Callable[[Buffer, int], int]:
    """Computes a CRC, going on from another."""
    try:
        from awscrt import checksums as fast  # noqa: PLC0415 - slow to import, and an extra

        found: Callable[[Buffer, int], int] = getattr(fast, name)
    except (ImportError, AttributeError):  # not there, or too old to know it
        return slow_crc(name)
    return found


def slow_crc(name: str) -> Callable[[Buffer, int], int]:
    """The same by crcmod: the way where nothing faster is there, and what the faster is held against."""
    import crcmod  # noqa: PLC0415 - a Lambda function of the validator has none, and asks for none

    bits, reverse = CRCS[name].bits, CRCS[name].reversed
    normal = int(f"{reverse:0{bits}b}"[::-1], 2) | 1 << bits
    made: Callable[[Buffer, int], int] = crcmod.mkCrcFun(normal, initCrc=0, xorOut=(1 << bits) - 1, rev=True)
    return made
