"""Samples over time: WAV, FLAC, EDF and BDF, miniSEED, SEG-Y, by the lengths that they declare.

WAV: RIFF, https://www.loc.gov/preservation/digital/formats/fdd/fdd000025.shtml, RF64: EBU Tech 3306. FLAC:
RFC 9639, 8 and 9. EDF: https://www.edfplus.info/specs/edf.html; BDF:
https://www.biosemi.com/faq/file_format.htm. miniSEED 2: https://www.fdsn.org/pdf/SEEDManual_V2.4.pdf, 8; 3:
https://docs.fdsn.org/projects/miniseed3. SEG-Y:
https://library.seg.org/pb-assets/technical-standards/seg_y_rev1-1686080991247.pdf, 4 and 5.
"""

from __future__ import annotations

from typing import BinaryIO, Literal

from upload_client.core.digests import Digests
from upload_client.expectations.findings import NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.packed import Budget

_UNKNOWN = 0xFFFFFFFF
_UNCOUNTED = (range(0x7FFF_E000, 0x8000_0001), range(0xFFFF_FF00, 2**32))
"""Written by programs that cannot go back to say how many bytes there are: sox, arecord, ffmpeg in a pipe."""


def open_wav(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a WAV file: whether the samples that it declares are there."""
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        raise ValueError("it does not begin as WAV does")
    at, long_data = 12, _UNKNOWN
    while at < size:
        budget.spend()
        file.seek(at)
        head = file.read(8)
        name, n = head[:4], int.from_bytes(head[4:], "little")
        if len(head) < 8:
            raise ValueError("it is cut: its samples are missing")
        if name == b"ds64":  # in which the lengths have 64 bits
            long_data = int.from_bytes(file.read(16)[8:], "little")
        if name == b"data":
            n = long_data if n == _UNKNOWN else n
            if not n or any(n in one for one in _UNCOUNTED):
                return
            if at + 8 + n > size:
                raise ValueError(f"it is cut: {at + 8 + n - size:,} bytes of its samples are missing")
            return
        at += 8 + n + n % 2
    raise ValueError("it is cut: its samples are missing")


_MAX_FRAME = 16 * 1024 * 1024


def _table(polynomial: int, bits: int) -> list[int]:
    """The remainders of all bytes, as FLAC's two CRCs have them: from the highest bit on."""
    table = []
    for byte in range(256):
        crc = byte << (bits - 8)
        for _ in range(8):
            crc = crc << 1 ^ (polynomial if crc >> (bits - 1) else 0)
            crc &= (1 << bits) - 1
        table.append(crc)
    return table


_CRC_8, _CRC_16 = _table(0x07, 8), _table(0x8005, 16)  # few bytes: a library would be one more to be missing


def _head_8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC_8[crc ^ byte]
    return crc


def _frame_16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = crc << 8 & 0xFFFF ^ _CRC_16[crc >> 8 ^ byte]
    return crc


_BLOCKS = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}


def open_flac(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a FLAC file: its last frame, by its checksums, and whether that ends where the samples do."""
    file.seek(0)
    head = file.read(10)
    at = 0
    if head[:3] == b"ID3":  # a tag that some put before it; its length has 7 bits a byte
        at = 10 + sum((byte & 127) << (21 - 7 * i) for i, byte in enumerate(head[6:10]))
        file.seek(at)
        head = file.read(4)
    if head[:4] != b"fLaC":
        raise ValueError("it does not begin as FLAC does")
    at += 4
    about, is_last = b"", False
    while not is_last:
        budget.spend()
        file.seek(at)
        head = file.read(4)
        n = int.from_bytes(head[1:])
        if len(head) < 4 or at + 4 + n > size:
            raise ValueError("it is cut in what stands before its samples")
        is_last, kind = bool(head[0] & 128), head[0] & 127
        if kind == 0:
            about = file.read(n)
        at += 4 + n
    if len(about) < 34:
        raise ValueError("it is damaged: it says nothing of its samples")
    total = int.from_bytes(about[13:18]) & (2**36 - 1)
    most = int.from_bytes(about[7:10]) or _MAX_FRAME
    file.seek(max(at, size - most - 128))
    tail = file.read(most + 128)
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    if size == at:
        if total:
            raise ValueError("it is cut: its samples are missing")
        return
    start = len(tail)
    while (start := tail.rfind(b"\xff", 0, start)) >= 0:
        budget.spend()
        found = _frame(tail, start, int.from_bytes(about[:2]))
        if found is not None and _frame_16(tail[start:-2]) == int.from_bytes(tail[-2:]):
            # Before variable blocks had a flag of their own nobody can say what such frames count.
            is_counted = tail[start + 1] & 1 or about[:2] == about[2:4]
            if total and found != total and is_counted:
                raise ValueError(f"it is cut: it has {found:,} samples where it says {total:,}")
            return
    raise ValueError("it is cut or damaged: no frame ends where it does")


def _frame(data: bytes, at: int, block: int) -> int | None:
    """The number of samples up to the end of the frame that begins here; None: none does (RFC 9639, 9.1)."""
    head = data[at : at + 16]
    if len(head) < 6 or head[1] & 0xFE != 0xF8:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    first = head[4]
    more = 0 if first < 128 else 8 - (first ^ 0xFF).bit_length() - 1
    number = first if first < 128 else first & (0x3F >> more)
    for byte in head[5 : 5 + more]:
        number = number << 6 | (byte & 63)
    n = 5 + more
    if size_code in (6, 7):
        samples = int.from_bytes(head[n : n + size_code - 5]) + 1
        n += size_code - 5
    else:
        samples = _BLOCKS.get(size_code, 0)
    n += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= n or not samples or _head_8(head[:n]) != head[n]:
        return None
    return number + samples if head[1] & 1 else number * block + samples


def open_edf(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open an EDF or BDF file: whether all of its records are there."""
    file.seek(0)
    head = file.read(256)
    width = {b"0       ": 2, b"\xffBIOSEMI": 3}.get(head[:8])
    if width is None:
        raise something_else(file, "EDF or BDF")
    try:
        length, records, signals = int(head[184:192]), int(head[236:244]), int(head[252:256])
        file.seek(256 + signals * 216)
        numbers = file.read(signals * 8)
        if len(numbers) < signals * 8 or signals < 0:
            raise ValueError("it is cut in its header")  # noqa: TRY301 — said as what it is
        record = width * sum(int(numbers[i : i + 8]) for i in range(0, len(numbers), 8))
    except ValueError as error:
        raise ValueError("its header is cut or damaged") from error
    end = length + max(records, 0) * record  # -1: it was not closed
    if end > size:
        raise ValueError(f"it is cut: the last {end - size:,} bytes of its records are missing")


_DIGITS = b"0123456789"
_LEAST = 128  # bytes of a record


def open_mseed(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a miniSEED file: all of its records, of version 3 with their checksums."""
    at, number = 0, 0
    if not size:
        raise ValueError("it is empty")
    while at < size:
        budget.spend()
        number += 1
        file.seek(at)
        head = file.read(64)
        if head[:3] == b"MS\3":
            length = 40 + sum(head[33:34])
            length += int.from_bytes(head[34:36], "little") + int.from_bytes(head[36:40], "little")
            if len(head) >= 40 and at + length <= size:
                file.seek(at)
                _compare_mseed(file.read(length), number)
        elif len(head) >= 48 and not head[:6].strip(b" " + _DIGITS) and not head[6:48].strip(b" "):
            length = _LEAST  # a record of noise, which is blank and does not tell its length
        elif number == 1 and head[6:8] == b"V ":
            raise NotOpened("it is a whole volume of SEED, with headers of its own")
        elif len(head) >= 48 and head[6:7] in b"DRQM" and not head[:6].strip(b" \0" + _DIGITS):
            try:
                length = _length_2(file, at, head)
            except NotOpened:
                if number == 1 and at + 64 <= size:
                    raise
                raise ValueError(
                    f"it is cut or damaged: record {number:,} does not tell its length"
                ) from None
        else:
            raise ValueError(f"it is cut or damaged: record {number:,} does not begin as one does")
        if len(head) < 40 or at + length > size:
            raise ValueError(f"it is cut: bytes of record {number:,} are missing")
        at += length


def _compare_mseed(record: bytes, number: int) -> None:
    digests = Digests(("crc32c",))
    digests.update(record[:28] + bytes(4) + record[32:])
    if digests.crc("crc32c") != int.from_bytes(record[28:32], "little"):
        raise ValueError(f"record {number:,} is damaged: its CRC-32C is another")


def _length_2(file: BinaryIO, at: int, head: bytes) -> int:
    """Bytes of a record of version 2, which its blockette 1000 tells."""
    big = 1900 <= int.from_bytes(head[20:22]) <= 2100
    order: Literal["big", "little"] = "big" if big else "little"
    place = int.from_bytes(head[46:48], order)
    for _ in range(head[39] + 1):
        file.seek(at + place)
        found = file.read(8)
        if len(found) < 8 or not place:
            break
        if int.from_bytes(found[:2], order) == 1000:
            if not 6 <= found[6] <= 31:
                break
            return int(2 ** found[6])
        place = int.from_bytes(found[2:4], order)
    raise NotOpened("its records do not tell their length")


_SAMPLE = {1: 4, 2: 4, 3: 2, 4: 4, 5: 4, 6: 8, 7: 3, 8: 1, 9: 8, 10: 4, 11: 2, 12: 8, 15: 3, 16: 1}


def open_segy(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a SEG-Y file: whether it ends where a trace does."""
    file.seek(3200)
    head = file.read(400)
    if len(head) < 400:
        raise ValueError("it is cut in its header")
    orders: tuple[Literal["big", "little"], ...] = ("big", "little")
    order = next((one for one in orders if int.from_bytes(head[24:26], one) in _SAMPLE), None)
    if order is None:
        if any(head):
            raise NotOpened("its samples are of no kind that is known here")
        raise ValueError("it does not begin as SEG-Y does")

    def number(data: bytes) -> int:
        return int.from_bytes(data, order)

    if head[300] > 1:
        if head[300] > 2:
            raise NotOpened("its version is not known here")
        _open_segy_2(file, size, budget, head, _ORDERS.get(head[96:100], order))
        return
    width, more = _SAMPLE[number(head[24:26])], number(head[304:306])
    of_version_0 = not any(head[300:302])  # of which nobody has said what stands there
    if more > 1000:
        raise NotOpened("it does not tell how many headers it has")
    start = 3600 + 3200 * more
    if start > size and of_version_0:
        start = 3600
    whole = 240 + number(head[20:22]) * width
    if start > size:
        raise ValueError("it is cut in its headers")
    if (size - start) % whole == 0 or (of_version_0 and (size - 3600) % whole == 0):
        return
    at, n = start, 0
    while at < size:  # traces of different lengths
        budget.spend()
        n += 1
        file.seek(at)
        trace = file.read(240)
        samples = number(trace[114:116]) if len(trace) == 240 else 0
        at += 240 + (samples * width or whole - 240)
    if at > size and of_version_0 and more:
        raise NotOpened("it does not tell how many headers it has")
    if at > size:
        raise ValueError(f"it is cut: {at - size:,} bytes of trace {n:,} are missing")


_ORDERS: dict[bytes, Literal["big", "little"]] = {b"\1\2\3\4": "big", b"\4\3\2\1": "little"}
"""By how 16,909,060 stands in the header: https://library.seg.org/pb-assets/technical-standards/
seg_y_rev2_1-oct2023-1701361639333.pdf"""
_STANZA = 3200


def _open_segy_2(
    file: BinaryIO, size: int, budget: Budget, head: bytes, order: Literal["big", "little"]
) -> None:
    """Open SEG-Y of version 2: whether it ends where a trace does, or what stands behind the traces.

    Args:
        file: binary and seekable.
        size: of it, in bytes.
        budget: what it may take.
        head: the binary header.
        order: of its bytes.
    """

    def number(at: int, n: int, *, signed: bool = False) -> int:
        return int.from_bytes(head[at : at + n], order, signed=signed)

    width, samples = _SAMPLE.get(number(24, 2)), number(68, 4) or number(20, 2)
    texts, more, behind = (number(at, n, signed=True) for at, n in ((304, 2), (306, 4), (328, 4)))
    start = number(320, 8) or 3600 + _STANZA * texts
    if width is None or min(more, behind) < 0 or (texts < 0 and not number(320, 8)):
        raise NotOpened("it does not tell how long its headers, traces and what stands behind them are")
    end = size - _STANZA * behind
    if start > end:
        raise ValueError("it is cut in its headers")
    whole = 240 * (1 + more) + samples * width
    if (end - start) % whole == 0:
        return
    if number(302, 2):  # all traces are alike
        raise ValueError(f"it is cut: it does not end where a trace of {whole:,} bytes does")
    if more:
        raise NotOpened("its traces have headers and lengths of their own")
    at = n = 0
    while start + at < end:
        budget.spend()
        n += 1
        file.seek(start + at)
        trace = file.read(240)
        own = int.from_bytes(trace[114:116], order) if len(trace) == 240 else 0
        at += 240 + (own or samples) * width
    if start + at > end:
        raise ValueError(f"it is cut: {start + at - end:,} bytes of trace {n:,} are missing")
