"""Files of instruments: maps of density (MRC, CCP4), CZI, cytometry (FCS), reflections (MTZ), by lengths.

MRC: https://www.ccpem.ac.uk/mrc_format/mrc2014.php. CZI: ZEISS, "ZISRAW (CZI) File Format": segments.
FCS 3.1: https://doi.org/10.1002/cyto.a.20825. MTZ: https://www.ccp4.ac.uk/html/mtzformat.html.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Literal

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

__all__ = ["open_czi", "open_fcs", "open_mrc", "open_mtz"]

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
    told = re.search(_KEY % key, text)
    return None if told is None or len(told[3]) > 15 else int(told[3])


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
    word = int.from_bytes(head[4:8], order, signed=True)
    if word == -1:
        word = int.from_bytes(head[12:20], order, signed=True)
    at = 4 * (word - 1)
    if not 0 < at < size:
        raise ValueError(f"it is cut: it has {size:,} bytes, and its header begins behind")
    file.seek(at)
    if file.read(4) != b"VERS":
        raise ValueError("it is damaged: its header is not where it says")
    file.seek(max(at, size - 1024 * 1024))
    if b"MTZENDOFHEADERS" not in file.read():
        raise ValueError("it is cut: its header has no end")
