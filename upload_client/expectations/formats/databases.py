"""Tables in one file: SQLite (GeoPackage, MBTiles), by SQLite; Arrow, by pyarrow; Avro, ORC, dBase and Stata.

SQLite: https://www.sqlite.org/fileformat2.html, 1.3. Arrow: https://arrow.apache.org/docs/format/Columnar.html,
"Serialization and Interprocess Communication". Avro: https://avro.apache.org/docs/1.12.0/specification/,
"Object Container Files". ORC: https://orc.apache.org/specification/ORCv1/, "File Tail".
dBase: https://www.dbf2002.com/dbf-file-format.html. Stata: https://www.stata.com/help.cgi?dta, 5.4 (map).
"""

from __future__ import annotations

import bz2
import contextlib
import importlib
import lzma
import zlib
from typing import Any, BinaryIO

from upload_client.core.text import for_log
from upload_client.expectations.findings import LibraryMissing, NotOpened
from upload_client.expectations.formats.namesakes import something_else
from upload_client.expectations.formats.statistical import open_old_stata
from upload_client.expectations.packed import MODULES, Budget, inflated

_MAX_READ = 64 * 1024 * 1024  # bytes of a file that is looked at as a whole although nobody has asked for it
_MAX_BLOCK = 256 * 1024 * 1024
_SQLITE = b"SQLite format 3\0"
_OF_ROWS = ("CHECK constraint", "NULL value in", "NUMERIC value in", "TEXT value in", "non-", "NULL value")
"""Complaints of SQLite about rows that break their table's own rules: the file is whole."""
_STEPS = 100_000  # of SQLite's machine, between two looks at the time


def open_sqlite(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open an SQLite database: all of its pages are there; up to 64 MiB each tree of them is gone through."""
    file.seek(0)
    head = file.read(100)
    if not head.startswith(_SQLITE):
        if not size:  # SQLite takes it for one without tables
            raise NotOpened("it is empty: a database without a table, if that is meant")
        raise something_else(file, "SQLite")
    if len(head) < 100:
        raise ValueError("it is cut in its header")
    page = int.from_bytes(head[16:18]) or 65536
    page = 65536 if page == 1 else page
    if page < 512 or page & (page - 1):
        raise ValueError(f"its header is damaged: its pages have {page:,} bytes")
    pages = int.from_bytes(head[28:32])
    if pages and head[24:28] == head[92:96]:  # else whoever wrote it last did not know of this number
        if pages * page > size:
            raise ValueError(f"it is cut: {pages * page - size:,} bytes of its pages are missing")
    elif size % page:
        raise ValueError(f"it is cut in a page: it has {size:,} bytes, and its pages {page:,}")
    if size <= _MAX_READ:
        _check_trees(file, size, budget)


def _check_trees(file: BinaryIO, size: int, budget: Budget) -> None:
    try:
        import sqlite3  # noqa: PLC0415 — Python is built without it here and there
    except ImportError:
        raise LibraryMissing("this Python has no SQLite, so its pages were not looked at") from None
    if not hasattr(sqlite3.Connection, "deserialize"):
        raise LibraryMissing("SQLite was built without what is needed, so its pages were not looked at")
    budget.take(size)
    file.seek(0)
    data = bytearray(file.read(size))
    has_log = b"\2" in data[18:20]
    number = sum(n * 1000**i for i, n in enumerate(reversed(sqlite3.sqlite_version_info)))
    is_newer = int.from_bytes(data[96:100]) > number
    data[18:20] = b"\1\1"  # of a log beside it nothing is known here, and without one it opens so only
    unspent: list[NotOpened] = []

    def go_on() -> bool:
        try:
            budget.spend()
        except NotOpened as error:
            unspent.append(error)
        return bool(unspent)

    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.text_factory = lambda text: text.decode(errors="replace")
        database.set_progress_handler(go_on, _STEPS)
        try:
            database.deserialize(bytes(data))
            del data
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA temp_store = MEMORY")
            wrong = [str(row[0]) for row in database.execute("PRAGMA quick_check(20)")]
        except sqlite3.OperationalError as error:  # a function, a kind of table, a version that is not here
            if unspent:
                raise unspent[0] from None
            raise NotOpened(for_log(f"SQLite cannot look at it: {error}", 200)) from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if "malformed database schema" in str(error) and is_newer:
                raise NotOpened("it was written by a newer SQLite than the one that is here") from None
            raise _of_pages(error, has_log=has_log) from None
    for line in wrong:
        if line != "ok" and not line.startswith(_OF_ROWS):
            raise _of_pages(line, has_log=has_log)


def _of_pages(reason: object, *, has_log: bool) -> Exception:
    """While somebody reads a database with a log, SQLite may copy some pages from there, and not others."""
    if has_log:
        return NotOpened(
            for_log(f"it is damaged, or pages of it lie in the log beside it, -wal: {reason}", 200)
        )
    return ValueError(for_log(f"it is damaged: {reason}", 200))


_ARROW, _FEATHER_1 = b"ARROW1", b"FEA1"


def open_arrow(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file or a stream of Arrow, Feather too: its end; up to 64 MiB each batch is valid."""
    import pyarrow as pa  # noqa: PLC0415 — an extra

    file.seek(0)
    head = file.read(8)
    mark = next((mark for mark in (_ARROW, _FEATHER_1) if head.startswith(mark)), b"")
    if mark:
        file.seek(max(0, size - len(mark)))
        if size < 2 * len(mark) or file.read(len(mark)) != mark:
            raise ValueError("it is cut: the mark at its end is missing")
    elif not any(head):
        raise ValueError("it does not begin as Arrow does")
    if mark == _FEATHER_1 or (mark and size > _MAX_READ):
        return
    file.seek(0)
    # What Arrow reads from the file is never more than a message tells to have, which lies in the file.
    try:
        if mark:
            found = pa.ipc.open_file(file)
            for number in range(found.num_record_batches):
                budget.spend()
                _check_batch(found.get_batch(number))
        elif size > _MAX_READ:
            messages = pa.ipc.MessageReader.open_stream(file)
            with contextlib.suppress(StopIteration):
                while True:
                    budget.spend()
                    messages.read_next_message()
        else:
            for batch in pa.ipc.open_stream(file):
                budget.spend()
                _check_batch(batch)
        if not mark and (behind := size - file.tell()) > 0:  # zeros are taken for the end of a stream
            if any(file.read(_PIECE)):
                raise NotOpened(f"{behind:,} bytes stand behind the first stream in it")
            raise ValueError("it is damaged: it has zeros where it should go on")
    except pa.ArrowMemoryError:  # a small file may unpack to anything
        raise NotOpened("a batch of it takes too much memory") from None
    except pa.ArrowNotImplementedError as error:
        raise NotOpened(for_log(f"pyarrow cannot read it: {error}", 200)) from None
    except (pa.ArrowException, OSError) as error:
        if _NEWER in str(error):
            raise NotOpened(for_log(f"pyarrow cannot read it: {error}", 200)) from None
        raise ValueError(for_log(f"it is cut or damaged: {error}", 200)) from None


_NEWER = "Unsupported future"
_OF_VALUES = ("whole number of days", "does not fit in precision", "within the acceptable range of")
"""Complaints of Arrow about dates, decimals and times that their type should not have: the file is whole."""


def _check_batch(batch: Any) -> None:  # noqa: ANN401 — pyarrow's
    try:
        batch.validate(full=True)
    except ValueError as error:  # pyarrow's own is one
        if not any(text in str(error) for text in _OF_VALUES):
            raise
        batch.validate()


_SYNC = 16


def open_avro(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a container of Avro: each block, its mark, and, where it is packed, what is in it."""
    reader = _Avro(file, size)
    if reader.take(4) != b"Obj\1":
        raise ValueError("it does not begin as Avro does")
    about: dict[bytes, bytes] = {}
    while n := reader.number():
        if n < 0:  # then the number of bytes follows
            n = -n
            reader.number()
        for _ in range(n):
            budget.spend()
            key = reader.take(reader.number())
            about[key] = reader.take(reader.number())
    if b"avro.schema" not in about:
        raise ValueError("it has no schema")
    mark = reader.take(_SYNC)
    codec = about.get(b"avro.codec", b"null")
    number = 0
    while reader.at < size:
        number += 1
        budget.spend()
        if reader.number() < 0:
            raise ValueError(f"block {number:,} is damaged")
        n = reader.number()
        if n < 0 or reader.at + n + _SYNC > size:
            raise ValueError(f"it is cut: bytes of block {number:,} are missing")
        if codec == b"null" or n > _MAX_BLOCK:
            reader.skip(n)
        else:
            _unpack_avro(codec, reader.take(n), number, budget)
        if reader.take(_SYNC) != mark:
            raise ValueError(f"block {number:,} is damaged: its mark is not behind it")


def _unpack_avro(codec: bytes, data: bytes, number: int, budget: Budget) -> None:
    damaged = f"block {number:,} is damaged"
    try:
        match codec:
            case b"deflate":
                for _ in inflated(data, budget, damaged, wbits=-15):
                    pass
            case b"bzip2":
                _take(bz2.BZ2Decompressor(), data, damaged, budget)
            case b"xz":
                _take(lzma.LZMADecompressor(memlimit=_MAX_BLOCK), data, damaged, budget)
            case b"zstandard":
                try:
                    module: Any = importlib.import_module(MODULES["zstd"])
                except ImportError:
                    raise LibraryMissing(
                        "backports.zstd is not installed, so its blocks were not unpacked"
                    ) from None
                try:
                    _take(module.ZstdDecompressor(), data, damaged, budget)
                except module.ZstdError as error:
                    raise ValueError(f"{damaged}: {error}") from None
            case b"snappy":
                _unpack_snappy(data, damaged, budget)
            case _:
                raise NotOpened(f"its blocks are packed with {for_log(codec.decode('latin-1'), 40)}")
    except (lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"{damaged}: {error}") from None


_PIECE = 256 * 1024


def _take(unpacker: Any, data: bytes, damaged: str, budget: Budget) -> None:  # noqa: ANN401 — of three libraries
    while not unpacker.eof:
        piece = unpacker.decompress(data, _PIECE)
        budget.take(len(piece))
        if not piece and unpacker.needs_input:
            raise ValueError(f"{damaged}: it has no end")
        data = b""


def _unpack_snappy(data: bytes, damaged: str, budget: Budget) -> None:
    """Unpack a block, and compare the CRC32 behind it, of what it unpacks to."""
    try:
        import pyarrow as pa  # noqa: PLC0415 — an extra
    except ImportError:
        raise LibraryMissing("pyarrow is not installed, so its blocks were not unpacked") from None
    declared = shift = 0
    for byte in data[:5]:
        declared |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if declared > _MAX_BLOCK:
        raise NotOpened(f"it has blocks of more than {_MAX_BLOCK:,} bytes, which were not unpacked")
    budget.take(declared)
    try:
        unpacked = pa.Codec("snappy").decompress(data[:-4], declared)
    except pa.ArrowException as error:
        raise ValueError(for_log(f"{damaged}: {error}", 200)) from None
    if zlib.crc32(unpacked) != int.from_bytes(data[-4:]):
        raise ValueError(f"{damaged}: it has another checksum")


class _Avro:
    """Reads Avro's numbers and bytes one after the other."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self.at = file, size, 0
        file.seek(0)

    def take(self, n: int) -> bytes:
        if n < 0 or self.at + n > self._size:
            raise ValueError("it is cut or damaged: a part of it ends behind its end")
        data = self._file.read(n)
        self.at += len(data)
        return data

    def skip(self, n: int) -> None:
        self.at += n
        self._file.seek(self.at)

    def number(self) -> int:
        found = shift = 0
        while True:
            byte = self.take(1)[0]
            found |= (byte & 127) << shift
            if byte < 128:
                return (found >> 1) ^ -(found & 1)
            shift += 7
            if shift > 63:
                raise ValueError("it is damaged: a number in it has no end")


_IN_SCRIPT = range(1, 8)
"""Fields of the postscript but the mark: lengths, compression, versions."""


def open_orc(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open an ORC file: its beginning, its end, and that what this tells of lies in the file."""
    if not size:  # Hive leaves such files, and its readers take them
        raise NotOpened("it is empty: a table without rows, if that is meant")
    file.seek(0)
    if file.read(3) != b"ORC":
        raise ValueError("it does not begin as ORC does")
    file.seek(max(0, size - 256))
    tail = file.read(256)
    length = tail[-1]
    script = tail[-1 - length : -1]
    # The first version had no mark at its end; its readers go on where there is one at its beginning.
    is_marked = script.endswith(b"ORC")
    if len(script) < length or not script:
        raise ValueError("it is cut: its end is missing")
    lengths = {1: 0, 5: 0}  # of the footer, of the metadata
    at = 0
    while at < len(script):
        key, at = _varint(script, at)
        value, at = _varint(script, at)
        if not is_marked and key >> 3 not in _IN_SCRIPT:
            raise ValueError("it is cut: its end is missing")
        if key & 7 == 2:  # bytes of that length
            at += value
        elif key & 7:
            raise ValueError("its end is damaged")
        if key & 7 == 0 and key >> 3 in lengths:
            lengths[key >> 3] = value
    if not lengths[1] or 3 + sum(lengths.values()) + length + 1 > size:
        raise ValueError("it is cut or damaged: its footer is longer than the file")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
        shift += 7
    raise ValueError("its end is damaged")


_DBASE = b"\x03\x04\x05\x30\x31\x32\x43\x63\x83\x8b\x8c\x8e\xcb\xf5\xfb"


def open_dbase(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a table of dBase, as shapefiles have one: whether all of its records are there."""
    file.seek(0)
    head = file.read(32)
    if len(head) < 32 or head[0] not in _DBASE or head[2] > 12 or head[3] > 31:  # month and day
        raise something_else(file, "dBase")
    records = int.from_bytes(head[4:8], "little")
    start, length = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
    if start + records * length > size:
        raise ValueError(
            f"it is cut: the last {start + records * length - size:,} bytes of its records are missing"
        )


_STATA, _MAP = b"<stata_dta><header><release>", b"</timestamp></header><map>"


def open_stata(file: BinaryIO, size: int, budget: Budget) -> None:
    """Open a file of Stata: of 13 or later whether it ends where its map says."""
    file.seek(0)
    head = file.read(4096)
    if not head.startswith(_STATA):
        if head[:1] and 102 <= head[0] <= 115:
            open_old_stata(file, size, budget)
            return
        raise ValueError("it does not begin as Stata's do")
    at = head.find(_MAP) + len(_MAP)  # a label before it may have anything in it
    places = head[at : at + 14 * 8]
    order: Any = "little" if b"<byteorder>LSF" in head else "big"
    if at < len(_MAP) or len(places) < 14 * 8:
        raise ValueError("it is cut in its header")
    end = int.from_bytes(places[-8:], order)
    file.seek(max(0, min(end, size) - 12))
    if end > size or file.read(12) != b"</stata_dta>":
        raise ValueError(f"it is cut: it has {size:,} bytes where it says {end:,}")


_DUCK_PAGE = 4096
_DUCK_BLOCK = 256 * 1024


def open_duckdb(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open a database of DuckDB: whether all of its blocks are there.

    https://github.com/duckdb/duckdb/blob/main/src/include/duckdb/storage/storage_info.hpp: a main header, and
    two of the database, of which the one with the larger number counts.
    """
    file.seek(0)
    head = file.read(3 * _DUCK_PAGE)
    if head[8:12] != b"DUCK":
        raise something_else(file, "DuckDB")
    if len(head) < 3 * _DUCK_PAGE:
        raise ValueError("it is cut in its headers")
    headers = [
        [int.from_bytes(head[page + at : page + at + 8], "little") for at in range(8, 48, 8)]
        for page in (_DUCK_PAGE, 2 * _DUCK_PAGE)
    ]
    _, _, _, blocks, length = max(headers)
    if length in (0, 2**64 - 1):
        length = _DUCK_BLOCK
    due = 3 * _DUCK_PAGE + blocks * length
    if size < due:
        raise ValueError(f"it is cut: {due - size:,} bytes of its {blocks:,} blocks are missing")


_VORTEX = b"VTXF"


def open_vortex(file: BinaryIO, size: int, _budget: Budget) -> None:
    """Open Vortex: its beginning, and the mark at its end (https://docs.vortex.dev, "File Format")."""
    file.seek(0)
    if file.read(4) != _VORTEX:
        raise something_else(file, "Vortex")
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if size < 12 or tail[4:] != _VORTEX or int.from_bytes(tail[2:4], "little") + 12 > size:
        raise ValueError("it is cut: its end is missing")
