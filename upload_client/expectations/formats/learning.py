"""Data and models of machine learning: TFRecord, each record by its checksums; others by their lengths.

https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details";
https://huggingface.co/docs/safetensors, "Format"; https://onnx.ai/onnx/api/classes.html, ModelProto. What is
pickled is never loaded.
"""

from __future__ import annotations

import json
import pickletools
from typing import BinaryIO

from upload_client.core.digests import Digests
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget, Unpacked, zip_members

_PIECE = 256 * 1024
_MAX_HEADER = 100_000_000  # bytes, as safetensors itself has it


def _masked(digests: Digests) -> int:
    crc = digests.crc("crc32c")
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def open_tfrecord(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file of TFRecord: each record, with the checksums of its length and of its data."""
    at, number = 0, 0
    file.seek(0)
    while at < size:
        budget.spend()
        number += 1
        head = file.read(12)
        digests = Digests(("crc32c",))
        digests.update(head[:8])
        if len(head) < 12 or _masked(digests) != int.from_bytes(head[8:], "little"):
            if number == 1:
                raise NotOpened("it does not begin as TFRecord does: it may be packed")
            raise ValueError(f"it is cut or damaged: record {number:,} does not begin as one does")
        left = n = int.from_bytes(head[:8], "little")
        if at + 16 + n > size:
            raise ValueError(f"it is cut: {at + 16 + n - size:,} bytes of record {number:,} are missing")
        digests = Digests(("crc32c",))
        while left:
            piece = file.read(min(left, _PIECE))
            budget.spend()
            digests.update(piece)
            left -= len(piece)
        if _masked(digests) != int.from_bytes(file.read(4), "little"):
            raise ValueError(f"record {number:,} is damaged: its CRC-32C is another")
        at += 16 + n


def open_safetensors(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a file of safetensors: whether it is as long as its header says."""
    file.seek(0)
    n = int.from_bytes(file.read(8), "little")
    if size < 8 or n > min(_MAX_HEADER, size - 8):
        raise ValueError("it is cut in its header")
    try:
        content = json.loads(file.read(n))
        ends = [one["data_offsets"][1] for name, one in content.items() if name != "__metadata__"]
        end = 8 + n + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise ValueError("its header is damaged") from None
    if end != size:
        raise ValueError(f"it has {size:,} bytes where its header says {end:,}")


_TENSORS = {
    **dict.fromkeys((0, 26), (1, 4)),
    **dict.fromkeys((1, 25, 30), (1, 2)),
    **dict.fromkeys((27, 28), (1, 8)),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    24: (1, 1),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
}
"""GGML's types by number: elements of a block, and its bytes."""
_FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _LIST = 8, 9


class _Gguf:
    def __init__(self, file: BinaryIO, size: int, budget: Budget) -> None:
        self._file, self._size, self._budget = file, size, budget

    def number(self, n: int) -> int:
        self._budget.spend()
        data = self._file.read(n)
        if len(data) < n:
            raise ValueError("it is cut in its header")
        return int.from_bytes(data, "little")

    def skip(self, n: int) -> None:
        if self._file.tell() + n > self._size:
            raise ValueError("it is cut in its header, or damaged")
        self._file.seek(n, 1)

    def text(self) -> bytes:
        n = self.number(8)
        if n > _MAX_HEADER or self._file.tell() + n > self._size:
            raise ValueError("it is cut in its header, or damaged")
        return self._file.read(n)

    def value(self, kind: int, depth: int = 0) -> int:
        """Go past a value; its number, where it is one."""
        if kind in _FIXED:
            return self.number(_FIXED[kind])
        if kind == _TEXT:
            self.text()
        elif kind == _LIST and depth < 8:
            inner, n = self.number(4), self.number(8)
            if inner in _FIXED:
                self.skip(n * _FIXED[inner])
                return 0
            for _ in range(n):
                self.value(inner, depth + 1)
        else:
            raise ValueError("its header is damaged: a value has a type that is none")
        return 0


def open_gguf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open GGUF: its header, and that the tensors it tells of are there.

    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
    """
    file.seek(0)
    if file.read(4) != b"GGUF":
        raise something_else(file, "GGUF")
    reader = _Gguf(file, size, budget)
    version = reader.number(4)
    if version not in (2, 3):
        raise NotOpened("its version, or its byte order, is not known here")
    tensors, pairs = reader.number(8), reader.number(8)
    alignment = 32
    for _ in range(pairs):
        key = reader.text()
        value = reader.value(reader.number(4))
        if key == b"general.alignment" and value:
            alignment = value
    ends = [0]
    for _ in range(tensors):
        reader.text()
        n = 1
        for _ in range(reader.number(4)):
            n *= reader.number(8)
        block, width = _TENSORS.get(reader.number(4), (1, 0))  # of others nobody knows here how long they are
        ends.append(reader.number(8) + -(-n // block) * width)
    start = -(-file.tell() // alignment) * alignment
    if tensors and start + max(ends) > size:
        raise ValueError(f"it is cut: {start + max(ends) - size:,} bytes of its tensors are missing")


_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_GRAPH, _OPSETS = 7, 8


def open_onnx(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open ONNX: each field of the model, and that a graph and the operators that it is of are there."""
    file.seek(0)
    at, found = 0, set()
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(20)
        key, used = _varint(head)
        if used and key & 7 == _BYTES:
            n, more = _varint(head[used:])
            used = used + more + n if more else 0
        elif used and key & 7 in (_EIGHT, _FOUR):
            used += 8 if key & 7 == _EIGHT else 4
        elif used and key & 7 == _VARINT:
            more = _varint(head[used:])[1]
            used = used + more if more else 0
        else:
            used = 0
        if not at and (not used or key >> 3 > 25):
            raise something_else(file, "ONNX")
        if not used or at + used > size:
            raise ValueError(f"it is cut or damaged: its field at byte {at:,} is not whole")
        found.add(key >> 3)
        at += used
    if not {_GRAPH, _OPSETS} <= found and not (25 in found and _OPSETS in found):
        raise ValueError("it is cut: its graph, or what operators it is of, is missing")


def _varint(data: bytes) -> tuple[int, int]:
    """A number, and its bytes; none: it is none."""
    found = 0
    for i, byte in enumerate(data[:10]):
        found |= (byte & 127) << 7 * i
        if byte < 128:
            return found, i + 1
    return 0, 0


def open_pickle(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a pickle: how it begins, and its last byte. It is never loaded: that runs what is in it."""
    file.seek(0)
    head = file.read(16)
    if head.startswith(b"\x1f\x8b"):
        Unpacked("gzip", file, size, budget).read_on()
        return
    if head[:1] != b"\x80" or len(head) < 2 or not 2 <= head[1] <= 5:
        raise something_else(file, "a pickle of protocol 2 or later")
    file.seek(max(0, size - 1))
    if file.read(1) == b".":
        return
    if size > _MAX_WALKED or not _has_end(file, budget):
        raise ValueError("it is cut: nothing ends it")
    raise NotOpened("something else stands behind its end")


_MAX_WALKED = 64 * 1024 * 1024


def _has_end(file: BinaryIO, budget: Budget) -> bool:
    """Whether a pickle ends before the file does. Its operations are named here, none is carried out."""
    file.seek(0)
    try:
        for _ in pickletools.genops(file):
            budget.spend()
    except ValueError:
        return False
    return True


def open_torch(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open what PyTorch has saved: the members of its ZIP file, which are never unpickled."""
    file.seek(0)
    if file.read(4) != b"PK\3\4":
        raise something_else(file, "ZIP, as PyTorch saves it,")
    for _ in zip_members(file, size, budget):
        pass
