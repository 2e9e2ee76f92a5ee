"""CRC32 of bytes, its combination, and its spelling.

The polynomial is the one of zlib, gzip and Ethernet (ISO 3309), which S3 calls ``CRC32``. Where two
parties exchange a checksum it is text: the four big-endian bytes in base64, as in the S3 header
``x-amz-checksum-crc32`` (S3 user guide, "Checking object integrity").

`isal` computes several times faster than zlib and lets other threads run meanwhile; where it is not
installed, zlib does it, and the combination is computed here.
"""

from __future__ import annotations

import binascii
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Buffer = bytes | bytearray | memoryview

__all__ = ["combine", "crc32", "decode", "encode"]

_POLYNOMIAL = 0xEDB88320
"""Coefficients of the divisor; the highest bit belongs to the lowest power."""

_ONE = 1 << 31
_X8 = 1 << 23


def _product(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2), modulo the divisor."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=64)  # parts of one file are all of one length, but for the last
def _shift(n_bytes: int) -> int:
    """What a checksum is multiplied with when `n_bytes` zero bytes follow: x**(8 n) modulo the divisor."""
    power, square = _ONE, _X8
    while n_bytes:
        if n_bytes & 1:
            power = _product(power, square)
        square = _product(square, square)
        n_bytes >>= 1
    return power


def _combine_slowly(crc1: int, crc2: int, len2: int) -> int:
    return _product(_shift(len2), crc1) ^ crc2


_crc32: Callable[[Buffer, int], int] = zlib.crc32
_combine: Callable[[int, int, int], int] = _combine_slowly
try:
    from isal import isal_zlib
except ImportError:
    pass
else:
    _crc32 = isal_zlib.crc32
    _combine = isal_zlib.crc32_combine


def crc32(data: Buffer, value: int = 0) -> int:
    """CRC32 of `data` as an unsigned number, continuing from `value`, the CRC32 of what came before."""
    return _crc32(data, value)


def combine(crc1: int, crc2: int, len2: int) -> int:
    """CRC32 of two blocks in a row.

    Args:
        crc1: CRC32 of the first block.
        crc2: CRC32 of the second block.
        len2: length of the second block in bytes.

    Raises:
        ValueError: `len2` is negative.
    """
    if len2 < 0:
        raise ValueError(f"a block cannot have {len2} bytes")
    return _combine(crc1, crc2, len2)


def encode(crc: int) -> str:
    """Spell a CRC32 as S3 does, for example ``"yH2GHg=="``.

    Raises:
        OverflowError: `crc` is not an unsigned 32-bit number.
    """
    return binascii.b2a_base64(crc.to_bytes(4, "big"), newline=False).decode("ascii")


def decode(text: str) -> int:
    """Read a CRC32 as `encode` spells it.

    Raises:
        ValueError: `text` is not the base64 of four bytes, in its one canonical spelling. (Checksums are
            compared as text in places, so a second spelling of the same bytes must not pass.)
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        data = b""
    if len(data) != 4 or binascii.b2a_base64(data, newline=False) != text.encode("ascii"):
        raise ValueError("not the base64 of the four bytes of a CRC32, such as 'yH2GHg=='")
    return int.from_bytes(data, "big")
