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
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Buffer = bytes | bytearray | memoryview


class Polynomial(NamedTuple):
    """The divisor of a CRC whose register is all ones before and inverted after.

    Attributes:
        reversed: its coefficients; the highest bit belongs to the lowest power.
        bits: how many, beside the highest power's.
    """

    reversed: int
    bits: int

    def combine(self, crc1: int, crc2: int, len2: int) -> int:
        """The CRC of two blocks in a row, the second of so many bytes."""
        return self._product(_shift(self, len2), crc1) ^ crc2

    def _product(self, a: int, b: int) -> int:
        """Multiply two polynomials over GF(2), modulo this one."""
        one, mask = 1 << (self.bits - 1), (1 << self.bits) - 1
        product = 0
        while a:
            if a & one:
                product ^= b
            a = (a << 1) & mask
            b = (b >> 1) ^ (self.reversed if b & 1 else 0)
        return product

    def power(self, n_bytes: int) -> int:
        """The factor of a checksum that `n_bytes` zero bytes follow: x**(8 n) modulo this."""
        power, square = 1 << (self.bits - 1), 1 << (self.bits - 9)
        while n_bytes:
            if n_bytes & 1:
                power = self._product(power, square)
            square = self._product(square, square)
            n_bytes >>= 1
        return power


@lru_cache(maxsize=64)  # parts of one file are all of one length, but for the last
def _shift(polynomial: Polynomial, n_bytes: int) -> int:
    return polynomial.power(n_bytes)


CRC32 = Polynomial(0xEDB88320, 32)

_crc32: Callable[[Buffer, int], int] = zlib.crc32
_combine: Callable[[int, int, int], int] = CRC32.combine
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
