"""Sequences and variants: BAM, CRAM, BCF, VCF, FASTQ, record by record to the end of the file; bigWig.

SAM and BAM: https://samtools.github.io/hts-specs/SAMv1.pdf, 4.2. CRAM: CRAMv3.pdf there, 6 to 9. VCF and BCF:
VCFv4.3.pdf there, 1 and 6.3. FASTQ: Cock et al., Nucleic Acids Res. 38 (2010) 1767. bigWig,
bigBed: Kent et al., Bioinformatics 26 (2010) 2204, supplementary tables 5 and 7. A library that is made
for analysis opens a file without its end all the same, and wants a file of its own; so the lengths are added
up here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, Literal, cast

from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget, Unpacked, is_bgzf

_PIECE = 256 * 1024
_MAX_RECORD = 256 * 1024 * 1024
_MAX_LINE = 64 * 1024 * 1024
_MAX_CHECKED = 64 * 1024 * 1024  # bytes of a CRAM container whose blocks are compared with their CRCs
# CRAMv3.pdf, 9: "End of file container".
_CRAM_ENDS = {
    2: bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
    3: bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
}
_VCF_COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def _exactly(stream: BinaryIO, n: int, what: str) -> bytes:
    if n > _MAX_RECORD:
        raise NotOpened(f"{what} has more than {_MAX_RECORD:,} bytes")
    data = b""
    while len(data) < n and (piece := stream.read(n - len(data))):
        data += piece
    if len(data) < n:
        raise ValueError(f"it is cut in {what}")
    return data


def _pass_over(stream: BinaryIO, n: int, what: str) -> None:
    while n > 0:
        piece = stream.read(min(n, _PIECE))
        if not piece:
            raise ValueError(f"it is cut in {what}")
        n -= len(piece)


def _pass_over_records(stream: BinaryIO, lengths: struct.Struct, least: int, what: str) -> None:
    """Pass over records to the end of a file, many in each block that is read.

    Args:
        stream: at the first of them.
        lengths: what a record begins with: the lengths of its parts, which follow.
        least: bytes of the first part at least.
        what: a record is, for sentences.
    """
    unpack_from, head = lengths.unpack_from, lengths.size
    n, data, at = 0, b"", 0
    while True:
        end = len(data) - head
        while at <= end:
            parts = unpack_from(data, at)
            n += 1
            if parts[0] < least:
                raise ValueError(f"{what} {n:,} is too short")
            at += head + sum(parts)
        beyond = at - len(data)
        if beyond > 0:  # the rest of this one lies in what follows
            _pass_over(stream, beyond, f"{what} {n:,}")
        data = data[at:] + stream.read(_PIECE)
        at = 0
        if len(data) < head:
            data += stream.read(head - len(data))
        if not data:
            return
        if len(data) < head:
            raise ValueError(f"it is cut in {what} {n + 1:,}")


def _number(stream: BinaryIO, what: str) -> int:
    """An int32 that must not be negative."""
    n = int.from_bytes(_exactly(stream, 4, what), "little", signed=True)
    if n < 0:
        raise ValueError(f"a length in {what} is below 0")
    return n


def _unpacked(file: BinaryIO, size: int, budget: Budget) -> tuple[Unpacked, BinaryIO]:
    file.seek(0)
    if not is_bgzf(file.read(18)):
        raise ValueError("it is not packed with BGZF")
    unpacked = Unpacked("gzip", file, size, budget)
    return unpacked, cast("BinaryIO", io.BufferedReader(unpacked, _PIECE))


def open_bam(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a BAM file: its blocks, its end block, its header, and the length of each alignment."""
    unpacked, stream = _unpacked(file, size, budget)
    if _exactly(stream, 4, "its header") != b"BAM\1":
        raise ValueError("it does not begin as BAM does")
    _pass_over(stream, _number(stream, "its header"), "its header")
    for _ in range(_number(stream, "its header")):
        _pass_over(stream, _number(stream, "its header") + 4, "its header")
    _pass_over_records(stream, struct.Struct("<I"), 32, "alignment")
    if unpacked.size is None:
        unpacked.read_on()


def open_bcf(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a BCF file: its blocks, its end block, its header, and the lengths of each record."""
    unpacked, stream = _unpacked(file, size, budget)
    if _exactly(stream, 5, "its header")[:4] != b"BCF\2":
        raise ValueError("it does not begin as BCF 2 does")
    header = _exactly(stream, _number(stream, "its header"), "its header")
    if _VCF_COLUMNS not in header:
        raise ValueError("its header names no columns")
    _pass_over_records(stream, struct.Struct("<II"), 24, "record")
    if unpacked.size is None:
        unpacked.read_on()


def _lines(stream: BinaryIO) -> Callable[[], bytes]:
    def line() -> bytes:
        data = stream.readline(_MAX_LINE)
        if len(data) == _MAX_LINE:
            raise NotOpened(f"it has lines of more than {_MAX_LINE:,} bytes")
        return data

    return line


def open_vcf(file: BinaryIO, _size: int, budget: Budget) -> None:
    """Open a VCF file: its header, and in each record as many fields as there are columns."""
    line = _lines(file)
    first = line()
    if not first.startswith((b"##fileformat=VCF", b"\xef\xbb\xbf##fileformat=VCF")):
        raise ValueError("it does not begin with ##fileformat=VCF")
    n, width = 1, 0
    while text := line():
        n += 1
        budget.spend()
        text = text.rstrip(b"\r\n")
        if not width and text.startswith(b"##"):
            continue
        if not width:
            if not text.startswith(_VCF_COLUMNS):
                raise ValueError(f"line {n:,} should name the columns")
            width = text.count(b"\t") + 1
        elif text and (found := text.count(b"\t") + 1) != width:
            raise ValueError(f"line {n:,} has {found} fields where there are {width} columns")
    if not width:
        raise ValueError("it is cut: no line names the columns")


def open_fastq(file: BinaryIO, _size: int, budget: Budget) -> None:
    """Open a FASTQ file: each record whole, with as many qualities as bases."""
    line = _lines(file)
    n = 0
    while title := line():
        if title.isspace():
            continue
        n += 1
        budget.spend()
        if not title.startswith(b"@"):
            raise ValueError(f"record {n:,} does not begin with @")
        bases = 0
        while (text := line()) and not text.startswith(b"+"):
            bases += len(text.strip())
        if not text:
            raise ValueError(f"it is cut in record {n:,}")
        qualities = len(line().rstrip(b"\r\n"))
        while qualities < bases:  # over several lines, as old files have them
            text = line()
            if not text:
                raise ValueError(f"it is cut in record {n:,}")
            qualities += len(text.rstrip(b"\r\n"))
        if qualities != bases:
            raise ValueError(f"record {n:,} has {qualities} qualities for {bases} bases")


class _Cram:
    """Reads the numbers of a CRAM file (ITF8 and LTF8 are its spelling of them)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read = b""

    def take(self, n: int) -> bytes:
        data = _exactly(self._file, n, "a container's header")
        self.read += data
        return data

    def itf8(self) -> int:
        first = self.take(1)[0]
        n = next((k for k in range(4) if not first & (0x80 >> k)), 4)
        value = first & (0xFF >> (n + 1)) if n < 4 else first & 0x0F
        rest = self.take(n)
        if n < 4:
            return value << (8 * n) | int.from_bytes(rest, "big")
        return value << 28 | int.from_bytes(rest[:3], "big") << 4 | rest[3] & 0x0F

    def ltf8(self) -> None:
        first = self.take(1)[0]
        self.take(next((k for k in range(8) if not first & (0x80 >> k)), 8))


def open_cram(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a CRAM file: its containers, their blocks with their CRCs, and the container that ends it."""
    file.seek(0)
    head = file.read(26)
    if head[:4] != b"CRAM" or len(head) < 26:
        raise ValueError("it does not begin as CRAM does")
    major = head[4]
    if major not in _CRAM_ENDS or head[4:6] == b"\2\0":  # 2.0 had no container that ends it
        raise NotOpened(f"CRAM {major}.{head[5]} is not known here")
    # Of 2.1, the container of the header is longer than htslib writes into it.
    at, n = (26, 0) if major == 3 else (size, 0)
    while at < size:
        budget.spend()
        n += 1
        file.seek(at)
        length, start = _container(_Cram(file))
        if length < 0 or at + start + length > size:
            raise ValueError(f"it is cut in container {n:,}")
        if length <= _MAX_CHECKED:
            _check_blocks(_exactly(file, length, f"container {n:,}"), n)
        at += start + length
    end = _CRAM_ENDS[major]
    file.seek(max(0, size - len(end)))
    if file.read(len(end)) != end:
        raise ValueError("it is cut: the container that ends it is missing")


def _container(cram: _Cram) -> tuple[int, int]:
    """The bytes of a container's blocks, and of its own header."""
    length = int.from_bytes(cram.take(4), "little", signed=True)
    for _ in range(4):
        cram.itf8()
    cram.ltf8()
    cram.ltf8()
    cram.itf8()
    for _ in range(min(cram.itf8(), 1_000_000)):
        cram.itf8()
    declared = zlib.crc32(cram.read)
    if int.from_bytes(cram.take(4), "little") != declared:
        raise ValueError("the header of a container is damaged")
    return length, len(cram.read)


def _check_blocks(data: bytes, number: int) -> None:
    """Compare the CRC32 of each block (CRAMv3.pdf, 8)."""
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        start = stream.tell()
        block = _Cram(stream)
        block.take(2)
        block.itf8()
        size = block.itf8()
        block.itf8()
        end = start + len(block.read) + size
        if end + 4 > len(data):
            # What is left behind the blocks may be unused: files are edited in place (CRAMv3.pdf, 7).
            if data[start:].strip(b"\0"):
                raise ValueError(f"container {number:,} is damaged")
            return
        if zlib.crc32(data[start:end]) != int.from_bytes(data[end : end + 4], "little"):
            raise ValueError(f"a block in container {number:,} is damaged")
        stream.seek(end + 4)


_BIG = (0x888FFC26, 0x8789F2EB)  # bigWig, bigBed


def open_bigwig(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a bigWig or bigBed file: the mark at its end, and that what its header tells of lies in it."""
    file.seek(0)
    head = file.read(64)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    order = next((one for one in orders if int.from_bytes(head[:4], one) in _BIG), None)
    if order is None:
        raise something_else(file, "bigWig or bigBed")
    places = [int.from_bytes(head[at : at + 8], order) for at in (8, 16, 24, 36, 44, 56)]
    if len(head) < 64 or max(places) >= size:
        raise ValueError("it is cut: a part that its header tells of is missing")
    file.seek(size - 4)
    if file.read(4) != head[:4]:  # which is there for this
        raise ValueError("it is cut: the mark at its end is missing")


def open_index(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an index (TBI, CSI, CRAI), which is packed with gzip: to its end."""
    file.seek(0)
    if file.read(2) != b"\x1f\x8b":
        raise something_else(file, "an index")
    Unpacked("gzip", file, size, budget).read_on()


def open_bai(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an index of BAM (SAMv1.pdf, 5.2): all of its bins and intervals."""
    file.seek(0)
    if file.read(4) != b"BAI\1":
        raise something_else(file, "BAI")

    def number() -> int:
        data = file.read(4)
        if len(data) < 4:
            raise ValueError("it is cut: its bins are not all there")
        return int.from_bytes(data, "little")

    for _ in range(number()):
        for _ in range(number()):
            budget.spend()
            number()
            file.seek(16 * number(), io.SEEK_CUR)
        file.seek(8 * number(), io.SEEK_CUR)
    behind = size - file.tell()
    if behind not in (0, 8):  # the number of reads that are placed nowhere, which older programs leave out
        raise ValueError(
            "it is cut or damaged: its intervals are not all there"
            if behind < 8
            else "bytes stand behind its end"
        )
