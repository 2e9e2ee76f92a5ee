"""Packed files, read to their end in bounded memory, so that each checksum in them is compared.

gzip: RFC 1952; bzip2, xz (the .xz file format 1.2.1) and Zstandard (RFC 8878) by their libraries, which stop
at the end of a member and say nothing of what is behind it. BGZF, and the block that ends it: the SAM
specification, 4.1. ZIP: PKWARE's APPNOTE, by zipfile. tar: POSIX.1-2017, pax, "ustar Interchange Format".
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, BinaryIO, Protocol, cast

from upload_client.core.text import for_log
from upload_client.expectations.findings import NotOpened

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block with which each BGZF file ends; without it, it was cut between two blocks."""
KEPT = 64 * 1024 * 1024
"""Bytes of an unpacked file that are held in memory, for libraries that read here and there."""
_PIECE = 256 * 1024
_MAX_XZ_MEMORY = 512 * 1024 * 1024
_MAX_DIRECTORY = 32 * 1024 * 1024  # bytes of a ZIP's directory, which zipfile holds in memory
_MAX_PAX = 1024 * 1024
_MAX_NAME = 100
_MEMBER = b"PK\3\4"  # begins a file in a ZIP
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # office documents with a password are in such a file

_MAGIC = {"gzip": (b"\x1f\x8b",), "bzip2": (b"BZh",), "xz": (b"\xfd7zXZ\0",), "zstd": ()}
_ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
MODULES = {"zstd": "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"}
"""Modules that Python itself does not have everywhere."""


_zlib: ModuleType = zlib
INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
"""Whatever an `inflater` raises for what is damaged."""
try:
    from isal import isal_zlib
except ImportError:  # there is none for this platform
    pass
else:
    _zlib = isal_zlib  # several times as fast
    INFLATE_ERRORS = (zlib.error, cast("type[Exception]", isal_zlib.error))


class _Inflater(Protocol):
    eof: bool
    unused_data: bytes
    unconsumed_tail: bytes

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...


def inflater(wbits: int = zlib.MAX_WBITS) -> _Inflater:
    """A decompressor of Deflate, with zlib's face, that compares checksums.

    It may have taken in all that it was given, and still have something to give.

    Args:
        wbits: as zlib has it: what is around.
    """
    made: _Inflater = _zlib.decompressobj(wbits)
    return made


class Budget:
    """The most that one file may take, in bytes unpacked and in time.

    Args:
        unpacked: bytes, of all its members together.
        spend: called again and again; raises `NotOpened` where too much time has gone by.
    """

    def __init__(self, unpacked: int, spend: Callable[[], None] = lambda: None) -> None:
        self._limit = self._left = unpacked
        self.spend = spend

    def take(self, n: int) -> None:
        """Take note of bytes that were unpacked.

        Raises:
            NotOpened: they are too many.
        """
        self.spend()
        self._left -= n
        if self._left < 0:
            raise NotOpened(f"it unpacks to more than {self._limit:,} bytes")


def inflated(data: bytes, budget: Budget, damaged: str, wbits: int = zlib.MAX_WBITS) -> Iterator[bytes]:
    """Unpack Deflate to its end, which its checksum stands at, a piece at a time.

    Args:
        data: all of it.
        budget: the most that it may take.
        damaged: how the sentence begins that says it is damaged.
        wbits: as `inflater` has it.

    Raises:
        ValueError: it is damaged, or ends early.
        NotOpened: it takes more.
    """
    unpacker = inflater(wbits)
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(data, _PIECE)
            budget.take(len(piece))
            data = unpacker.unconsumed_tail
            if not (piece or data or unpacker.eof):
                raise ValueError(f"{damaged}: it has no end")
            yield piece
    except INFLATE_ERRORS as error:
        raise ValueError(f"{damaged}: {error}") from None


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's, with the face of the others. It compares checksum and length of the member."""

    def __init__(self) -> None:
        self._zlib = inflater(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        unpacked = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(unpacked) < max_length
        return unpacked


def decompressor(packing: str) -> _Decompressor:
    """The decompressor of one member of ``gzip``, ``bzip2``, ``xz`` or ``zstd``; it compares checksums."""
    match packing:
        case "gzip":
            return _Gzip()
        case "bzip2":
            return cast("_Decompressor", bz2.BZ2Decompressor())
        case "xz":
            return cast(
                "_Decompressor", lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)
            )
        case _:
            return cast("_Decompressor", importlib.import_module(MODULES[packing]).ZstdDecompressor())


class Unpacked(io.RawIOBase):
    """The content of a file that is packed as a whole; a read backwards starts again from the beginning.

    At the end all that the format says about it has been compared: each member's checksum and length, that
    nothing else is behind the last, and of BGZF its end block. What is wrong raises `ValueError`.

    Args:
        packing: ``gzip``, ``bzip2``, ``xz`` or ``zstd``.
        file: binary and seekable.
        size: of the file, in bytes.
        budget: of the bytes that come out.
    """

    def __init__(self, packing: str, file: BinaryIO, size: int, budget: Budget) -> None:
        self._packing = packing
        self._file = file
        self._packed_size = size
        self._budget = budget
        self._furthest = 0
        self._wrong: ValueError | None = None
        self.size: int | None = None
        """Bytes, once the end was reached."""
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._at = 0  # in what is unpacked
        self._read = 0  # of what is packed
        self._n = 0  # members that have begun
        self._buffer = b""
        self._inner: _Decompressor | None = None
        self._ended = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """Backwards too, slowly."""
        return True

    def tell(self) -> int:
        """Where it is in what is unpacked."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere, by unpacking what lies between."""
        if whence == io.SEEK_END:
            if self.size is None:
                self.read_on()
            assert self.size is not None
            offset += self.size
        elif whence == io.SEEK_CUR:
            offset += self._at
        if offset < self._at:
            self._begin()
        while self._at < offset and self._next(min(_PIECE, offset - self._at)):
            pass
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        """Unpack the next bytes."""
        piece = self._next(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def read_on(self) -> int:
        """Read to the end, and say how many bytes there are in all."""
        while self._next(_PIECE):
            pass
        return self._at

    def _more(self) -> bytes:
        data = self._file.read(_PIECE)
        self._read += len(data)
        return data

    def _next(self, n: int) -> bytes:
        if self._wrong is not None:  # said once more to whoever reads on
            raise self._wrong
        try:
            return self._unpack(n) if n else b""
        except ValueError as error:
            self._wrong = error
            raise

    def _unpack(self, n: int) -> bytes:
        while not self._ended:
            if self._inner is None and not self._next_member():
                break
            assert self._inner is not None
            if self._inner.needs_input and not self._buffer:
                self._buffer = self._more()
                if not self._buffer:
                    raise ValueError(f"it is cut: member {self._n:,} has no end")
            data, self._buffer = self._buffer, b""
            try:
                piece = self._inner.decompress(data, min(n, _PIECE))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 — each library has its own
                raise self._damaged(error) from None
            if self._inner.eof:
                self._buffer, self._inner = self._inner.unused_data, None
            if piece:
                self._at += len(piece)
                self._budget.take(max(0, self._at - self._furthest))  # what is read again costs time alone
                self._furthest = max(self._furthest, self._at)
                return piece
            self._budget.spend()
        self._ended = True
        self.size = self._at
        return b""

    def _damaged(self, error: Exception) -> Exception:
        reason = str(error)
        if "emory usage limit" in reason or "too much memory" in reason:
            return NotOpened(f"unpacking it takes too much memory: {reason}")
        return ValueError(f"member {self._n:,} is damaged, before byte {self._read:,} of the file: {reason}")

    def _next_member(self) -> bool:
        """Begin the next member; False where the file is at its end, as it should be."""
        self._buffer = self._buffer or self._more()
        padding = 0
        if self._n and self._packing in ("gzip", "xz"):  # zeros may follow, such as a tape's
            while self._buffer and not self._buffer[0]:
                rest = self._buffer.lstrip(b"\0")
                padding += len(self._buffer) - len(rest)
                self._buffer = rest or self._more()
            if self._packing == "xz" and padding % 4:
                raise ValueError("zeros behind its end are no multiple of four")
        if len(self._buffer) < 8:
            self._buffer += self._more()
        if not self._buffer:
            if not self._n:
                raise ValueError("it is empty")
            self._check_end()
            return False
        if not self._begins(self._buffer):
            if not self._n:
                raise ValueError(f"it does not begin as {self._packing} does")
            raise ValueError(f"what follows its member {self._n:,} is no {self._packing}")
        self._n += 1
        self._inner = decompressor(self._packing)
        return True

    def _begins(self, data: bytes) -> bool:
        if self._packing == "zstd":
            return _ZSTD_MAGIC.match(data) is not None
        return data.startswith(_MAGIC[self._packing])

    def _check_end(self) -> None:
        if self._packing != "gzip":
            return
        self._file.seek(0)
        if not is_bgzf(self._file.read(18)):
            return
        self._file.seek(max(0, self._packed_size - len(BGZF_END)))
        if self._file.read(len(BGZF_END)) != BGZF_END:
            raise ValueError("it is cut: BGZF's block that ends a file is missing")


def is_bgzf(head: bytes) -> bool:
    """Whether a gzip file begins with a block of BGZF: a member whose extra field has BC first."""
    return len(head) >= 18 and head[:4] == b"\x1f\x8b\x08\x04" and head[12:16] == b"BC\x02\0"


class Member:
    """A file in an archive, to be read while it is given.

    Attributes:
        name: as it is spelled there; from somebody else.
        size: bytes, unpacked.
        file: its content, from its start to its end.
    """

    def __init__(self, name: str, size: int, file: io.BufferedReader[Any]) -> None:
        self.name, self.size, self.file = name, size, file

    def __str__(self) -> str:
        return f"member {for_log(self.name, _MAX_NAME)!r}"


class _Counted(io.RawIOBase):
    """The content of an archive's member, counted."""

    def __init__(self, read: Callable[[int], bytes], budget: Budget) -> None:
        self._take, self._budget = read, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 — whatever has a buffer
        piece = self._take(min(len(buffer), _PIECE))
        self._budget.take(len(piece))
        buffer[: len(piece)] = piece
        return len(piece)


def zip_members(file: BinaryIO, size: int, budget: Budget) -> Iterator[Member]:
    """The members of a ZIP file. Whoever takes one reads it to its end, or it is read here.

    Raises:
        ValueError: it is cut or damaged.
        NotOpened: it is encrypted, or packed in a way that is not known here.
    """
    file.seek(0)
    if file.read(len(_OLE)) == _OLE:
        raise NotOpened("it is encrypted")
    declared = _check_zip_end(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            file.seek(0)
            if not archive.infolist() and file.read(4) == _MEMBER:  # zeros at its end say so, too
                raise ValueError("its directory names none of the files that are in it")
            named = len(archive.infolist())
            if named != declared:  # written without ZIP64, the number begins again at 0 behind 65,535
                raise ValueError(
                    f"its directory names {named:,} files, the record at its end {declared:,}, and most "
                    "programs read that many: pack it with one that writes ZIP64"
                )
            # An office document (OpenDocument) or a book (EPUB): https://www.w3.org/TR/epub-33/#sec-ocf
            is_package = [info.filename for info in archive.infolist()[:1]] == ["mimetype"]
            is_encrypted = is_package and _holds_encrypted(archive)
            for info in archive.infolist():
                budget.spend()
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise NotOpened("it is encrypted")
                with archive.open(info) as opened:
                    counted = io.BufferedReader(_Counted(opened.read, budget), _PIECE)
                    member = Member(info.filename, info.file_size, counted)
                    # What is empty in a package was left so by its program.
                    if not is_encrypted and (info.file_size or not is_package):
                        yield member
                    while counted.read(_PIECE):
                        pass
            if is_encrypted:
                raise NotOpened("what is in it is encrypted")
    except NotImplementedError as error:
        raise NotOpened(str(error)) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise ValueError(str(error) or "it is cut") from None
    except OSError as error:
        if type(error) is not OSError:
            raise
        raise ValueError(str(error)) from None  # bz2's word for damage


def _holds_encrypted(package: zipfile.ZipFile) -> bool:
    """Whether files in a package are encrypted by their program, so that they are not what their names say.

    https://docs.oasis-open.org/office/OpenDocument/v1.3/part2-packages, 4.8.1
    """
    names = package.namelist()
    if "META-INF/encryption.xml" in names:
        return True
    if "META-INF/manifest.xml" not in names or package.getinfo("META-INF/manifest.xml").flag_bits & 1:
        return False
    with package.open("META-INF/manifest.xml") as manifest:
        return b":encryption-data" in manifest.read(_MAX_PAX)


def _check_zip_end(file: BinaryIO, size: int) -> int:
    """The number of files in the record that ends it (APPNOTE, 4.3.16), which is there, and is the end."""
    start = max(0, size - 22 - 0xFFFF)
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise ValueError("it is cut: the directory at its end is missing" if size else "it is empty")
    number = int.from_bytes(tail[at + 4 : at + 6], "little")
    if number not in (0, 0xFFFF):
        raise NotOpened("it is the last of several files that make one archive")
    declared = int.from_bytes(tail[at + 10 : at + 12], "little")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    comment = int.from_bytes(tail[at + 20 : at + 22], "little")
    behind = len(tail) - at - 22 - comment
    # A line break that an editor has added, or zeros that fill up, keep nobody from reading it.
    if behind < 0 or tail[at + 22 + comment :].strip(b"\0\r\n"):
        raise ValueError(
            f"{behind:,} bytes stand behind its end"
            if behind > 0
            else f"it is cut: {-behind:,} bytes are missing"
        )
    wide = tail.rfind(b"PK\6\6", 0, at)  # ZIP64, 4.3.14
    if directory == 0xFFFFFFFF and wide >= 0:
        directory = int.from_bytes(tail[wide + 40 : wide + 48], "little")
    if declared == 0xFFFF and wide >= 0:
        declared = int.from_bytes(tail[wide + 32 : wide + 40], "little")
    if directory > _MAX_DIRECTORY:
        raise NotOpened(f"its directory has more than {_MAX_DIRECTORY:,} bytes")
    return declared


def tar_members(stream: BinaryIO, budget: Budget) -> Iterator[Member]:
    """The files in a tar archive, which is read from its start to its end.

    Python's tarfile ends without a word where a header in the middle is damaged, or the archive is cut
    between two members; so the headers are read here.

    Raises:
        ValueError: it is cut or damaged.
    """
    name, declared_size, sparse, n = "", None, False, 0
    while True:
        budget.spend()
        header = _exactly(stream, 512, "it is cut: the blocks of zeros that end it are missing")
        if not header.strip(b"\0"):
            break
        n += 1
        _check_tar_sum(header, n)
        size = _tar_number(header[124:136])
        kind = header[156:157]
        if kind in b"xgLK":  # what follows says more of the next one
            if size > _MAX_PAX:
                raise NotOpened(f"header {n:,} has more than {_MAX_PAX:,} bytes")
            body = _exactly(stream, size, f"it is cut in header {n:,}")
            _exactly(stream, -size % 512, f"it is cut in header {n:,}")
            if kind == b"L":
                name = body.rstrip(b"\0").decode("utf-8", "replace")
            elif kind == b"x":
                fields = dict(_pax(body))
                name = fields.get("path", name)
                # GNU tar's manual, "Sparse Formats".
                sparse = any(key.startswith("GNU.sparse.") for key in fields)
                declared_size = int(fields["size"]) if fields.get("size", "").isdecimal() else None
            continue
        size = size if declared_size is None else declared_size
        if kind in b"123456":  # links, devices and folders have no content, whatever their headers say
            size = 0
        more = kind == b"S" and header[482]  # GNU's sparse files: where their holes are
        while more:
            budget.spend()
            more = _exactly(stream, 512, f"it is cut in header {n:,}")[504]
        content = _Content(stream, size, n)
        file = io.BufferedReader(_Counted(content.read, Budget(size + 1, budget.spend)), _PIECE)
        if kind in b"\x0007" and size and not sparse:  # of a sparse file no content stands there as it is
            yield Member(name or _tar_name(header), size, file)
        while file.read(_PIECE):
            pass
        _exactly(stream, -size % 512, f"it is cut behind member {n:,}")
        name, declared_size, sparse = "", None, False
    _exactly(stream, 512, "it is cut: of the blocks of zeros that end it one is missing")
    while piece := stream.read(_PIECE):
        budget.spend()
        if piece.strip(b"\0"):
            raise ValueError("data stand behind its end")


class _Content:
    """The bytes of one member, as they stand in the archive."""

    def __init__(self, stream: BinaryIO, size: int, number: int) -> None:
        self._stream, self._left, self._number = stream, size, number

    def read(self, n: int) -> bytes:
        piece = self._stream.read(min(n, self._left)) if self._left else b""
        if self._left and not piece:
            raise ValueError(f"it is cut in member {self._number:,}")
        self._left -= len(piece)
        return piece


def _tar_name(header: bytes) -> str:
    parts = [header[345:500], header[:100]] if header[257:263] == b"ustar\0" else [header[:100]]
    texts = (part.split(b"\0")[0].decode("utf-8", "replace") for part in parts)
    return "/".join(filter(None, texts))


def _exactly(stream: BinaryIO, n: int, otherwise: str) -> bytes:
    data = b""
    while len(data) < n and (piece := stream.read(n - len(data))):
        data += piece
    if len(data) < n:
        raise ValueError(otherwise)
    return data


def _check_tar_sum(header: bytes, n: int) -> None:
    declared = _tar_number(header[148:156])
    rest = header[:148] + b" " * 8 + header[156:]
    # Some old ones have added up signed bytes.
    if declared not in (sum(rest), sum(byte - 256 * (byte > 127) for byte in rest)):
        raise ValueError("it does not begin as tar does" if n == 1 else f"header {n:,} is damaged")


def _tar_number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's, of large files
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.strip(b" \0")
    if text.strip(b"01234567"):
        raise ValueError("it is no tar archive, or a header of it is damaged")
    return int(text or b"0", 8)


def _pax(records: bytes) -> Iterator[tuple[str, str]]:
    """The records of an extended header: ``length key=value`` and a newline."""
    while records.strip(b"\0"):
        length, _, _ = records.partition(b" ")
        if not length.isdigit() or not len(length) + 1 < int(length) <= len(records):
            raise ValueError("an extended header is damaged")
        key, _, value = records[len(length) + 1 : int(length) - 1].partition(b"=")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        records = records[int(length) :]
