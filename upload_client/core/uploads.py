"""Uploads: what was written for each file, as one value and as a table of millions; verdicts in columns."""

from __future__ import annotations

import re
import struct
from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from upload_client.core.columns import (
    CategoryColumn,
    ChecksumColumn,
    DigestColumn,
    Shared,
    TextColumn,
    TimeColumn,
)
from upload_client.core.opened import opened_as_written
from upload_client.core.values import value

T = TypeVar("T")

# Nine digits keep a hostile number within 32 bits; no leading zero gives each upload one spelling.
_UPLOAD_ID: Final = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})")


@value
class Upload:
    """One object written for a file, as it was announced in the client log.

    Attributes:
        epoch: epoch of the client that wrote it.
        n: its number within that epoch.
        size: bytes.
        crc32: CRC32 of the whole object, base64 of its 4 big-endian bytes.
        etag: the object's ETag, without quotes.
        version_id: the object's version, where the bucket keeps versions.
        mtime_ns: modification time of the local file it was read from, nanoseconds since 1970.
        source_etag: ETag of the object it was copied from, without quotes.
        source_version: version of that object.
        sha256: SHA-256 of the content, hex, where it was computed in the reading that made the CRC32.
    """

    epoch: int
    n: int
    size: int
    crc32: str
    etag: str
    version_id: str | None = None
    mtime_ns: int | None = None
    source_etag: str | None = None
    source_version: str | None = None
    sha256: str | None = None

    @property
    def id(self) -> str:
        """The identity `{epoch}-{n}`, repeated when the upload is announced again."""
        return f"{self.epoch}-{self.n}"


def parse_upload_id(text: str) -> tuple[int, int]:
    """Epoch and number in an upload's identity, such as `3-17`.

    Raises:
        ValueError: not an identity, or one with numbers of more than nine digits.
    """
    match = _UPLOAD_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not an upload: {text[:40]!r}")
    return int(match[1]), int(match[2])


def kept_mtime(mtime_ns: int) -> int | None:
    """The modification time of a file as a record may hold it; None beyond 64 bits: after the year 2262."""
    return mtime_ns if abs(mtime_ns) < 2**63 else None


_TICK_NS: Final = 50_000_000  # of the clocks by which file systems tell times of modification, and more
_COARSE_TICK_NS: Final = 2_000_000_000  # where these have whole seconds, as on FAT


def settled_mtime(mtime_ns: int, seen_ns: int) -> int | None:
    """The modification time by which a file is known again that was read and has not changed since.

    None where it was modified so shortly before that it may be modified again at what is the same time to its
    file system: then only its content tells. The same as of an index in git:
    https://git-scm.com/docs/racy-git

    Args:
        mtime_ns: its modification time when it was seen to be unchanged, nanoseconds since 1970.
        seen_ns: when that was.
    """
    tick = _TICK_NS if mtime_ns % 1_000_000_000 else _COARSE_TICK_NS
    return kept_mtime(mtime_ns) if seen_ns - mtime_ns >= tick else None


def is_unchanged(before: tuple[int, ...], now: tuple[int, ...], *, is_touched: bool) -> bool | None:
    """Whether a file is what it was before; None where only its content tells.

    Args:
        before: size, modification time and what else it was known by.
        now: the same, later.
        is_touched: its inode has changed since (``ctime``): it was given other permissions or another link,
            or it was modified and its time set back.
    """
    if now != before:
        return False
    return None if is_touched else True


_AT_ONCE: Final = 4096  # rows that are looked at together
_NO_UPLOAD: Final = (-1, -1)
# An upload in 64 bytes: epoch, number, size, mtime, CRC32, and two ETags, each as MD5 and number of parts.
_PACKED: Final = struct.Struct("=iiqq4s16sH16sH")
_BRIEF: Final = struct.Struct("=i4xq8x4s16sH18x")
_IDENTITY: Final = struct.Struct("=ii")
_EPOCHS: Final = struct.Struct(f"=i{_PACKED.size - 4}x")
_PARTS: Final = struct.Struct(f"=44xH{_PACKED.size - 46}x")
_NO_MTIME: Final = -(2**63)  # no record holds that number: they are symmetric around 0
_MAX_PARTS: Final = 10_000  # of a multipart upload
_UNUSUAL: Final = 0xFFFE  # in place of the parts: the ETag is kept as text
_NO_ETAG: Final = 0xFFFF
_EMPTY_ROW: Final = _PACKED.pack(*_NO_UPLOAD, 0, _NO_MTIME, b"", b"", _NO_ETAG, b"", _NO_ETAG)


@dataclass(frozen=True)
class OkVerdicts:
    """Verdicts as nearly all files get one: `ok`, and an ETag of 32 hexadecimal digits, in columns.

    They are texts as they stood in the log, which `core.record_decoding` has checked. No file has two.

    Attributes:
        at: when each was judged, UTC with milliseconds.
        paths: the files.
        uploads: identities of the uploads judged.
        asks: which announcement of it each one answers.
        sizes: bytes found.
        crc32s: CRC32s found.
        etags: ETags found.
        checks: what was checked, as JSON without the brackets.
    """

    at: Sequence[str] = ()
    paths: Sequence[str] = ()
    uploads: Sequence[str] = ()
    asks: Sequence[str] = ()
    sizes: Sequence[str] = ()
    crc32s: Sequence[str] = ()
    etags: Sequence[str] = ()
    checks: Sequence[str] = ()

    @cached_property
    def opened(self) -> list[str | None]:
        """How each file was judged, see `upload_client.core.opened`."""
        known = {checks: opened_as_written(checks) for checks in set(self.checks)}
        return [known[checks] for checks in self.checks]

    @cached_property
    def numbers(self) -> tuple[list[int], list[int], bytes, bytes]:
        """Epochs and numbers in turns; sizes; CRC32s, the first 4 of each 6 bytes; ETags, 16 bytes each."""
        return (
            _identities(self.uploads),
            list(map(int, self.sizes)),
            a2b_base64("".join(self.crc32s).replace("==", "AA")),
            bytes.fromhex("".join(self.etags)),
        )


NO_VERDICTS: Final = OkVerdicts()


@dataclass(frozen=True)
class Announcements:
    """Announcements as nearly all files get one: of no copy, an ETag of 32 hexadecimal digits; in columns.

    They are texts as they stood in the log, which `core.record_decoding` has checked. No file has two.

    Attributes:
        at: when each was announced, UTC with milliseconds.
        paths: the files.
        uploads: identities of the uploads.
        asks: how often each was announced again.
        sizes: bytes.
        crc32s: CRC32s of the content.
        etags: ETags of the objects.
        versions: versions of the objects, or None.
        mtimes: modification times of the files, nanoseconds since 1970, or None.
        sha256s: SHA-256 of the content, hex, or None.
    """

    at: Sequence[str] = ()
    paths: Sequence[str] = ()
    uploads: Sequence[str] = ()
    asks: Sequence[str] = ()
    sizes: Sequence[str] = ()
    crc32s: Sequence[str] = ()
    etags: Sequence[str] = ()
    versions: Sequence[str | None] = ()
    mtimes: Sequence[str | None] = ()
    sha256s: Sequence[str | None] = ()

    @cached_property
    def identities(self) -> list[int]:
        """Epochs and numbers in turns."""
        return _identities(self.uploads)


NO_ANNOUNCEMENTS: Final = Announcements()


def _identities(uploads: Sequence[str]) -> list[int]:
    """Epochs and numbers of uploads, in turns."""
    return list(map(int, ",".join(uploads).replace("-", ",").split(",")))


def without(values: Sequence[T], left: Sequence[int]) -> Sequence[T]:
    """The values at all other places than these."""
    if not left:
        return values
    places = set(left)
    return [value for i, value in enumerate(values) if i not in places]


class UploadTable(Shared):
    """An upload, or none, for each row: 64 bytes a row, and what is rare beside that."""

    __slots__ = _HELD = ("_etags", "_rows", "_sha256s", "_source_etags", "_source_versions", "_versions")

    def __init__(self, n_rows: int = 0) -> None:
        self._sharers = [1]
        self._rows = bytearray()
        self._etags = TextColumn()
        self._versions = TextColumn()
        self._source_etags = TextColumn()
        self._source_versions = TextColumn()
        self._sha256s = DigestColumn()
        self.extend(n_rows)

    def extend(self, n_rows: int) -> None:
        """Add rows without an upload."""
        self._own()
        if self._rows:
            self._rows.extend(_EMPTY_ROW * n_rows)
        else:
            self._rows = bytearray(_EMPTY_ROW) * n_rows  # 64 MB for a million, without making them twice

    def identity(self, row: int) -> tuple[int, int]:
        """Epoch and number of the row's upload; (-1, -1), which is below all others, where there is none."""
        epoch, n = _IDENTITY.unpack_from(self._rows, row * _PACKED.size)
        return epoch, n

    def epochs(self, n_rows: int) -> list[int]:
        """Epoch of the upload of each of the first rows; -1 where there is none."""
        packed = memoryview(self._rows)[: n_rows * _PACKED.size]
        return [epoch for (epoch,) in _EPOCHS.iter_unpack(packed)]

    def epoch_and_size(self, row: int) -> tuple[int, int]:
        """Epoch and bytes of the row's upload; -1 and 0 where there is none."""
        epoch, _, size, *_ = _PACKED.unpack_from(self._rows, row * _PACKED.size)
        return (epoch, size) if epoch >= 0 else (-1, 0)

    def announces(self, row: int, upload_id: str, size: int, crc32: str | None, etag: str) -> bool:
        """Whether the row's upload is the one named, and of that size, content and ETag."""
        epoch, n, own_size, _, own_crc32, md5, parts, _, _ = _PACKED.unpack_from(
            self._rows, row * _PACKED.size
        )
        return (
            upload_id == f"{epoch}-{n}"
            and size == own_size
            and crc32 == _crc32_text(own_crc32)
            and etag == (_etag_text(md5, parts) or self._etags[row])
        )

    def announce(self, rows: Sequence[int], oks: OkVerdicts) -> list[bool]:
        """For each of the rows whether `announces` is true of it and the verdict at its place."""
        if not rows:
            return []
        packed, size = self._taken(rows), _PACKED.size
        identities, sizes, crc32s, md5s = oks.numbers
        # Nearly always it is true of all of them: compare field by field, each at its place in `_PACKED`.
        with memoryview(packed) as fields:
            of_32_bits, of_64_bits = fields.cast("i"), fields.cast("q")
            if (
                of_32_bits[0 :: size // 4].tolist() == identities[0::2]
                and of_32_bits[1 :: size // 4].tolist() == identities[1::2]
                and of_64_bits[1 :: size // 8].tolist() == sizes
                and all(packed[24 + i :: size] == crc32s[i::6] for i in range(4))
                and all(packed[28 + i :: size] == md5s[i::16] for i in range(16))
                and not any(packed[44::size])
                and not any(packed[45::size])
            ):
                return [True] * len(rows)
        each = zip(rows, oks.uploads, sizes, oks.crc32s, oks.etags, strict=True)
        return [self.announces(*one) for one in each]

    def _taken(self, rows: Sequence[int]) -> bytes:
        """The rows as bytes, one after the other."""
        size, first, n = _PACKED.size, rows[0] if rows else 0, len(rows)
        if rows and rows[-1] - first == n - 1 and list(rows) == list(range(first, first + n)):  # as most come
            return bytes(self._rows[size * first : size * (first + n)])
        with memoryview(self._rows) as held:
            return b"".join([held[size * row : size * row + size] for row in rows])

    def are_empty(self, rows: Sequence[int]) -> bool:
        """Whether none of the rows, of which there is one at least, has an upload."""
        return all(epoch < 0 for (epoch,) in _EPOCHS.iter_unpack(self._taken(rows)))

    def are_there(self, rows: Sequence[int]) -> bool:
        """Whether each of the rows has an upload."""
        return _are_there(self._taken(rows))

    def fill(self, rows: Sequence[int], sent: Announcements) -> None:
        """Set rows that have no upload, each to the one at its place."""
        self._own()
        size, n = _PACKED.size, len(rows)
        crc32s = a2b_base64("".join(sent.crc32s).replace("==", "AA"))  # the first 4 of each 6 bytes
        md5s = bytes.fromhex("".join(sent.etags))
        packed = bytearray(_EMPTY_ROW) * n
        with (  # field by field, each at its place in `_PACKED`
            memoryview(packed) as fields,
            fields.cast("i") as of_32_bits,
            fields.cast("q") as of_64_bits,
        ):
            of_32_bits[0 :: size // 4] = array("i", sent.identities[0::2])
            of_32_bits[1 :: size // 4] = array("i", sent.identities[1::2])
            of_64_bits[1 :: size // 8] = array("q", map(int, sent.sizes))
            of_64_bits[2 :: size // 8] = array(
                "q", [_NO_MTIME if mtime is None else int(mtime) for mtime in sent.mtimes]
            )
        for i in range(4):
            packed[24 + i :: size] = crc32s[i::6]
        for i in range(16):
            packed[28 + i :: size] = md5s[i::16]
        packed[44::size] = packed[45::size] = bytes(n)  # not in parts
        if isinstance(rows, range):
            self._rows[size * rows.start : size * rows.stop] = packed
        else:
            for at, row in enumerate(rows):
                self._rows[size * row : size * (row + 1)] = packed[size * at : size * (at + 1)]
        for column, values in ((self._versions, sent.versions), (self._sha256s, sent.sha256s)):
            for row, text in zip(rows, values, strict=True) if any(values) else ():
                column[row] = text

    def lies(self, row: int, size: int, etag: str) -> bool:
        """Whether an object of that size and ETag is what the row's upload has left."""
        epoch, own_size, _, md5, parts = _BRIEF.unpack_from(self._rows, row * _PACKED.size)
        return bool(
            epoch >= 0 and size == own_size and etag == (_etag_text(md5, parts) or self._etags[row] or "")
        )

    def lie(self, rows: Sequence[int], sizes: Sequence[int], etags: Sequence[str]) -> list[bool]:
        """For each of the rows whether `lies` is true of it and the object at its place."""
        packed = self._taken(rows)
        if _have_etags(packed, etags) and _numbers(packed, 1) == list(sizes) and _are_there(packed):
            return [True] * len(rows)
        return list(map(self.lies, rows, sizes, etags))

    def have_etags(self, rows: Sequence[int], etags: Sequence[str]) -> list[bool]:
        """For each of the rows whether it has an upload, and that has the ETag at its place."""
        packed = self._taken(rows)
        if _have_etags(packed, etags) and _are_there(packed):
            return [True] * len(rows)
        briefs = map(self.brief, rows)
        return [brief is not None and brief[2] == etag for brief, etag in zip(briefs, etags, strict=True)]

    def are_unchanged(
        self,
        rows: Sequence[int],
        sizes: Sequence[int],
        etags: Sequence[str],
        mtimes_ns: Sequence[int | None],
        crc32s: ChecksumColumn,
    ) -> list[bool]:
        """For each of the rows, all of which have an upload, whether `is_unchanged` is true of it.

        Args:
            rows: the rows.
            sizes: as of `is_unchanged`, each at its place, as are the following.
            etags: of the objects.
            mtimes_ns: of the files.
            crc32s: of the content, where they are known; of any row.
        """
        packed, size = self._taken(rows), _PACKED.size
        if (
            _have_etags(packed, etags)
            and _numbers(packed, 1) == list(sizes)
            and _numbers(packed, 2) == list(mtimes_ns)
            and crc32s.agree(rows, [packed[24 + i :: size] for i in range(4)])
        ):
            return [True] * len(rows)
        known = map(crc32s.__getitem__, rows)
        return list(map(self.is_unchanged, rows, sizes, etags, mtimes_ns, known))

    def n_bytes(self, n_rows: int) -> int:
        """Bytes of all uploads of the first rows."""
        size = _PACKED.size
        found = 0
        for start in range(0, n_rows, _AT_ONCE):
            packed = self._rows[size * start : size * min(start + _AT_ONCE, n_rows)]
            found += sum(n for epoch, n, *_ in _BRIEF.iter_unpack(packed) if epoch >= 0)
        return found

    def is_unchanged(self, row: int, size: int, etag: str, mtime_ns: int | None, crc32: str | None) -> bool:
        """Whether the row's upload has this size and ETag, and was read from a file of this time.

        Args:
            row: the row.
            size: bytes, of object and file.
            etag: of the object, without quotes.
            mtime_ns: of the file; None: not known, and so not the same.
            crc32: of the content; None: not known, and so no other.
        """
        _, _, own_size, own_mtime_ns, own_crc32, md5, parts, _, _ = _PACKED.unpack_from(
            self._rows, row * _PACKED.size
        )
        return (
            size == own_size
            and mtime_ns == own_mtime_ns
            and etag == (_etag_text(md5, parts) or self._etags[row])
            and (crc32 is None or crc32 == _crc32_text(own_crc32))
        )

    def brief(self, row: int) -> tuple[int, str, str] | None:
        """Size, CRC32 and ETag of the row's upload; None where there is none."""
        epoch, _, size, _, crc32, md5, parts, _, _ = _PACKED.unpack_from(self._rows, row * _PACKED.size)
        if epoch < 0:
            return None
        return size, _crc32_text(crc32), _etag_text(md5, parts) or self._etags[row] or ""

    def columns(self, rows: Sequence[int]) -> tuple[Sequence[Any], ...]:
        """Identities, bytes, CRC32s, ETags, versions and SHA-256s of the uploads of rows that have one."""
        packed, size, n = self._taken(rows), _PACKED.size, len(rows)
        with (
            memoryview(packed) as fields,
            fields.cast("i") as of_32_bits,
            fields.cast("q") as of_64_bits,
        ):
            epochs, numbers = of_32_bits[0 :: size // 4].tolist(), of_32_bits[1 :: size // 4].tolist()
            sizes = of_64_bits[1 :: size // 8].tolist()
        six, md5s = (
            bytearray(6 * n),
            bytearray(16 * n),
        )  # base64 of 6 bytes has 8 digits, the last two are "=="
        for i in range(4):
            six[i::6] = packed[24 + i :: size]
        for i in range(16):
            md5s[i::16] = packed[28 + i :: size]
        digits, hexadecimal = b2a_base64(six, newline=False).decode("ascii"), md5s.hex()
        crc32s = [f"{digits[at : at + 6]}==" for at in range(0, 8 * n, 8)]
        etags = [hexadecimal[at : at + 32] for at in range(0, 32 * n, 32)]
        if any(packed[44::size]) or any(packed[45::size]):
            for at, (parts,) in enumerate(_PARTS.iter_unpack(packed)):
                if parts:
                    md5 = packed[size * at + 28 : size * at + 44]
                    etags[at] = _etag_text(md5, parts) or self._etags[rows[at]] or ""
        uploads = [f"{epoch}-{number}" for epoch, number in zip(epochs, numbers, strict=True)]
        return uploads, sizes, crc32s, etags, self._versions.taken(rows), self._sha256s.taken(rows)

    def enter(
        self,
        start: int,
        wanted: Sequence[object],
        sizes: MutableSequence[int | None],
        crc32s: MutableSequence[str | None],
        etags: MutableSequence[str | None],
    ) -> None:
        """Write into columns what the uploads of some rows say.

        Args:
            start: the first of the rows.
            wanted: whether to write anything, for each of them.
            sizes: where the size goes.
            crc32s: where the CRC32 goes, if there is none.
            etags: where the ETag goes.
        """
        packed = self._rows[_PACKED.size * start : _PACKED.size * (start + len(wanted))]
        for i, (epoch, size, crc32, md5, parts) in enumerate(_BRIEF.iter_unpack(packed)):
            if epoch >= 0 and wanted[i]:
                sizes[i] = size
                etags[i] = md5.hex() if parts == 0 else _etag_text(md5, parts) or self._etags[start + i] or ""
                if crc32s[i] is None:
                    crc32s[i] = _crc32_text(crc32)

    PACKED: ClassVar[tuple[str, ...]] = (
        "uploads",
        "etags",
        "versions",
        "source_etags",
        "source_versions",
        "sha256s",
    )

    def packed(self, n_rows: int) -> dict[str, bytes | memoryview]:
        """The first rows as bytes, in native byte order; while they are held, no rows can be added."""
        return {
            "uploads": memoryview(self._rows)[: n_rows * _PACKED.size],
            "etags": self._etags.packed(),
            "versions": self._versions.packed(),
            "source_etags": self._source_etags.packed(),
            "source_versions": self._source_versions.packed(),
            "sha256s": self._sha256s.packed(),
        }

    def unpack(self, n_rows: int, columns: Mapping[str, Any]) -> int:
        """Become what `packed` gave. A bytearray of uploads is kept, not copied.

        Returns:
            How many rows have an upload.

        Raises:
            ValueError: that is no such table.
        """
        if len(columns["uploads"]) != n_rows * _PACKED.size:
            raise ValueError("a table of another length")
        self._own()
        rows = columns["uploads"]
        self._rows = rows if isinstance(rows, bytearray) else bytearray(rows)
        for name in self.PACKED[1:]:
            getattr(self, f"_{name}").unpack(n_rows, columns[name])
        return sum(epoch >= 0 for (epoch,) in _EPOCHS.iter_unpack(self._rows))

    def copy(self, row: int, other: UploadTable, other_row: int) -> None:
        """Set a row to what another table holds."""
        self._own()
        size = _PACKED.size
        self._rows[row * size : (row + 1) * size] = other._rows[other_row * size : (other_row + 1) * size]
        self._etags[row] = other._etags[other_row]
        self._versions[row] = other._versions[other_row]
        self._source_etags[row] = other._source_etags[other_row]
        self._source_versions[row] = other._source_versions[other_row]
        self._sha256s[row] = other._sha256s[other_row]

    def __getitem__(self, row: int) -> Upload | None:
        epoch, n, size, mtime_ns, crc32, md5, parts, source_md5, source_parts = _PACKED.unpack_from(
            self._rows, row * _PACKED.size
        )
        if epoch < 0:
            return None
        return Upload(
            epoch,
            n,
            size,
            _crc32_text(crc32),
            _etag_text(md5, parts) or self._etags[row] or "",
            self._versions[row],
            None if mtime_ns == _NO_MTIME else mtime_ns,
            None
            if source_parts == _NO_ETAG
            else _etag_text(source_md5, source_parts) or self._source_etags[row],
            self._source_versions[row],
            self._sha256s[row],
        )

    def __setitem__(self, row: int, upload: Upload | None) -> None:
        if self._is_shared:
            if self[row] == upload:
                return
            self._own()
        if upload is None:
            self._rows[row * _PACKED.size : (row + 1) * _PACKED.size] = _EMPTY_ROW
            return
        packed_crc32 = a2b_base64(upload.crc32)
        if len(packed_crc32) != 4:  # struct would cut it, or fill it up
            raise ValueError(f"not a CRC32 in base64: {upload.crc32!r}")
        etag, source_etag = upload.etag, upload.source_etag
        md5, parts = _packed_etag(etag)
        source_md5, source_parts = (b"", _NO_ETAG) if source_etag is None else _packed_etag(source_etag)
        _PACKED.pack_into(
            self._rows,
            row * _PACKED.size,
            upload.epoch,
            upload.n,
            upload.size,
            _NO_MTIME if upload.mtime_ns is None else upload.mtime_ns,
            packed_crc32,
            md5,
            parts,
            source_md5,
            source_parts,
        )
        self._etags[row] = etag if parts == _UNUSUAL else None
        self._versions[row] = upload.version_id
        self._source_etags[row] = source_etag if source_parts == _UNUSUAL else None
        self._source_versions[row] = upload.source_version
        self._sha256s[row] = upload.sha256


class Logged(NamedTuple):
    """The logs' facts about each file, by row; there may be more rows than files that are asked about.

    Attributes:
        uploads: its latest upload.
        transferred_at: when that was first announced.
        judged_at: when it was judged.
        opened: how it was judged, see `upload_client.core.opened`.
    """

    uploads: UploadTable
    transferred_at: TimeColumn
    judged_at: TimeColumn
    opened: CategoryColumn


def _have_etags(packed: bytes, etags: Sequence[str]) -> bool:
    """Whether each row has the ETag at its place, and each ETag is of 32 hexadecimal digits, as most are."""
    size, joined = _PACKED.size, "".join(etags)
    if len(joined) != 32 * len(etags) or any(packed[44::size]) or any(packed[45::size]):
        return False
    try:
        md5s = bytes.fromhex(joined)
    except ValueError:
        return False
    return (
        md5s.hex() == joined
        and {*map(len, etags)} <= {32}
        and all(packed[28 + i :: size] == md5s[i::16] for i in range(16))
    )


def _numbers(packed: bytes, nth: int) -> list[int]:
    """A field of 64 bits of each row: the first of them is epoch and number."""
    with memoryview(packed) as fields, fields.cast("q") as of_64_bits:
        return of_64_bits[nth :: _PACKED.size // 8].tolist()


def _are_there(packed: bytes) -> bool:
    """Whether each row has an upload."""
    with memoryview(packed) as fields, fields.cast("i") as of_32_bits:
        return min(of_32_bits[0 :: _PACKED.size // 4].tolist(), default=0) >= 0


def _crc32_text(crc32: bytes) -> str:
    return b2a_base64(crc32, newline=False).decode("ascii")


def _etag_text(md5: bytes, parts: int) -> str | None:
    if parts == 0:
        return md5.hex()
    return f"{md5.hex()}-{parts}" if parts <= _MAX_PARTS else None


def _packed_etag(etag: str) -> tuple[bytes, int]:
    """MD5 and number of parts (0: not in parts) in an ETag as S3 usually makes them."""
    md5, dash, number = etag[:32], etag[32:33], etag[33:]
    try:
        packed = bytes.fromhex(md5)
        parts = int(number) if dash else 0
    except ValueError:
        return b"", _UNUSUAL
    # What does not come back as it was (upper case, blanks, other lengths) is kept as it is.
    if parts <= _MAX_PARTS and _etag_text(packed, parts) == etag and len(packed) == 16:
        return packed, parts
    return b"", _UNUSUAL
