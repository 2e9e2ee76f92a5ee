"""Features and tiles of maps: FlatGeobuf, OpenStreetMap's PBF, PMTiles, GeoJSON text sequences, by lengths.

https://flatgeobuf.org; https://wiki.openstreetmap.org/wiki/PBF_Format; PMTiles, version 3:
https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md; RFC 8142.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from upload_client.expectations import strict_json
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_FGB = b"fgb\x03fgb"
_MOST_HEADER = 16 * 1024 * 1024
_FEATURES, _NODE = 8, 9  # fields of FlatGeobuf's header, by their number


def open_flatgeobuf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open FlatGeobuf: as many features as its header says."""
    file.seek(0)
    head = file.read(12)
    if head[:7] != _FGB:
        raise something_else(file, "FlatGeobuf")
    n = int.from_bytes(head[8:12], "little")
    if n > _MOST_HEADER:
        raise ValueError("its header is damaged: it is too long")
    header = file.read(n)
    if len(head) < 12 or len(header) < n:
        raise ValueError("it is cut in its header")
    features, node = _field(header, _FEATURES, 8, 0), _field(header, _NODE, 2, 16)
    at = 12 + n
    if features and node > 1:
        level = nodes = features
        while level > 1:
            level = -(-level // node)
            nodes += level
        at += 40 * (nodes if features > 1 else 2)  # a root there is always
    if at > size:
        raise ValueError(f"it is cut: its index ends {at - size:,} bytes behind its end")
    found = 0
    file.seek(at)
    while at < size:
        if not found & 0xFF:
            budget.spend()
        head = file.read(4)
        n = int.from_bytes(head, "little")
        at += 4 + n
        if len(head) < 4 or at > size:
            raise ValueError(f"it is cut: feature {found + 1:,} is not whole")
        file.seek(at)
        found += 1
    if found < features:
        raise ValueError(f"it is cut: it has {found:,} features of {features:,}")


def _field(header: bytes, number: int, width: int, usual: int) -> int:
    """A number in a table of FlatBuffers (https://flatbuffers.dev/internals)."""
    table = int.from_bytes(header[:4], "little")
    fields = table - int.from_bytes(header[table : table + 4], "little", signed=True)
    if not 0 <= fields < len(header) or table + 4 > len(header):
        raise ValueError("its header is damaged")
    at = fields + 4 + 2 * number
    if at + 2 > fields + int.from_bytes(header[fields : fields + 2], "little"):
        return usual
    offset = int.from_bytes(header[at : at + 2], "little")
    return int.from_bytes(header[table + offset : table + offset + width], "little") if offset else usual


_MOST_BLOB, _MOST_UNPACKED = 32 * 1024 * 1024, 64 * 1024 * 1024


def open_osm(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open OpenStreetMap's PBF: each block; up to 64 MiB those that are packed with zlib are unpacked."""
    at = number = 0
    file.seek(0)
    while at < size:
        budget.spend()
        number += 1
        head = file.read(4)
        n = int.from_bytes(head, "big")
        header = file.read(n) if n < 64 * 1024 else b""
        message = _message(header) if len(header) == n and n else {}
        if number == 1 and message.get(1) != b"OSMHeader":
            if not size or (n and n < 64 * 1024 and len(header) < n):
                raise ValueError("it is cut in its header")
            raise something_else(file, "OpenStreetMap's PBF")
        length = message.get(3)
        if not isinstance(length, int) or length > _MOST_BLOB or at + 4 + n + length > size:
            raise ValueError(f"it is cut or damaged: block {number:,} is not whole")
        if size <= _MOST_UNPACKED:
            _unpack(_message(file.read(length)), number, budget)
        at += 4 + n + length
        file.seek(at)
    if not number:
        raise ValueError("it is empty")


def _unpack(blob: dict[int, int | bytes], number: int, budget: Budget) -> None:
    packed, due = blob.get(3), blob.get(2)
    if not isinstance(packed, bytes) or not isinstance(due, int) or due > _MOST_BLOB:
        return
    budget.take(due)
    inner = zlib.decompressobj()
    try:
        data = inner.decompress(packed, due + 1)
    except zlib.error as error:
        raise ValueError(f"block {number:,} is damaged: {error}") from None
    if len(data) != due or not inner.eof:
        raise ValueError(f"block {number:,} is damaged: it has other bytes than {due:,}")


def _message(data: bytes) -> dict[int, int | bytes]:
    """The fields of a message of Protocol Buffers, of each the last one; empty: it is none."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value: int | bytes
        if key & 7 == 0:
            value, at = _varint(data, at)
        elif key & 7 == 2:
            n, at = _varint(data, at)
            value = data[at : at + n]
            at += n
        else:
            return {}
        if at > len(data) or at < 0:
            return {}
        found[key >> 3] = value
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = 0
    for i, byte in enumerate(data[at : at + 10]):
        found |= (byte & 127) << 7 * i
        if byte < 128:
            return found, at + i + 1
    return 0, len(data) + 1


_PMTILES_HEAD = 127


def open_pmtiles(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open PMTiles: that all parts that its header declares are there."""
    file.seek(0)
    head = file.read(_PMTILES_HEAD)
    if head[:7] != b"PMTiles":
        raise something_else(file, "PMTiles")
    if len(head) == _PMTILES_HEAD and head[7] != 3:
        raise NotOpened("of PMTiles only version 3 is known here")
    numbers = [int.from_bytes(head[at : at + 8], "little") for at in range(8, 72, 8)]
    due = max(_PMTILES_HEAD, *(numbers[at] + numbers[at + 1] for at in range(0, 8, 2)))
    if size < due:
        raise ValueError(f"it is cut: {due - size:,} bytes are missing")


_MOST_TEXT = 4 * 1024 * 1024
_BEGINS = b"\x1e"


def open_sequence(file: BinaryIO, _size: int, budget: Budget) -> None:
    """Open a JSON text sequence: each text, which a record separator begins and a line break ends.

    Where there is no separator, each line is a text.
    """
    file.seek(0)
    number = 0
    separator = b"\n" if file.read(1) != _BEGINS else _BEGINS
    file.seek(0)
    rest = b""
    while piece := file.read(256 * 1024):
        budget.spend()
        *texts, rest = (rest + piece).split(separator)
        if len(rest) > _MOST_TEXT:
            raise NotOpened(f"one of its texts has more than {_MOST_TEXT:,} bytes")
        for text in texts:
            number = _read_text(text, number)
    if separator == _BEGINS and rest and not rest.endswith(b"\n"):
        raise ValueError("it is cut: no line break ends its last text")
    _read_text(rest, number)


def _read_text(text: bytes, number: int) -> int:
    if not text.strip():
        return number
    try:
        strict_json.loads(text)
    except ValueError as error:
        raise ValueError(f"text {number + 1:,} is no JSON: {error}") from None
    return number + 1
