"""NPY and NPZ, by numpy. Objects, which numpy would unpickle, are refused by the header alone.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy

from upload_client.expectations.findings import Findings, Undecided, shown
from upload_client.expectations.model import PLAIN_TYPES, Array, Npy, Npz
from upload_client.expectations.packed import Budget
from upload_client.expectations.values import ValueJudge, check_shape, index_place, is_of_type

MAX_MEMBERS = 10_000
_PIECE = 8 * 1024 * 1024
_MAX_HEADER = 10_000  # numpy's own limit
_PICKLE_ENDS = b"."  # in its oldest protocol a line does


class Header(NamedTuple):
    """The header of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


def _header(file: BinaryIO, magic: bytes) -> Header:
    """The header of an array, of which the first bytes were read already.

    Raises:
        ValueError: it is none.
    """
    if magic[: len(npy.MAGIC_PREFIX)] != npy.MAGIC_PREFIX or len(magic) < npy.MAGIC_LEN:
        raise ValueError("it does not begin as an array of numpy does")
    version = magic[-2], magic[-1]
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is not None:
        return Header(*_in_order(read(file)))
    if version != (3, 0):
        raise ValueError(f"version {version[0]}.{version[1]} of the format is not read")
    # As 2.0, but in UTF-8: names of fields may be in any script. Escapes are the same to whoever reads it.
    length = int.from_bytes(file.read(4), "little")
    if length > _MAX_HEADER:
        raise ValueError(f"its header has more than {_MAX_HEADER:,} bytes")
    text = file.read(length).decode().encode("ascii", "backslashreplace")
    return Header(*_in_order(npy.read_array_header_2_0(io.BytesIO(len(text).to_bytes(4, "little") + text))))


def _in_order(header: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 — numpy's
    shape, fortran, dtype = header
    if any(n < 0 for n in shape):  # numpy takes them, and a place counted by them may lie before the values
        raise ValueError("its header says a negative number of values")
    return shape, dtype, fortran


def read_header(file: BinaryIO) -> Header:
    """The header of an array.

    Raises:
        ValueError: it is none, or one of Python objects.
    """
    header = _header(file, file.read(npy.MAGIC_LEN))
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects (a pickle), which are never loaded")
    return header


def open_npy(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an NPY file: as many bytes of values as its header says.

    Several arrays may follow one another, as `numpy.save` appends them. Python objects are not loaded.

    Args:
        file: binary; where its size is not told, it is read from its start to its end alone.
        size: of it, in bytes; 0: not told.
        budget: what it may take.
    """
    magic = file.read(npy.MAGIC_LEN)
    while True:
        budget.spend()
        header = _header(file, magic)
        if header.dtype.hasobject:
            if not _last_bytes(file, size, budget).rstrip(b"\n").endswith(_PICKLE_ENDS):
                raise ValueError("it is cut: its Python objects have no end")
            return
        n = math.prod(header.shape) * header.dtype.itemsize
        if size:
            missing = file.tell() + n - size
            if missing <= 0:  # else it may be a place that no file has
                file.seek(n, io.SEEK_CUR)
        else:
            missing = n
            while missing and (piece := file.read(min(missing, _PIECE))):
                budget.spend()
                missing -= len(piece)
        if missing > 0:
            raise ValueError(f"the last {missing:,} bytes of its values are missing")
        magic = file.read(npy.MAGIC_LEN)
        if not magic:
            return
        if not magic.startswith(npy.MAGIC_PREFIX):
            raise ValueError("what stands behind its values is no array")


def _last_bytes(file: BinaryIO, size: int, budget: Budget) -> bytes:
    if size:
        file.seek(max(size - 2, 0))
        return file.read(2)
    last = b""
    while piece := file.read(_PIECE):
        budget.spend()
        last = (last + piece)[-2:]
    return last


def members(file: BinaryIO) -> zipfile.ZipFile:
    """The ZIP file that an NPZ is.

    Raises:
        ValueError: it has too many members, or they are packed in ways that only few programs read.
    """
    packed = zipfile.ZipFile(file)
    if len(packed.infolist()) > MAX_MEMBERS:
        raise ValueError(f"it has more than {MAX_MEMBERS:,} members")
    for info in packed.infolist():
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"the member {shown(info.filename)} is packed in an unknown way")
    return packed


def headers(file: BinaryIO, *, packed: bool) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name (empty where it has none), plain type and shape of each array."""
    if not packed:
        header = read_header(file)
        yield "", plain(header.dtype), header.shape
        return
    with members(file) as inside:
        for info in inside.infolist():
            with inside.open(info) as member:
                header = read_header(cast("BinaryIO", member))
                yield info.filename.removesuffix(".npy"), plain(header.dtype), header.shape


_PLAIN = {"S": "string", "U": "string", "M": "timestamp", "m": "duration"}


def plain(dtype: np.dtype[Any]) -> str:
    """The name of a type, as a document says it; ``any`` where it has none."""
    name = _PLAIN.get(dtype.kind) or str(dtype.newbyteorder("="))
    return name if name in PLAIN_TYPES else "any"  # such as structures and float128


def judge_npy(content: Npy, file: BinaryIO, size: int, findings: Findings) -> None:
    """Judge a file with one array."""
    _judge(content, "", file, size, findings)


def judge_npz(content: Npz, file: BinaryIO, _size: int, findings: Findings) -> None:
    """Judge a file with several arrays."""
    with members(file) as packed:
        found = {info.filename.removesuffix(".npy"): info for info in packed.infolist()}
        rules = {rule.name: rule for rule in content.arrays}
        for name, rule in rules.items():
            if name not in found and rule.required:
                findings.add(f"array {shown(name)}", "it is missing")
        for name, info in found.items():
            array = rules.get(name)
            if array is None and content.others == "refuse":
                findings.add(f"array {shown(name)}", "no such array is expected")
            with packed.open(info) as file_in:
                where = f"array {shown(name)}"
                try:
                    _judge(
                        array or Array(name=name), where, cast("BinaryIO", file_in), info.file_size, findings
                    )
                except ValueError as error:
                    findings.add(where, str(error))


def _judge(rules: Npy | Array, where: str, file: BinaryIO, size: int, findings: Findings) -> None:
    header = read_header(file)
    shape, dtype, fortran = header
    found = plain(dtype)
    if not is_of_type(rules.dtype, found):
        findings.add(where, f"{found} where {rules.dtype} is expected")
    if rules.shape is not None:
        check_shape(findings, where, shape, rules.shape)
    n = math.prod(shape)
    there = size - file.tell()
    if there != n * dtype.itemsize:
        findings.add(where, f"it has {there:,} bytes of data where its header says {n * dtype.itemsize:,}")
        return
    if not rules.judges_values:
        return
    if dtype.kind in "VO":
        raise Undecided(f"{where}: values of a structured array cannot be judged")
    judge = ValueJudge(rules, where, index_place(shape, fortran=fortran))
    first = 0
    while first < n:
        count = min(n - first, max(1, _PIECE // max(1, dtype.itemsize)))
        raw = file.read(count * dtype.itemsize)
        if len(raw) < count * dtype.itemsize:
            raise ValueError("it is cut")
        values = np.frombuffer(raw, dtype)
        judge.feed(values.astype(dtype.newbyteorder("=")), None, first)
        first += count
    judge.close(findings)
