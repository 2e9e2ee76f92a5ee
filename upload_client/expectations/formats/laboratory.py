"""Files of instruments, by lengths: MRC and CCP4, CZI, ND2, LIF, cytometry (FCS), reflections (MTZ), TDMS.

MRC: https://www.ccpem.ac.uk/mrc_format/mrc2014.php. CZI: ZEISS, "ZISRAW (CZI) File Format": segments.
ND2: Nikon's, as nd2 reads it: https://github.com/tlambert03/nd2. LIF: Leica's "LIF File Format". TDMS:
https://www.ni.com/en/support/documentation/supplemental/07/tdms-file-format-internal-structure.html.
FCS 3.1: https://doi.org/10.1002/cyto.a.20825. MTZ: https://www.ccp4.ac.uk/html/mtzformat.html.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Literal

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.formats.pictures import open_jp2
from upload_client.expectations.packed import Budget

_Order = Literal["little", "big"]
_BITS = {0: 8, 1: 16, 2: 32, 3: 32, 4: 64, 6: 16, 12: 16, 101: 4}


def open_mrc(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a map or stack in MRC or CCP4: as many values as its header says."""
    file.seek(0)
    head = file.read(1024)
    if head[208:211] != b"MAP":
        raise something_else(file, "MRC")
    order: _Order = "big" if head[212:214] == b"\x11\x11" else "little"
    numbers = [int.from_bytes(head[4 * i : 4 * i + 4], order, signed=True) for i in range(4)]
    if numbers[3] not in _BITS:  # the stamp is not to be relied upon
        order = "little" if order == "big" else "big"
        numbers = [int.from_bytes(head[4 * i : 4 * i + 4], order, signed=True) for i in range(4)]
    columns, rows, sections, mode = numbers
    more = int.from_bytes(head[92:96], order, signed=True)
    if mode not in _BITS or min(columns, rows, sections, more) < 0:
        raise NotOpened("its kind of values is not known here")
    due = 1024 + more + -(-columns * _BITS[mode] // 8) * rows * sections
    if len(head) < 1024 or size < due:
        raise ValueError(f"it is cut: {due - size:,} bytes of its values are missing")


_SEGMENT = 32


def open_czi(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open CZI of ZEISS: each segment, and that its directory is there."""
    file.seek(0)
    head = file.read(544)
    if head[:10] != b"ZISRAWFILE":
        raise something_else(file, "CZI")
    directory = int.from_bytes(head[84:92], "little") if len(head) == 544 else size
    at = 0
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(_SEGMENT)
        n = int.from_bytes(head[16:24], "little")
        if not head.strip(b"\0"):  # room that was not used
            break
        if len(head) < _SEGMENT or not (head[:6] == b"ZISRAW" or head[:7] == b"DELETED"):
            raise ValueError(f"it is cut or damaged: no segment begins at byte {at:,}")
        if at + _SEGMENT + n > size:
            raise ValueError(f"it is cut: {at + _SEGMENT + n - size:,} bytes of its last segment are missing")
        at += _SEGMENT + n
    if not 0 <= directory < size:
        raise ValueError("it is cut: its directory is missing")


_ND2_CHUNK = (0x0ABECEDA).to_bytes(4, "little")
_ND2_MAP_AT = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_ND2_MAP = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_MAX_MAP = 64 * 1024 * 1024
_ANY_OF_MAP = 1000
"""Chunks of which it is seen whether they are where the map says. All others have to lie in the file."""


def open_nd2(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open ND2 of Nikon: the map at its end, and each chunk that it declares."""
    file.seek(0)
    head = file.read(16)
    if head[4:8] == b"jP  ":
        open_jp2(file, size, budget)  # before version 2 of it
        return
    if head[:4] != _ND2_CHUNK:
        raise something_else(file, "ND2")
    file.seek(max(0, size - 40))
    tail = file.read(40)
    if tail[:32] != _ND2_MAP_AT:
        raise ValueError("it is cut: the place of its map, with which it ends, is missing")
    at = int.from_bytes(tail[32:], "little")
    file.seek(min(at, size))
    head = file.read(16)
    length = int.from_bytes(head[8:16], "little")
    begin = at + 16 + int.from_bytes(head[4:8], "little")
    if head[:4] != _ND2_CHUNK or file.read(32) != _ND2_MAP or begin + length > size:
        raise ValueError("it is cut or damaged: its map is not where it says")
    if length > _MAX_MAP:
        raise NotOpened(f"its map has more than {_MAX_MAP:,} bytes")
    file.seek(begin)
    places = _nd2_places(file.read(length), budget)
    for number, (place, n) in enumerate(places):
        budget.spend()
        if place + n > size:
            raise ValueError(f"it is cut: {place + n - size:,} bytes of chunk {number:,} are missing")
        if number % max(1, len(places) // _ANY_OF_MAP) == 0:
            file.seek(place)
            if file.read(4) != _ND2_CHUNK:
                raise ValueError(f"it is damaged: no chunk begins at byte {place:,}")


def _nd2_places(data: bytes, budget: Budget) -> list[tuple[int, int]]:
    """Place and length of each chunk."""
    found: list[tuple[int, int]] = []
    at = 0
    while True:
        budget.spend()
        end = data.find(b"!", at)
        if end < 0 or end + 17 > len(data):
            raise ValueError("it is damaged: its map has no end")
        if data[at : end + 1] == _ND2_MAP_AT:
            return found
        numbers = data[end + 1 : end + 17]
        found.append((int.from_bytes(numbers[:8], "little"), int.from_bytes(numbers[8:], "little")))
        at = end + 17


_LIF_BLOCK, _LIF_FIELD = b"\x70\0\0\0", b"\x2a"


def open_lif(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open LIF of Leica: what describes it, and each block of memory behind that."""
    file.seek(0)
    head = file.read(13)
    if head[:4] != _LIF_BLOCK or head[8:9] != _LIF_FIELD:
        raise something_else(file, "LIF")
    at = 13 + 2 * int.from_bytes(head[9:13], "little")
    if at > size:
        raise ValueError("it is cut in what describes it")
    n = 0
    while at < size:
        budget.spend()
        n += 1
        file.seek(at)
        head = file.read(22)
        length = int.from_bytes(head[4:8], "little")  # of what follows, before the memory itself
        if head[:4] != _LIF_BLOCK or head[8:9] != _LIF_FIELD:
            if n > 1 and not head.strip(b"\0"):
                return
            raise ValueError(f"it is cut or damaged: no block of memory begins at byte {at:,}")
        wide = 8 if head[13:14] != _LIF_FIELD else 4
        if len(head) < 22 or head[9 + wide : 10 + wide] != _LIF_FIELD:
            raise ValueError(
                f"it is cut or damaged: the block of memory at byte {at:,} does not tell its length"
            )
        memory = int.from_bytes(head[9 : 9 + wide], "little")
        at += 8 + length + memory
        if at > size:
            raise ValueError(f"it is cut: {at - size:,} bytes of a block of memory are missing")


_NOT_ENDED = 2**64 - 1


def open_tdms(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open TDMS of LabVIEW, or the index that lies beside it: each segment, all of its bytes."""
    at = n = 0
    while at < size:
        budget.spend()
        n += 1
        file.seek(at)
        head = file.read(28)
        if head[:4] not in (b"TDSm", b"TDSh"):
            if n == 1:
                raise something_else(file, "TDMS")
            raise ValueError(f"it is cut or damaged: no segment begins at byte {at:,}")
        if len(head) < 28:
            raise ValueError("it is cut: its last segment is not whole")
        order: _Order = "big" if head[4] & 0x40 else "little"
        length, raw = int.from_bytes(head[12:20], order), int.from_bytes(head[20:28], order)
        if length == _NOT_ENDED:
            raise NotOpened("its last segment was not ended, as where a program was stopped while it wrote")
        if head[:4] == b"TDSh":  # which has no values
            length = raw
        if raw > length:
            raise ValueError(f"it is damaged: the segment at byte {at:,} tells lengths that cannot be")
        at += 28 + length
        if at > size:
            raise ValueError(f"it is cut: {at - size:,} bytes of its last segment are missing")
    if not n:
        raise ValueError("it is empty")


_KEY = rb"(?i)(.)\$(%s)\1\s*(\d+)\s*\1"
_MOST_CHANNELS = 10_000


def open_fcs(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open FCS: the text that tells what is measured, and all of the data behind it."""
    file.seek(0)
    head = file.read(58)
    if head[:3] != b"FCS" or not re.fullmatch(rb"[1-3]\.\d", head[3:6]):
        raise something_else(file, "FCS")
    places = [head[at : at + 8].strip() for at in range(10, 58, 8)]
    if len(head) < 58 or not all(not one or one.isdigit() for one in places):
        raise ValueError("it is cut or damaged in its header")
    begin, end, data_begin, data_end = (int(one or b"0") for one in places[:4])
    if end >= size:
        raise ValueError(f"it is cut: it has {size:,} bytes, and its text ends behind")
    file.seek(begin)
    text = file.read(min(end - begin + 1, 16 * 1024 * 1024)) if end >= begin else b""
    data_end = max(data_end, _fcs_number(text, b"ENDDATA") or 0)
    if data_end > size:  # some count one too many
        raise ValueError(f"it is cut: {data_end - size:,} bytes of its data are missing")
    due = _fcs_due(text)
    there = data_end - (data_begin or _fcs_number(text, b"BEGINDATA") or 0) + 1
    if due is not None and data_end and there + 1 < due:
        raise ValueError(f"its events take {due:,} bytes, and its data have {there:,}")


def _fcs_number(text: bytes, key: bytes) -> int | None:
    match = re.search(_KEY % key, text)
    return None if match is None or len(match[3]) > 15 else int(match[3])


def _fcs_due(text: bytes) -> int | None:
    """Bytes of all events of a list; None: it is none, of text, or does not tell."""
    if re.search(rb"(?i)(.)\$MODE\1\s*L\s*\1", text) is None:
        return None
    if re.search(rb"(?i)(.)\$DATATYPE\1\s*[IFD]\s*\1", text) is None:
        return None
    n_events, n_channels = _fcs_number(text, b"TOT"), _fcs_number(text, b"PAR")
    if n_events is None or n_channels is None or n_channels > _MOST_CHANNELS:
        return None
    bits = {
        int(number): int(width) for number, width in re.findall(rb"(?i)\$P(\d{1,5})B.\s*(\d{1,3})\s*", text)
    }
    if not all(number in bits for number in range(1, n_channels + 1)):
        return None
    return n_events * sum(bits[number] for number in range(1, n_channels + 1)) // 8


def open_mtz(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open MTZ: its header, which stands behind the reflections, to the line that ends it."""
    file.seek(0)
    head = file.read(20)
    if head[:4] != b"MTZ ":
        raise something_else(file, "MTZ")
    order: _Order = "big" if len(head) > 8 and head[8] >> 4 == 1 else "little"
    position = int.from_bytes(head[4:8], order, signed=True)
    if position == -1:
        position = int.from_bytes(head[12:20], order, signed=True)
    at = 4 * (position - 1)
    if not 0 < at < size:
        raise ValueError(f"it is cut: it has {size:,} bytes, and its header begins behind")
    file.seek(at)
    if file.read(4) != b"VERS":
        raise ValueError("it is damaged: its header is not where it says")
    file.seek(max(at, size - 1024 * 1024))
    if b"MTZENDOFHEADERS" not in file.read():
        raise ValueError("it is cut: its header has no end")
