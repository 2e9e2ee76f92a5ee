"""Facts about a million files in columns: tens of bytes a row, where objects would take hundreds.

A column grows by `extend` and is then read and written by row. All of them give back exactly what was put in.
"""

from __future__ import annotations

from array import array
from binascii import a2b_base64, b2a_base64

from upload_client.core.times import from_milliseconds, milliseconds


class ChecksumColumn:
    """CRC32s, as base64 of 4 bytes, or None: 5 bytes a row."""

    __slots__ = ("_bytes", "_known")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._known = bytearray()

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._bytes.extend(bytes(4 * n_rows))
        self._known.extend(bytes(n_rows))

    def __getitem__(self, row: int) -> str | None:
        if not self._known[row]:
            return None
        return b2a_base64(self._bytes[4 * row : 4 * row + 4], newline=False).decode("ascii")

    def __setitem__(self, row: int, value: str | None) -> None:
        if value is None:
            self._known[row] = 0
            return
        packed = a2b_base64(value)
        if len(packed) != 4:  # a slice of another length would shift all rows that follow
            raise ValueError(f"not a CRC32 in base64: {value!r}")
        self._bytes[4 * row : 4 * row + 4] = packed
        self._known[row] = 1


class ETagColumn:
    """ETags without quotes, or None: 18 bytes a row for the usual ones, an MD5 and a number of parts."""

    __slots__ = ("_md5", "_parts", "_unusual")

    _NONE = 0xFFFF
    _UNUSUAL = 0xFFFE

    def __init__(self) -> None:
        self._md5 = bytearray()
        self._parts = array("H")
        self._unusual: dict[int, str] = {}

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._md5.extend(bytes(16 * n_rows))
        self._parts.extend(array("H", (self._NONE,)) * n_rows)

    def __getitem__(self, row: int) -> str | None:
        parts = self._parts[row]
        if parts == self._NONE:
            return None
        if parts == self._UNUSUAL:
            return self._unusual[row]
        md5 = self._md5[16 * row : 16 * row + 16].hex()
        return f"{md5}-{parts}" if parts else md5

    def __setitem__(self, row: int, value: str | None) -> None:
        if self._parts[row] == self._UNUSUAL:
            del self._unusual[row]
        if value is None:
            self._parts[row] = self._NONE
            return
        packed, parts = _packed_etag(value)
        if packed is None:
            self._parts[row] = self._UNUSUAL
            self._unusual[row] = value
        else:
            self._parts[row] = parts
            self._md5[16 * row : 16 * row + 16] = packed


def _packed_etag(etag: str) -> tuple[bytes | None, int]:
    md5, _, number = etag[:32], etag[32:33], etag[33:]
    try:
        packed = bytes.fromhex(md5)
    except ValueError:
        return None, 0
    parts = int(number) if number.isascii() and number.isdecimal() and len(number) <= 5 else 0
    # S3 allows 10,000 parts. What does not come back as it was (upper case, blanks) is kept as it is.
    if parts > 10_000 or (f"{packed.hex()}-{parts}" if parts else packed.hex()) != etag or len(packed) != 16:
        return None, 0
    return packed, parts


class TextColumn:
    """Texts, or None, where most rows have none: nothing a row that has none."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""

    def __getitem__(self, row: int) -> str | None:
        return self._texts.get(row)

    def __setitem__(self, row: int, value: str | None) -> None:
        if value is not None:
            self._texts[row] = value
        elif self._texts:
            self._texts.pop(row, None)


class NumberColumn:
    """Integers of 64 bits, or None: 8 bytes a row."""

    __slots__ = ("_numbers",)

    _NONE = -(2**63)  # no record holds that number: they are symmetric around 0

    def __init__(self) -> None:
        self._numbers = array("q")

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._numbers.extend(array("q", (self._NONE,)) * n_rows)

    def __getitem__(self, row: int) -> int | None:
        number = self._numbers[row]
        return None if number == self._NONE else number

    def __setitem__(self, row: int, value: int | None) -> None:
        self._numbers[row] = self._NONE if value is None else value


class TimeColumn:
    """Moments as `core.times` writes them, or None: 8 bytes a row."""

    __slots__ = ("_ms",)

    _NONE = -(2**63)

    def __init__(self) -> None:
        self._ms = array("q")

    def extend(self, n_rows: int) -> None:
        """Add rows that hold None."""
        self._ms.extend(array("q", (self._NONE,)) * n_rows)

    def __getitem__(self, row: int) -> str | None:
        ms = self._ms[row]
        return None if ms == self._NONE else from_milliseconds(ms)

    def __setitem__(self, row: int, value: str | None) -> None:
        self._ms[row] = self._NONE if value is None else milliseconds(value)
