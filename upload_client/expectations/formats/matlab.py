"""MATLAB's files: version 4 and 5 by the lengths of their elements, version 7.3 as the HDF5 that it is.

https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf, 1 (level 5) and 2 (level 4).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.formats.scientific import open_hdf5
from upload_client.expectations.packed import Budget, inflated

_MAX_READ = 64 * 1024 * 1024  # bytes of a file that is unpacked although nobody has asked for it
_PACKED, _MATRIX = 15, 14
_BYTES = (8, 4, 4, 2, 2, 1)  # of a number, by the digit P of level 4's types


def open_mat(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a MATLAB file: all of its elements; up to 64 MiB those that are packed, with their checksums."""
    file.seek(0)
    head = file.read(520)
    if b"\x89HDF\r\n\x1a\n" in (head[512:520], head[:8]):  # without MATLAB's text before it: of others
        open_hdf5(file, size, budget)
    elif len(head) >= 128 and head[126:128] in (b"IM", b"MI"):
        _walk(file, size, budget, "<" if head[126:128] == b"IM" else ">")
    else:
        _walk_level_4(file, size, budget, head)


def _walk(file: BinaryIO, size: int, budget: Budget, order: str) -> None:
    at, number = 128, 0
    while at < size:
        budget.spend()
        number += 1
        file.seek(at)
        tag = file.read(8)
        if len(tag) < 8:
            raise ValueError(f"it is cut at the beginning of element {number:,}")
        kind, n = struct.unpack(order + "II", tag)
        if kind not in (_PACKED, _MATRIX):
            if kind >> 16 or not 1 <= kind <= 18:
                raise ValueError(f"it is damaged: element {number:,} is of no kind there is")
            n += -n % 8
        if at + 8 + n > size:
            raise ValueError(f"it is cut: {at + 8 + n - size:,} bytes of element {number:,} are missing")
        if kind == _PACKED and size <= _MAX_READ:
            _inflate(file, n, number, budget, order)
        at += 8 + n


def _inflate(file: BinaryIO, n: int, number: int, budget: Budget, order: str) -> None:
    head, unpacked = b"", 0
    for piece in inflated(file.read(n), budget, f"element {number:,} is damaged"):
        head, unpacked = (head + piece)[:8], unpacked + len(piece)
    if len(head) < 8 or struct.unpack(order + "II", head)[1] > unpacked - 8:
        raise ValueError(f"element {number:,} is damaged: it is shorter than it says")


def _walk_level_4(file: BinaryIO, size: int, budget: Budget, head: bytes) -> None:
    order = next((order for order in "<>" if len(head) >= 20 and _kind_4(order, head) is not None), None)
    if order is None:
        if head.startswith(b"MATLAB "):
            raise ValueError("it is cut in its header")
        raise something_else(file, "a file of MATLAB")
    at, number = 0, 0
    while at < size:
        budget.spend()
        number += 1
        file.seek(at)
        head = file.read(20)
        n = _kind_4(order, head) if len(head) == 20 else None
        if n is None:
            raise ValueError(f"it is cut or damaged at the beginning of element {number:,}")
        at += 20 + n
        if at > size:
            raise ValueError(f"it is cut: {at - size:,} bytes of element {number:,} are missing")


def _kind_4(order: str, head: bytes) -> int | None:
    """Bytes of an element of level 4 behind its header; None: it is none."""
    kind, rows, columns, imaginary, name = struct.unpack_from(order + "5i", head)
    thousands, rest = divmod(kind, 1000)
    hundreds, rest = divmod(rest, 100)
    number, matrix = divmod(rest, 10)
    if thousands not in (0, 1) or hundreds or number > 5 or matrix > 2 or (thousands == 1) != (order == ">"):
        return None
    if imaginary not in (0, 1) or min(rows, columns) < 0 or not 1 <= name <= 1024:
        return None
    # Of a sparse one the rows tell how many values there are, and one column is imaginary parts already.
    n: int = name + rows * columns * _BYTES[number] * (1 + (imaginary if matrix != 2 else 0))
    return n
