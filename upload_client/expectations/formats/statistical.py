"""Tables of statistics programs: SAS, SPSS, Stata before version 13, R, by the lengths that they declare.

SAS7BDAT has no specification: its header is as ReadStat and pandas read it. Transport files:
https://support.sas.com/techsup/technote/ts140.pdf. SPSS: https://www.gnu.org/software/pspp/pspp-dev/, "System
File Format". Stata: ``help dta_115`` and before; what of it the versions have, by ReadStat. R: R Internals,
1.8; what it packs has checksums, and its objects are never built.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, Literal, NamedTuple

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget, Unpacked

_Order = Literal["little", "big"]

_SAS = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")


def open_sas(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a file of SAS (SAS7BDAT): whether it has as many pages as its header says."""
    file.seek(0)
    head = file.read(288)
    if head[:32] != _SAS:
        raise something_else(file, "SAS7BDAT")
    if len(head) < 288:
        raise ValueError("it is cut in its header")
    order: _Order = "little" if head[37] == 1 else "big"
    shift = 4 if head[35] == 0x33 else 0
    width = 8 if head[32] == 0x33 else 4
    header, page = (int.from_bytes(head[at + shift : at + shift + 4], order) for at in (196, 200))
    pages = int.from_bytes(head[204 + shift : 204 + shift + width], order)
    if not header or not page:
        raise ValueError("its header is damaged: it says that its pages have no bytes")
    due = header + pages * page
    if size < due:
        raise ValueError(f"it is cut: {due - size:,} bytes of its {pages:,} pages are missing")


_CARD = 80
_LIBRARY = (
    b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!",
    b"HEADER RECORD*******LIBV8   HEADER RECORD!!!!!!!",
)
_ROWS = (
    b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!",
    b"HEADER RECORD*******OBSV8   HEADER RECORD!!!!!!!",
)
_MOST_HEADER = 64 * 1024 * 1024


def open_transport(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a transport file of SAS (XPORT): whole records of 80 bytes, and a table in it."""
    file.seek(0)
    head = file.read(48)
    if head not in _LIBRARY:
        raise something_else(file, "a transport file of SAS")
    if size % _CARD:
        raise ValueError(f"it is cut: its last record has {size % _CARD} bytes of {_CARD}")
    at = 0
    kept = b""
    file.seek(0)
    while at < min(size, _MOST_HEADER) and (piece := file.read(_CARD * 4096)):
        budget.spend()
        if any(mark in kept + piece for mark in _ROWS):
            return
        kept = piece[-_CARD:]
        at += len(piece)
    raise ValueError("it is cut: it ends before its rows")


class _Reader:
    """Reads numbers of one byte order, and tells of what is cut."""

    def __init__(self, file: BinaryIO, size: int, order: _Order) -> None:
        self.file, self.size, self.order = file, size, order

    @property
    def at(self) -> int:
        return self.file.tell()

    def take(self, n: int) -> bytes:
        data = self.file.read(n)
        if len(data) < n:
            raise ValueError("it is cut before its rows")
        return data

    def number(self, n: int = 4, *, signed: bool = True) -> int:
        return int.from_bytes(self.take(n), self.order, signed=signed)

    def skip(self, n: int) -> None:
        if n < 0 or self.at + n > self.size:
            raise ValueError("it is cut before its rows, or damaged")
        self.file.seek(n, 1)


_MOST_UNPACKED = 64 * 1024 * 1024


def open_spss(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file of SPSS (SAV, ZSAV): its dictionary, and as many cases as its header says."""
    file.seek(0)
    head = file.read(176)
    if head[:4] not in (b"$FL2", b"$FL3"):
        raise something_else(file, "SPSS")
    if len(head) < 176:
        raise ValueError("it is cut in its header")
    order: _Order = "little" if int.from_bytes(head[64:68], "little") in (2, 3) else "big"
    packing = int.from_bytes(head[72:76], order)
    cases = int.from_bytes(head[80:84], order, signed=True)
    reader = _Reader(file, size, order)
    width = _skip_dictionary(reader, budget)
    if not width:
        return
    if packing == 0:
        _check_plain(reader, width, cases)
    elif packing == 1:
        _check_codes(reader, width * cases if cases >= 0 else None, budget)
    elif packing == 2:
        _check_zlib(reader, budget)
    else:
        raise NotOpened(f"its cases are packed in a way ({packing}) that is not known here")


def _skip_dictionary(reader: _Reader, budget: Budget) -> int:
    """Go to the first case, and say how many values of eight bytes a case has."""
    width = 0
    while True:
        budget.spend()
        match reader.number():
            case 2:
                width += 1
                _, has_label, missing = reader.number(), reader.number(), reader.number()
                reader.skip(16)
                if has_label:
                    reader.skip(-(-reader.number() // 4) * 4)
                reader.skip(8 * abs(missing))
            case 3:
                for _ in range(reader.number()):
                    reader.skip(8)
                    n = reader.take(1)[0]
                    reader.skip(-(-(n + 1) // 8) * 8 - 1)
            case 4:
                reader.skip(4 * reader.number())
            case 6:
                reader.skip(80 * reader.number())
            case 7:
                reader.number()
                each = reader.number()
                reader.skip(each * reader.number())
            case 999:
                reader.number()
                return width
            case other:
                raise ValueError(f"it is damaged: its dictionary has a record of the kind {other}")


def _check_plain(reader: _Reader, width: int, cases: int) -> None:
    n = reader.size - reader.at
    if cases < 0 and n % (8 * width):
        raise ValueError(f"it is cut: its last case has {n % (8 * width)} bytes of {8 * width}")
    if n < 8 * width * cases:
        raise ValueError(f"it is cut: {8 * width * cases - n:,} bytes of its {cases:,} cases are missing")


_NOTHING, _END, _AS_IT_IS = 0, 252, 253


def _check_codes(reader: _Reader, due: int | None, budget: Budget) -> None:
    """Count the values that eight bytes of codes at a time stand for."""
    found = 0
    while due is None or found < due:
        codes = reader.file.read(8)
        if not codes and due is None:
            return
        if len(codes) < 8:
            declared = "" if due is None else f" of {due:,}"
            raise ValueError(f"it is cut: it has {found:,}{declared} values")
        end = codes.find(_END)
        if end >= 0:
            codes = codes[:end]
        found += len(codes) - codes.count(_NOTHING)
        n = 8 * codes.count(_AS_IT_IS)
        if n and len(reader.file.read(n)) < n:
            raise ValueError(f"it is cut: its value {found:,} is not whole")
        if end >= 0:
            break
        if not found & 0xFFF:
            budget.spend()
    if due is not None and found < due:
        raise ValueError(f"it is cut or damaged: it has {found:,} values of {due:,}")


def _check_zlib(reader: _Reader, budget: Budget) -> None:
    reader.number(8)
    trailer, length = reader.number(8), reader.number(8)
    if trailer + length != reader.size:
        raise ValueError(f"it is cut: it has {reader.size:,} bytes where it says {trailer + length:,}")
    reader.file.seek(trailer)
    reader.skip(20)
    places = []
    for _ in range(reader.number()):
        reader.number(8)
        at = reader.number(8)
        unpacked, packed = reader.number(), reader.number()
        places.append((at, packed, unpacked))
    unpacks = reader.size <= _MOST_UNPACKED
    for number, (at, packed, unpacked) in enumerate(places, 1):
        budget.spend()
        if at < 0 or packed < 0 or at + packed > trailer:
            raise ValueError(f"it is damaged: block {number:,} lies outside of it")
        if not unpacks:
            continue
        budget.take(max(0, unpacked))
        reader.file.seek(at)
        inner = zlib.decompressobj()
        try:
            data = inner.decompress(reader.file.read(packed), max(1, unpacked + 1))
        except zlib.error as error:
            raise ValueError(f"block {number:,} is damaged: {error}") from None
        if len(data) != unpacked or not inner.eof:
            raise ValueError(f"block {number:,} is damaged: it has other bytes than {unpacked:,}")


class _Layout(NamedTuple):
    """Bytes of the parts of a file's header, by its version."""

    name: int
    form: int
    label: int
    length: int


def _layout(version: int) -> _Layout:
    return _Layout(
        33 if version >= 110 else 9,
        49 if version >= 114 else 12 if version >= 105 else 7,
        81 if version >= 108 else 32,
        4 if version >= 110 else 2 if version >= 105 else 0,
    )


_WIDTHS = {251: 1, 252: 2, 253: 4, 254: 4, 255: 8}
_OLD_WIDTHS = {ord("b"): 1, ord("i"): 2, ord("l"): 4, ord("f"): 4, ord("d"): 8}


def open_old_stata(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file of Stata before version 13: as many rows as its header says, and its labels of values."""
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or not 103 <= head[0] <= 115 or head[1] not in (1, 2):
        raise something_else(file, "a file of Stata")
    version = head[0]
    reader = _Reader(file, size, "big" if head[1] == 1 else "little")
    layout = _layout(version)
    variables, rows = int.from_bytes(head[4:6], reader.order), int.from_bytes(head[6:10], reader.order)
    reader.skip((81 if version >= 108 else 32) + (18 if version >= 105 else 0))
    row = 0
    for kind in reader.take(variables):
        width = _WIDTHS.get(kind, kind) if version >= 111 else _OLD_WIDTHS.get(kind, kind - 127)
        if width <= 0:
            raise ValueError("it is damaged: a variable has a type that is none")
        row += width
    reader.skip(variables * layout.name + 2 * (variables + 1) + variables * (layout.form + layout.name))
    reader.skip(variables * layout.label)
    while layout.length:
        budget.spend()
        kind, n = reader.take(1)[0], reader.number(layout.length)
        if not kind and not n:
            break
        reader.skip(n)
    missing = reader.at + rows * row - size
    if missing > 0:
        raise ValueError(f"it is cut: the last {missing:,} bytes of its {rows:,} rows are missing")
    reader.skip(rows * row)
    while version >= 108 and reader.at < size:
        budget.spend()
        n = reader.number()
        if n < 0 or reader.at + layout.name + 3 + n > size:
            raise ValueError("it is cut or damaged in its labels of values")
        reader.skip(layout.name + 3 + n)


_PACKED_R = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_PLAIN_R = (b"X\n", b"A\n", b"B\n", b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"RDB2\n", b"RDB3\n")


def open_r(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open what R has saved (RDS, RData): its packing to the end. Its objects are not built."""
    file.seek(0)
    head = file.read(8)
    for mark, packing in _PACKED_R:
        if head.startswith(mark):
            unpacked = Unpacked(packing, file, size, budget)
            begin = unpacked.read(5) or b""
            unpacked.read_on()
            if not begin.startswith(_PLAIN_R):
                raise NotOpened("what is packed in it is not as R saves it")
            return
    if head.startswith(_PLAIN_R):
        raise NotOpened("it is not packed, so that nothing tells where it ends")
    raise something_else(file, "what R saves")
