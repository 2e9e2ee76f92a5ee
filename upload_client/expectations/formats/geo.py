"""Rasters, points and shapes: TIFF (GeoTIFF, COG), LAS and LAZ, shapefiles, by what their headers declare.

TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, 2, 8 and 15; BigTIFF:
http://bigtiff.org. LAS 1.4 R15: https://www.asprs.org/divisions-committees/lidar-division/laser-las-file-format-exchange-activities,
2.4. LAZ: the place of its table of chunks, and that by lazrs. Shapefiles:
https://www.esri.com/content/dam/esrisites/sitecore-archive/Files/Pdfs/library/whitepapers/pdfs/shapefile.pdf.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from upload_client.expectations.findings import LibraryMissing, NotOpened, Undecided
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget, inflated

_DEFLATED, _JPEG = (8, 32946), 7
_NEAR = 1024  # bytes at the end of a JPEG within which its last marker stands; padding may be behind it
_MAX_PAGES = 100_000
_MAX_PLACES = 16 * 1024 * 1024
_MAX_UNPACKED = 64 * 1024 * 1024  # bytes of a TIFF whose pages are unpacked although nobody has asked for it
_TYPES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANES = 256, 257, 258, 259, 277, 284
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _SUB_IFDS = 273, 279, 324, 325, 330
_PHOTOMETRIC, _YCBCR, _SUBSAMPLING = 262, 6, 530
_PLACES = ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES))
_OF_GDAL = frozenset({33550, 33922, 34264, 34735, 42112, 42113})  # tags of GeoTIFF and of GDAL
_WANTED = (
    _WIDTH,
    _HEIGHT,
    _BITS,
    _COMPRESSION,
    _SAMPLES,
    _STRIPS,
    _STRIP_BYTES,
    _TILES,
    _TILE_BYTES,
    _SUB_IFDS,
    _PHOTOMETRIC,
    _SUBSAMPLING,
)


def open_tiff(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a TIFF file: each page's strips or tiles lie within the file; up to 64 MiB they are unpacked."""
    tiff = _Tiff(file, size, budget)
    tiff.check()
    if size > _MAX_UNPACKED:
        return
    if tiff.sparse:  # readers but GDAL take it for damaged
        if tiff.is_deflated:
            return  # what is there was unpacked
        raise NotOpened("a part of its pixels is left out, as GDAL has it, and the others were not unpacked")
    try:
        from upload_client.expectations.formats.image import MAX_PIXELS, judge_image  # noqa: PLC0415 — an extra
    except ImportError:
        raise LibraryMissing("pillow is not installed, so its pixels were not unpacked") from None
    from upload_client.expectations.findings import Findings  # noqa: PLC0415 — seldom needed
    from upload_client.expectations.model import Image  # noqa: PLC0415 — as above

    if tiff.pixels > MAX_PIXELS:
        raise NotOpened(f"a page has more than {MAX_PIXELS:,} pixels, which were not unpacked")
    findings = Findings()
    file.seek(0)
    try:
        judge_image(Image(format="image", formats=("TIFF",)), file, size, findings)
    except Undecided as error:
        raise NotOpened(f"its pixels were not unpacked: {error}") from None
    if findings.n:
        raise ValueError(str(findings))


def is_sparse(tags: Mapping[int, Any]) -> bool:
    """Whether GDAL has left out what is empty of a page: a strip or tile has neither place nor bytes.

    It says so by a tag of its own, or of its places on Earth; in others that is damage.
    """
    return not _OF_GDAL.isdisjoint(tags) and any(
        not offset and not n
        for places, lengths in _PLACES
        for offset, n in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False)
    )


class _Tiff:
    """Walks through the pages of a TIFF file."""

    def __init__(self, file: BinaryIO, size: int, budget: Budget) -> None:
        self._file, self._size, self._budget = file, size, budget
        self.pixels = 0  # of the largest page
        self.sparse = False
        self.is_deflated = True
        file.seek(0)
        head = file.read(16)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack_from(self._order + "H", head, 2)[0] if self._order and len(head) > 7 else 0
        if version not in (42, 43):
            raise ValueError("it does not begin as TIFF does")
        self._big = version == 43
        if self._big and len(head) < 16:
            raise ValueError("it is cut in its header")
        self._first = struct.unpack_from(
            self._order + ("Q" if self._big else "I"), head, 8 if self._big else 4
        )[0]

    def _at(self, offset: int, n: int, what: str) -> bytes:
        if offset + n > self._size:
            raise ValueError(f"it is cut: {what} lies behind its end")
        self._file.seek(offset)
        data = self._file.read(n)
        if len(data) < n:
            raise ValueError(f"it is cut in {what}")
        return data

    def check(self) -> None:
        """Look at all pages."""
        if not self._first:
            raise ValueError("it has no page")
        queue, seen, n = [self._first], set[int](), 0
        while queue:
            offset = queue.pop()
            if not offset or offset in seen:  # a smaller page may be led to by two others
                continue
            seen.add(offset)
            n += 1
            if n > _MAX_PAGES:
                raise NotOpened(f"it has more than {_MAX_PAGES:,} pages")
            self._budget.spend()
            queue += self._page(offset, n)

    def _page(self, offset: int, number: int) -> list[int]:
        """Look at one, and give the places of those that it leads to."""
        order, what = self._order, f"page {number:,}"
        count, entry, place = ("Q", 20, "Q") if self._big else ("H", 12, "I")
        n = struct.unpack(order + count, self._at(offset, struct.calcsize(order + count), what))[0]
        if n > 65535:
            raise ValueError(f"{what} is damaged")
        start = offset + struct.calcsize(order + count)
        data = self._at(start, n * entry, what)
        tags: dict[int, list[int]] = {}
        for i in range(n):
            tag, kind = struct.unpack_from(order + "HH", data, i * entry)
            k = struct.unpack_from(order + place, data, i * entry + 4)[0]
            length = _TYPES.get(kind, 1) * k
            if length > _MAX_PLACES * 8:
                raise NotOpened(f"{what} has a tag of more than {_MAX_PLACES * 8:,} bytes")
            inline = i * entry + (12 if self._big else 8)
            room = 8 if self._big else 4
            at = 0
            if length > room:
                at = struct.unpack_from(order + place, data, inline)[0]
                if at + length > self._size:
                    raise ValueError(f"it is cut: tag {tag} of {what} lies behind its end")
            if tag in _OF_GDAL:
                tags[tag] = []
            elif tag in _WANTED and (letter := _LETTERS.get(kind)) is not None:
                raw = self._at(at, length, what) if length > room else data[inline : inline + length]
                tags[tag] = list(struct.unpack(f"{order}{k}{letter}", raw))
        # Whoever writes a file in one go may leave out that there is no other page.
        behind = start + n * entry
        length = struct.calcsize(order + place)
        following = struct.unpack(order + place, self._at(behind, length, what))[0]
        width, height = (sum(tags.get(tag, [])[:1]) for tag in (_WIDTH, _HEIGHT))
        self.pixels = max(self.pixels, width * height)
        self._check_places(tags, what)
        return [*tags.get(_SUB_IFDS, []), following]

    def _check_places(self, tags: dict[int, list[int]], what: str) -> None:
        if 0 in (*tags.get(_WIDTH, [])[:1], *tags.get(_HEIGHT, [])[:1]):
            return  # it has no pixels
        self.sparse |= is_sparse(tags)
        for offsets_tag, bytes_tag in _PLACES:
            offsets, counts = tags.get(offsets_tag), tags.get(bytes_tag)
            if offsets is None or counts is None:
                continue
            if len(offsets) != len(counts):
                raise ValueError(
                    f"{what} has {len(offsets):,} places and {len(counts):,} lengths of its pixels"
                )
            sparse = False
            for offset, n in zip(offsets, counts, strict=True):
                sparse |= not offset and not n
                if offset + n > self._size or (not n and offset):
                    raise ValueError(f"it is cut: pixels of {what} are not there")
            self.is_deflated &= tags.get(_COMPRESSION, [1])[0] in _DEFLATED
            if tags.get(_COMPRESSION, [1])[0] in _DEFLATED and self._size <= _MAX_UNPACKED:
                for offset, n in zip(offsets, counts, strict=True):
                    if n:
                        self._inflate(offset, n, what)
            if tags.get(_COMPRESSION) == [_JPEG] and self._size <= _MAX_UNPACKED:
                for offset, n in zip(offsets, counts, strict=True):
                    self._budget.spend()
                    last = min(n, _NEAR)
                    if n and b"\xff\xd9" not in self._at(offset + n - last, last, what):
                        # Whoever unpacks it takes grey for what is missing.
                        raise ValueError(f"pixels of {what} are damaged: a JPEG among them has no end")
            if offsets_tag == _STRIPS and tags.get(_COMPRESSION, [1]) == [1] and not sparse:
                samples = tags.get(_SAMPLES, [1])[0]
                bits = sum(tags.get(_BITS, [1])) if len(tags.get(_BITS, [1])) == samples else 0
                width, height = tags.get(_WIDTH, [0])[0], tags.get(_HEIGHT, [0])[0]
                due = (width * bits + 7) // 8 * height
                if tags.get(_PHOTOMETRIC) == [_YCBCR] and samples == 3:  # 21: of the colours there are fewer
                    across, down = (*tags.get(_SUBSAMPLING, [2, 2]), 1, 1)[:2]
                    blocks = -(-width // max(across, 1)) * -(-height // max(down, 1))
                    due = blocks * (across * down + 2) * tags[_BITS][0] // 8
                if tags.get(_BITS, [1])[0] % 8 == 0 and sum(counts) < due:
                    raise ValueError(f"{what} has {sum(counts):,} bytes of pixels where {due:,} are due")

    def _inflate(self, offset: int, n: int, what: str) -> None:
        """Unpack a strip or tile to the checksum at its end; Pillow takes one that ends early for whole."""
        damaged = f"a piece of the pixels of {what} is damaged"
        for _ in inflated(self._at(offset, n, what), self._budget, damaged):
            pass


def open_las(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a LAS or LAZ file: whether the points that its header speaks of are all there."""
    file.seek(0)
    head = file.read(375)
    if head[:4] != b"LASF":
        raise ValueError("it does not begin as LAS does")
    if len(head) < 227:
        raise ValueError("it is cut in its header")
    minor = head[25]
    start, _, form, length, n = struct.unpack_from("<IIBHI", head, 96)
    extra = 0, 0
    if minor >= 4:
        if len(head) < 375:
            raise ValueError("it is cut in its header")
        extra = struct.unpack_from("<QI", head, 235)
        n = struct.unpack_from("<Q", head, 247)[0]
    if start < 227 or not length:
        raise ValueError("its header is damaged")
    if start > size:
        raise ValueError("it is cut: its points are missing")
    if form & 0x80:
        _check_chunks(file, size, start, n)
    elif start + n * length > size:
        raise ValueError(f"the last {start + n * length - size:,} bytes of its points are missing")
    at, k = extra
    for _ in range(k):  # records behind the points, LAS 1.4, 2.7
        if at + 60 > size:
            raise ValueError("it is cut: a record behind its points is missing")
        file.seek(at + 20)
        at += 60 + int.from_bytes(file.read(8), "little")
        if at > size:
            raise ValueError("it is cut in a record behind its points")


def _check_chunks(file: BinaryIO, size: int, start: int, n: int) -> None:
    """Whether the table of LAZ's chunks, which is written last, is where it should be, and tells of all.

    By lazrs, where that is installed: the table is packed, and its length is told nowhere.
    """
    if not n:
        return
    if start + 8 > size:
        raise ValueError("it is cut: its points are missing")
    about = _laszip(file, start)
    if about[:2] == _NOT_CHUNKED:
        raise NotOpened("its points are packed as LASzip did at first, without chunks")
    file.seek(start)
    table = int.from_bytes(file.read(8), "little", signed=True)
    if table == -1:  # written to where one cannot go back: then it is the last thing in the file
        file.seek(size - 8)
        table = int.from_bytes(file.read(8), "little", signed=True)
    if not start + 8 <= table <= size - 8:
        raise ValueError("it is cut: the table of its chunks is missing")
    try:
        import lazrs  # noqa: PLC0415 — an extra
    except ImportError:
        return
    file.seek(start)
    try:
        chunks = lazrs.read_chunk_table(file, lazrs.LazVlr(about))
    except (lazrs.LazrsError, OSError, ValueError) as error:
        raise ValueError(f"it is cut or damaged: the table of its chunks cannot be read ({error})") from None
    declared = sum(n_bytes for _, n_bytes in chunks)
    if declared != table - start - 8:
        raise ValueError(
            f"it is damaged: its chunks have {table - start - 8:,} bytes where their table says {declared:,}"
        )


def _laszip(file: BinaryIO, start: int) -> bytes:
    """The record in which LASzip says how points are packed; empty: there is none."""
    file.seek(94)
    head = file.read(10)
    at = int.from_bytes(head[:2], "little")
    for _ in range(int.from_bytes(head[6:], "little")):
        file.seek(at)
        record = file.read(54)
        length = int.from_bytes(record[20:22], "little")
        if len(record) < 54 or at + 54 + length > start:
            break
        if record[2:18].rstrip(b"\0") == b"laszip encoded":
            return file.read(length)
        at += 54 + length
    return b""


_NOT_CHUNKED = b"\1\0"


def open_shapes(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open the shapes of a shapefile, or the index of them: each record, and the length that it declares."""
    file.seek(0)
    head = file.read(100)
    if int.from_bytes(head[:4]) != 9994:
        raise something_else(file, "a shapefile")
    end = 2 * int.from_bytes(head[24:28])  # it counts words of 16 bits
    if len(head) < 100:
        raise ValueError("it is cut in its header")
    if end > size:
        raise ValueError(f"it is cut: the last {end - size:,} bytes of its records are missing")
    at, number = 100, 0
    while at < end:
        budget.spend()
        number += 1
        file.seek(at)
        found = file.read(8)
        if int.from_bytes(found[:4]) != number:
            return  # of an index, or somebody has counted otherwise
        at += 8 + 2 * int.from_bytes(found[4:])
    if at > end:
        raise ValueError(f"record {number:,} is damaged: it ends behind the end of all")
