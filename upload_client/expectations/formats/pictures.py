"""PNG, JPEG, JPEG 2000, GIF, WebP and BMP, by their structure: is all of it there. No pixel is unpacked.

PNG: https://www.w3.org/TR/png-3/, 5. JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1; in the data of
JPEG-LS (T.87) bytes below 0x80 may follow 0xFF. JPEG 2000: T.800, A.4 (codestream) and I.4 (boxes). GIF:
https://www.w3.org/Graphics/GIF/spec-gif89a.txt, 17 to 27. WebP: RFC 9649, 2. BMP:
https://learn.microsoft.com/windows/win32/gdi/bitmap-storage. What stands behind the end is passed over, as
viewers do.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import BinaryIO

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_PIECE = 1024 * 1024
_MARKER = re.compile(rb"\xff([\x01\x80-\xcf\xd8-\xfe])")  # not RST: pixels may have one every few bytes
_JPEG_LS = 0xF7
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # tables stand among the markers of frames
_PLAIN_BMP = (0, 3, 6)  # BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS
_OS2 = 64  # bytes of the whole header of OS/2 2, where 3 is a Huffman code


def open_png(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a PNG file: each chunk with its CRC, to the chunk that ends it."""
    read = _reader(file, size, budget)
    if read(8) != b"\x89PNG\r\n\x1a\n":
        raise ValueError("it does not begin as PNG does")
    has_pixels = False
    while True:
        head = read(8)
        left, name = int.from_bytes(head[:4]), head[4:]
        crc = zlib.crc32(name)
        while left:
            piece = read(min(left, _PIECE))
            crc = zlib.crc32(piece, crc)
            left -= len(piece)
        if int.from_bytes(read(4)) != crc:
            raise ValueError(f"the chunk {name.decode('latin-1')!r} does not have the CRC it says")
        has_pixels |= name == b"IDAT"
        if name == b"IEND":
            break
    if not has_pixels:
        raise ValueError("it has no pixels")


def open_jpeg(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a JPEG file: each segment lies in it, and the marker that ends it is there."""
    frame_of_jpeg(file, size, budget)


def frame_of_jpeg(file: BinaryIO, size: int, budget: Budget) -> int:
    """Open a JPEG file, and tell how its pixels are packed: the marker SOF, T.81, B.1.1.3; 0: none is there.

    Raises:
        ValueError: it is cut or damaged.
    """
    read = _reader(file, size, budget)
    if read(2) != b"\xff\xd8":
        raise ValueError("it does not begin as JPEG does")
    has_pixels, frame = False, 0
    while True:
        marker = _next_marker(file, size, budget)
        if marker == 0xD9:
            break
        if marker in (1, 0xD8):
            continue
        length = int.from_bytes(read(2))
        if length < 2:
            raise ValueError("a segment of it is damaged")
        has_pixels |= marker == 0xDA
        if marker == _JPEG_LS or (0xC0 <= marker < 0xD0 and marker not in _NO_FRAMES):
            frame = frame or marker
        if file.tell() + length - 2 > size:
            raise ValueError("it is cut in a segment")
        file.seek(length - 2, 1)
    if not has_pixels:
        raise ValueError("it has no pixels")
    return frame


def _next_marker(file: BinaryIO, size: int, budget: Budget) -> int:
    """The next marker, whatever stands before it; the file stands behind it then."""
    at, last = file.tell(), b""
    while piece := file.read(_PIECE):
        budget.spend()
        found = _MARKER.search(last + piece)
        if found is not None:
            file.seek(at - len(last) + found.end())
            return found[1][0]
        at += len(piece)
        last = piece[-1:]  # half of one
    raise ValueError(f"it is cut: after {size:,} bytes the marker that ends it has not come")


def open_gif(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a GIF file: each block is whole, and there is an image."""
    read = _reader(file, size, budget)
    head = read(13)
    if head[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("it does not begin as GIF does")
    read(_colours(head[10]))
    has_pixels = False
    while (kind := file.read(1)) != b";":
        if not kind and has_pixels:
            return  # some leave out the block that ends it
        if kind == b"!":
            read(1)
        elif kind == b",":
            has_pixels = True
            read(_colours(read(9)[8]))
            read(1)
        else:
            raise ValueError("a block of it is damaged")
        while n := read(1)[0]:
            read(n)
    if not has_pixels:
        raise ValueError("it has no pixels")


def _colours(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def open_webp(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a WebP file: its chunks are as long as they say, and lie in it."""
    read = _reader(file, size, budget)
    head = read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise ValueError("it does not begin as WebP does")
    end = 8 + int.from_bytes(head[4:8], "little")
    if end > size:
        raise ValueError(f"it is cut: the last {end - size:,} bytes are missing")
    at = 12
    while at + 8 <= end:
        budget.spend()
        file.seek(at)
        length = int.from_bytes(read(8)[4:], "little")
        if at + 8 + length > end:
            raise ValueError("a chunk of it is damaged")
        at += 8 + length + length % 2
    if at == 12:
        raise ValueError("it has no pixels")


def open_bmp(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a BMP file: as many bytes of pixels as its header says."""
    read = _reader(file, size, budget)
    head = read(14)
    if head[:2] != b"BM":
        raise ValueError("it does not begin as BMP does")
    start, length = int.from_bytes(head[10:], "little"), int.from_bytes(read(4), "little")
    fields = read(min(length, 40) - 4) if length >= 12 else b""
    if len(fields) >= 12:  # of OS/2 2 it may end with any field: those that are missing are 0
        width, height = (int.from_bytes(fields[at : at + 4], "little", signed=True) for at in (0, 4))
        bits, packing, n = (
            int.from_bytes(fields[at:to], "little") for at, to in ((10, 12), (12, 16), (16, 20))
        )
    elif len(fields) == 8:  # as OS/2 has it
        width, height = (int.from_bytes(fields[at : at + 2], "little") for at in (0, 2))
        bits, packing, n = int.from_bytes(fields[6:], "little"), 0, 0
    else:
        raise ValueError("its header is damaged")
    if packing in _PLAIN_BMP and (packing, length) != (3, _OS2):
        used = (abs(width) * bits + 7) // 8
        n = (used + 3) // 4 * 4 * (abs(height) - 1) + used if height else 0  # some leave out the last padding
    if start + n > size:
        raise ValueError(f"the last {start + n - size:,} bytes of its pixels are missing")


def _reader(file: BinaryIO, size: int, budget: Budget) -> Callable[[int], bytes]:
    """A function that reads so many bytes, and no fewer."""
    file.seek(0)

    def read(n: int) -> bytes:
        budget.spend()
        data = file.read(n)
        if len(data) < n:
            raise ValueError(f"it is cut: more than its {size:,} bytes are due")
        return data

    return read


_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"


def open_jp2(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a JPEG 2000 file: each box, and each part of a tile to the marker that ends its pixels."""
    file.seek(0)
    head = file.read(len(_JP2))
    if head.startswith(_CODESTREAM):
        _check_codestream(file, 0, size, budget)
        return
    if head != _JP2:
        raise ValueError("it does not begin as JPEG 2000 does")
    at, has_pixels, lies_apart = 0, False, False
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(16)
        length, start = int.from_bytes(head[:4]), 8
        if length == 1:
            length, start = int.from_bytes(head[8:16]), 16
        elif not length:
            length = size - at
        if len(head) < 8 or length < start or at + length > size:
            if has_pixels:
                raise NotOpened("what stands behind its pixels is no box")
            raise ValueError(f"it is cut or damaged: the box at byte {at:,} is not whole")
        if head[4:8] == b"jp2c":
            _check_codestream(file, at + start, at + length, budget)
            has_pixels = True
        lies_apart |= head[4:8] == b"ftbl"  # T.801, M.11.3
        at += length
    if not has_pixels and lies_apart:
        raise NotOpened("its pixels lie in pieces, or in another file")
    if not has_pixels:
        raise ValueError("it has no pixels")


def _check_codestream(file: BinaryIO, at: int, end: int, budget: Budget) -> None:
    """Follow the segments, then the parts of tiles, each as long as it says, to the marker EOC."""
    at += 2
    while True:
        budget.spend()
        file.seek(at)
        head = file.read(12)
        marker = int.from_bytes(head[:2])
        if marker == _EOC and at + 2 <= end:
            return
        if len(head) < 12 or at + 12 > end or head[0] != 0xFF:
            raise ValueError("it is cut or damaged: the marker that ends its pixels is missing")
        if marker == _SOT:
            length = int.from_bytes(head[6:10])
            if not length:  # the last one: to the end, behind which some have put padding
                near = max(at, end - _NEAR)
                file.seek(near)
                if _EOC.to_bytes(2) not in file.read(end - near):
                    raise ValueError("it is cut: the marker that ends its pixels is missing")
                return
        else:
            length = 2 if marker in _WITHOUT_LENGTH else int.from_bytes(head[2:4]) + 2
        if length < 4 and marker not in _WITHOUT_LENGTH:
            raise ValueError("a segment of it is damaged")
        at += length


_SOT, _EOC = 0xFF90, 0xFFD9
_WITHOUT_LENGTH = range(0xFF30, 0xFF40)  # T.800, A.1.2
_NEAR = 1024


_NETPBM = re.compile(rb"P([1-6Ff])(?:\s|#[^\n]*\n)+")
_NUMBER = re.compile(rb"([-+]?(?:\d{1,9}\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s|(?=#))")
_BLANKS = re.compile(rb"(?:\s|#[^\n]*\n)*")
_COMMENT = re.compile(rb"#[^\n]*\n")


def open_netpbm(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open PBM, PGM, PPM or PFM: as many pixels as its header says (https://netpbm.sourceforge.net/doc/)."""
    file.seek(0)
    head = file.read(4096)
    match = _NETPBM.match(head)
    if match is None:
        raise something_else(file, "Netpbm")
    kind = match[1].upper()
    numbers: list[bytes] = []
    at, due = match.end(), 2 if kind in b"14" else 3
    while len(numbers) < due:
        number = _NUMBER.match(head, at)
        if number is None:
            raise ValueError("it is cut or damaged in its header")
        numbers.append(number[1])
        at = number.end()
        if len(numbers) < due:
            at = _end(_BLANKS, head, at)
        elif not head[at - 1 : at].isspace():  # a comment ends the last number, and not a blank: pixels begin
            at = _end(_COMMENT, head, at)
    if not all(one.isdigit() for one in numbers[:2]):
        raise ValueError("it is cut or damaged in its header")
    width, height = int(numbers[0]), int(numbers[1])
    if kind in b"123":
        _count_numbers(
            file, at, width * height * (3 if kind == b"3" else 1), is_bits=kind == b"1", budget=budget
        )
        return
    if kind == b"4":
        n = -(-width // 8) * height
    elif kind == b"F":
        n = 4 * width * height * (3 if head[1:2] == b"F" else 1)
    else:
        n = width * height * (3 if kind == b"6" else 1) * (1 if float(numbers[2]) < 256 else 2)
    if at + n > size:
        raise ValueError(f"it is cut: {at + n - size:,} bytes of its pixels are missing")


def _end(pattern: re.Pattern[bytes], head: bytes, at: int) -> int:
    match = pattern.match(head, at)
    return at if match is None else match.end()


def _count_numbers(file: BinaryIO, at: int, due: int, *, is_bits: bool, budget: Budget) -> None:
    file.seek(at)
    found, rest = 0, b""
    while found < due and (piece := file.read(_PIECE)):
        budget.spend()
        if is_bits:
            found += piece.count(b"0") + piece.count(b"1")
            continue
        tokens = (rest + piece).split()
        rest = tokens.pop()[:1] if tokens and not piece[-1:].isspace() else b""  # only that it goes on
        found += len(tokens)
    if found + bool(rest) < due:
        raise ValueError(f"it is cut: it has {found:,} numbers of {due:,}")
