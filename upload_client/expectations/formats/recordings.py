"""Pictures and sounds in motion: MP4 and its kin, AVI, Matroska, Ogg, by the lengths that they declare.

ISO/IEC 14496-12, 4.2 (boxes), Apple's QuickTime File Format; RIFF and OpenDML 1.02; RFC 9559 and RFC 8794
(Matroska, EBML); RFC 3533 (Ogg). Nothing is decoded.
"""

from __future__ import annotations

from typing import BinaryIO

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"jP  ")
_INDEXES = (b"moov", b"moof", b"meta")


def open_mp4(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open MP4, QuickTime, HEIF or the like: each box, and the one that says what is in the others."""
    file.seek(0)
    if file.read(8)[4:] not in _FIRST_BOXES:
        raise something_else(file, "MP4")
    at, found = 0, set()
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(16)
        n, name, least = int.from_bytes(head[:4], "big"), head[4:8], 8
        if not head.strip(b"\0") and size - at < 16:  # as some end
            break
        if n == 1:
            n, least = int.from_bytes(head[8:16], "big"), 16
        if n == 0:  # to the end of the file
            n = size - at
        if len(head) < 8 or n < least or at + n > size:
            raise ValueError(f"it is cut or damaged: its box {name!r} should have {n:,} bytes")
        found.add(name)
        at += n
    if not found.intersection(_INDEXES):
        raise ValueError("it is cut: the box is missing that says what is in it ('moov')")


def open_avi(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open AVI: each of its lists."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"AVI ":
        raise something_else(file, "AVI")
    at = 0
    while at + 12 <= size:
        budget.spend()
        file.seek(at)
        head = file.read(12)
        if head[:4] != b"RIFF":  # what stands behind it is nobody's
            return
        n = int.from_bytes(head[4:8], "little")
        if n in (0, 0xFFFFFFFF):
            raise NotOpened("its length was never written: the recording was not ended")
        if at + 8 + n > size:
            raise ValueError(f"it is cut: {at + 8 + n - size:,} bytes are missing")
        at += 8 + n + n % 2


_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def open_matroska(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open Matroska or WebM: each of its elements."""
    file.seek(0)
    if file.read(4) != _EBML.to_bytes(4, "big"):
        raise something_else(file, "Matroska")
    at, has_segment = 0, False
    while at < size:
        file.seek(at)
        has_segment |= file.read(4) == _SEGMENT.to_bytes(4, "big")
        at = _skip_element(file, at, size, budget, into=_SEGMENT)
    if not has_segment:
        raise ValueError("it is cut: it ends before what is recorded")


def _skip_element(file: BinaryIO, at: int, size: int, budget: Budget, *, into: int) -> int:
    """The place behind an element; of a segment, whose own end is looked at, that of its first one."""
    budget.spend()
    file.seek(at)
    head = file.read(12)
    id_width = 9 - head[0].bit_length()
    if id_width > 4 or len(head) < id_width + 1 or not head[id_width]:
        raise ValueError(f"it is cut or damaged: no element begins at byte {at:,}")
    width = 9 - head[id_width].bit_length()
    field = head[id_width : id_width + width]
    n = int.from_bytes(field, "big") & ((1 << 7 * width) - 1)
    inside = at + id_width + width
    if len(field) < width:
        raise ValueError("it is cut: its last element is not whole")
    if n == (1 << 7 * width) - 1:
        raise NotOpened("the length of an element was never written, as in what is recorded live")
    if inside + n > size:
        raise ValueError(f"it is cut: {inside + n - size:,} bytes are missing")
    return inside if int.from_bytes(head[:id_width], "big") == into else inside + n


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
        table.append(crc)
    return table


_CRC = _crc_table()
_ENDS = 4


def open_ogg(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open Ogg (Vorbis, Opus, FLAC): each page, the last one by its checksum, and that it is the last."""
    file.seek(0)
    if file.read(4) != b"OggS":
        raise something_else(file, "Ogg")
    at, flags = 0, 0
    page = b""
    streams: set[bytes] = set()
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(27)
        segments = file.read(head[26]) if len(head) == 27 else b""
        n = 27 + len(segments) + sum(segments)
        if page and not streams and not head.startswith(b"OggS"):
            break  # tags of other formats, which players pass over
        if head[:4] != b"OggS" or len(head) < 27 or len(segments) < head[26] or at + n > size:
            raise ValueError(f"it is cut or damaged: the page at byte {at:,} is not whole")
        flags = head[5]
        (streams.discard if flags & _ENDS else streams.add)(head[14:18])
        page = head[:22] + bytes(4) + head[26:] + segments
        page += file.read(n - len(page))
        due = int.from_bytes(head[22:26], "little")
        at += n
    crc = 0
    for byte in page:
        crc = crc << 8 & 0xFFFFFFFF ^ _CRC[crc >> 24 ^ byte]
    if crc != due:
        raise ValueError("it is damaged: its last page has another checksum")
    if not flags & _ENDS:
        raise NotOpened("no page says that it is the last, as in what is recorded live")
