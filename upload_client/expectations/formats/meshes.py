"""Surfaces and clouds of points: STL, PLY, E57, by the numbers that they declare.

STL: https://www.loc.gov/preservation/digital/formats/fdd/fdd000505.shtml. PLY: Greg Turk, "The PLY Polygon
File Format". E57: ASTM E2807, 6.3: pages of 1,024 bytes, each with a CRC-32C.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from upload_client.core.digests import Digests
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_SUBTITLES = (b"STL24.01", b"STL25.01", b"STL30.01")
_TEXT = bytes((9, 10, 13, *range(32, 127)))


def open_stl(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open STL: as many triangles as it says, or in a text the line that ends it."""
    file.seek(0)
    head = file.read(84)
    n = int.from_bytes(head[80:84], "little")
    if len(head) == 84 and 84 + 50 * n == size:
        return
    if head[3:11] in _SUBTITLES:
        raise NotOpened("it begins as subtitles: something else has this name, too")
    is_text = head.lstrip()[:5].lower() == b"solid" and b"\0" not in head
    if is_text:
        file.seek(max(0, size - 1024))
        lines = file.read(1024).strip().splitlines()
        if not lines or not lines[-1].strip().lower().startswith(b"endsolid"):
            raise ValueError("it is cut: its last line does not end it ('endsolid')")
        return
    if head.strip() and not head.translate(None, _TEXT):  # four letters as a number are 150 million at least
        raise something_else(file, "STL")
    if not head.strip(b"\0") or len(head) < 84:
        raise ValueError("it is cut, or holds zeros alone")
    if 84 + 50 * n > size:
        raise ValueError(f"it is cut: {84 + 50 * n - size:,} bytes of its {n:,} triangles are missing")
    # What stands behind them is nobody's: some programs keep colours there.


_MOST_HEADER = 1024 * 1024
_WIDTHS = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "int32", "uint32", "float", "float32"), 4),
    **dict.fromkeys(("double", "float64", "int64", "uint64"), 8),
}
_CODES = {"char": "b", "int8": "b", "uchar": "B", "uint8": "B", "short": "h", "int16": "h"}
_CODES |= {"ushort": "H", "uint16": "H", "int": "i", "int32": "i", "uint": "I", "uint32": "I"}


def open_ply(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open PLY: as many elements as its header says."""
    file.seek(0)
    if file.read(4).rstrip(b"\r\n ") != b"ply":
        raise something_else(file, "PLY")
    file.seek(0)
    form = ""
    elements: list[tuple[int, list[list[str]]]] = []
    while True:
        if file.tell() > _MOST_HEADER:
            raise NotOpened(f"its header has more than {_MOST_HEADER:,} bytes")
        line = file.readline(_MOST_HEADER)
        if b"\rformat " in line[:64]:
            raise NotOpened("its lines end with carriage returns alone")
        if not line.endswith((b"\n", b"\r")):
            raise ValueError("it is cut in its header")
        fields = line.decode("latin-1").split()
        match fields[:1]:
            case ["format"]:
                form = fields[1] if len(fields) > 1 else ""
            case ["element"]:
                elements.append((int(fields[2]), []))
            case ["property"] if elements:
                elements[-1][1].append(fields[1:])
            case ["end_header"]:
                break
    if form == "ascii":
        _count_lines(file, sum(n for n, _ in elements), budget)
    elif form in ("binary_little_endian", "binary_big_endian"):
        for n, properties in elements:
            _skip_elements(file, size, n, properties, "<" if "little" in form else ">", budget)
        if file.tell() > size:
            raise ValueError(f"it is cut: {file.tell() - size:,} bytes of its elements are missing")
    else:
        raise NotOpened("its form is not known here")


def _count_lines(file: BinaryIO, n: int, budget: Budget) -> None:
    found, last = 0, b"\n"
    while found < n and (piece := file.read(256 * 1024)):
        budget.spend()
        found += piece.count(b"\n")
        last = piece[-1:]
    if found + (last != b"\n") < n:
        raise ValueError(f"it is cut: it has {found:,} lines of {n:,}")


def _skip_elements(
    file: BinaryIO, size: int, n: int, properties: list[list[str]], order: str, budget: Budget
) -> None:
    if all(one[0] != "list" for one in properties):
        file.seek(n * sum(_width(one[0]) for one in properties), 1)
        return
    kinds = [
        (True, one[1], one[2]) if one[0] == "list" and len(one) > 2 else (False, one[0], "")
        for one in properties
    ]
    number = 0
    while number < n:
        budget.spend()
        start = file.tell()
        form = _measure(file, kinds, order)
        if file.tell() > size:
            raise ValueError(f"it is cut: it has {number:,} of {n:,} elements")
        length = file.tell() - start
        file.seek(start)
        # Mostly all have lists of one length, such as three corners: as many as do are passed over at once.
        block = file.read(length * min(n - number, max(1, _BLOCK // max(1, length))))
        alike = _alike(block, length, form)
        number += alike
        file.seek(start + alike * length)


_BLOCK = 256 * 1024
_MANY = 16


def _measure(file: BinaryIO, kinds: list[tuple[bool, str, str]], order: str) -> list[tuple[int, bytes]]:
    """Go past an element; where the lengths of its lists stand in it, and these."""
    start = file.tell()
    found: list[tuple[int, bytes]] = []
    for is_list, kind, inner in kinds:
        n = _width(kind)
        if not is_list:
            file.seek(n, 1)
            continue
        at = file.tell() - start
        head = file.read(n)
        if len(head) < n:
            file.seek(n, 1)  # behind the end
            return found
        (count,) = struct.unpack(order + _CODES.get(kind, "i"), head)
        found.append((at, head))
        file.seek(max(0, count) * _width(inner), 1)
    return found


def _alike(block: bytes, length: int, form: list[tuple[int, bytes]]) -> int:
    """The number of elements at the beginning whose lists are as long as those of the first."""
    n = len(block) // max(1, length)
    while n > 1:
        same = all(
            block[at + i : n * length : length] == head[i : i + 1] * n
            for at, head in form
            for i in range(len(head))
        )
        if same:
            return n
        n = n // _MANY
    return 1


def _width(kind: str) -> int:
    try:
        return _WIDTHS[kind]
    except KeyError:
        raise NotOpened("it has values of a type that is not known here") from None


_MOST_SUMMED = 64 * 1024 * 1024


def open_e57(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open E57: all of the length that it says, and up to 64 MiB each page by its checksum."""
    file.seek(0)
    head = file.read(48)
    if head[:8] != b"ASTM-E57":
        raise something_else(file, "E57")
    length, page = int.from_bytes(head[16:24], "little"), int.from_bytes(head[40:48], "little")
    if len(head) < 48 or size < length:
        raise ValueError(f"it is cut: it has {size:,} bytes where it says {length:,}")
    if page != 1024 or length % page:
        raise NotOpened("its pages have another size than 1,024 bytes")
    if length > _MOST_SUMMED:
        return
    file.seek(0)
    for number in range(length // page):
        budget.spend()
        data = file.read(page)
        digests = Digests(("crc32c",))
        digests.update(data[:-4])
        if digests.crc("crc32c") != int.from_bytes(data[-4:], "big"):
            raise ValueError(f"it is damaged: page {number + 1:,} has another checksum")
