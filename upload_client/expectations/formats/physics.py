"""Files of events and of space physics: ROOT and CDF, by the arithmetic of their records.

ROOT: https://root.cern.ch/doc/master/classTFile.html, "The structure of a directory", and
https://root.cern/doc/master/header.html, the records of a file. CDF: the CDF Internal Format Description 3.9
of NASA's Space Physics Data Facility, 2.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.formats.scientific import open_netcdf
from upload_client.expectations.packed import Budget

_LARGE = 1_000_000  # versions from here on have places of 64 bits
_CDF3, _CDF26 = b"\xcd\xf3\x00\x01", b"\xcd\xf2\x60\x02"
_MD5 = 0b1100  # flags: there is a checksum, and it is MD5
_PIECE = 256 * 1024
_PLAIN, _PACKED = b"\x00\x00\xff\xff", b"\xcc\xcc\x00\x01"


def open_root(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a ROOT file: the end that its header declares, and the records there that were written last."""
    file.seek(0)
    head = file.read(64)
    if head[:4] != b"root":
        raise something_else(file, "ROOT")
    if len(head) < 64:
        raise ValueError("it is cut in its header")
    version, at = (int.from_bytes(head[i : i + 4], "big") for i in (4, 8))
    wide = 8 if version >= _LARGE else 4
    end = int.from_bytes(head[12 : 12 + wide], "big")
    if end > size:
        raise ValueError(f"it is cut: its last {end - size:,} bytes are missing")
    if not len(head) - 12 < at < end:
        raise ValueError("its header is damaged")
    # Where its free space and the description of its classes stand: both are written last.
    free, n_free = _place(head, 12 + wide, wide)
    info, n_info = _place(head, 12 + 2 * wide + 17, wide)
    for place, n in ((free, n_free), (info, n_info)):
        budget.spend()
        if place and (place + n > end or _length(file, place) != n):
            raise ValueError(f"it is damaged: the record at byte {place:,} is not as long as its header says")


def _place(head: bytes, at: int, wide: int) -> tuple[int, int]:
    return int.from_bytes(head[at : at + wide], "big"), int.from_bytes(head[at + wide : at + wide + 4], "big")


def _length(file: BinaryIO, at: int) -> int:
    file.seek(at)
    return int.from_bytes(file.read(4), "big")


def open_cdf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a CDF file: its first records, and the end that they declare. NetCDF files have that name, too."""
    file.seek(0)
    head = file.read(8)
    if head[:3] == b"CDF" or head[:4] == b"\x89HDF":
        open_netcdf(file, size, budget)
        return
    if head[:4] not in (_CDF3, _CDF26):
        if head[:2] in (b"\xcd\xf2", b"\xcd\xf3") or head == b"\0\0\xff\xff\0\0\xff\xff":
            raise NotOpened("this version of CDF is not known here")
        raise something_else(file, "CDF")
    wide = 8 if head[:4] == _CDF3 else 4
    if head[4:] == _PACKED:
        length, _ = _record(file, 8, size, wide, 10)
        _record(file, 8 + length, size, wide, 11)
        return
    if head[4:] != _PLAIN:
        raise ValueError("it does not begin as CDF does")
    _, fields = _record(file, 8, size, wide, 1)
    has_md5 = int.from_bytes(fields[wide + 12 : wide + 16], "big") & _MD5 == _MD5
    _, fields = _record(file, int.from_bytes(fields[:wide], "big"), size, wide, 2)
    end = int.from_bytes(fields[3 * wide : 4 * wide], "big")
    if end + 16 * has_md5 > size:
        raise ValueError(f"it is cut: its last {end + 16 * has_md5 - size:,} bytes are missing")
    if has_md5:
        _compare(file, end, budget)


def _compare(file: BinaryIO, end: int, budget: Budget) -> None:
    digest, at = hashlib.md5(usedforsecurity=False), 0
    file.seek(0)
    while at < end and (piece := file.read(min(_PIECE, end - at))):
        budget.spend()
        digest.update(piece)
        at += len(piece)
    if file.read(16) != digest.digest():
        raise ValueError("it is damaged: its content has another MD5 than it says")


def _record(file: BinaryIO, at: int, size: int, wide: int, kind: int) -> tuple[int, bytes]:
    """Length of an internal record of that kind, and its first fields."""
    if at >= size:
        raise ValueError(f"it is cut: a record should begin at byte {at:,}, and it has {size:,}")
    file.seek(at)
    data = file.read(wide + 4 + 40)
    length = int.from_bytes(data[:wide], "big")
    if at + length > size or len(data) < wide + 4:
        raise ValueError(f"it is cut: the record at byte {at:,} is not all there")
    if int.from_bytes(data[wide : wide + 4], "big") != kind or length < wide + 4:
        raise ValueError(f"the record at byte {at:,} is damaged")
    return length, data[wide + 4 :]
