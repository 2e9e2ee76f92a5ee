"""Messages one behind the other: GRIB and MCAP, each length followed to the next, up to the end.

GRIB: WMO No. 306, I.2, FM 92 GRIB, section 0 and the section of the end, editions 1 and 2. MCAP:
https://mcap.dev/spec, records, Chunk, DataEnd, Footer.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from typing import Any, BinaryIO

from upload_client.expectations.findings import LibraryMissing, NotOpened
from upload_client.expectations.packed import MODULES, Budget

_PIECE = 256 * 1024
_END = b"7777"
_LARGE_GRIB1 = 0x800000
_MAGIC = b"\x89MCAP0\r\n"
_FOOTER, _CHUNK, _DATA_END = 0x02, 0x06, 0x0F
_MAX_CHUNK = 256 * 1024 * 1024


def open_grib(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a GRIB file: each message has the length that it declares, and its end there."""
    at, n = 0, 0
    while (at := _next_grib(file, at, budget)) >= 0:
        n += 1
        file.seek(at)
        head = file.read(16)
        if len(head) < 16:
            raise ValueError(f"it is cut in message {n:,}")
        match head[7]:
            case 1:
                length = int.from_bytes(head[4:7], "big")
                if length & _LARGE_GRIB1:
                    raise NotOpened("GRIB 1 of more than 8 MiB a message is not known here")
            case 2:
                length = int.from_bytes(head[8:], "big")
            case edition:
                raise NotOpened(f"GRIB {edition} is not known here")
        if at + length > size:
            raise ValueError(f"it is cut: {at + length - size:,} bytes of message {n:,} are missing")
        if length < 16 + len(_END):
            raise ValueError(f"message {n:,} is damaged: it tells a length of {length} bytes")
        file.seek(at + length - len(_END))
        if file.read(len(_END)) != _END:
            raise ValueError(f"message {n:,} is damaged: its end is not where its length says")
        at += length
    if not n:
        raise ValueError("there is no GRIB message in it")


def _next_grib(file: BinaryIO, at: int, budget: Budget) -> int:
    """Where the next message begins: padding and headings of bulletins stand between; -1: there is none."""
    before = b""
    file.seek(at)
    while piece := file.read(_PIECE):
        budget.spend()
        found = (before + piece).find(b"GRIB")
        if found >= 0:
            return at - len(before) + found
        at += len(piece)
        before = (before + piece)[-3:]
    return -1


def open_mcap(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an MCAP file: all its records, the checksums that it declares, and the mark at its end."""
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as MCAP does")
    file.seek(max(0, size - len(_MAGIC)))
    if size < 2 * len(_MAGIC) or file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is cut: the mark at its end is missing")
    at, end, last = len(_MAGIC), size - len(_MAGIC), 0
    unread: NotOpened | None = None
    while at < end:
        budget.spend()
        file.seek(at)
        head = file.read(9)
        if len(head) < 9 or at + 9 + (length := int.from_bytes(head[1:], "little")) > end:
            raise ValueError(f"it is damaged at byte {at:,}: a record is longer than the file")
        last = head[0]
        if last == _CHUNK:
            why = _check_chunk(file, at, length, budget)
            # Only if with the library all of it could be unpacked, it is for that that it was not.
            unread = why if unread is None or (why is not None and type(why) is NotOpened) else unread
        elif last == _DATA_END:
            _compare(file, 0, at, file.read(4), "its data", budget)
        elif last == _FOOTER:
            start = int.from_bytes(file.read(8), "little") or at
            if start > at:
                raise ValueError(
                    f"its footer is damaged: its summary should begin at byte {start:,}, behind it"
                )
            file.seek(at + 9 + 16)
            _compare(file, start, at + 9 + 16, file.read(4), "its summary", budget)
        at += 9 + length
    if last != _FOOTER:
        raise ValueError("it has no footer")
    if unread is not None:
        raise unread


def _compare(file: BinaryIO, start: int, stop: int, stored: bytes, what: str, budget: Budget) -> None:
    """Compare a stretch with its CRC32; 0 says that there is none."""
    if not (due := int.from_bytes(stored, "little")):
        return
    crc = 0
    file.seek(start)
    while start < stop and (piece := file.read(min(_PIECE, stop - start))):
        budget.spend()
        crc = zlib.crc32(piece, crc)
        start += len(piece)
    if crc != due:
        raise ValueError(f"{what} is damaged: it has another checksum")


def _frames(module: Any, data: bytes, most: int) -> bytes:  # noqa: ANN401 — a module
    """Unpack frames of Zstandard, one or several in a row, to one byte too many at the most."""
    unpacked = b""
    while data and len(unpacked) <= most:
        one = module.ZstdDecompressor()
        unpacked += one.decompress(data, most + 1 - len(unpacked))
        if not one.eof:
            break  # it is cut, or has more than it says
        data = one.unused_data
    return unpacked


def _check_chunk(file: BinaryIO, at: int, length: int, budget: Budget) -> NotOpened | None:
    """Unpack a chunk and compare its CRC32; say why it was not."""
    file.seek(at + 9)
    head = file.read(min(length, 32))
    if len(head) < 32:
        raise ValueError(f"the chunk at byte {at:,} is damaged")
    unpacked_size, due, n = struct.unpack("<QII", head[16:32])
    how = file.read(min(n, 16)).decode("ascii", "replace")
    stored = int.from_bytes(file.read(8), "little")
    if n > 16 or 40 + n + stored != length:
        raise ValueError(f"the chunk at byte {at:,} is damaged")
    if not due:
        return None
    if max(unpacked_size, stored) > _MAX_CHUNK:
        return NotOpened(f"it has chunks of more than {_MAX_CHUNK:,} bytes, which were not unpacked")
    data = file.read(stored)
    if how == "zstd":
        try:
            module = importlib.import_module(MODULES["zstd"])
        except ImportError:
            return LibraryMissing("backports.zstd is not installed, so its chunks were not unpacked")
        budget.take(unpacked_size)
        try:
            data = _frames(module, data, unpacked_size)
        except module.ZstdError as error:
            raise ValueError(f"the chunk at byte {at:,} is damaged: {error}") from None
    elif how:
        return NotOpened(f"its chunks are packed with {how}, and were not unpacked")
    if zlib.crc32(data) != due:
        raise ValueError(f"the chunk at byte {at:,} is damaged: it has another checksum")
    return None
